"""A reader of recordings written from schema/RECORDING.md alone: if it cannot
read what the recorder writes, one of the two is wrong.

Standard library only; `zstd` undoes each frame and `openssl` checks each
signature. It holds a file to every rule of the page that can be seen in it.
"""
import base64
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import tempfile

ZSTD_MAGIC = 0xFD2FB528
SEAL_MAGIC = 0x184D2A57
TABLE_MAGIC = 0x184D2A5E
TABLE_END = 0x8F92EAB1
SEAL_LEN = 316
LINE_MAX = 8 << 20

EVENT = re.compile(
    r'\[(\d+\.\d{6}), "([oirmxsbBk])", ("(?:[^"\\\x00-\x1f\x7f]|\\["\\bfnrt]|'
    r'\\u00[0-9a-f]{2})*")\]\n')
BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
GRAMMAR = {  # of what a string says, once unescaped
    "o": r"(?s).+", "i": r"(?s).+", "m": r"(?s).*", "k": r"\{.*\}",
    "r": r"[1-9]\d{0,4}x[1-9]\d{0,4}", "x": r"-?\d+",
    "s": r"stdout|stderr", "b": BASE64,
    "B": r'\{"stream":"(?:stdin|stdout|stderr)","base64":"' + BASE64 + r'"\}',
}
FACTS = {  # the last `k` has all of these
    "id", "status", "type", "user", "groups", "uid", "source", "cluster",
    "namespace", "pod", "container", "command", "tty", "protocol",
    "subprotocol", "start", "end", "duration", "exit_code", "reason", "bytes",
    "file", "size", "sealed", "user_agent", "kubectl_session",
    "kubectl_command", "stdin_recorded"}


class Wrong(Exception):
    """What the page does not allow."""


def demand(condition, what):
    if not condition:
        raise Wrong(what)


# ---- Container ----

def frame_len(data, at):
    """Length of the zstd frame at `at`: RFC 8878 sections 3.1.1.1 and .2."""
    descriptor = data[at + 4]
    is_single = descriptor >> 5 & 1
    size_len = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    end = at + 5 + (not is_single) + (0, 1, 2, 4)[descriptor & 3] + size_len
    is_last = False
    while not is_last:
        demand(end + 3 <= len(data), "a frame is cut off")
        block = int.from_bytes(data[end:end + 3], "little")
        is_last = block & 1
        is_repeated = block >> 1 & 3 == 1
        end += 3 + (1 if is_repeated else block >> 3)
    return end + 4 * (descriptor >> 2 & 1) - at


def split(data):
    """[(kind, bytes)] of a file; the kinds are data, seal and table."""
    pieces, at = [], 0
    while at < len(data):
        magic, length = struct.unpack_from("<II", data, at)
        if magic == ZSTD_MAGIC:
            kind, size = "data", frame_len(data, at)
        else:
            demand(magic in (SEAL_MAGIC, TABLE_MAGIC), f"magic {magic:x}")
            kind = "seal" if magic == SEAL_MAGIC else "table"
            size = 8 + length
        demand(at + size <= len(data), f"a {kind} is cut off")
        pieces.append((kind, data[at:at + size]))
        at += size
    return pieces


def unpack(frame):
    return subprocess.run(["zstd", "-dc"], input=frame, check=True,
                          capture_output=True).stdout


# ---- Seals ----

class Seal:
    def __init__(self, raw):
        demand(len(raw) == SEAL_LEN, "a seal's length")
        demand(raw[8:24] == b"KUBETAPE-SEAL-1\0", "a seal's magic string")
        demand(not any(raw[45:48]), "a seal's zero bytes")
        demand(raw[44] in (0, 1), "a seal's flags")
        self.raw = raw
        self.id = raw[24:40].hex()
        self.sequence, = struct.unpack_from(">I", raw, 40)
        self.is_final = raw[44] == 1
        self.text_len, = struct.unpack_from(">Q", raw, 48)
        self.text_hash = raw[56:88]
        self.previous = raw[88:120]
        self.bytes = struct.unpack_from(">QQQ", raw, 176)
        self.carry_len = raw[209:212]
        self.key = raw[220:252]

    def check_signature(self, public_pem):
        """openssl reads its two inputs from files."""
        with tempfile.TemporaryDirectory() as folder:
            said, sig = pathlib.Path(folder, "said"), pathlib.Path(folder, "s")
            said.write_bytes(self.raw[:252])
            sig.write_bytes(self.raw[252:])
            done = subprocess.run(
                ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey",
                 public_pem, "-in", said, "-sigfile", sig],
                capture_output=True, check=False)
        demand(done.returncode == 0, f"seal {self.sequence}: {done.stderr}")


def raw_key(public_pem):
    """The 32 bytes at the end of an Ed25519 SubjectPublicKeyInfo."""
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", public_pem,
                          "-outform", "DER"], check=True,
                         capture_output=True).stdout
    return der[-32:]


