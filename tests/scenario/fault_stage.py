"""What test_proxy_faults.py stands on: the plan by which the proxy's calls
fail, sessions that take whatever comes of it, and a reader of the journal that
goes on where it was, with a recorder's position beside it."""
import collections
import mmap
import struct
import threading
import zlib

from proxy_stage import (CLOSE, DATA, EXEC, OPEN, PAD, SEGMENT_BYTES,
                         SERVER_CLOSE, STATUS, SUCCESS, Cut, Record,
                         add_record, ask_for_session, frame, grant, read_body,
                         said)

KINDS = ["alloc", "write", "sync", "open", "read", "name", "truncate",
         "tls"]  # as alloc, with OpenSSL's
HEAD_BYTES = 128
# Large records are only read when no fault has left half of one, and then
# Python need not check them.
LARGE = 8192
LOST = (Cut, EOFError, OSError)


class Plan:
    """The file that support/fail_call.c shares: struct plan."""

    def __init__(self, path):
        path.write_bytes(bytes(64))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 64)

    def make(self, kind, n, for_good=False, is_traced=False):
        """The n-th call from now fails; 0: none, but they are counted."""
        self.stop()
        struct.pack_into("=QQII", self.map, 0, n, 0,
                         KINDS.index("alloc" if kind == "tls" else kind),
                         for_good)
        struct.pack_into("=II", self.map, 28, 0, is_traced)
        struct.pack_into("=I", self.map, 24, 1)

    def stop(self):
        """How many calls there were, and whether one has failed."""
        struct.pack_into("=I", self.map, 24, 0)
        return (struct.unpack_from("=Q", self.map, 8)[0],
                struct.unpack_from("=I", self.map, 28)[0] != 0)


# ---- the journal ----

def crc_entry(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC_TABLE = [crc_entry(byte) for byte in range(256)]


def crc32c(data, start=0):
    crc = ~start & 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return ~crc & 0xFFFFFFFF


class Journal:
    """Of one worker. The streams of closed sessions may be forgotten."""

    def __init__(self, state):
        self.folder = next((state / "journal").glob("w*"))
        self.lock = threading.Lock()
        self.number, self.at = 0, HEAD_BYTES
        self.live, self.found = {}, {}

    def read(self):
        """By id: what there is of each session by now."""
        with self.lock:
            while self._read_segment():
                self.number, self.at = self.number + 1, HEAD_BYTES
            return dict(self.found)

    def _read_segment(self):
        """True when it is read to its end."""
        path = self.folder / f"{self.number:016x}.seg"
        if not path.exists():
            return False
        with open(path, "rb") as f, mmap.mmap(f.fileno(), 0,
                                              prot=mmap.PROT_READ) as data:
            while self.at + 40 <= SEGMENT_BYTES:
                length, check, lsn, session = struct.unpack_from(
                    ">IIQQ", data, self.at)
                if lsn != self.number * SEGMENT_BYTES + self.at:
                    return False
                if length < LARGE and check != crc32c(
                        data[self.at + 8:self.at + 40 + length],
                        int.from_bytes(data[64:68], "big")):
                    return False  # torn: half of it was written
                kind, stream = data[self.at + 32], data[self.at + 33]
                if kind == PAD:
                    return True
                start = self.at + 40
                self._add(Record(lsn, session, kind, stream,
                                 data[start:start + length]))
                self.at += (40 + length + 7) // 8 * 8
        return True

    def _add(self, record):
        add_record(record, self.live, self.found)

    def release(self):
        """As a recorder that has everything, durably."""
        with self.lock:
            end = self.number * SEGMENT_BYTES + self.at
        bytes_ = struct.pack(">16sIIQQQ12x", b"kubetape-reading", 1, 0, end,
                             end, 1)
        bytes_ += struct.pack(">I", crc32c(bytes_))
        with open(self.folder / "position", "ab"):
            pass
        with open(self.folder / "position", "r+b", buffering=0) as f:
            f.write(bytes_)


# ---- sessions ----

Outcome = collections.namedtuple("Outcome", "how id streams status is_torn")

BULK = b"bulk " * 4000
FAILED = (b'{"metadata":{},"status":"Failure","reason":"NonZeroExitCode",'
          b'"details":{"causes":[{"reason":"ExitCode","message":"3"}]}}')


class Script:
    """What both ends of one session say. `outcome`: whole, told (why it was
    ended), refused (with a Status), cut, or gone (before any answer)."""

    PATH = EXEC

    def __init__(self, tag, block=b"", blocks=0):
        self.tag = tag.encode()
        self.input = b"in " + self.tag
        self.output = b"out " + self.tag
        self.errors = b"err " + self.tag
        self.block, self.blocks = block, blocks
        self.all_output = self.output + block * blocks
        self.input_heard = bytearray()
        self.over = threading.Event()

    def run(self, api, proxy, journal):
        self.journal = journal
        self.asked, self.was_open = None, None
        api.on(self.PATH, self._serve)
        try:
            return self._talk(proxy)
        finally:
            proxy.hang_up()

    def _serve(self, c, request):
        self.asked = request.get("Audit-ID")
        self.was_open = (self.asked is None
                         or self.asked in self.journal.read())
        try:
            self.serve(c)
        except LOST:
            pass
        c.is_open = False
        self.over.set()

    def _talk(self, proxy):
        try:
            client = proxy.connect()
            head = self.ask(client)
            if head.status != 101:
                body = read_body(client.stream, head, True).body
                return Outcome("refused" if b'"Status"' in body else "gone",
                               head.get("Kubetape-Session"), None, body,
                               False)
        except LOST:
            return Outcome("gone", None, None, b"", False)
        heard = bytearray()
        try:
            self.say(client)
            while client.stream.bytes or client.stream.more():
                heard += client.stream.bytes
                client.stream.bytes.clear()
                self.on_heard(client, heard)
        except LOST:
            pass
        return self._judge(head.get("Kubetape-Session"), bytes(heard))

    def _judge(self, session, heard):
        streams, status, end = self.parse(heard)
        if (streams[1] == self.all_output and streams[2] == self.errors
                and status == self.STATUS):
            return Outcome("whole", session, streams, status, False)
        shown = [bytes(s).split(b"\r\nkubetape: ")[0] for s in streams]
        told = b'"Failure"' in status and b'"code":500' in status
        return Outcome("told" if told else "cut", session, shown, status,
                       end != len(heard))

    def may_be_told(self, outcome):
        """Not within a frame."""
        return not outcome.is_torn

    def is_whole_in(self, records):
        return (records["streams"] == [self.input, self.all_output,
                                       self.errors]
                and records["status"] == self.STATUS)


class WebSocket(Script):
    STATUS = b'{"metadata":{},"status":"Success"}'

    def ask(self, client):
        return ask_for_session(client)

    def say(self, client):
        client.send(frame(2, b"\0" + self.input, True))

    def on_heard(self, client, heard):
        pass

    def serve(self, c):
        grant(c, None)
        c.send(said(1, self.output))
        want = frame(2, b"\0" + self.input, True)
        got = c.stream.take(len(want))
        assert got == want, got
        self.input_heard += self.input
        for _ in range(self.blocks):
            c.send(said(1, self.block))
        c.send(said(2, self.errors))
        c.send(SUCCESS + SERVER_CLOSE)
        c.end("end")

    def parse(self, data):
        streams, at = [bytearray() for _ in range(4)], 0
        while at + 2 <= len(data):
            opcode, size, head = data[at] & 15, data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2:at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2:at + 10], "big"), 10
            part = data[at + head:at + head + size]
            if opcode != 8 and part:
                streams[part[0]] += part[1:]
            at += head + size
        return streams[:3], bytes(streams[3]), at


