"""The measurements. Each takes its targets in turns (A B C A B C ...), so
that whatever else the machine does falls on all of them, and prints its part
of the table."""
import gzip
import json
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import time
import urllib.parse

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "soak"))
import meter
import stand
import stage
import table

MIB = 1 << 20
GIB = 1 << 30
LINE = ("2026-11-24 22:43:56 INFO shop.orders request 8c1f completed, "
        "status=200 dur=12ms")  # 80 columns
EXEC = "/api/v1/namespaces/default/pods/web/exec?"


def exec_path(*command):
    """Of a terminal session in the cluster's `web` pod."""
    query = [("command", word) for word in command]
    query += [("stdin", "true"), ("stdout", "true"), ("tty", "true")]
    return EXEC + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)


def samples_of(targets):
    return {t.name: [] for t in targets}


# ---- bulk output ----

UNIT_MIB = 4  # of log text, sent to the pod once
UNIT = "/tmp/kubetape-bench-text"


def prepare_bulk(s):
    text = subprocess.run([stand.program("journal_corpus"), "text",
                           str(UNIT_MIB)], check=True, stdout=subprocess.PIPE)
    s.stack.callback(subprocess.run, [s.env["KUBECTL"], "exec", "web", "--",
                                      "rm", "-f", UNIT], env=s.env)
    # The shell outlives cat and keeps standard output open: a session that
    # has closed it ends before all input is there, without any proxy.
    there = subprocess.run(
        [s.env["KUBECTL"], "exec", "-i", "web", "--", "sh", "-c",
         f"cat >{UNIT}; wc -c <{UNIT}"], env=s.env, input=text.stdout,
        check=True, stdout=subprocess.PIPE).stdout
    if int(there) != UNIT_MIB * MIB:
        raise SystemExit(f"bench: {int(there)} bytes of text in the pod")


def large_writes(mib):
    """As `cat` and most programs write: what the pipe takes, 32 KiB a frame."""
    return (f"i=0; while [ $i -lt {mib // UNIT_MIB} ]; do cat {UNIT}; "
            "i=$((i+1)); done")


def small_writes(mib):
    """4 KiB a frame and less: what a frame costs, rather than a byte."""
    return f"yes '{LINE}' | head -c {mib * MIB}"


def kubectl_bulk(s, target, transport, command, mib):
    """MiB/s; the bytes are counted, so that a lost tail is not speed."""
    env = dict(s.env, KUBECTL_REMOTE_COMMAND_WEBSOCKETS=str(
        transport == "WebSocket").lower())
    argv = [s.env["KUBECTL"], "--kubeconfig", target.kubeconfig, "exec", "web",
            "--", "sh", "-c", command]
    start = time.monotonic()
    kubectl = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE)
    counted = subprocess.run(["wc", "-c"], stdin=kubectl.stdout,
                             capture_output=True, check=True)
    kubectl.stdout.close()
    seconds = time.monotonic() - start
    if kubectl.wait() != 0 or int(counted.stdout) != mib * MIB:
        raise SystemExit(f"bench: {target.name}: exec gave "
                         f"{int(counted.stdout)} bytes, exit "
                         f"{kubectl.returncode}")
    return mib / seconds


def cpu_of(target):
    return (target.proxy_cpu() if target.proxy_pid else 0.0,
            target.recorder_cpu() if target.recorder_pid else 0.0)


def bulk(s, transport, writes, mib, rounds):
    speed, proxy, recorder = (samples_of(s.targets) for _ in range(3))
    for _ in range(rounds):
        for t in s.targets:
            proxy_before, recorder_before = cpu_of(t)
            speed[t.name].append(
                kubectl_bulk(s, t, transport, writes(mib), mib))
            t.wait_until_recorded()
            proxy_after, recorder_after = cpu_of(t)
            per_gib = GIB / (mib * MIB)
            if t.proxy_pid:
                proxy[t.name].append((proxy_after - proxy_before) * per_gib)
            if t.recorder_pid:
                recorder[t.name].append(
                    (recorder_after - recorder_before) * per_gib)
    table.heading(f"Bulk output over {transport}, kubectl exec, "
                  f"{writes.__name__.replace('_', ' ')}, {mib} MiB x {rounds}",
                  speed)
    table.row("MiB/s", speed.values())
    table.row("proxy, CPU s/GiB", proxy.values(), table.target(
        proxy["kubetape"], 1.3 * statistics.median(proxy["haproxy"]), True,
        "1.3 x haproxy"))
    table.row("recorder, CPU s/GiB", recorder.values())


