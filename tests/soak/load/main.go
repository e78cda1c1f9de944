// load is both ends of the soak's sessions:
//
//	load serve -cert F -key F     an API server that speaks exec; prints its
//	                              address and runs until it is ended
//	load call -server URL ...     clients, until as many sessions were let in
//	                              as asked for; prints "done N" as it goes
//
// Both ends check what they see against the session's plan (plan.go). What the
// clients saw is written to a file, a JSON object a session.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

func callMain(arguments []string) error {
	flags := flag.NewFlagSet("call", flag.ExitOnError)
	server := flags.String("server", "", "https://HOST:PORT of the proxy")
	ca := flags.String("ca", "", "its authority, PEM")
	results := flags.String("results", "", "file for what the clients saw")
	sessions := flags.Int("sessions", 1000, "to be let in, long ones apart")
	callers := flags.Int("callers", 16, "at a time")
	longs := flags.Int("long", 0, "sessions that live through the run")
	first := flags.Int("first", 1, "serial number behind those of long ones")
	_ = flags.Parse(arguments) // exits by itself
	pem, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	p := &pool{target: target{server: *server, ca: pem}, sessions: *sessions,
		callers: *callers, longs: *longs}
	p.next.Store(int64(lastLong + *first))
	return p.runInto(*results)
}

func serveMain(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	cert := flags.String("cert", "", "PEM")
	key := flags.String("key", "", "PEM")
	_ = flags.Parse(arguments) // exits by itself
	return serve(*cert, *key)
}

func run(arguments []string) error {
	if len(arguments) > 0 && arguments[0] == "serve" {
		return serveMain(arguments[1:])
	}
	if len(arguments) > 0 && arguments[0] == "call" {
		return callMain(arguments[1:])
	}
	return fmt.Errorf("usage: load serve|call [flags]")
}

func main() {
	// What Kubernetes' own server says of clients that vanish.
	klog.SetLogger(logr.Discard())
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "load: %v\n", err)
		os.Exit(1)
	}
}