SYN_STREAM, SYN_REPLY = 1, 2
FIN = 1


def spdy_control(kind, payload):
    return struct.pack(">HHI", 0x8003, kind, len(payload)) + payload


def spdy_data(stream, data, flags=0):
    return struct.pack(">II", stream, flags << 24 | len(data)) + data


def spdy_block(deflate, headers):
    text = struct.pack(">I", len(headers))
    for name, value in headers.items():
        text += struct.pack(">I", len(name)) + name.encode()
        text += struct.pack(">I", len(value)) + value.encode()
    return deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)


class Spdy(Script):
    STATUS = FAILED
    STREAMS = {1: "error", 3: "stdin", 5: "stdout", 7: "stderr"}

    def ask(self, client):
        client.request("POST", f"{EXEC}?container=c&command=sh&stdin=true"
                       "&stdout=true&stderr=true",
                       ["Connection: Upgrade", "Upgrade: SPDY/3.1",
                        "X-Stream-Protocol-Version: v4.channel.k8s.io"], b"")
        return client.head()

    def say(self, client):
        deflate = zlib.compressobj()
        client.send(b"".join(spdy_control(SYN_STREAM, struct.pack(
            ">IIH", number, 0, 0) + spdy_block(deflate, {"streamtype": name}))
            for number, name in self.STREAMS.items()))
        self.has_input = False

    def on_heard(self, client, heard):
        if self.output in heard and not self.has_input:
            self.has_input = True
            client.send(spdy_data(3, self.input, FIN))

    def may_be_told(self, outcome):
        """Nor before the API server has answered for the error stream."""
        return not outcome.is_torn and any(outcome.streams)

    def _take_frame(self, c):
        head = c.stream.take(8)
        size = int.from_bytes(head[5:], "big")
        return head, c.stream.take(size)

    def serve(self, c):
        c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n"
               b"Connection: Upgrade\r\n"
               b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
        deflate = zlib.compressobj()
        for number in self.STREAMS:
            self._take_frame(c)
            c.send(spdy_control(SYN_REPLY, struct.pack(">I", number)
                                + spdy_block(deflate, {})))
        c.send(spdy_data(5, self.output))
        _, got = self._take_frame(c)
        assert got == self.input, got
        self.input_heard += got
        for _ in range(self.blocks):
            c.send(spdy_data(5, self.block))
        c.send(spdy_data(7, self.errors, FIN) + spdy_data(5, b"", FIN)
               + spdy_data(1, FAILED, FIN))
        c.end("end")

    def parse(self, data):
        streams, at = collections.defaultdict(bytearray), 0
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 5:at + 8], "big")
            if not data[at] & 0x80:
                stream = int.from_bytes(data[at:at + 4], "big")
                streams[stream] += data[at + 8:at + 8 + size]
            at += 8 + size
        return [streams[3], streams[5], streams[7]], bytes(streams[1]), at


class Plain(Script):
    """A plain request whose answer comes in chunks."""

    PATH = "/plain"
    STATUS = b""

    def serve(self, c):
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (self.output, BULK, self.errors):
            c.send(b"%x\r\n%s\r\n" % (len(part), part))
        c.send(b"0\r\n\r\n")

    def _talk(self, proxy):
        try:
            answer = proxy.connect().call("GET", self.PATH)
        except LOST:
            return Outcome("gone", None, None, b"", False)
        if answer.status != 200:
            return Outcome("refused", None, None, answer.body, False)
        whole = self.output + BULK + self.errors
        assert answer.body == whole, f"another answer: {answer.body[:300]!r}"
        return Outcome("whole", None, None, b"", False)