# ---- keystrokes ----

def press_keys(s, targets, count):
    """(p50, p99) in us, a list of one for each target."""
    out = subprocess.run(
        [stand.program("exec_client"), "keys", "--count", str(count), "--ca",
         s.ca, "--token-file", s.token_file, "--path",
         exec_path("sh", "-c", "stty raw -echo; exec cat"),
         *(t.address for t in targets)],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    taken = [[] for _ in targets]
    for line in out.splitlines():
        index, nanoseconds = line.split()
        taken[int(index)].append(int(nanoseconds) / 1000)
    return ([[statistics.median(t)] for t in taken],
            [[statistics.quantiles(t, n=100)[98]] for t in taken])


def keystrokes(s, count):
    p50, p99 = press_keys(s, s.targets, count)
    table.heading(f"Keystroke round trip, terminal running cat, {count} each "
                  "in turns of 100", (t.name for t in s.targets))
    haproxy_p50, kubetape_p50 = p50[1], p50[2]
    table.row("p50, us", p50, table.target(
        kubetape_p50, haproxy_p50[0] + 60, True, "haproxy + 60 us"))
    table.row("p99, us", p99)


def strict(s, count):
    """What it costs that a key, and its echo, are on the disk first."""
    on_disk = s.start_kubetape("strict", journal={"durability": "strict"})
    p50, p99 = press_keys(s, [s.kubetape, on_disk], count)
    table.heading(f"Keystroke round trip by journal.durability, {count} each "
                  "in turns of 100", ("journal", "strict"))
    for name, taken in (("p50, us", p50), ("p99, us", p99)):
        table.row(name, taken, f"strict adds "
                  f"{table.number(taken[1][0] - taken[0][0])} us")


# ---- short sessions ----

def call_sessions(there, target, count):
    """Sessions a second, from the first's open to the last one's record."""
    results = there.folder / "results"
    already = there.count_recorded()
    start = time.monotonic()
    clients = there.call(results, count, server=target.server, ca=target.ca)
    clients.stdout.read()
    if clients.wait() != 0:
        raise SystemExit(f"bench: {target.name}: sessions failed")
    called = len(results.read_text().splitlines())
    if target.recorder_pid:
        there.await_recorded(already + called)
    return called / (time.monotonic() - start), called


def session_targets(s):
    """In front of the soak's stand-in, since a container that is started
    costs more than all that is measured here."""
    folder = s.folder / "sessions"
    folder.mkdir()
    there = stage.Stage(s.stack, folder)
    api = there.api_server.removeprefix("https://")
    direct = stand.Target("direct", api)
    haproxy = s.start_haproxy("sessions-haproxy", api, there.cert)
    kubetape = stand.Target("kubetape", there.server.removeprefix("https://"))
    kubetape.proxy_pid = there.proxy.pid
    kubetape.recorder_pid = there.recorder.pid
    direct.ca, haproxy.ca = there.cert, s.ca
    kubetape.ca = there.state / "tls/ca.crt"
    for target in (direct, haproxy, kubetape):
        target.server = f"https://{target.address}"
    return there, [direct, haproxy, kubetape]


def sessions(s, count, rounds):
    there, targets = session_targets(s)
    rates, proxy, recorder = (samples_of(targets) for _ in range(3))
    for _ in range(rounds):
        for t in targets:
            proxy_before, recorder_before = cpu_of(t)
            rate, called = call_sessions(there, t, count)
            rates[t.name].append(rate)
            proxy_after, recorder_after = cpu_of(t)
            if t.proxy_pid:
                proxy[t.name].append(
                    (proxy_after - proxy_before) / called * 1e6)
            if t.recorder_pid:
                recorder[t.name].append(
                    (recorder_after - recorder_before) / called * 1e6)
    table.heading(f"Short sessions, opened, closed and recorded, 16 at a time, "
                  f"{count} x {rounds}; API server and clients of the soak",
                  rates)
    table.row("sessions/s", rates.values())
    table.row("proxy, CPU us each", proxy.values())
    table.row("recorder, CPU us each", recorder.values())


# ---- requests ----

def wrk(s, target, seconds):
    """Requests a second, and how many in all."""
    out = subprocess.run(
        ["wrk", "-t1", "-c10", f"-d{seconds}s", "-H",
         f"Authorization: Bearer {s.token}", f"https://{target.address}/version"],
        check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"bench: {target.name}: {out}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    return rate, int(re.search(r"(\d+) requests in", out)[1])


def requests(s, seconds, rounds):
    rates, cpu = samples_of(s.targets), samples_of(s.targets)
    for _ in range(rounds):
        for t in s.targets:
            before = t.proxy_cpu() if t.proxy_pid else 0
            rate, count = wrk(s, t, seconds)
            rates[t.name].append(rate)
            if t.proxy_pid:
                cpu[t.name].append((t.proxy_cpu() - before) / count * 1e6)
    table.heading(f"GET /version, 10 kept connections, wrk, {seconds} s x "
                  f"{rounds}", rates)
    table.row("requests/s", rates.values(), table.target(
        rates["kubetape"], 0.8 * statistics.median(rates["haproxy"]), False,
        "0.8 x haproxy"))
    table.row("proxy, CPU us/request", cpu.values())


# ---- idle sessions ----

def idle_memory(s, target, count):
    """KiB a session, of all the target's processes."""
    before = target.memory_kib()
    client = subprocess.Popen(
        [stand.program("exec_client"), "idle", "--count", str(count), "--ca",
         s.ca, "--token-file", s.token_file, "--path", exec_path("cat"),
         target.address],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if client.stdout.readline() != "open\n":
            raise SystemExit(f"bench: {target.name}: no {count} sessions")
        target.wait_until_recorded()
        return (target.memory_kib() - before) / count
    finally:
        client.stdin.close()
        client.stdout.close()
        client.wait()


def idle(s, count):
    proxies = [s.haproxy, s.kubetape]
    memory = {s.direct.name: []}
    for t in proxies:
        memory[t.name] = [idle_memory(s, t, count)]
    table.heading(f"Memory of an idle session (exec cat, one key answered), "
                  f"{count} at once, PSS of all processes", memory)
    table.row("KiB a session", memory.values(), table.target(
        memory["kubetape"], 200, True, "200 KiB"))


# ---- the recorder alone ----

def recorder_folder(s, name):
    folder = s.folder / name
    folder.mkdir()
    config = folder.with_suffix(".yaml")
    config.write_text(f"state: {folder}\n"
                      f"upstream: {{kubeconfig: {s.env['ALICE_KUBECONFIG']}}}\n"
                      "log: {level: warn}\n")
    return folder, [stand.program("kubetape-recorder"), "--config", config]


def make_journal(folder, kind, size):
    """Bytes of output, and the LSN behind the last of them."""
    out = subprocess.run([stand.program("journal_corpus"), kind, str(size),
                          folder], check=True, capture_output=True)
    os.sync()  # the writer's dirty pages are not the recorder's work
    return map(int, out.stdout.split())


def has_read(worker, lsn):
    """Whether the recorder's position file says so (schema/JOURNAL.md)."""
    try:
        position = (worker / "position").read_bytes()
    except FileNotFoundError:
        return False
    return len(position) == 64 and struct.unpack_from(
        ">Q", position, 24)[0] >= lsn


def wait_until(is_true, recorder, log):
    deadline = time.monotonic() + 300
    while not is_true():
        if recorder.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("bench: the recorder did not finish: " +
                             log.read_text()[-2000:])
        time.sleep(0.01)


def record(s, kind, mib, round_number):
    """Output MB, CPU seconds to take it in and then to put the recordings
    away, and the recordings."""
    folder, argv = recorder_folder(s, f"recorder-{kind}-{round_number}")
    output, lsn = make_journal(folder, kind, mib)
    worker, = (folder / "journal").iterdir()
    log = folder.with_suffix(".log")
    recorder = stand.start(s.stack, argv, log)
    wait_until(lambda: has_read(worker, lsn), recorder, log)
    taken_in = meter.cpu_seconds([recorder.pid])
    # The journal of a worker that is gone is removed once all is recorded.
    wait_until(lambda: not worker.exists(), recorder, log)
    cpu = meter.cpu_seconds([recorder.pid])
    stand.stop(recorder)
    files = sorted((folder / "recordings").rglob("*.cast.zst"))
    return output / 1e6, taken_in, cpu - taken_in, files


def gzipped(path):
    """Bytes of `gzip -6` of the plain asciicast."""
    cast = subprocess.run(["zstdcat", path], check=True,
                          capture_output=True).stdout
    return len(gzip.compress(cast, 6))


def recorder(s, sizes, rounds):
    for kind, mib, limit in sizes:
        speeds, away = [], []
        for n in range(rounds):
            mb, taken_in, put_away, files = record(s, kind, mib, n)
            speeds.append(mb / taken_in)
            away.append(put_away * 1000 / mb)
        size = sum(f.stat().st_size for f in files) / 1e6
        gzip_size = sum(map(gzipped, files)) / 1e6
        table.heading(f"Recorder alone, {kind} corpus, {mb:.0f} MB of output in "
                      f"{len(files)} sessions x {rounds}", ["kubetape"])
        table.row("MB/s per core, seals on", [speeds],
                  table.target(speeds, 400, False, "400 MB/s")
                  if kind == "log" else "")
        table.row("put away, CPU s a GB", [away])
        table.row("MB on disk", [[size]],
                  f"gzip -6 of the plain asciicast: {table.number(gzip_size)} "
                  f"MB, ratio {size / gzip_size:.2f}; " +
                  table.target([size / gzip_size], limit, True,
                               f"{limit} x"))


def recovery(s, count, rounds):
    """A recorder killed over open sessions, whose worker is gone as well."""
    ready, whole = [], []
    for n in range(rounds):
        folder, argv = recorder_folder(s, f"recovery-{n}")
        _, lsn = make_journal(folder, "open", count)
        worker, = (folder / "journal").iterdir()
        log = folder.with_suffix(".log")
        recorder = stand.start(s.stack, argv, log)
        wait_until(lambda: has_read(worker, lsn), recorder, log)
        wait_until(lambda: sum(1 for _ in folder.rglob("*.cast.zst")) == count,
                   recorder, log)
        recorder.kill()
        recorder.wait()
        began = time.monotonic()
        recorder = stand.start_ready(s.stack, argv, log)
        ready.append(time.monotonic() - began)
        wait_until(lambda: not worker.exists(), recorder, log)
        whole.append(time.monotonic() - began)
        stand.stop(recorder)
    table.heading(f"Recovery of {count} open sessions x {rounds}", ["kubetape"])
    table.row("s until it records again", [ready],
              table.target(ready, 5, True, "5 s"))
    table.row("s until all are complete", [whole],
              "2 s of them to be sure that the worker is gone")


# ---- verifying what it recorded ----

def verify_mb_per_s(folder, *more):
    """MB of session text by second of CPU, of one `verify --all`."""
    verify = subprocess.Popen(
        [stand.program("kubetape"), "verify", "--all", "--json", "--state",
         folder, *more], stdout=subprocess.PIPE)
    summary = json.loads(verify.stdout.read().splitlines()[-1])
    verify.stdout.close()
    _, status, used = os.wait4(verify.pid, 0)
    verify.returncode = os.waitstatus_to_exitcode(status)
    if verify.returncode != 0:
        raise SystemExit(f"bench: verify: {summary}")
    return summary["text_len"] / 1e6 / (used.ru_utime + used.ru_stime)


def verify(s, sizes, rounds):
    """What `recorder` has made; call that first."""
    for kind, mib, _ in sizes:
        folder = s.folder / f"recorder-{kind}-0"
        full = [verify_mb_per_s(folder, "--full") for _ in range(rounds)]
        quick = [verify_mb_per_s(folder) for _ in range(rounds)]
        table.heading(f"Verify, {kind} corpus, {mib} MiB of output x {rounds}",
                      ["kubetape"])
        table.row("MB/s per core, all text", [full],
                  table.target(full, 500, False, "500 MB/s"))
        table.row("MB/s per core, digests", [quick],
                  table.target(quick, 1000, False, "1 GB/s"))
