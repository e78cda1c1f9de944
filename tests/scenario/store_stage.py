"""What scenarios of the store stand on: the real kubetape-recorder over a
journal that the test writes itself, record by record, and kubetape beside it.

The journal is written as JOURNAL.md has it, so a session may have begun months
ago, and end when the test says.
"""
import datetime
import fcntl
import json
import os
import pathlib
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time
import uuid

DEADLINE_S = 60
SEGMENT_BYTES = 64 << 20
BIN = pathlib.Path(os.environ["KUBETAPE_BIN"])
OPEN, DATA, CLOSE = 1, 2, 6
STDOUT = 1


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC = _crc_table()


def crc32c(data, start=0):
    crc = start ^ 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def uuid7(wall_us):
    ms = wall_us // 1000
    bits = int.from_bytes(os.urandom(10), "big")
    return str(uuid.UUID(int=ms << 80 | 7 << 76 | (bits >> 68 & 0xFFF) << 64 |
                         2 << 62 | bits & (1 << 62) - 1))


def rfc3339(wall_us):
    at = datetime.datetime.fromtimestamp(
        wall_us // 1_000_000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + f".{wall_us % 1_000_000:06}Z"


def hold(folder):
    """A worker's lock, until what this returns is closed."""
    lock = open(folder / "lock", "w")
    fcntl.fcntl(lock, fcntl.F_OFD_SETLK,
                struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
    return lock


class Journal:
    """One worker's; sessions in it are their OPEN's LSN."""

    def __init__(self, state):
        worker = uuid.UUID(uuid7(time.time_ns() // 1000))
        self.folder = state / "journal" / f"w0-{worker}"
        self.folder.mkdir(parents=True, mode=0o700)
        self.salt = int.from_bytes(os.urandom(4), "big")
        self.at = 128
        self.names = {}  # of sessions, by key
        self.ended = set()
        head = struct.pack(
            ">16sII16sQqQI", b"kubetape-journal", 1, SEGMENT_BYTES,
            worker.bytes, 0, time.time_ns() // 1000, time.monotonic_ns(),
            self.salt)
        head = head.ljust(124, b"\0")
        making = self.folder / "making"
        self.file = open(making, "w+b")
        self.file.truncate(SEGMENT_BYTES)
        self.file.write(head + struct.pack(">I", crc32c(head)))
        self.file.flush()
        self.lock = hold(self.folder)
        making.rename(self.folder / f"{0:016x}.seg")

    def close(self):
        """As the end of its worker would."""
        self.file.close()
        self.lock.close()

    def put(self, kind, session, payload, stream=0):
        lsn = self.at
        body = struct.pack(">QQQBB6x", lsn, lsn if kind == OPEN else session,
                           time.monotonic_ns(), kind, stream) + payload
        check = crc32c(body, self.salt)
        record = struct.pack(">II", len(payload), check) + body
        record += b"\0" * (-len(record) % 8)
        self.file.seek(lsn)
        self.file.write(record)
        self.file.flush()
        self.at += len(record)
        return lsn

    def open(self, start_us, **facts):
        """(key, id)"""
        name = uuid7(start_us)
        known = {"id": name, "start": rfc3339(start_us), "type": "exec",
                 "user": "alice", "namespace": "test", "pod": "web",
                 "command": ["sh"], **facts}
        key = self.put(OPEN, 0, json.dumps(known).encode())
        self.names[key] = name
        return key, name

    def data(self, session, text):
        self.put(DATA, session, text.encode(), STDOUT)

    def close_session(self, session, status="complete", **facts):
        self.put(CLOSE, session, json.dumps(
            {"status": status, **facts}).encode())
        self.ended.add(self.names[session])

    def session(self, start_us, text="hello\n", status="complete", **facts):
        """A whole one; its ID."""
        key, name = self.open(start_us, **facts)
        if text:
            self.data(key, text)
        self.close_session(key, status)
        return name

    def read(self):
        """How far the recorder is, by its position file."""
        try:
            return struct.unpack(
                ">Q", (self.folder / "position").read_bytes()[24:32])[0]
        except (FileNotFoundError, struct.error):
            return 0

    def heartbeat(self):
        return (self.folder / "position").read_bytes()[40:48]


class Stage:
    def __init__(self, test):
        holder = tempfile.TemporaryDirectory()
        test.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.state = self.folder / "state"
        self.log = self.folder / "log"
        self.log.touch()
        self.process = None
        self.gone_attempts = set()  # refused ones leave no trace but the day's
        test.addCleanup(self.kill)
        self.configure()
        self.journal = Journal(self.state)
        test.addCleanup(self.journal.close)

    def configure(self, encrypt_to=(), **retention):
        (self.folder / "config").write_text(json.dumps({
            "state": str(self.state), "upstream": {"in_cluster": True},
            "recorder": {"encrypt_to": list(encrypt_to)},
            "retention": retention}))

    def reload(self, **retention):
        self.configure(**retention)
        count = self.said("config.reloaded")
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.said("config.reloaded") > count)

    def start(self):
        with open(self.log, "ab") as out:
            ready, told = os.pipe()
            self.process = subprocess.Popen(
                [BIN / "kubetape-recorder", "--config",
                 self.folder / "config", f"--ready-fd={told}"],
                stderr=out, pass_fds=[told])
            os.close(told)
            with open(ready, "rb") as pipe:
                if pipe.read() != b"\n":
                    raise AssertionError(self.log.read_text())

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        self.process = None
        return code

    def said(self, event):
        return self.log.read_text().count(f" {event} ")

    def until(self, holds, step=lambda: time.sleep(0.01)):
        end = time.monotonic() + DEADLINE_S
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(
                    "it did not come to pass:\n" +
                    self.log.read_text()[-4000:])
            step()

    def until_recorded(self):
        """Every session that has ended, or was removed since."""
        self.until(lambda: self.journal.ended <= {row[0] for row in self.sql(
            "SELECT id FROM sessions WHERE status <> 'active'"
            " UNION SELECT session FROM removed")} | self.gone_attempts)

    def sql(self, text):
        db = sqlite3.connect(f"file:{self.state}/index.db?mode=ro", uri=True,
                             timeout=DEADLINE_S)
        try:
            return db.execute(text).fetchall()
        finally:
            db.close()

    def until_whole(self):
        self.until(lambda: not self.sql("SELECT 1 FROM rebuilding"))

    def run(self, *words):
        """kubetape WORDS: (exit code, stdout, stderr)"""
        done = subprocess.run(
            [BIN / "kubetape", *words, "--state", self.state],
            capture_output=True, text=True, timeout=DEADLINE_S)
        return done.returncode, done.stdout, done.stderr

    def ls(self):
        code, out, err = self.run("ls", "--json")
        assert code == 0, err
        return out

    def ids(self):
        return {json.loads(line)["id"] for line in self.ls().splitlines()}

    def files(self):
        """IDs of the recordings that are there."""
        return {p.name[:36] for p in self.state.glob("recordings/*/*/*/*")
                if not p.name.startswith("attempts")}

    def leaves(self, kind):
        lines = (self.state / "ledger/leaves").read_text().splitlines()
        return [leaf for leaf in map(json.loads, lines)
                if kind in leaf.values()]

    def ask(self, line):
        """What comes back to raw bytes, until the recorder hangs up."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE_S)
            s.connect(str(self.state / "run/recorder.sock"))
            s.sendall(line)
            out = b""
            while more := s.recv(65536):
                out += more
            return out
