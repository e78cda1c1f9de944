#!/usr/bin/env python3
"""Cuts the power at moments that a seed gives, and starts the recorder on what
the disk then holds.

    powercut.py PRELOAD [--cuts N] [--seed S] [--disk orderly|pages]

The real proxy and recorder run for some seconds before a stand-in for the API
server, with every change of their files written down (support/powercut.c).
disk.py says what is left of them at a moment. Under `strict` everything that
a client had by then must come out of it; under `journal` what it had when the
last sync that ended began. The recorder that completes it is cut, too, and
started once more.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenario"))
import disk  # noqa: E402
from proxy_stage import (EXEC, Cut, SERVER_CLOSE, SUCCESS,  # noqa: E402
                         ask_for_session, await_true, grant, said, stage)
from test_proxy_kill import payload  # noqa: E402

BIN = pathlib.Path(os.environ["KUBETAPE_BIN"]).resolve()
SETTLE_S = 90  # a folder without a lock's name is waited for a minute
RUN_S = 4
SYNC_MS = 200
# What unsynced bytes may become; see disk.py.
KEEPS = {"orderly": ("none", "orderly"), "pages": ("none", "orderly", "pages")}


# ---- a run, written down ----

class Client:
    """A session, and what of it was here at which moment."""

    def __init__(self):
        self.id = None
        self.pieces = []  # (moment, bytes)

    def run(self, connection):
        self.id = ask_for_session(connection).get("Kubetape-Session")
        stream = connection.stream
        try:
            while stream.bytes or stream.more():
                self.pieces.append((time.monotonic_ns(),
                                    stream.take(len(stream.bytes))))
        except (Cut, OSError):
            pass

    def had(self, moment_ns):
        return payload(b"".join(b for t, b in self.pieces if t <= moment_ns), 1)


def serve(c, _request):
    """Sessions of uneven length, and of uneven output."""
    rng = random.Random()
    grant(c, _request)
    end = time.monotonic() + rng.uniform(0.3, 3)
    try:
        while time.monotonic() < end:
            size = rng.choice((1, 40, 3000, 30000))
            c.send(said(1, rng.randbytes(size).hex().encode()[:size]))
            time.sleep(rng.choice((0.001, 0.005, 0.02)))
        c.send(SUCCESS)
        c.send(SERVER_CLOSE)
    except OSError:
        pass
    c.is_open = False


def preloaded(preload, state, log):
    return {"LD_PRELOAD": str(preload), "POWERCUT_STATE": str(state),
            "POWERCUT_LOG": str(log)}


def start_recorder(config, env=None):
    """Its standard error goes beside its configuration."""
    log = open(config.parent / "recorder.log", "ab")
    return subprocess.Popen([BIN / "kubetape-recorder", "--config", config],
                            stderr=log, env={**os.environ, **(env or {})})


def write_down(folder, preload, durability):
    """-> (ops, clients): the run's log, and who had what when."""
    state, log = folder / "state", folder / "log"
    env = preloaded(preload, state, log)
    clients, stop = [], threading.Event()

    def keep_one(proxy):
        while not stop.is_set():
            clients.append(Client())
            clients[-1].run(proxy.connect())

    os.environ.update(env)
    try:
        with stage(f"journal:\n  durability: {durability}\n"
                   f"  sync_interval_ms: {SYNC_MS}\n",
                   state=state) as (api, proxy):
            recorder = start_recorder(proxy.folder / "config.yaml")
            api.on(EXEC, serve)
            threads = [threading.Thread(target=keep_one, args=(proxy,))
                       for _ in range(4)]
            for t in threads:
                t.start()
            time.sleep(RUN_S)  # so much is written down; nothing is awaited
            stop.set()
            for t in threads:
                t.join()
            recorder.terminate()
            recorder.wait()
    finally:
        for name in env:
            del os.environ[name]
    return disk.read_log(log, state), clients


# ---- a cut, and what comes of it ----

def moment_of_sync(ops):
    """When the last sync of a journal's segment that ended had begun."""
    begun, best = {}, 0
    for op in ops:
        if not op.path.endswith(".seg"):
            continue
        if op.op == disk.SYNC_BEGIN:
            begun[op.ino] = op.time
        elif op.op == disk.SYNC_END:
            best = max(best, begun[op.ino])
    return best


def config_of(folder):
    path = folder / "config.yaml"
    path.write_text(f"state: {folder / 'state'}\n"
                    "upstream: {kubeconfig: /nowhere}\n")
    return path


def tape(folder, *args):
    command, *rest = args
    return subprocess.run([BIN / "kubetape", command, "--state",
                           folder / "state", *rest], capture_output=True,
                          check=False)


def sessions(folder):
    shown = tape(folder, "ls", "--limit", "100000", "--json")
    if shown.returncode != 0:
        return None  # there is no index yet
    return {s["id"]: s for s in map(json.loads, shown.stdout.splitlines())}


