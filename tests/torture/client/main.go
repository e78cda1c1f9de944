// Many sessions at once, as client-go makes them, over both transports; and of
// each, exactly what was received and what was given to be sent. Nothing here
// judges: the driver compares with the recordings.
//
// Below the folder of -out a session named TAG has
//
//	TAG.stdout, TAG.stderr  what was received, as it came
//	TAG.stdin               what the connection took to send
//	TAG.json                how it ended, once it has
//
// A session that ends is followed by another until standard input ends; then
// those that run are brought to their ends.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
)

// A command never ends with 0: client-go gives nil for a SPDY connection that
// was cut, too, so only another exit code says that the end was seen.
const exitCode = 7

// What a session does. A script's $1 is a number of rounds.
type kind struct {
	name   string
	script string
	stdin  bool
	tty    bool
	rounds int
}

var kinds = []kind{
	{name: "echo", script: `cat; exit 7`, stdin: true},
	{name: "both", stdin: true, script: `while IFS= read -r line; do
		echo "$line"; echo "error $line" >&2; done; exit 7`},
	{name: "print", rounds: 600, script: `for ((i = 1; i <= $1; i++)); do
		echo "line $i $RANDOM"; ((i % 3)) || echo "error $i" >&2
		((i % 20)) || sleep 0.1; done; exit 7`},
	{name: "burst", rounds: 40, script: `for ((i = 1; i <= $1; i++)); do
		head -c 40000 /dev/zero | tr '\0' x; echo " burst $i"
		sleep 0.05; done; exit 7`},
	{name: "short", rounds: 5, script: `for ((i = 1; i <= $1; i++)); do
		echo "line $i"; echo "error $i" >&2; done; exit 7`},
	{name: "tty", stdin: true, tty: true,
		script: `stty -echo; cat; exit 7`},
}

type settings struct {
	state, namespace, pod, out string
	transports                 []string
}

// How a session ended, as its client saw it.
type result struct {
	Tag       string  `json:"tag"`
	Kind      string  `json:"kind"`
	Transport string  `json:"transport"`
	ExitCode  *int    `json:"exit_code"` // null: its end was not seen
	Error     string  `json:"error"`
	Began     float64 `json:"began"` // seconds since 1970
	End       float64 `json:"end"`
}

// ---- input ----

// Numbered lines at uneven pace, written down before they are given away.
type lines struct {
	random *rand.Rand
	log    *os.File
	ends   <-chan struct{} // the session's, or everybody's
	tty    bool
	number int
	ended  bool
	left   []byte
}

func (l *lines) next() []byte {
	l.number++
	filler := strings.Repeat("abcdefgh", l.random.Intn(40))
	return []byte(fmt.Sprintf("line %d %s\n", l.number, filler))
}

func (l *lines) wait() bool {
	pause := time.Duration(l.random.Intn(20)) * time.Millisecond
	if l.random.Intn(4) == 0 {
		pause = 0
	}
	select {
	case <-l.ends:
		return false
	case <-time.After(pause):
		return true
	}
}

// The end of a terminal's input is a byte like others.
func (l *lines) end() ([]byte, bool) {
	if !l.tty || l.ended {
		return nil, false
	}
	l.ended = true
	return []byte{4}, true
}

func (l *lines) Read(into []byte) (int, error) {
	if len(l.left) == 0 {
		more := true
		if l.wait() {
			l.left = l.next()
		} else {
			l.left, more = l.end()
		}
		if !more {
			return 0, io.EOF
		}
	}
	n := copy(into, l.left)
	if _, err := l.log.Write(l.left[:n]); errors.Is(err, os.ErrClosed) {
		return 0, io.EOF // asked once more, after the session's end
	} else if err != nil {
		log.Fatal(err)
	}
	l.left = l.left[n:]
	return n, nil
}

// A terminal that changes its size now and then.
type sizes struct {
	ends   <-chan struct{}
	random *rand.Rand
	count  int
}

func (s *sizes) Next() *remotecommand.TerminalSize {
	if s.count > 0 {
		select {
		case <-s.ends:
			return nil
		case <-time.After(time.Duration(s.random.Intn(800)) * time.Millisecond):
		}
	}
	s.count++
	return &remotecommand.TerminalSize{Width: uint16(80 + s.random.Intn(40)), Height: 24}
}

// ---- a session ----

type session struct {
	*settings
	kind
	tag       string
	transport string
	random    *rand.Rand
	ends      chan struct{}
}

