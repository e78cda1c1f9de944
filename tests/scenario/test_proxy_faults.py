"""Every call of the proxy's worker that can fail, failed: the n-th of a kind,
for every n, while a session runs through it.

    test_proxy_faults.py KIND [EVERY [SEED]] [-t N MODE SCRIPT]

EVERY k-th n only, from one that SEED gives, without the last script; -t runs a single n, and says from
where the failing call came. Each n is run twice with each script (a WebSocket
session, a SPDY session, a plain request, a session that fills a segment of the
journal):

    once      one call fails
    for-good  that call and all later ones of the kind, until the session ends

Whatever happened: what either end was given is in the journal, in its order;
nothing is asked for that is not open there; no session is called complete that
is not recorded whole; whoever is not served is told so where that is possible;
one fault is one line of the log; and then the next session is whole, by the
same worker.

One case has no words: a session that was over, whose last bytes wait for a disk
that fails. It is recorded whole, its end included, and its client is cut off.
"""
import collections
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

import proxy_stage
from disk_stage import LONG_S
from fault_stage import KINDS, Journal, Plain, Plan, Spdy, WebSocket
from proxy_stage import Proxy, StandIn, await_true

FAULTY = os.environ["FAULTY_PROXY"]
# Without these nothing can be said.
NEEDED = ("alloc", "tls", "open")
MODES = ["once", "for-good"]
ROLL_BLOCK = b"%015d\n" % 7 * 4096
SCRIPTS = {
    "websocket": WebSocket,
    "spdy": Spdy,
    "plain": Plain,
    "roll": lambda tag: WebSocket(tag, ROLL_BLOCK, (66 << 20) // 65536),
}
SETTINGS = ("journal:\n  min_free_bytes: 0\n  pause_ms: 200\n"
            "  sync_interval_ms: 20\n  durability: %s\n")


class Finding(Exception):
    pass


def must(is_so, what):
    if not is_so:
        raise Finding(what)


class Bench:
    def __init__(self, folder, api, kind):
        os.environ["KUBETAPE_FAULTS"] = str(folder / "plan")
        if kind == "tls":
            os.environ["KUBETAPE_FAULTS_TLS"] = "1"
        self.plan = Plan(folder / "plan")
        self.kind = kind
        self.api = api
        self.proxy = Proxy(
            folder, api, SETTINGS % ("strict" if kind == "sync" else "journal"),
            600000, program=FAULTY)
        self.pid = self.proxy.worker()
        self.journal = Journal(self.proxy.state)
        self.log_at = 0
        self.tally = collections.Counter()
        self.most_lines = 0
        self.count = 0

    # ---- one run ----

    def session(self, script, tag):
        talk = SCRIPTS[script](tag)
        outcome = talk.run(self.api, self.proxy, self.journal)
        return talk, outcome

    def new_errors(self):
        text = (self.proxy.folder / "log").read_text(errors="replace")
        lines, self.log_at = text[self.log_at:], len(text)
        return [line for line in lines.splitlines() if "Z error " in line]

    def whole_again(self, tag):
        """The fault is over: soon a session is as it should be."""
        until = time.monotonic() + LONG_S
        while True:
            if self.kind == "sync":
                self.journal.read()
            if self.kind != "truncate":  # else no segment is made anew
                self.journal.release()
            talk, outcome = self.session("websocket", tag)
            if outcome.how == "whole":
                return talk, outcome
            must(time.monotonic() < until, f"no session afterwards: {outcome}")
            self.tally["afterwards " + outcome.how] += 1

    def check_shown(self, talk, outcome, found):
        """Nothing that either end was given is missing."""
        if talk.asked is not None:
            must(talk.was_open, "asked for, and not open in the journal")
        session = outcome.id or talk.asked
        if session is None:
            return None
        records = found.get(session)
        if records is None:
            must(outcome.streams is None and talk.asked is None,
                 "a session that is not in the journal")
            return None
        kept = records["streams"]
        must(kept[0][:len(talk.input_heard)] == talk.input_heard,
             "input that is not recorded")
        for number in (1, 2) if outcome.streams else ():
            shown = outcome.streams[number]
            must(kept[number][:len(shown)] == shown,
                 f"shown and not recorded: {shown[:80]!r}")
        return records

    def await_close(self, session):
        await_true("its CLOSE", lambda: self.journal.read()[session]["close"],
                   LONG_S)

    def check_close(self, talk, outcome, records):
        close = records["close"]
        if close is None:
            must(self.kind in ("alloc", "tls"), "a session without an end")
            self.tally["without CLOSE"] += 1
            return
        is_complete = close["status"] == "complete"
        must(not is_complete or talk.is_whole_in(records),
             f"complete, and not recorded whole: {records}"[:600])
        must(outcome.how != "whole" or is_complete, f"whole, and {close}")

    def run(self, n, mode, script, is_traced=False):
        tag = f"{n} {mode} {script}"
        self.plan.make(self.kind, n, mode == "for-good", is_traced)
        talk, outcome = self.session(script, tag)
        count, was_hit = self.plan.stop()
        if is_traced:
            print(outcome.how, outcome.id, outcome.status)
        after, again = self.whole_again("after " + tag)
        self.await_close(again.id)
        found = self.journal.read()
        self.check_close(after, again, found[again.id])
        records = self.check_shown(talk, outcome, found)
        if records is not None:
            self.check_close(talk, outcome, records)
        must(self.proxy.worker() == self.pid, "the worker is another")
        lines = self.new_errors()
        must(mode != "once" or len(lines) <= 1, f"one fault: {lines}")
        self.most_lines = max(self.most_lines, len(lines))
        must(was_hit or outcome.how == "whole", f"without a fault: {outcome}")
        if was_hit:
            self.tally[outcome.how] += 1
            self.check_told(talk, outcome, records)
            if outcome.how in ("cut", "gone"):
                print(f"{outcome.how}: {self.kind} {n} {mode} {script}")
        self.forget(found)
        return count

    def check_told(self, talk, outcome, records):
        """Without memory or a socket there is no way to say why."""
        if self.kind in NEEDED or outcome.how not in (
                "cut", "gone"):
            return
        was_over = (records is not None and records["close"] is not None
                    and records["close"]["status"] == "complete")
        must(was_over or (outcome.how == "cut"
                          and not talk.may_be_told(outcome)),
             f"its client was told nothing: {outcome}"[:600])

    def forget(self, found):
        for records in found.values():
            records["streams"] = [b"", b"", b""]

    # ---- all runs ----

    def calls(self, script):
        """How many there are without a fault, at most."""
        return max(self.run(0, "once", script) for _ in range(3))

    def try_all(self, every, seed):
        runs = failed = 0
        for script in SCRIPTS:
            if script == "roll" and every > 1:
                continue  # long
            count = self.calls(script)
            if script == "roll":
                every = max(every, count // 12 + 1)
            print(f"{self.kind} {script}: {count} calls, every {every} from "
                  f"{1 + seed % every}", flush=True)
            for n in range(1 + seed % every, count + 1, every):
                for mode in MODES:
                    runs += 1
                    failed += not self.try_one(n, mode, script)
        return runs, failed

    def try_one(self, n, mode, script, is_traced=False):
        try:
            self.run(n, mode, script, is_traced)
            return True
        except (Finding, AssertionError) as e:
            self.plan.stop()
            print(f"FINDING: {self.kind} {n} {mode} {script}: {e!s:.600}",
                  flush=True)
            if self.proxy.process.poll() is not None:
                raise
            self.pid = self.proxy.worker()
            return False


def main():
    args = sys.argv[1:]
    kind = args[0]
    assert kind in KINDS, kind
    if kind != "open":  # a socket that is missing for good is waited for
        proxy_stage.DEADLINE_S = LONG_S
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-faults-"))
    api = StandIn(folder)
    bench = None
    runs = failed = 0
    try:
        bench = Bench(folder, api, kind)
        if "-t" in args:
            n, mode, script = args[2:5]
            bench.calls(script)
            runs, failed = 1, not bench.try_one(int(n), mode, script, True)
        else:
            every = int(args[1]) if len(args) > 1 else 1
            seed = int(args[2]) if len(args) > 2 else random.randrange(1 << 30)
            runs, failed = bench.try_all(every, seed)
        code = bench.proxy.stop()
        assert code == 0, code
        print(f"{kind}: {runs} runs, {failed} failed; {dict(bench.tally)}; at "
              f"most {bench.most_lines} lines")
    finally:
        if bench is not None and bench.proxy.process.poll() is None:
            bench.proxy.process.kill()
        if bench is None or failed or "-t" in args:
            print((folder / "log").read_text()[-6000:])
        api.close()
        shutil.rmtree(folder)
    return 1 if failed or api.errors else 0


if __name__ == "__main__":
    sys.exit(main())
