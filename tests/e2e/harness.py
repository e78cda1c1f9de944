"""What every end-to-end test stands on: the cluster, kubectl over each
transport, a running `kubetape up`, and a terminal that a script can use.

A test talks to the programs as people do: by their command lines, files and
exit codes. Nothing here waits for a fixed time; whatever is awaited has a
deadline, and what comes too late is a failure that shows what was there.

A `Stand` is not done when its test is: `stop` fails when a program was started
again, ended with an error, left a process behind, or a sanitizer wrote a word.
"""
import collections
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
CLUSTER_TOOLS = HERE.parent / "cluster"
DEADLINE_S = 60  # for what takes well below a second on an idle machine
STOP_S = 10      # from Ctrl-C to the last process gone
COMMAND_S = 240  # for one run of kubectl, bulk under sanitizers included
THREADS = 4      # cases run side by side: kubectl itself is what costs


def bin_folder():
    """Where the programs under test are, from the test's own arguments."""
    folder = os.environ.get("KUBETAPE_BIN")
    if not folder:
        sys.exit("e2e: KUBETAPE_BIN must name the folder of the programs, "
                 "for example KUBETAPE_BIN=build/dev/bin")
    return pathlib.Path(folder).resolve()


def cluster_settings():
    """Where the running cluster is: what tests/cluster/env prints."""
    shown = subprocess.run([CLUSTER_TOOLS / "env"], capture_output=True,
                           text=True, check=False)
    if shown.returncode != 0:
        sys.exit(f"e2e: {shown.stderr.strip()}")
    return dict(word.split("=", 1) for line in shown.stdout.splitlines()
                for word in shlex.split(line)[1:])


def cluster_folder():
    """The cluster's cache, outside the sources; what tests need lives there."""
    named = os.environ.get("KUBETAPE_CLUSTER_DIR")
    if named:
        return pathlib.Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "kubetape-cluster"


BIN = bin_folder()
CLUSTER = cluster_settings()
ADMIN = CLUSTER["ADMIN_KUBECONFIG"]
VENV_PYTHON = cluster_folder() / "venv/bin/python"

Transport = collections.namedtuple(
    "Transport", "name program env protocol subprotocol")
TRANSPORTS = {t.name: t for t in (
    Transport("ws", CLUSTER["KUBECTL"], {}, "websocket", "v5.channel.k8s.io"),
    Transport("spdy", CLUSTER["KUBECTL"],
              {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false",
               "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"},
              "spdy", "v4.channel.k8s.io"),
    Transport("old", CLUSTER["KUBECTL_OLD"], {}, "spdy", "v4.channel.k8s.io"),
)}

Result = collections.namedtuple("Result", "code out err")


def new_tag():
    """A word that is in no other session's command."""
    return "tag-" + uuid.uuid4().hex[:12]


def run(argv, stdin=b"", env=None, timeout=COMMAND_S):
    """One program to its end. `stdin` is bytes or an open file."""
    how = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run([str(a) for a in argv], capture_output=True,
                          env={**os.environ, **(env or {})}, timeout=timeout,
                          check=False, **how)
    return Result(done.returncode, done.stdout, done.stderr)


