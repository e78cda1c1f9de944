package main

import (
	"io"

	"k8s.io/client-go/tools/remotecommand"
)

// A person at a terminal: types a key, waits for its echo, and changes the
// window's size now and then.

type keyboard struct {
	to      io.Writer
	keys    *io.PipeWriter
	stdin   *io.PipeReader
	echoes  chan byte
	resizes chan remotecommand.TerminalSize
}

// What comes back is also written to `to`.
func newKeyboard(to io.Writer) *keyboard {
	reader, writer := io.Pipe()
	return &keyboard{to: to, keys: writer, stdin: reader,
		echoes:  make(chan byte, 64),
		resizes: make(chan remotecommand.TerminalSize, 2)}
}

func (k *keyboard) streams() remotecommand.StreamOptions {
	return remotecommand.StreamOptions{Stdin: k.stdin, Stdout: k, Tty: true,
		TerminalSizeQueue: k}
}

// Write takes what the terminal shows.
func (k *keyboard) Write(b []byte) (int, error) {
	for _, c := range b {
		k.echoes <- c
	}
	return k.to.Write(b)
}

// Next is what client-go asks for sizes.
func (k *keyboard) Next() *remotecommand.TerminalSize {
	size, ok := <-k.resizes
	if !ok {
		return nil
	}
	return &size
}

func (k *keyboard) resize(n int) {
	k.resizes <- remotecommand.TerminalSize{
		Width: uint16(80 + n%100), Height: uint16(24 + n%40)}
}

func keyOf(n int) byte { return byte('a' + n%26) }

func keys(n int) []byte {
	all := make([]byte, n)
	for i := range all {
		all[i] = keyOf(i)
	}
	return all
}

// typeOne reports whether the key was echoed.
func (k *keyboard) typeOne(n int) bool {
	if _, err := k.keys.Write([]byte{keyOf(n)}); err != nil {
		return false
	}
	return <-k.echoes == keyOf(n)
}

// leave types the end; the last byte that stdin carries is not echoed.
func (k *keyboard) leave() {
	close(k.resizes)
	_, _ = k.keys.Write([]byte{endKey}) // the session may be over
	_ = k.keys.Close()
}

func (k *keyboard) typeAll(n int) {
	k.resize(0)
	for i := range n {
		if i == n/2 {
			k.resize(i)
		}
		if !k.typeOne(i) {
			break
		}
	}
	k.leave()
}
