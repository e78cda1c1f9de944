#!/usr/bin/env python3
"""Kills proxy workers, the proxy's first process, the recorder, or all of it,
with SIGKILL at random moments while client-go's clients stream through them,
starts them again, and then holds every recording against what its client got.

    torture.py [--kills N] [--transports ws,spdy] [--seed S]

README.md beside this says what is held, and how to read a finding.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import recording_reader  # noqa: E402
from harness import (ADMIN, BIN, CLUSTER, DEADLINE_S, children_of,  # noqa: E402
                     direct, run, until)

HERE = pathlib.Path(__file__).resolve().parent
EXIT_CODE = 7   # of every command; see client/main.go
WORKERS = 4
SETTLE_S = 120  # for everything that ended to be recorded
LAST_WORD = re.compile(rb"\r?\nkubetape: session ended: [^\n]*\r?\n\Z")
LOUD = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error|Assertion")


class Findings:
    """What is wrong, with the session and the reason; none is a success."""

    def __init__(self):
        self.said = []

    def add(self, what, who, detail=""):
        self.said.append(f"{what}: {who} {detail}".rstrip())

    def demand(self, condition, what, who, detail=""):
        if not condition:
            self.add(what, who, detail)


# ---- the programs ----

class Program:
    """One of the two programs, as a service manager runs it."""

    def __init__(self, name, world):
        self.name = name
        self.world = world
        self.process = None
        self.starts = 0

    def start(self):
        """Its ready descriptor is read by `await_ready`, if anybody asks."""
        self.ready, theirs = os.pipe()
        os.set_inheritable(theirs, True)
        with open(self.world.log, "ab") as log:
            self.process = subprocess.Popen(
                [BIN / self.name, "--config", self.world.config,
                 f"--ready-fd={theirs}"], stdin=subprocess.DEVNULL,
                stderr=log, pass_fds=[theirs], env=self.world.env)
        os.close(theirs)
        self.starts += 1

    def await_ready(self):
        said = os.read(self.ready, 1)
        if said != b"\n":
            raise AssertionError(f"{self.name} did not start:\n"
                                 + self.world.log_tail())

    def pids(self):
        return [self.process.pid, *children_of(self.process.pid)]

    def kill(self, pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def reap(self):
        self.process.wait(DEADLINE_S)
        os.close(self.ready)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        os.close(self.ready)
        return code


class World:
    def __init__(self, options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-torture-"))
        self.state = self.folder / "state"
        self.config = self.folder / "config.yaml"
        self.log = self.folder / "log"
        self.seen = self.folder / "seen"
        self.seen.mkdir()
        self.env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1",
                    "UBSAN_OPTIONS": "print_stacktrace=1"}
        self.config.write_text(
            f"state: {self.state}\nlisten: 127.0.0.1:0\nworkers: {WORKERS}\n"
            f"upstream: {{kubeconfig: {ADMIN}}}\n"
            f"journal: {{durability: {options.durability}}}\n"
            # It is killed too often to be missed.
            "recorder: {timeout_ms: 60000, seal_interval_ms: 300}\n")
        self.recorder = Program("kubetape-recorder", self)
        self.proxy = Program("kubetape-proxy", self)
        self.pod = "torture-" + self.folder.name[-8:].replace("_", "x").lower()

    def log_tail(self):
        return self.log.read_text(errors="replace")[-4000:]

    def start(self):
        self.make_pod()
        for program in (self.recorder, self.proxy):
            program.start()
            program.await_ready()

    def make_pod(self):
        """One of our own: what a cut session leaves running ends with it."""
        shown = direct("ws", "get", "pod", "web", "-o", "json")
        pod = json.loads(shown.out)
        pod = {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": self.pod, "namespace": "default"},
               "spec": pod["spec"]}
        done = direct("ws", "create", "-f", "-", stdin=json.dumps(pod).encode())
        if done.code != 0:
            raise AssertionError(done.err.decode())
        direct("ws", "wait", "--for=condition=Ready", f"pod/{self.pod}",
               f"--timeout={DEADLINE_S}s")

    def remove_pod(self):
        direct("ws", "delete", "pod", self.pod, "--force", "--grace-period=0",
               "--wait=false")

    def tape(self, *args):
        command, *rest = args
        return run([BIN / "kubetape", command, "--state", self.state, *rest],
                   env=self.env)

    def sessions(self):
        shown = self.tape("ls", "--limit", "1000000", "--json")
        if shown.code != 0:
            raise AssertionError(f"kubetape ls: {shown}")
        return [json.loads(line) for line in shown.out.splitlines()]


# ---- killing ----

class Killer:
    def __init__(self, world, rng):
        self.world = world
        self.rng = rng
        self.kills = collections.Counter()

    def kill(self, what):
        getattr(self, what)()
        self.kills[what] += 1

    def worker(self):
        """One of several; the proxy starts another by itself."""
        workers = children_of(self.world.proxy.process.pid)
        if workers:
            self.world.proxy.kill([self.rng.choice(workers)])

    def supervisor(self):
        """The proxy's first process alone: its workers end what they have."""
        self.again([self.world.proxy], [self.world.proxy.process.pid])

    def proxy(self):
        self.again([self.world.proxy], self.world.proxy.pids())

    def recorder(self):
        self.again([self.world.recorder], self.world.recorder.pids())

    def everything(self):
        self.again([self.world.recorder, self.world.proxy],
                   self.world.recorder.pids() + self.world.proxy.pids())

    def again(self, programs, pids):
        programs[0].kill(pids)
        for program in programs:
            program.reap()
        self.pause(0.3)
        for program in programs:
            program.start()
        if self.rng.random() < 0.7:  # else the next kill may hit its start
            for program in programs:
                program.await_ready()

    def pause(self, most_s):
        time.sleep(self.rng.uniform(0, most_s))