def kubectl_env(transport, kubeconfig, cache=None):
    return {**transport.env, "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(cache or CLUSTER["KUBECACHEDIR"])}


def direct(transport, *args, kubeconfig=ADMIN, stdin=b"", timeout=COMMAND_S):
    """kubectl straight to the API server: what all else is compared with."""
    t = TRANSPORTS[transport]
    return run([t.program, *args], stdin, kubectl_env(t, kubeconfig), timeout)


def until(what, attempt, deadline_s=DEADLINE_S):
    """The first true value of `attempt`, asked again until the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = attempt()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.02)


def kubeconfig_entry(path):
    """(cluster, user) of a kubeconfig's current context, as dicts."""
    shown = run([CLUSTER["KUBECTL"], "config", "view", "--raw", "--minify",
                 "--flatten", "-o", "json"], env={"KUBECONFIG": str(path)})
    view = json.loads(shown.out)
    return view["clusters"][0]["cluster"], view["users"][0].get("user", {})


class Stand:
    """A `kubetape up` of its own, in a folder of its own.

    With `config` (lines of YAML, without state, listen and upstream) the
    programs get a whole file by --config, else the flags of `up` alone.
    """

    def __init__(self, kubeconfig=ADMIN, config=None, home=None,
                 listen="127.0.0.1:0"):
        self.home = pathlib.Path(home or tempfile.mkdtemp(prefix="kubetape-"))
        self.owns_home = home is None
        self.state = self.home / "state"
        self.kubeconfig = self.state / "kubeconfig"
        self.findings = self.home / "sanitizer"
        self.may_restart = False
        self.process = None
        self.started_in_ms = None
        self.flags = ["--listen", listen, "--kubeconfig",
                      str(kubeconfig), "--state", str(self.state)]
        if config is not None:
            self.flags = ["--config", str(self.write_config(
                kubeconfig, config))]

    def write_config(self, kubeconfig, lines):
        path = self.home / "config.yaml"
        path.write_text(f"state: {self.state}\nlisten: 127.0.0.1:0\n"
                        f"upstream:\n  kubeconfig: {kubeconfig}\n{lines}\n")
        return path

    @property
    def env(self):
        """Findings of sanitizers go to files, and end the program."""
        common = f"log_path={self.findings}:exitcode=99:abort_on_error=0"
        # What was freed is kept from reuse, but not so much of it that it
        # hides what a program itself takes.
        return {"ASAN_OPTIONS": common + ":detect_leaks=1"
                                         ":quarantine_size_mb=32",
                "UBSAN_OPTIONS": common + ":print_stacktrace=1",
                "TSAN_OPTIONS": common}

    # ---- Life ----

    def start(self):
        self.errors = open(self.home / "up.stderr", "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [BIN / "kubetape", "up", *self.flags], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.errors,
            env={**os.environ, **self.env})
        try:
            self.await_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.started_in_ms = (time.monotonic() - began) * 1000
        return self

    def await_ready(self):
        """Its first line says where the clients' kubeconfig is."""
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE_S)
        line = self.process.stdout.readline().decode() if ready else ""
        if not line.startswith("export KUBECONFIG="):
            raise AssertionError(
                f"`kubetape up` said {line!r} instead of being ready\n"
                + self.log())
        self.kubeconfig = pathlib.Path(line.split("=", 1)[1].strip())

    def log(self):
        return (self.home / "up.stderr").read_text(errors="replace")

    def children(self):
        """{name: pid} of the programs that `up` runs."""
        return {process_name(pid): pid
                for pid in children_of(self.process.pid)}

    def descendants(self):
        """Every pid below `up`, workers included."""
        found, left = [], [self.process.pid]
        while left:
            below = children_of(left.pop())
            found += below
            left += below
        return found

    def kill(self):
        """All of it at once, as a power cut would; it is not held to
        anything."""
        for pid in [self.process.pid, *self.descendants()]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        self.process = None

    def stop(self, by=signal.SIGINT):
        """Ends it as a person would, and holds it to having run cleanly."""
        if self.process is None:
            return
        family = self.descendants()
        self.process.send_signal(by)
        try:
            code = self.process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = f"SIGKILL, as it did not end within {STOP_S} s"
        self.process.stdout.close()
        self.errors.close()
        self.process = None
        problems = self.problems(code, family)
        if self.owns_home and not problems:
            shutil.rmtree(self.home)
        if problems:
            raise AssertionError("\n".join(
                problems + [f"in {self.home}:", self.log()]))

    def problems(self, code, family):
        said = self.log()
        found = []
        if code != 0:
            found.append(f"`kubetape up` ended with {code}")
        if not self.may_restart:  # as one does that was killed
            found += [f"said: {line}" for line in said.splitlines()
                      if "starting it again" in line or ERROR_LINE.match(line)]
        found += [f"process {pid} outlived `kubetape up`" for pid in family
                  if is_running(pid)]
        found += [path.read_text(errors="replace")
                  for path in sorted(self.home.glob("sanitizer.*"))]
        return found

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # ---- kubectl through it ----

    @property
    def address(self):
        return (self.state / "run/proxy.address").read_text().strip()

    def kubectl_env(self, transport, kubeconfig=None):
        return kubectl_env(TRANSPORTS[transport],
                           kubeconfig or self.kubeconfig,
                           self.home / "kubectl-cache")

    def pipes(self, transport, *args):
        return Pipes([TRANSPORTS[transport].program, *args],
                     self.kubectl_env(transport))

    def terminal(self, transport, *args, size=(80, 24)):
        return Terminal([TRANSPORTS[transport].program, *args],
                        self.kubectl_env(transport), size)

    def kubectl(self, transport, *args, stdin=b"", kubeconfig=None,
                timeout=COMMAND_S):
        return run([TRANSPORTS[transport].program, *args], stdin,
                   self.kubectl_env(transport, kubeconfig), timeout)

    def client_kubeconfig(self, user, name="client"):
        """One that comes here with credentials of the caller's choice."""
        cluster, _ = kubeconfig_entry(self.kubeconfig)
        view = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "c", "user": user}],
                "contexts": [{"name": "c", "context": {
                    "cluster": "c", "user": "c", "namespace": "default"}}]}
        path = self.home / f"{name}.kubeconfig"
        path.write_text(json.dumps(view))
        return path

    # ---- What was recorded ----

    def tape(self, *args, timeout=COMMAND_S):
        """An auditor's `kubetape` on this store."""
        command, *rest = args
        return run([BIN / "kubetape", command, "--state", self.state, *rest],
                   env=self.env, timeout=timeout)

    def sessions(self):
        shown = self.tape("ls", "--json")
        if shown.code != 0:
            raise AssertionError(f"kubetape ls: {shown}")
        return [json.loads(line) for line in shown.out.splitlines()]

    def by_tag(self, tag):
        """Sessions whose command has this tag in it."""
        return [s for s in self.sessions() if has_tag(s, tag)]

    def await_session(self, is_it, what="such a session"):
        """The one session that `is_it`, once it is over and on disk."""
        def attempt():
            found = [s for s in self.sessions() if is_it(s)]
            if len(found) > 1:
                raise AssertionError(f"more than one: {what}: {found}")
            over = [s for s in found if s["status"] != "active"]
            return [s for s in over if s["sealed"] or not s["file"]]
        return until(f"{what} in the index and sealed", attempt)[0]

    def await_tag(self, tag):
        return self.await_session(lambda s: has_tag(s, tag), tag)

    @contextlib.contextmanager
    def new_session(self, **facts):
        """Gives a list that, after the block, holds the one new session with
        these facts; for those without a command to tell them by."""
        before = {s["id"] for s in self.sessions()}
        found = []
        yield found
        found.append(self.await_session(
            lambda s: s["id"] not in before and
            all(s[k] == v for k, v in facts.items()), f"new with {facts}"))

    def raw(self, session, stream):
        """The exact bytes of one stream."""
        shown = self.tape("export", session["id"], "--format", "raw",
                          "--stream", stream)
        if shown.code != 0 or shown.err:
            raise AssertionError(f"kubetape export: {shown}")
        return shown.out

    def recording(self, session):
        return self.state / session["file"]


