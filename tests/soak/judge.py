"""Holds the store to what the clients saw: every session has its row and its
recording, and both tell the truth."""
import collections
import hashlib
import json
import pathlib
import random
import re
import sqlite3
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import recording_reader  # noqa: E402
import stand  # noqa: E402

LOUD = re.compile(r"level=error|level=warn|Sanitizer|runtime error|Assertion")
# A refusal is said as a warning where it is the API server's.
REFUSED = ("missing", "denied")
FINDINGS_SHOWN = 20


def results_of(paths):
    """{serial: what the client saw}"""
    return {r["serial"]: r for path in paths
            for r in map(json.loads, path.read_text().splitlines())}


def select(stage, what):
    index = stage.index()
    index.row_factory = sqlite3.Row
    try:
        return index.execute(f"SELECT {what}").fetchall()
    finally:
        index.close()


def expected(result):
    """The row that a session should have, as far as the client knows."""
    if result["kind"] in REFUSED:
        return {"status": "refused", "exit_code": None, "bytes_stdout": 0}
    row = {"status": "complete", "bytes_stdin": result["stdin"],
           "bytes_stdout": result["stdout"], "bytes_stderr": result["stderr"],
           "exit_code": result["exit"]}
    if result["kind"] in ("vanish", "cut"):
        # The command may have ended before the proxy heard that the client
        # was gone: its exit code is then known.
        del row["exit_code"]
    if result["kind"] in ("typed", "long"):
        row["bytes_stdin"] += 1  # the key that ends the session has no echo
    return row


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, text):
        self.count += 1
        if self.count <= FINDINGS_SHOWN:
            print(f"soak: WRONG: {text}", flush=True)

    def demand(self, condition, text):
        if not condition:
            self.add(text)


def judge_row(findings, row, result, state):
    want = {"protocol": "websocket" if result["websocket"] else "spdy",
            "user": result["user"], **expected(result)}
    who = f"session {result['serial']}, {result['kind']}, {row['id']}"
    for name, value in want.items():
        findings.demand(row[name] == value, f"{who}: {name} is {row[name]!r} "
                        f"in the index, not {value!r}")
    if result["kind"] in REFUSED and not row["file"]:
        return  # most are told in the day's file of attempts
    path = state / row["file"]
    findings.demand(row["sealed"], f"{who}: not sealed")
    findings.demand(path.is_file() and path.stat().st_size == row["size"],
                    f"{who}: its file is not there, or of another size")


def judge_index(findings, stage, results):
    """The rows of sessions with a recording, by serial."""
    rows = collections.defaultdict(list)
    for row in select(stage, "* FROM sessions"):
        rows[int(json.loads(row["command"])[1])].append(row)
    for serial in rows.keys() - results.keys():
        findings.add(f"a row of a session {serial} that no client had")
    for serial, found in rows.items():
        findings.demand(len(found) == 1, f"session {serial}: {len(found)} rows")
        for row in found:
            judge_row(findings, row, results[serial], stage.state)
    judge_removed(findings, stage, results.keys() - rows.keys())
    return {serial: found[0] for serial, found in rows.items()
            if found[0]["file"]}


def judge_removed(findings, stage, missing):
    """Only what the rule let go is missing, and the rule is kept."""
    removed = select(stage, "count(*) FROM removed")[0][0]
    findings.demand(removed == len(missing), f"{len(missing)} sessions have no "
                    f"row, {removed} were removed: {sorted(missing)[-3:]}")
    size = select(stage, "sum(size) FROM sessions")[0][0]
    findings.demand(size <= stage.kept_bytes, f"{size} bytes are kept, "
                    f"{stage.kept_bytes} may be")
    print(f"soak: {removed} recordings removed by rule, {size / 2**20:.1f} MiB "
          "kept")


def judge_files(findings, state, rows):
    """As many recordings as rows name, and nothing left over."""
    there = {str(p.relative_to(state)) for p in
             (state / "recordings").rglob("*-*-*-*-*.cast.zst")}
    named = {row["file"] for row in rows.values()}
    findings.demand(there == named, f"{len(there - named)} recordings without "
                    f"a row, {len(named - there)} rows without a recording")
    left = list((state / "recordings").rglob("*.tmp"))
    findings.demand(not left, f"left over: {left[:3]}")


def judge_store(findings, state):
    """Ledger, index and every file against each other."""
    done = subprocess.run(
        [stand.program("kubetape"), "verify", "--all", "--state", state],
        capture_output=True, text=True, check=False)
    findings.demand(done.returncode == 0, f"verify --all ended with "
                    f"{done.returncode}: {done.stdout[-2000:]}{done.stderr}")


def judge_recordings(findings, state, rows, results, count):
    """Some, of every kind, by `kubetape verify` and by a reader that is not
    ours: the very bytes that the client had."""
    key = state / "keys/seal.pub.pem"
    for serial in chosen(results, rows, count):
        row, result = rows[serial], results[serial]
        who = f"session {serial}, {result['kind']}, {row['id']}"
        done = subprocess.run(
            [stand.program("kubetape"), "verify", "--state", state, row["id"]],
            capture_output=True, text=True, check=False)
        findings.demand(done.returncode == 0,
                        f"{who}: verify says {done.stdout}{done.stderr}")
        try:
            streams = recording_reader.read(state / row["file"], key).streams()
        except recording_reader.Wrong as wrong:
            findings.add(f"{who}: {wrong}")
            continue
        digest = hashlib.sha256(streams["stdout"] + streams["stderr"])
        findings.demand(digest.hexdigest() == result["digest"],
                        f"{who}: the recording has other bytes")


def chosen(results, rows, count):
    kinds = collections.defaultdict(list)
    for serial in sorted(rows.keys() & results.keys()):
        if results[serial]["kind"] in REFUSED:
            continue
        kinds[results[serial]["kind"], results[serial]["websocket"]].append(
            serial)
    pick = random.Random(1)
    return [serial for serials in kinds.values() for serial in
            pick.sample(serials, min(len(serials), count // len(kinds)))]


def judge_logs(findings, paths):
    for path in paths:
        for line in path.read_text(errors="replace").splitlines():
            if LOUD.search(line):
                findings.add(f"{path.name}: {line[:300]}")