PLAN = {"worker": 5, "supervisor": 2, "proxy": 3, "recorder": 5,
        "everything": 5}


def torture(world, options, rng):
    """The first fifth hits the recorder alone, which no client may notice.
    -> the kills, and when the others began."""
    killer = Killer(world, rng)
    calm = options.kills // 5
    for _ in range(calm):
        killer.pause(options.pause)
        killer.kill("recorder")
    end_of_calm = time.time()
    for _ in range(options.kills - calm):
        killer.pause(options.pause)
        killer.kill(*rng.choices(list(PLAN), PLAN.values()))
    killer.pause(options.pause)
    return killer.kills, end_of_calm


def start_clients(world, options):
    program = run([HERE / "build"]).out.decode().strip()
    log = open(world.folder / "clients.log", "ab")
    return subprocess.Popen(
        [program, "-state", world.state, "-pod", world.pod, "-out", world.seen,
         "-transports", options.transports, "-seed", str(options.seed),
         "-sessions", str(options.sessions)], stdin=subprocess.PIPE,
        stderr=log)


def settle(world):
    """Everything that ended is recorded, and the journals are gone."""
    def is_settled():
        return (not list((world.state / "journal").glob("w*"))
                and not [s for s in world.sessions()
                         if s["status"] == "active"])
    with contextlib.suppress(AssertionError):  # what is left is a finding
        until("all is recorded", is_settled, SETTLE_S)


# ---- comparing ----

class Seen:
    """A session as its client saw it."""

    def __init__(self, folder, result):
        self.folder = folder
        self.__dict__.update(result)

    def bytes(self, stream):
        path = self.folder / f"{self.tag}.{stream}"
        return path.read_bytes() if path.exists() else b""

    @property
    def got(self):
        """Without what the proxy itself said last, to tell why it ended."""
        return {name: LAST_WORD.sub(b"", self.bytes(name))
                for name in ("stdout", "stderr")}


def read_streams(path):
    pieces = recording_reader.split(path.read_bytes())
    frames = b"".join(raw for kind, raw in pieces if kind == "data")
    text = recording_reader.unpack(frames)
    return recording_reader.Recording(text, is_finished=True).streams()


def compare(world, seen, rows, findings):
    """One client's session. -> how many received bytes were compared."""
    got = seen.got
    if not rows:
        findings.demand(not any(got.values()) and seen.exit_code is None,
                        "not recorded", seen.tag, seen.error)
        return 0
    findings.demand(len(rows) == 1, "recorded twice", seen.tag)
    row = rows[0]
    who = f"{seen.tag} ({seen.kind}, {seen.transport}) is {row['id']}"
    compare_end(seen, row, who, findings)
    if not row["file"]:
        findings.demand(not any(got.values()), "without a file", who)
        return 0
    try:
        recorded = read_streams(world.state / row["file"])
    except (recording_reader.Wrong, OSError) as e:
        findings.add("unreadable", who, repr(e))
        return 0
    compare_bytes(seen, got, recorded, who, findings)
    return sum(map(len, got.values()))


def compare_end(seen, row, who, findings):
    findings.demand(row["status"] != "active", "still active", who)
    findings.demand(row["sealed"] or not row["file"], "not sealed", who)
    if row["status"] == "failed":
        findings.demand(row["reason"], "failed without a reason", who)
    if seen.exit_code is not None:
        findings.demand(seen.exit_code == row["exit_code"] == EXIT_CODE,
                        "another end", who, f"{seen.exit_code}, {row}")
    elif row["status"] == "complete":
        # The end stood in the journal when the proxy died: then it is known.
        findings.demand(row["exit_code"] == EXIT_CODE, "complete without end",
                        who, f"{seen.error}; {row}")