def has_tag(session, tag):
    return any(tag in word for word in session["command"])


def children_of(pid):
    try:
        path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        return [int(word) for word in path.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def process_name(pid):
    """What it was started as; /proc/PID/comm has but 15 characters of it."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return os.fsdecode(words.split(b"\0")[0]).rpartition("/")[2]


def is_running(pid):
    """Not gone, and not a zombie that somebody else has yet to wait for."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Terminal:
    """A program on a terminal, driven like a person drives it: read until
    something is there, then type."""

    def __init__(self, argv, env=None, size=(80, 24)):
        self.master, side = pty.openpty()
        self.seen = b""
        self.mark = 0
        self.resize(*size)

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [str(a) for a in argv], stdin=side, stdout=side,
            stderr=subprocess.PIPE, env={**os.environ, **(env or {})},
            preexec_fn=own_terminal)
        os.close(side)

    def resize(self, columns, rows):
        """The kernel tells the program by SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data):
        os.write(self.master, data)

    def await_raw(self):
        """Until the program has taken over: what is typed before would be
        echoed here already."""
        until("a raw terminal", lambda: not termios.tcgetattr(
            self.master)[3] & termios.ECHO)

    def read(self, deadline):
        """More of what it shows; False at its end."""
        left = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([self.master], [], [], left)
        if not ready:
            raise AssertionError(f"nothing more on the terminal after "
                                 f"{self.seen[-2000:]!r}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: nobody holds the other side any more
            data = b""
        self.seen += data
        return bool(data)

    def expect(self, wanted):
        """Reads until `wanted` has come, behind what was expected before."""
        deadline = time.monotonic() + DEADLINE_S
        while wanted not in self.seen[self.mark:]:
            if not self.read(deadline):
                raise AssertionError(f"ended without {wanted!r}: "
                                     f"{self.seen[-2000:]!r}")
        self.mark = self.seen.index(wanted, self.mark) + len(wanted)

    def end(self):
        """Reads to the end; what it answers with."""
        deadline = time.monotonic() + DEADLINE_S
        while self.read(deadline):
            pass
        return self.close()

    def close(self):
        """Hangs up, if that has not happened yet."""
        os.close(self.master)
        errors = self.process.stderr.read()
        self.process.stderr.close()
        return Result(self.process.wait(DEADLINE_S), self.seen, errors)


class Pipes:
    """A program between pipes, spoken with line by line."""

    def __init__(self, argv, env):
        self.program = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **env})
        self.seen = b""

    def say(self, data):
        self.program.stdin.write(data)
        self.program.stdin.flush()

    def hear(self, lines=1):
        """The next lines; what came with them stays for later."""
        heard = b"".join(self.program.stdout.readline() for _ in range(lines))
        self.seen += heard
        return heard

    def end(self, by=None):
        """No more is said, or worse; its exit code, once all is heard."""
        if by is not None:
            self.program.send_signal(by)
        with contextlib.suppress(BrokenPipeError):
            self.program.stdin.close()
        self.seen += self.program.stdout.read()
        self.program.stdout.close()
        return self.program.wait(DEADLINE_S)


ERROR_LINE = re.compile(r"\S+Z error ")
LAST_WORD = re.compile(
    rb"command terminated with (non-zero )?exit code.*\n\Z")


def of_command(result):
    """stderr without the sentence that kubectl itself adds to a failure."""
    return LAST_WORD.sub(b"", result.err) if result.code != 0 else result.err


class TestCase(unittest.TestCase):
    """Tests that share one `kubetape up`, ended and held to account last."""

    upstream = ADMIN
    config = None
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.stand = Stand(cls.upstream, cls.config).start()

    @classmethod
    def tearDownClass(cls):
        cls.stand.stop()

    def together(self, test, cases):
        """Runs test(*case) for every case, some at a time, each a subtest."""
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            runs = [(case, pool.submit(test, *case)) for case in cases]
            for case, running in runs:
                with self.subTest(case=case):
                    running.result()

    def assert_same_bytes(self, expected, got, what):
        """Equality whose failure does not print megabytes."""
        if expected == got:
            return
        at = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b),
                  min(len(expected), len(got)))
        self.fail(f"{what}: {len(expected)} bytes expected, {len(got)} there, "
                  f"first difference at {at}: {expected[at:at + 60]!r} "
                  f"became {got[at:at + 60]!r}")

    def assert_same(self, expected, got):
        """Two runs of kubectl looked alike to whoever ran them."""
        self.assert_same_bytes(expected.out, got.out, "stdout")
        self.assert_same_bytes(expected.err, got.err, "stderr")
        self.assertEqual(expected.code, got.code, "exit code")

    def assert_verified(self, session):
        verdict = self.stand.tape("verify", session["id"])
        self.assertEqual(0, verdict.code, verdict)

    def assert_facts(self, session, **facts):
        there = {name: session.get(name) for name in facts}
        self.assertEqual(facts, there, session)

    def assert_recorded(self, session, stdin=None, stdout=None, stderr=None):
        """Each stream given was kept byte for byte and counted; and the
        recording is as it was signed."""
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        for name, expected in streams.items():
            if expected is not None:
                self.assert_same_bytes(expected, self.stand.raw(session, name),
                                       f"recorded {name}")
                self.assertEqual(len(expected), session["bytes"][name], name)
        self.assert_verified(session)


def main():
    """Test files are programs: ctest runs each by itself."""
    unittest.main(verbosity=2)
