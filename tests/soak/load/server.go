package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// An API server that knows two namespaces, one pod and any token. What serves
// its sessions is Kubernetes' own: the kubelet's SPDY server, and the
// WebSocket channels of the API server.

const (
	keepTimeout   = 3 * time.Second
	idleTimeout   = 4 * time.Hour
	createTimeout = 30 * time.Second
)

func serve(cert, key string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/selfsubjectreviews",
		answerReview)
	mux.HandleFunc("GET /api/v1/namespaces/{namespace}/pods/{pod}", answerPod)
	mux.HandleFunc("/api/v1/namespaces/{namespace}/pods/{pod}/exec", answerExec)
	server := http.Server{
		Handler: mux,
		// So that a proxy that rests has no connection open.
		IdleTimeout: keepTimeout,
		ErrorLog:    log.New(io.Discard, "", 0), // clients that vanish
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair},
			NextProtos: []string{"http/1.1"}},
	}
	fmt.Println(listener.Addr())
	return server.ServeTLS(listener, "", "")
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that left is no harm
}

func answerFailure(w http.ResponseWriter, code int, reason metav1.StatusReason,
	message string) {
	answer(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason,
		Message: message,
	})
}

// The token is the user's name.
func answerReview(w http.ResponseWriter, r *http.Request) {
	user := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	answer(w, http.StatusCreated, map[string]any{
		"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
		"status": map[string]any{"userInfo": map[string]any{
			"username": user, "uid": user, "groups": []string{"developers"}}},
	})
}

func answerPod(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("pod")
	if name != "web" {
		answerFailure(w, http.StatusNotFound, metav1.StatusReasonNotFound,
			fmt.Sprintf("pods %q not found", name))
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"kind": "Pod", "apiVersion": "v1",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{"containers": []any{
			map[string]any{"name": "shell", "tty": true}}},
	})
}

func answerExec(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("namespace") != "default" {
		answerFailure(w, http.StatusForbidden, metav1.StatusReasonForbidden,
			"pods \"web\" is forbidden")
		return
	}
	if r.PathValue("pod") != "web" {
		answerFailure(w, http.StatusNotFound, metav1.StatusReasonNotFound,
			"pods \"missing\" not found")
		return
	}
	q := r.URL.Query()
	options := remotecommand.Options{Stdin: q.Get("stdin") == "true",
		Stdout: q.Get("stdout") == "true", Stderr: q.Get("stderr") == "true",
		TTY: q.Get("tty") == "true"}
	if wsstream.IsWebSocketRequest(r) {
		serveWebSocket(w, r, options)
		return
	}
	remotecommand.ServeExec(w, r, container{}, "web", "", "shell", q["command"],
		&options, idleTimeout, createTimeout,
		[]string{remotecommand.StreamProtocolV4Name})
}

func channelType(isAskedFor bool, t wsstream.ChannelType) wsstream.ChannelType {
	if isAskedFor {
		return t
	}
	return wsstream.IgnoreChannel
}

// As k8s.io/apiserver/pkg/util/proxy does it, which does not export it.
func serveWebSocket(w http.ResponseWriter, r *http.Request,
	o remotecommand.Options) {
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{
		remotecommand.StreamProtocolV5Name: {Binary: true,
			Channels: []wsstream.ChannelType{
				channelType(o.Stdin, wsstream.ReadChannel),
				channelType(o.Stdout, wsstream.WriteChannel),
				channelType(o.Stderr, wsstream.WriteChannel),
				wsstream.WriteChannel,
				wsstream.ReadChannel,
			}}})
	conn.SetIdleTimeout(idleTimeout)
	_, streams, err := conn.Open(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	// Tells the client that the connection stands.
	if _, err := streams[remotecommand.StreamStdOut].Write(nil); err != nil {
		return
	}
	go func() { _, _ = io.Copy(io.Discard, streams[remotecommand.StreamResize]) }()
	end := container{}.ExecInContainer(r.Context(), "web", "", "shell",
		r.URL.Query()["command"], streams[remotecommand.StreamStdIn],
		streams[remotecommand.StreamStdOut], streams[remotecommand.StreamStdErr],
		o.TTY, nil, 0)
	status, err := json.Marshal(statusOf(end))
	if err == nil {
		// A client that vanished does not hear it.
		_, _ = streams[remotecommand.StreamErr].Write(status)
	}
}

func statusOf(end error) metav1.Status {
	exit, isExit := end.(exitError)
	switch {
	case end == nil:
		return metav1.Status{Status: metav1.StatusSuccess}
	case isExit:
		return metav1.Status{Status: metav1.StatusFailure,
			Reason:  remotecommand.NonZeroExitCodeReason,
			Message: "command terminated with non-zero exit code",
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{
				Type:    remotecommand.ExitCodeCauseType,
				Message: fmt.Sprint(int(exit))}}}}
	}
	return metav1.Status{Status: metav1.StatusFailure,
		Reason: metav1.StatusReasonInternalError, Message: end.Error()}
}
