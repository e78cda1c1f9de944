"""What the tampering table stands on: stores that the real recorder made, and
a hand that changes them as somebody with write access, but without the
signing key, might."""
import base64
import contextlib
import hashlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time

BIN = pathlib.Path(os.environ["KUBETAPE_BIN"])
SCENE = os.environ["STORE_SCENE"]
DEADLINE_S = 60
SEAL_LEN = 316
SEAL_FIELDS = {"magic": 8, "id": 24, "sequence": 43, "flags": 44, "zeros": 45,
               "text length": 55, "text hash": 56, "previous": 88, "time": 127,
               "writer": 128, "key": 220, "signature": 252}


def run(*argv, **kwargs):
    return subprocess.run([str(a) for a in argv], capture_output=True,
                          **kwargs)


def tape(*argv):
    done = run(BIN / "kubetape", *argv)
    return done.returncode, (done.stdout + done.stderr).decode()


def wait_for(what, claim):
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.05)


# ---- Stores ----

class Recorder:
    """A recorder on a store, from ready to stopped."""

    def __init__(self, state, *more):
        self.config = state.with_suffix(".yaml")
        self.config.write_text(f"state: {state}\n"
                               "upstream: {kubeconfig: /nowhere}\n"
                               "log: {level: warn}\n"
                               "recorder: {" +
                               ", ".join(["seal_interval_ms: 200", *more]) +
                               "}\n")
        ready, theirs = os.pipe()
        self.process = subprocess.Popen(
            [BIN / "kubetape-recorder", "--config", self.config,
             f"--ready-fd={theirs}"], pass_fds=[theirs],
            stderr=subprocess.PIPE)
        os.close(theirs)
        with os.fdopen(ready, "rb") as pipe:
            if not pipe.read():
                raise AssertionError(self.process.communicate()[1].decode())

    def end(self, kill=False):
        """Once more does nothing."""
        if self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.communicate(timeout=DEADLINE_S)