// Read anew each time, since a proxy that is started again may have another
// port.
func (s *session) config() (*rest.Config, error) {
	address, err := os.ReadFile(filepath.Join(s.state, "run/proxy.address"))
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(filepath.Join(s.state, "keys/local.token"))
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:        "https://" + strings.TrimSpace(string(address)),
		BearerToken: strings.TrimSpace(string(token)),
		TLSClientConfig: rest.TLSClientConfig{
			CAFile:     filepath.Join(s.state, "tls/ca.crt"),
			ServerName: "localhost",
		},
	}, nil
}

func (s *session) url(host string) *url.URL {
	u, err := url.Parse(host)
	if err != nil {
		log.Fatal(err)
	}
	u.Path = "/api/v1/namespaces/" + s.namespace + "/pods/" + s.pod + "/exec"
	query := url.Values{"stdout": {"true"}}
	query["command"] = []string{"bash", "-c", s.script, s.tag, strconv.Itoa(s.rounds)}
	query.Set("stdin", strconv.FormatBool(s.stdin))
	query.Set("stderr", strconv.FormatBool(!s.tty))
	query.Set("tty", strconv.FormatBool(s.tty))
	u.RawQuery = query.Encode()
	return u
}

func (s *session) executor() (remotecommand.Executor, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	u := s.url(config.Host)
	if s.transport == "spdy" {
		return remotecommand.NewSPDYExecutor(config, "POST", u)
	}
	return remotecommand.NewWebSocketExecutor(config, "GET", u.String())
}

func (s *session) file(suffix string) *os.File {
	f, err := os.Create(filepath.Join(s.out, s.tag+suffix))
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func (s *session) stream(executor remotecommand.Executor) error {
	stdout, stderr, stdin := s.file(".stdout"), s.file(".stderr"), s.file(".stdin")
	defer stdout.Close()
	defer stderr.Close()
	defer stdin.Close()
	options := remotecommand.StreamOptions{Stdout: stdout, Tty: s.tty}
	if !s.tty {
		options.Stderr = stderr
	} else {
		options.TerminalSizeQueue = &sizes{ends: s.ends, random: rand.New(rand.NewSource(s.random.Int63()))}
	}
	if s.stdin {
		options.Stdin = &lines{random: s.random, log: stdin, ends: s.ends, tty: s.tty}
	}
	return executor.StreamWithContext(context.Background(), options)
}

func (s *session) run() result {
	began := time.Now()
	executor, err := s.executor()
	if err == nil {
		err = s.stream(executor)
	}
	r := result{Tag: s.tag, Kind: s.name, Transport: s.transport,
		Began: seconds(began), End: seconds(time.Now())}
	var exit exec.CodeExitError
	if errors.As(err, &exit) {
		r.ExitCode = &exit.Code
	} else if err != nil {
		r.Error = err.Error()
	}
	return r
}

func seconds(t time.Time) float64 {
	return float64(t.UnixMicro()) / 1e6
}

func (r result) write(folder string) {
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, r.Tag+".json"), text, 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// ---- many ----

// One after the other, until `stop`. Input ends by itself, too, now and then.
func (c *settings) keep(number int, seed int64, stop <-chan struct{}) {
	random := rand.New(rand.NewSource(seed + int64(number)))
	for count := 0; ; count++ {
		select {
		case <-stop:
			return
		default:
		}
		s := &session{
			settings:  c,
			kind:      kinds[random.Intn(len(kinds))],
			tag:       fmt.Sprintf("torture-%d-%d-%d", seed, number, count),
			transport: c.transports[random.Intn(len(c.transports))],
			random:    rand.New(rand.NewSource(random.Int63())),
			ends:      make(chan struct{}),
		}
		over := make(chan struct{})
		limit := time.Duration(2+random.Intn(20)) * time.Second
		go func() {
			select {
			case <-stop:
			case <-over:
			case <-time.After(limit):
			}
			close(s.ends)
		}()
		r := s.run()
		close(over)
		r.write(c.out)
		if r.ExitCode == nil { // nobody may be listening just now
			time.Sleep(time.Duration(50+random.Intn(200)) * time.Millisecond)
		}
	}
}

func main() {
	var c settings
	transports := flag.String("transports", "ws,spdy", "which, with commas")
	sessions := flag.Int("sessions", 8, "how many at once")
	seed := flag.Int64("seed", 1, "of everything that is random")
	flag.StringVar(&c.state, "state", "", "the proxy's state folder")
	flag.StringVar(&c.namespace, "namespace", "default", "the pod's namespace")
	flag.StringVar(&c.pod, "pod", "web", "the pod")
	flag.StringVar(&c.out, "out", "", "an existing folder for what is seen")
	flag.Parse()
	c.transports = strings.Split(*transports, ",")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for n := 0; n < *sessions; n++ {
		all.Add(1)
		go func() {
			defer all.Done()
			c.keep(n, *seed, stop)
		}()
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		log.Fatal(err)
	}
	close(stop)
	all.Wait()
}