def check_seals(seals, text, public_pem, session_id):
    previous = bytes(32)
    for number, seal in enumerate(seals):
        demand(seal.sequence == number, f"seal {number}'s sequence")
        demand(seal.previous == previous, f"seal {number} is not chained")
        demand(seal.id == session_id.replace("-", ""), f"seal {number}'s id")
        demand(seal.key == raw_key(public_pem), f"seal {number}'s key")
        demand(hashlib.sha256(text[:seal.text_len]).digest() ==
               seal.text_hash, f"seal {number}'s hash")
        demand(seal.is_final == (number == len(seals) - 1) or
               not seal.is_final, f"seal {number} is final and not the last")
        seal.check_signature(public_pem)
        previous = hashlib.sha256(seal.raw).digest()


# ---- Seek table ----

def check_table(table, pieces):
    """One entry a data frame, the seal behind it counted in."""
    count, descriptor, magic = struct.unpack("<IBI", table[-9:])
    demand((descriptor, magic) == (0, TABLE_END), "the table's footer")
    demand(len(table) == 8 + 8 * count + 9, "the table's length")
    entries = [list(struct.unpack_from("<II", table, 8 + 8 * i))
               for i in range(count)]
    there = []
    for kind, raw in pieces:
        if kind == "data":
            there.append([len(raw), len(unpack(raw))])
        elif kind == "seal":
            there[-1][0] += len(raw)
    demand(entries == there, f"the table says {entries}, there is {there}")


# ---- Text ----

class Recording:
    """What a file says: header, events, streams, facts."""

    def __init__(self, text, is_finished):
        demand(text.endswith(b"\n"), "a last line without its end")
        first, *lines = text.decode("utf-8")[:-1].split("\n")
        self.header = json.loads(first)
        self.check_header()
        self.events = [self.parse(line + "\n") for line in lines]
        self.check_events(is_finished)

    def check_header(self):
        h = self.header
        demand(h["version"] == 2 and type(h["timestamp"]) is int and
               1 <= h["width"] <= 65535 and 1 <= h["height"] <= 65535,
               f"the header {h}")

    def parse(self, line):
        demand(len(line) <= LINE_MAX, "a line's length")
        match = EVENT.fullmatch(line)
        demand(match, f"no event: {line[:200]!r}")
        code, said = match[2], json.loads(match[3])
        demand(re.fullmatch(GRAMMAR[code], said), f"{code} says {said[:200]!r}")
        return int(match[1].replace(".", "")), code, said

    def check_events(self, is_finished):
        stream, before = "stdout", (0, "", "")
        for event in self.events:
            time, code, said = event
            demand(time >= before[0], f"time goes back at {event}")
            if code == "b":
                demand(before[1] in "oi" and before[0] == time,
                       f"b behind {before}")
            if before[1] == "s":
                demand(code == "o" and time == before[0], f"s before {event}")
            if code == "s":
                demand(said != stream, "an s that changes nothing")
                stream = said
            before = event
        if is_finished:
            demand(self.events[-1][1] == "k", "the last event is no k")
            self.facts = json.loads(self.events[-1][2])
            demand(FACTS <= set(self.facts), f"facts: {self.facts}")
            codes = [code for _, code, _ in self.events]
            knows_exit = self.facts["exit_code"] is not None
            demand(codes.count("x") == knows_exit, "x, and exit_code")
            demand(not knows_exit or self.events[-2] == (
                self.events[-2][0], "x", str(self.facts["exit_code"])),
                "x is not directly before the end")

    def streams(self):
        """{name: exact bytes}."""
        out = {"stdin": [], "stdout": [], "stderr": []}
        stream = "stdout"
        for _, code, said in self.events:
            if code == "s":
                stream = said
            elif code in "oi":
                last = out[stream if code == "o" else "stdin"]
                last.append(said.encode())
            elif code == "b":
                last[-1] = base64.b64decode(said)
            elif code == "B":
                piece = json.loads(said)
                out[piece["stream"]].append(base64.b64decode(piece["base64"]))
        return {name: b"".join(parts) for name, parts in out.items()}

    def sizes(self):
        first = f"{self.header['width']}x{self.header['height']}"
        return [first] + [said for _, code, said in self.events
                          if code == "r"]

    def error_stream(self):
        """What the API server said of the command's end."""
        facts = [json.loads(said) for _, code, said in self.events
                 if code == "k"]
        return b"".join(base64.b64decode(f["error_stream"]) for f in facts
                        if "error_stream" in f)


def read(path, public_pem):
    """A finished recording, held to all that the page promises."""
    path = pathlib.Path(path)
    pieces = split(path.read_bytes())
    texts = [unpack(raw) for kind, raw in pieces if kind == "data"]
    text = b"".join(texts)
    demand(all(t.endswith(b"\n") or not t for t in texts), "a frame's end")
    seals = [Seal(raw) for kind, raw in pieces if kind == "seal"]
    recording = Recording(text, is_finished=True)
    check_seals(seals, text, public_pem, recording.header["kubetape"]["id"])
    demand(seals[-1].is_final and seals[-1].text_len == len(text),
           "the last seal is not final, or not of all the text")
    demand([kind for kind, _ in pieces].index("table") == len(pieces) - 1,
           "the table is not the last of the file")
    check_table(pieces[-1][1], pieces)
    demand(path.name == recording.facts["id"] + ".cast.zst", "the file's name")
    return recording
