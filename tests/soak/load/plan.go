package main

import (
	"bytes"
	"fmt"
)

// What a session is, known from its serial number alone: callers, containers
// and whoever reads the recordings afterwards agree on it without a word.

// Serials up to here are the long sessions, which live through the whole run.
const lastLong = 1000

type kind string

const (
	long    kind = "long"    // a terminal, from the run's begin to its end
	brief   kind = "brief"   // some output, an exit code
	typed   kind = "typed"   // a terminal: keys, echoes, sizes
	piped   kind = "piped"   // input without a terminal, sent back
	flood   kind = "flood"   // more output than its slow reader takes
	vanish  kind = "vanish"  // the client goes away in the middle
	cut     kind = "cut"     // its connection is reset in the middle
	missing kind = "missing" // 404
	denied  kind = "denied"  // 403
)

type plan struct {
	serial      int
	kind        kind
	isWebSocket bool
	stdin       int // bytes the client sends
	stdout      int // bytes the container writes
	stderr      int
	exit        int
}

// Of every hundred sessions. The order mixes them; the transport alternates.
func kindOf(serial int) kind {
	if serial <= lastLong {
		return long
	}
	switch n := serial * 37 % 100; {
	case n < 61:
		return brief
	case n < 76:
		return typed
	case n < 88:
		return piped
	case n < 90:
		return flood
	case n < 94:
		return vanish
	case n < 95:
		return cut
	case n < 98:
		return missing
	default:
		return denied
	}
}

func planOf(serial int) plan {
	p := plan{serial: serial, kind: kindOf(serial)}
	p.isWebSocket = serial/100%2 == serial%2 || p.kind == cut
	switch p.kind {
	case brief:
		p.stdout = 100 + serial*7919%4000
		p.stderr = serial % 4 / 3 * (serial % 300)
		p.exit = serial % 8 / 7 * (serial % 200)
	case typed:
		p.stdin = 12
		p.stdout = p.stdin
	case piped:
		p.stdin = 1 + serial*7919%(64<<10)
		p.stdout = p.stdin
	case flood:
		p.stdout = 512 << 10
	case vanish, cut:
		p.stdout = 1 + serial*7919%9000
	}
	return p
}

func (p plan) isTerminal() bool {
	return p.kind == typed || p.kind == long
}

func (p plan) takesInput() bool {
	return p.isTerminal() || p.kind == piped || p.kind == vanish ||
		p.kind == cut
}

func (p plan) pod() string {
	if p.kind == missing {
		return "missing"
	}
	return "web"
}

func (p plan) namespace() string {
	if p.kind == denied {
		return "closed"
	}
	return "default"
}

// Of callers there are a few, each with a token.
func (p plan) user() string {
	return fmt.Sprintf("user-%d", p.serial/10%40)
}

// The first n bytes of what session and stream have to say, in lines that tell
// session, stream and place.
func text(serial int, stream string, n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%08d %6s line %8d: the quick brown fox\n", serial, stream, i)
	}
	return b.Bytes()[:n]
}
