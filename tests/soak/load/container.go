package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// endKey is what a person types to leave: Ctrl-D.
const endKey = 4

// A container's side of a session: what the command does that the plan says.
type container struct{}

type exitError int

func (e exitError) Error() string   { return fmt.Sprintf("exit %d", int(e)) }
func (e exitError) String() string  { return e.Error() }
func (e exitError) Exited() bool    { return true }
func (e exitError) ExitStatus() int { return int(e) }

// ExecInContainer runs ["soak", serial], as the kubelet's server asks it to.
func (container) ExecInContainer(_ context.Context, _, _, _ string,
	command []string, stdin io.Reader, stdout, stderr io.WriteCloser, _ bool,
	sizes <-chan remotecommand.TerminalSize, _ time.Duration) error {
	if sizes != nil {
		go func() {
			for range sizes {
			}
		}()
	}
	if len(command) != 2 {
		return fmt.Errorf("command %q", command)
	}
	serial, err := strconv.Atoi(command[1])
	if err != nil {
		return err
	}
	return perform(planOf(serial), stdin, stdout, stderr)
}

func perform(p plan, stdin io.Reader, stdout, stderr io.Writer) error {
	switch p.kind {
	case typed, long:
		return echoKeys(stdin, stdout)
	case piped:
		_, err := io.Copy(stdout, stdin)
		return err
	}
	if _, err := stdout.Write(text(p.serial, "stdout", p.stdout)); err != nil {
		return err
	}
	if p.stderr > 0 {
		if _, err := stderr.Write(text(p.serial, "stderr", p.stderr)); err != nil {
			return err
		}
	}
	if p.kind == vanish || p.kind == cut {
		// Until the client is gone; what it had to say ends with it.
		_, _ = io.Copy(io.Discard, stdin)
	}
	if p.exit != 0 {
		return exitError(p.exit)
	}
	return nil
}

func echoKeys(stdin io.Reader, stdout io.Writer) error {
	key := make([]byte, 1)
	for {
		if _, err := io.ReadFull(stdin, key); err != nil {
			return fmt.Errorf("no end of the session was typed: %w", err)
		}
		if key[0] == endKey {
			return nil
		}
		if _, err := stdout.Write(key); err != nil {
			return err
		}
	}
}
