package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// All the clients: the long sessions first, then the others, some at a time.

const (
	reportEvery = 100 * time.Millisecond
	failuresMax = 20 // that are told
	knockEvery  = 25 // sessions; then a connection that becomes none
	longPause   = 500 * time.Millisecond
)

type pool struct {
	target   target
	sessions int // not counting the long ones
	callers  int
	longs    int
	next     atomic.Int64 // serial number
	begun    atomic.Int64 // sessions that were let in, and are over
	mu       sync.Mutex   // of what follows
	results  *json.Encoder
	failures []error
}

func (p *pool) note(r result, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failures = append(p.failures, fmt.Errorf("session %d, %s, websocket %t: %w",
			r.Serial, r.Kind, r.WebSocket, err))
		return
	}
	if r.Kind != missing && r.Kind != denied {
		p.begun.Add(1)
	}
	if err := p.results.Encode(r); err != nil {
		p.failures = append(p.failures, err)
	}
}

func (p *pool) noteFailure(err error) {
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.failures = append(p.failures, err)
	}
}

func (p *pool) hasFailed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.failures) >= failuresMax
}

// Refused ones come on top of the number that was asked for.
func (p *pool) callMany() {
	for p.begun.Load() < int64(p.sessions) && !p.hasFailed() {
		p.note(p.target.call(planOf(int(p.next.Add(1) - 1))))
	}
}

// A terminal that is typed at until `over`. Every other one is left alone for
// most of the time, as terminals are.
func (p *pool) callLong(serial int, over <-chan struct{}, open *sync.WaitGroup) {
	shape := planOf(serial)
	var shown bytes.Buffer
	k := newKeyboard(&shown)
	typed := make(chan int, 1)
	go func() {
		n := k.typeUntil(over, serial%2 == 0, open.Done)
		typed <- n
	}()
	end := p.target.stream(context.Background(), shape, k.streams())
	_ = k.stdin.CloseWithError(errors.New("the session is over"))
	close(k.echoes)
	shape.stdin = <-typed
	shape.stdout = shape.stdin
	p.note(checked(shape, end, shown.Bytes(), nil))
}

// typeUntil returns how many keys were echoed; `isOpen` is called behind the
// first, or when there will be none.
func (k *keyboard) typeUntil(over <-chan struct{}, isQuiet bool, isOpen func()) int {
	defer k.leave()
	k.resize(0)
	ok := k.typeOne(0)
	isOpen()
	n := 0
	for ; ok; ok = k.typeOne(n) {
		n++
		if n%20 == 0 {
			k.resize(n)
		}
		pause := longPause
		if isQuiet {
			pause *= 40
		}
		select {
		case <-over:
			return n
		case <-time.After(pause):
		}
	}
	return n
}

func (p *pool) report(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(reportEvery):
			fmt.Printf("done %d\n", p.begun.Load())
		}
	}
}

// run returns once every session is over.
func (p *pool) run() error {
	var longs, open, others sync.WaitGroup
	over := make(chan struct{})
	open.Add(p.longs)
	for i := range p.longs {
		longs.Go(func() { p.callLong(1+i, over, &open) })
	}
	open.Wait()
	go p.report(over)
	for range p.callers {
		others.Go(p.callMany)
	}
	others.Wait()
	close(over)
	longs.Wait()
	return errors.Join(p.failures...)
}

// runInto writes what the clients saw to a file.
func (p *pool) runInto(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(file)
	p.results = json.NewEncoder(buffered)
	return errors.Join(p.run(), buffered.Flush(), file.Close())
}
