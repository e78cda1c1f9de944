package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// One session from the client's side, with client-go's executors.

// What the client saw of a session, and so what its recording has to say.
type result struct {
	Serial    int    `json:"serial"`
	Kind      kind   `json:"kind"`
	WebSocket bool   `json:"websocket"`
	User      string `json:"user"`
	Exit      int    `json:"exit"`
	Stdin     int    `json:"stdin"`
	Stdout    int    `json:"stdout"`
	Stderr    int    `json:"stderr"`
	Digest    string `json:"digest"` // SHA-256 of stdout, then stderr
}

const patience = 120 * time.Second // for one session that is not long

type target struct {
	server string // https://HOST:PORT
	ca     []byte
}

func (t target) address() string { return strings.TrimPrefix(t.server, "https://") }

func (t target) url(p plan) *url.URL {
	return &url.URL{Scheme: "https", Host: t.address(),
		Path: fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/exec", p.namespace(), p.pod()),
		RawQuery: url.Values{
			"command": {"soak", strconv.Itoa(p.serial)},
			"stdin":   {strconv.FormatBool(p.takesInput())},
			"stdout":  {"true"},
			"stderr":  {strconv.FormatBool(!p.isTerminal())},
			"tty":     {strconv.FormatBool(p.isTerminal())},
		}.Encode()}
}

func (t target) executor(p plan) (remotecommand.Executor, error) {
	config := &rest.Config{Host: t.server, BearerToken: p.user(),
		TLSClientConfig: rest.TLSClientConfig{CAData: t.ca}}
	if p.isWebSocket {
		return remotecommand.NewWebSocketExecutor(config, "GET", t.url(p).String())
	}
	return remotecommand.NewSPDYExecutor(config, "POST", t.url(p))
}

// call runs a session and holds it to its plan.
func (t target) call(p plan) (result, error) {
	if p.kind == cut {
		return t.cut(p)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	streams := remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}
	switch p.kind {
	case typed:
		keys := newKeyboard(&stdout)
		streams = keys.streams()
		go keys.typeAll(p.stdin)
	case piped:
		streams.Stdin = bytes.NewReader(text(p.serial, "stdout", p.stdin))
	case flood:
		streams.Stdout = slowWriter{&stdout}
	case vanish:
		streams.Stdin = newSilence(ctx)
		streams.Stdout = &leaver{to: &stdout, left: p.stdout, leave: cancel}
	}
	end := t.stream(ctx, p, streams)
	return checked(p, end, stdout.Bytes(), stderr.Bytes())
}

func (t target) stream(ctx context.Context, p plan,
	streams remotecommand.StreamOptions) error {
	executor, err := t.executor(p)
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, streams)
}

// ---- what must have come ----

func checked(p plan, end error, stdout, stderr []byte) (result, error) {
	r := result{Serial: p.serial, Kind: p.kind, WebSocket: p.isWebSocket,
		User: p.user(), Exit: p.exit, Stdin: p.stdin, Stdout: len(stdout),
		Stderr: len(stderr)}
	sum := sha256.New()
	sum.Write(stdout)
	sum.Write(stderr)
	r.Digest = hex.EncodeToString(sum.Sum(nil))
	if err := checkEnd(p, end); err != nil {
		return r, err
	}
	expected := text(p.serial, "stdout", p.stdout)
	if p.isTerminal() {
		expected = keys(p.stdin)
	}
	if !bytes.Equal(stdout, expected) {
		return r, fmt.Errorf("%d bytes of stdout, %d expected, or others",
			len(stdout), p.stdout)
	}
	if !bytes.Equal(stderr, text(p.serial, "stderr", p.stderr)) {
		return r, fmt.Errorf("%d bytes of stderr, %d expected, or others",
			len(stderr), p.stderr)
	}
	return r, nil
}

func checkEnd(p plan, end error) error {
	var exit exec.CodeExitError
	switch {
	case p.kind == missing || p.kind == denied:
		if end == nil || !strings.Contains(end.Error(), "pods \"") {
			return fmt.Errorf("expected a refusal, had %v", end)
		}
		return nil
	case p.kind == vanish:
		if !errors.Is(end, context.Canceled) {
			return fmt.Errorf("ended before it was left: %v", end)
		}
		return nil
	case p.exit != 0:
		if !errors.As(end, &exit) || exit.Code != p.exit {
			return fmt.Errorf("expected exit %d, had %v", p.exit, end)
		}
		return nil
	}
	return end
}

// ---- ends of streams ----

// Takes 16 KiB, then thinks about it.
type slowWriter struct{ to io.Writer }

func (s slowWriter) Write(b []byte) (int, error) {
	for at := 0; at < len(b); at += 16 << 10 {
		if _, err := s.to.Write(b[at:min(len(b), at+16<<10)]); err != nil {
			return at, err
		}
		time.Sleep(2 * time.Millisecond)
	}
	return len(b), nil
}

// Goes away once all that was to come has come.
type leaver struct {
	to    io.Writer
	left  int
	leave context.CancelFunc
}

func (l *leaver) Write(b []byte) (int, error) {
	n, err := l.to.Write(b)
	l.left -= n
	if l.left <= 0 {
		l.leave()
	}
	return n, err
}

// Input in which nothing ever comes.
type silence struct{ ctx context.Context }

func newSilence(ctx context.Context) io.Reader { return silence{ctx} }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}