def recover(folder, env=None):
    """Until everything is recorded and nothing of a journal is left."""
    recorder = start_recorder(config_of(folder), env)

    def is_over():
        rows = sessions(folder)
        return (recorder.poll() is not None or rows is not None
                and not list((folder / "state/journal").glob("w*"))
                and not [s for s in rows.values() if s["status"] == "active"])
    await_true(f"recovery of {folder}", is_over, SETTLE_S, pause_s=0.1)
    if recorder.poll() is None:
        recorder.terminate()
    code = recorder.wait()
    assert code == 0, (code, (folder / "recorder.log").read_text()[-3000:])


def is_known_lost(row):
    """All that was left of it is that it was: its row is synced, and nothing
    else of it was yet. That is told, as of a recording that was removed."""
    return (row["status"] == "failed" and not row["sealed"]
            and row["reason"].startswith("its journal is gone"))


def is_of_nobody(finding, needed):
    """A file whose name reached the disk, of a session of which nothing else
    did: verify tells of it, and an operator removes it."""
    path, _, what = finding.partition(": ")
    id_ = path.rpartition("/")[2].partition(".")[0]
    return (what == "a recording that neither the ledger nor the index knows"
            and not needed.get(id_))


def check(folder, needed):
    """`needed`: {session: bytes of output that somebody had}."""
    rows = sessions(folder)
    lost = {id_ for id_, row in rows.items()
            if is_known_lost(row) and not needed.get(id_)}
    for id_, output in needed.items():
        if not output:
            continue
        assert id_ in rows, f"{id_} is lost, with {len(output)} bytes"
        shown = tape(folder, "export", id_, "--format", "raw", "--stream",
                     "stdout")
        assert shown.stdout.startswith(output), (
            f"{id_}: {len(output)} bytes were had, "
            f"{len(shown.stdout)} are recorded, {rows[id_]}")
    for id_, row in rows.items():
        assert row["sealed"] or not row["file"] or id_ in lost, row
        assert row["status"] != "failed" or row["reason"], row
    shown = tape(folder, "verify", "--all")
    told = shown.stdout.decode().splitlines()[:-1]
    findings = [line for line in told if line.split(":")[0] not in lost
                and not is_of_nobody(line, needed)]
    assert (shown.returncode, findings) == (1 if told else 0, []), (
        shown.stdout.decode()[-3000:])


def cut(folder, preload, ops, clients, durability, seed, keeps):
    """One cut of the run, and one of the recovery from it."""
    rng = random.Random(seed)
    folder.mkdir()
    at = rng.randrange(len(ops) // 5, len(ops))
    moment = (ops[at].time if durability == "strict"
              else moment_of_sync(ops[:at + 1]))
    needed = {c.id: c.had(moment) for c in clients if c.id}
    image, keeps = folder / "image", rng.choice(keeps)
    disk.Disk(ops[:at + 1]).build(image, seed, keeps)
    first = folder / "first"
    first.mkdir()
    shutil.copytree(image, first / "state")
    inodes = disk.inodes_of(first / "state")
    log = folder / "log"
    recover(first, preloaded(preload, first / "state", log))
    check(first, needed)
    again = disk.read_log(log, first / "state")
    second = folder / "second"
    second.mkdir()
    disk.Disk(again[:rng.randrange(1, len(again))], image, inodes).build(
        second / "state", seed + 1, keeps)
    recover(second)
    check(second, needed)
    return sum(map(len, needed.values()))


def torture(options, durability, folder):
    ops, clients = write_down(folder, options.preload, durability)
    had = sum(len(c.had(1 << 62)) for c in clients)
    failed, compared = 0, []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tries = {seed: pool.submit(
            cut, folder / str(seed), options.preload, ops, clients, durability,
            seed, KEEPS[options.disk]) for seed in range(options.seed, options.seed + options.cuts)}
        for seed, done in tries.items():
            try:
                compared.append(done.result())
                shutil.rmtree(folder / str(seed))
            except Exception as e:  # each cut is told of
                failed += 1
                print(f"  {durability}, seed {seed}, {folder / str(seed)}: "
                      f"{e!r}"[:2000], flush=True)
    print(f"{durability}: {len(ops)} changes written down, {len(clients)} "
          f"sessions had {had} bytes; {options.cuts} cuts, as many of the "
          f"recovery, {sum(compared)} bytes compared, {failed} failed",
          flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("preload", type=pathlib.Path)
    parser.add_argument("--disk", choices=KEEPS, default="pages")
    parser.add_argument("--cuts", type=int, default=12, help="a durability")
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args()
    options.preload = options.preload.resolve()
    print(f"powercut: seed {options.seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-powercut-"))
    failed = 0
    for durability in ("strict", "journal"):
        (folder / durability).mkdir()
        failed += torture(options, durability, folder / durability)
    if failed:
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