def compare_bytes(seen, got, recorded, who, findings):
    for name, received in got.items():
        findings.demand(recorded[name].startswith(received), "lost", who,
                        f"{name}: {len(received)} received, "
                        f"{len(recorded[name])} recorded")
    sent, entered = seen.bytes("stdin"), recorded["stdin"]
    findings.demand(sent.startswith(entered), "input that was not sent", who)
    if seen.kind in ("echo", "both"):
        findings.demand(entered.startswith(got["stdout"]),
                        "unrecorded input reached the container", who)
    if seen.exit_code is not None:
        for name, received in got.items():
            findings.demand(recorded[name] == received,
                            "another whole than was received", who, name)


def compare_all(world, findings):
    results = [json.loads(p.read_text()) for p in world.seen.glob("*.json")]
    tags = {p.name.split(".")[0] for p in world.seen.glob("*.stdout")}
    for tag in tags - {r["tag"] for r in results}:
        findings.add("its client hangs", tag)
    rows = collections.defaultdict(list)
    for row in world.sessions():
        rows[row["command"][3]].append(row)
    seen = [Seen(world.seen, r) for r in results]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(
            lambda s: compare(world, s, rows[s.tag], findings), seen))
    return seen, [r for group in rows.values() for r in group], sum(counts)


def check_calm(seen, end_of_calm, findings):
    """No client noticed that the recorder died."""
    for s in seen:
        if s.end < end_of_calm:
            findings.demand(s.exit_code == EXIT_CODE,
                            "disturbed by the recorder's death",
                            f"{s.tag} ({s.kind}, {s.transport})", s.error)


def check_verify(world, rows, findings):
    def one(row):
        shown = world.tape("verify", row["id"])
        findings.demand(shown.code == 0, "verify", row["id"], str(shown))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(one, [r for r in rows if r["file"]]))


def check_rest(world, findings):
    for path in (world.state / "journal").glob("w*"):
        findings.add("journal left", path.name)
    for path in (world.state / "recordings").rglob("*.tmp*"):
        findings.add("file left", path)
    for line in world.log.read_text(errors="replace").splitlines():
        if LOUD.search(line):
            findings.add("said", line)


# ---- all of it ----

def run_all(world, options, findings):
    rng = random.Random(options.seed)
    world.start()
    clients = start_clients(world, options)
    kills, end_of_calm = torture(world, options, rng)
    findings.demand(clients.poll() is None, "the clients ended", "")
    clients.stdin.close()
    try:
        clients.wait(SETTLE_S)
    except subprocess.TimeoutExpired:
        clients.kill()
        clients.wait()
    findings.demand(world.proxy.stop() == 0, "exit", "kubetape-proxy")
    settle(world)
    findings.demand(world.recorder.stop() == 0, "exit", "kubetape-recorder")
    seen, rows, size = compare_all(world, findings)
    check_calm(seen, end_of_calm, findings)
    check_verify(world, rows, findings)
    check_rest(world, findings)
    report(kills, seen, rows, size)


def report(kills, seen, rows, size):
    print(f"kills: {sum(kills.values())}:",
          ", ".join(f"{what} {n}" for what, n in sorted(kills.items())))
    print(f"clients' sessions: {len(seen)}:",
          ", ".join(f"{t} {n}" for t, n in sorted(
              collections.Counter(s.transport for s in seen).items())),
          f"; {sum(s.exit_code is not None for s in seen)} saw their end")
    print(f"recorded: {len(rows)}")
    for (status, reason), n in sorted(collections.Counter(
            (r["status"], r["reason"]) for r in rows).items()):
        print(f"  {n:5} {status} {reason}")
    print(f"bytes compared: {size}")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--transports", default="ws,spdy")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--pause", type=float, default=2,
                        help="seconds between kills, at most")
    parser.add_argument("--durability", default="journal")
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 30))
    return parser.parse_args()


def main():
    options = parse()
    findings = Findings()
    began = time.monotonic()
    print(f"torture: seed {options.seed}, {options.transports}", flush=True)
    world = World(options)
    try:
        run_all(world, options, findings)
    except BaseException:
        print(f"in {world.folder}:\n{world.log_tail()}", file=sys.stderr)
        raise
    finally:
        for program in (world.proxy, world.recorder):
            if program.process and program.process.poll() is None:
                program.kill(program.pids())
        world.remove_pod()
    print(f"minutes: {(time.monotonic() - began) / 60:.1f}")
    print(f"findings: {len(findings.said)}")
    for said in findings.said:
        print("  " + said)
    if findings.said:
        print(f"in {world.folder}; again with --seed {options.seed}")
        sys.exit(1)
    shutil.rmtree(world.folder)


if __name__ == "__main__":
    main()
