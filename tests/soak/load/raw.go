package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/websocket"
)

// Clients that client-go cannot be: whose connection breaks off, without a
// word of TLS or WebSocket.

// dial returns the TCP connection beneath as well.
func (t target) dial() (*net.TCPConn, *tls.Conn, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(t.ca)
	conn, err := net.Dial("tcp", t.address())
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	tcp := conn.(*net.TCPConn)
	_ = tcp.SetLinger(0) // Close resets
	secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1",
		NextProtos: []string{"http/1.1"}})
	if err := secure.Handshake(); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return tcp, secure, nil
}

// cut has a session, hears all its output, and resets the connection.
func (t target) cut(p plan) (result, error) {
	var stdout bytes.Buffer
	tcp, secure, err := t.dial()
	if err != nil {
		return checked(p, err, nil, nil)
	}
	defer tcp.Close()
	config, err := websocket.NewConfig(t.url(p).String(), t.server)
	if err != nil {
		return checked(p, err, nil, nil)
	}
	config.Protocol = []string{"v5.channel.k8s.io"}
	config.Header = http.Header{"Authorization": {"Bearer " + p.user()}}
	ws, err := websocket.NewClient(config, secure)
	for err == nil && stdout.Len() < p.stdout {
		var message []byte
		if err = websocket.Message.Receive(ws, &message); err == nil {
			err = takeOutput(&stdout, message)
		}
	}
	return checked(p, err, stdout.Bytes(), nil)
}

func takeOutput(to io.Writer, message []byte) error {
	if len(message) == 0 || message[0] != 1 {
		return fmt.Errorf("a message %q", message)
	}
	_, err := to.Write(message[1:])
	return err
}

// knock leaves in the middle of the handshake, or of a request's head.
func (t target) knock(n int) error {
	if n%2 == 0 {
		conn, err := net.Dial("tcp", t.address())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte{22, 3, 1, 2, 0, 1}) // of a ClientHello
		return err
	}
	tcp, secure, err := t.dial()
	if err != nil {
		return err
	}
	defer tcp.Close()
	_, err = io.WriteString(secure, "GET /api/v1/namespaces/default/pods/web/exec")
	return err
}