class Scene:
    """The journal of a worker that lives until it is told to end."""

    def __init__(self, state, *kinds):
        self.process = subprocess.Popen([SCENE, state, *kinds], text=True,
                                        stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.ids = [self.process.stdout.readline().strip() for _ in kinds]

    def end(self):
        if self.process.poll() is None:
            self.process.communicate(timeout=DEADLINE_S)


def rows(state):
    """{id: status} by the index, read only."""
    with contextlib.closing(sqlite3.connect(
            f"file:{state}/index.db?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT id, status FROM sessions"))


def record(state, *kinds, config=()):
    """Ends all of them, by the real recorder; returns their IDs."""
    scene = Scene(state, *kinds)
    scene.end()
    recorder = Recorder(state, *config)
    wait_for("sessions to be recorded", lambda: all(
        rows(state).get(i, "active") != "active" for i in scene.ids))
    recorder.end()
    return scene.ids


def copy_store(state, to):
    """Without the journal, 64 MiB a worker, and sockets: nothing of either
    is verified."""
    shutil.copytree(state, to,
                    ignore=shutil.ignore_patterns("journal", "*.sock"))


class Store:
    """A state folder, and the hand that changes it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def verify(self, *more):
        return tape("verify", "--all", "--state", self.path, *more)

    def file(self, session):
        found = list(self.path.glob(f"recordings/*/*/*/{session}.cast.zst"))
        assert len(found) == 1, (session, found)
        return found[0]

    @property
    def attempts(self):
        return next(self.path.glob("recordings/*/*/*/attempts.cast.zst"))

    def sql(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.path / "index.db")) as db:
            db.execute("PRAGMA synchronous = OFF")
            with db:
                changed = db.execute(statement, values).rowcount
            assert changed > 0, statement

    def columns(self):
        with contextlib.closing(sqlite3.connect(self.path / "index.db")) as db:
            return [row[1] for row in db.execute(
                "PRAGMA table_info(sessions)")]

    # -- the ledger --

    @property
    def leaves(self):
        return self.path / "ledger/leaves"

    @property
    def checkpoint(self):
        return self.path / "ledger/checkpoint"

    def lines(self):
        return self.leaves.read_bytes().splitlines()

    def put_lines(self, lines):
        self.leaves.write_bytes(b"".join(line + b"\n" for line in lines))

    def line_of(self, session):
        return next(i for i, line in enumerate(self.lines())
                    if session.encode() in line)

    def rename(self, first):
        """The ledger's origin becomes that of this first key."""
        lines = self.checkpoint.read_text().split("\n")
        lines[0] = "kubetape/" + hashlib.sha256(first.public).digest()[:8].hex()
        self.checkpoint.write_text("\n".join(lines))

    def sign(self, key):
        """A new checkpoint over the lines as they are, by `key`."""
        origin = self.checkpoint.read_text().splitlines()[0]
        lines = self.lines()
        root = base64.b64encode(merkle_root(lines)).decode()
        note = f"{origin}\n{len(lines)}\n{root}\n"
        mark = hashlib.sha256(origin.encode() + b"\n\x01" +
                              key.public).digest()[:4]
        signed = base64.b64encode(mark + key.sign(note.encode())).decode()
        self.checkpoint.write_text(f"{note}\n\u2014 {origin} {signed}\n")


def merkle_root(lines):
    """RFC 6962 2.1."""
    if len(lines) == 1:
        return hashlib.sha256(b"\0" + lines[0]).digest()
    half = 1
    while half * 2 < len(lines):
        half *= 2
    return hashlib.sha256(b"\1" + merkle_root(lines[:half]) +
                          merkle_root(lines[half:])).digest()


class Key:
    """An Ed25519 key of openssl's making, or one that is there."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not self.path.exists():
            run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path,
                check=True)
        der = run("openssl", "pkey", "-in", path, "-pubout", "-outform", "DER",
                  check=True).stdout
        self.public = der[-32:]

    def write_public(self, path):
        run("openssl", "pkey", "-in", self.path, "-pubout", "-out", path,
            check=True)
        return path

    def sign(self, message):
        with tempfile.NamedTemporaryFile() as f:
            f.write(message)
            f.flush()
            return run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey",
                       self.path, "-in", f.name, check=True).stdout


# ---- Files ----

def frame_end(data, at):
    """Where the frame at `at` ends: RFC 8878 3.1.1 and 3.1.2."""
    magic = int.from_bytes(data[at:at + 4], "little")
    if magic & 0xFFFFFFF0 == 0x184D2A50:
        return at + 8 + int.from_bytes(data[at + 4:at + 8], "little")
    assert magic == 0xFD2FB528, hex(magic)
    descriptor = data[at + 4]
    single, size = descriptor & 0x20, descriptor >> 6
    at += 5 + (0, 1, 2, 4)[descriptor & 3] + (0 if single else 1)
    at += (1 if single else 0) if size == 0 else (2, 4, 8)[size - 1]
    while True:
        head = int.from_bytes(data[at:at + 3], "little")
        at += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)
        if head & 1:
            return at + (4 if descriptor & 4 else 0)


def frames(path):
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        end = frame_end(data, at)
        found.append(data[at:end])
        at = end
    return found


def is_seal(frame):
    return len(frame) == SEAL_LEN and frame[0] == 0x57


def seals(path):
    """Offsets of the seals in a file."""
    found, at = [], 0
    for frame in frames(path):
        if is_seal(frame):
            found.append(at)
        at += len(frame)
    return found


def groups(path):
    """[[frame, its seals…] …], and the seek table."""
    found, table = [], b""
    for frame in frames(path):
        if frame[:4] == b"\x5e\x2a\x4d\x18":
            table = frame
        elif is_seal(frame):
            found[-1] += frame
        else:
            found.append(frame)
    return found, table


def flip(path, offset, bit=1):
    data = bytearray(path.read_bytes())
    data[offset] ^= bit
    path.write_bytes(data)


def cut(path, length):
    os.truncate(path, length)


def text_of(path):
    return run("zstd", "-dcq", path, check=True).stdout


def recompress(path, text):
    """New text in one frame, all old seals behind it."""
    packed = run("zstd", "-cq", input=text, check=True).stdout
    path.write_bytes(packed + b"".join(
        f for f in frames(path) if is_seal(f)))


@contextlib.contextmanager
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-tampering-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


