#!/usr/bin/env python3
"""Many sessions through the real proxy and recorder, and then: what the
processes hold stayed flat, and every session is recorded whole.

    soak.py [--sessions N] [--seconds S]

README.md beside this says what is held. Runs until N sessions were let in,
however long that takes, and says whether it took more than S seconds.
"""
import argparse
import contextlib
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import stage  # noqa: E402, first: it knows where meter and stand are
import gauge  # noqa: E402
import judge  # noqa: E402
import meter  # noqa: E402

CALLERS = 16
LONG = 8
WARM_UP = 120        # sessions; with them everything was there once
MEMORY_JUDGED = 10000  # sessions; fewer say nothing about a trend
KEPT_BYTES = 1200    # of recordings, a session: about half of what they take
KEPT_MIN = 1 << 20
# When what happens, as a share of all sessions. The programs are touched in
# the first half, so that the second is of processes that lived through it.
EVENTS = [(0.15, "reload"), (0.25, "restart_recorder"), (0.30, "prune"),
          (0.35, "reload"), (0.45, "restart_recorder"), (0.60, "prune"),
          (0.80, "prune")]


def say(text):
    print(f"soak: {text}", flush=True)


# ---- the run ----

def finish(clients):
    clients.stdout.read()
    if clients.wait() != 0:
        raise SystemExit("soak: the clients failed; see above")


def await_rest(s):
    """Until nobody is connected: the stand-in ends connections that idle."""
    def check():
        open_ones = sum(map(gauge.connections, s.ports()))
        return open_ones == 0 or f"{open_ones} connections"
    stage.await_true("no connection is open", check)


def warm_up(s, results):
    """What the processes hold at rest, once everything was there once."""
    finish(s.call(results, WARM_UP, "-callers", CALLERS))
    first = s.workers()
    s.reload()  # what it keeps of the configuration before is kept now
    stage.await_true("one worker, another", lambda: len(s.workers()) == 1 and
                     s.workers() != first or f"{s.workers()}, was {first}")
    s.await_recorded(len(judge.results_of([results])))
    await_rest(s)
    return gauge.rest(s)


def run(s, results, watch, sessions):
    events = list(EVENTS)
    clients = s.call(results, sessions, "-callers", CALLERS, "-long", LONG,
                     "-first", 1 + 2 * WARM_UP)
    for line in clients.stdout:
        watch.done = int(line.split()[1])
        while events and watch.done >= events[0][0] * sessions:
            name = events.pop(0)[1]
            say(f"{watch.done} sessions: {name.replace('_', ' ')}")
            getattr(s, name)()
    finish(clients)
    if events:
        raise SystemExit(f"soak: {events} did not happen")


# ---- what must hold ----

def judge_trend(findings, watch, sessions):
    half = watch.second_half(sessions)
    for (role, pid), samples in sorted(half.items()):
        grown = {what: gauge.growth(samples, what)
                 for what in ("pss_kib", "fds", "threads")}
        first, last = samples[0], samples[-1]
        say(f"{role} {pid}, second half: PSS {first.pss_kib} to "
            f"{last.pss_kib} KiB (trend {grown['pss_kib']:+.0f}), descriptors "
            f"{first.fds} to {last.fds} (trend {grown['fds']:+.1f}), threads "
            f"{first.threads} to {last.threads}")
        findings.demand(grown["fds"] < gauge.GROWTH_FDS,
                        f"{role}: its descriptors grow")
        findings.demand(grown["threads"] < 1, f"{role}: its threads grow")
        if sessions >= MEMORY_JUDGED and not watch.is_sanitized:
            findings.demand(grown["pss_kib"] < gauge.GROWTH_KIB,
                            f"{role}: its memory grows")
    alive = {role for role, _ in half}
    if sessions >= MEMORY_JUDGED:
        findings.demand(alive == {"proxy", "worker", "recorder"},
                        f"only {alive} lived through the second half")


def holds_no_more(now, baseline):
    return now.keys() == baseline.keys() and all(
        len(now[role]) == len(baseline[role]) and
        all(have <= had for pair in zip(now[role], baseline[role])
            for have, had in zip(*pair)) for role in now)


def judge_rest(findings, s, baseline):
    """Nothing is held that was not held at the begin: to the descriptor."""
    def check():
        now = gauge.rest(s)
        return holds_no_more(now, baseline) or f"{now}, was {baseline}"
    try:
        await_rest(s)
        stage.await_true("the processes hold what they held", check)
    except SystemExit as e:
        findings.add(f"{e}: " + "; ".join(
            f"{role} {gauge.descriptors(pid)}"
            for pid, role in s.processes().items()))


def print_disk(s, watch, count):
    for name in ("recordings", "index.db", "ledger"):
        path = s.state / name
        if path.exists():
            kib = gauge.used_kib(path) if path.is_dir() else (
                path.stat().st_blocks // 2)
            say(f"{name}: {kib / 1024:.1f} MiB on the disk, "
                f"{kib / count:.2f} KiB a session")
    say(f"journals: {watch.journal_kib / 1024:.0f} MiB at most")


def print_costs(watch, seconds, count):
    say(f"{count} sessions in {seconds:.0f} s, {count / seconds:.0f} a second; "
        "CPU a session: " + ", ".join(
            f"{role} {watch.cpu_seconds(role) / count * 1e6:.0f} us"
            for role in ("worker", "recorder")))


def soak(s, folder, options, findings):
    first, second = folder / "first.jsonl", folder / "second.jsonl"
    baseline = warm_up(s, first)
    watch = gauge.Gauge(s)
    watch.start()
    started = time.monotonic()
    run(s, second, watch, options.sessions)
    results = judge.results_of([first, second])
    s.await_recorded(len(results))
    seconds = time.monotonic() - started
    watch.stop()
    print_costs(watch, seconds, len(results))
    if seconds > options.seconds:
        say(f"that is longer than the {options.seconds} s asked for")
    print_disk(s, watch, len(results))
    judge_trend(findings, watch, options.sessions)
    s.prune()
    judge_rest(findings, s, baseline)
    s.stop(s.proxy)
    s.stop(s.recorder)
    rows = judge.judge_index(findings, s, results)
    judge.judge_files(findings, s.state, rows)
    judge.judge_store(findings, s.state)
    judge.judge_recordings(findings, s.state, rows, results, options.verified)
    judge.judge_logs(findings, s.logs)


def leave(number, _frame):
    """Not without ending what was started."""
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=50000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--verified", type=int, default=200,
                        help="recordings that are read whole")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    findings = judge.Findings()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-soak-"))
    say(meter.machine())
    say(f"in {folder}, which is kept when something is wrong")
    with contextlib.ExitStack() as stack:
        kept = max(KEPT_MIN, options.sessions * KEPT_BYTES)
        s = stage.Stage(stack, folder, {"retention": {"max_bytes": kept}})
        s.kept_bytes = kept
        soak(s, folder, options, findings)
    if findings.count:
        raise SystemExit(f"soak: {findings.count} findings")
    shutil.rmtree(folder)
    say("flat, and every session is recorded")


if __name__ == "__main__":
    main()
