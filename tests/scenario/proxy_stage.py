"""What the proxy's scenarios stand on: a stand-in for the API server that
says every byte as a test wants it, a client that does the same, the real
kubetape-proxy between them, and a reader of its journal.

The stand-in speaks HTTP only as far as a test needs it: a handler gets the
connection and the request, and does with them what it likes.
"""
import base64
import collections
import contextlib
import json
import mmap
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE_S = 10
SEGMENT_BYTES = 64 << 20
WEBSOCKET_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Cut(Exception):
    """The peer went without a close_notify."""


class Tls:
    """TLS over a socket, with each end of its life in the caller's hand."""

    def __init__(self, sock, context, server_side, name=None):
        self.sock = sock
        self.lock = threading.RLock()
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing,
                                    server_side=server_side,
                                    server_hostname=name)
        sock.settimeout(DEADLINE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._until_done(self.tls.do_handshake)

    def _flush(self):
        if self.outgoing.pending:
            self.sock.sendall(self.outgoing.read())

    def _until_done(self, call):
        while True:
            with self.lock:
                try:
                    done = call()
                    self._flush()
                    return done
                except ssl.SSLWantReadError:
                    self._flush()
                except ssl.SSLZeroReturnError:
                    return b""
                except ssl.SSLEOFError as e:
                    raise Cut() from e
            try:
                more = self.sock.recv(65536)
            except ConnectionError as e:
                raise Cut() from e
            with self.lock:
                if more:
                    self.incoming.write(more)
                else:
                    self.incoming.write_eof()

    def recv(self, size=65536):
        """b"" is a clean end."""
        return self._until_done(lambda: self.tls.read(size))

    def send(self, data):
        with self.lock:
            self.tls.write(data)
            out = self.outgoing.read()
        self.sock.sendall(out)

    def end(self):
        """close_notify; what the peer still says can be read."""
        with self.lock:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLError):
                self.tls.unwrap()
            self._flush()

    def close(self):
        with contextlib.suppress(OSError):
            self.end()
        self.sock.close()

    def cut(self):
        """FIN, and no close_notify."""
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()


class Stream:
    """Bytes read from a Tls, by line, count or until the end."""

    def __init__(self, tls):
        self.tls = tls
        self.bytes = bytearray()

    def more(self):
        got = self.tls.recv()
        self.bytes += got
        return bool(got)

    def take(self, size):
        while len(self.bytes) < size:
            if not self.more():
                raise EOFError(f"{size} bytes wanted, had {self.bytes!r}"[:200])
        out = bytes(self.bytes[:size])
        del self.bytes[:size]
        return out

    def until(self, mark):
        while mark not in self.bytes:
            if not self.more():
                raise EOFError(f"{mark!r} wanted, had {self.bytes!r}"[:200])
        return self.take(self.bytes.index(mark) + len(mark))

    def rest(self):
        while self.more():
            pass
        return self.take(len(self.bytes))


class Message:
    """A head, and its body when read."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = [tuple(part.strip() for part in line.split(":", 1))
                       for line in lines[1:] if line]
        self.body = b""
        self.trailers = []

    @property
    def status(self):
        return int(self.start.split()[1])

    @property
    def method(self):
        return self.start.split()[0]

    @property
    def target(self):
        return self.start.split()[1]

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None


def read_head(stream):
    return Message(stream.until(b"\r\n\r\n"))


def read_chunk(stream):
    """None: the body is over, and the trailers are still to come."""
    size = int(stream.until(b"\r\n"), 16)
    if size == 0:
        return None
    data = stream.take(size)
    assert stream.take(2) == b"\r\n"
    return data


def read_chunked(stream, message):
    chunk = read_chunk(stream)
    while chunk is not None:
        message.body += chunk
        chunk = read_chunk(stream)
    line = stream.until(b"\r\n")
    while line != b"\r\n":
        message.trailers.append(line.decode("latin-1").strip())
        line = stream.until(b"\r\n")


def read_body(stream, message, is_response, to_head=False):
    if is_response and (to_head or message.status in (204, 304)
                        or message.status < 200):
        return message
    if message.get("Transfer-Encoding") == "chunked":
        read_chunked(stream, message)
    elif message.get("Content-Length") is not None:
        message.body = stream.take(int(message.get("Content-Length")))
    elif is_response:
        message.body = stream.rest()
    return message


# ---- the stand-in ----

class Connection:
    """One connection to the stand-in, in a handler's hands."""

    def __init__(self, tls, number):
        self.tls = tls
        self.number = number
        self.stream = Stream(tls)
        self.is_open = True

    def send(self, data):
        self.tls.send(data)

    def answer(self, status, body=b"", fields=()):
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}",
                 *fields, "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def end(self, how):
        self.is_open = False
        getattr(self.tls, how)()


REVIEW = json.dumps({
    "kind": "SelfSubjectReview",
    "apiVersion": "authentication.k8s.io/v1",
    "status": {"userInfo": {"username": "keeper", "uid": "1",
                            "groups": ["g"]}},
}).encode()


class StandIn:
    """An API server: `on(path, handler)`; handler(connection, request)."""

    def __init__(self, folder):
        self.handlers = {}
        self.requests = []
        self.errors = []
        self.accepted = 0
        self.ended = collections.Counter()
        self._make_certificate(folder)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.on("/apis/authentication.k8s.io/v1/selfsubjectreviews",
                lambda c, r: c.answer(
                    201, REVIEW, ["Content-Type: application/json"]))
        threading.Thread(target=self._accept, daemon=True).start()

    def _make_certificate(self, folder):
        self.cert = folder / "api.crt"
        key = folder / "api.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             key, "-out", self.cert], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.cert, key)

    def on(self, path, handler):
        self.handlers[path] = handler

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(sock, self.accepted),
                             daemon=True).start()

    def _serve(self, sock, number):
        try:
            self._converse(sock, number)
        except Cut:
            self.ended["cut"] += 1
        except (EOFError, OSError, ssl.SSLError):
            self.ended["error"] += 1
        except Exception as e:  # a handler that failed is a failed test
            self.errors.append(repr(e))
        else:
            self.ended["end"] += 1
        finally:
            sock.close()

    def _converse(self, sock, number):
        c = Connection(Tls(sock, self.context, True), number)
        while c.is_open and (c.stream.bytes or c.stream.more()):
            request = read_head(c.stream)
            request.connection = number
            self.requests.append(request)
            path = request.target.split("?")[0]
            self.handlers[path](c, request)

    def seen(self, path):
        return [r for r in self.requests if r.target.split("?")[0] == path]

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes its thread
        self.listener.close()


# ---- the proxy ----

def await_true(what, check, deadline_s=DEADLINE_S, pause_s=0.01):
    until = time.monotonic() + deadline_s
    while not check():
        if time.monotonic() > until:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(pause_s)


def descendants(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(p) for p in path.read_text().split()]


class Proxy:
    """kubetape-proxy in front of a stand-in, and its state folder."""

    def __init__(self, folder, standin, settings, recorder_timeout_ms,
                 state=None, program=None):
        self.clients = []
        self.folder = folder
        self.state = state or folder / "state"
        (folder / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "stand-in", "cluster": {
                "server": f"https://127.0.0.1:{standin.port}",
                "certificate-authority-data": base64.b64encode(
                    standin.cert.read_bytes()).decode()}}],
            "users": [{"name": "u", "user": {"token": "upstream-token"}}],
            "contexts": [{"name": "c", "context": {
                "cluster": "stand-in", "user": "u"}}],
        }))
        (folder / "config.yaml").write_text(
            f"state: {self.state}\nlisten: 127.0.0.1:0\n"
            f"upstream:\n  kubeconfig: {folder}/kubeconfig\n"
            f"recorder:\n  timeout_ms: {recorder_timeout_ms}\n" + settings)
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [program
             or pathlib.Path(os.environ["KUBETAPE_BIN"]) / "kubetape-proxy",
             "--config", folder / "config.yaml"], stderr=self.log)
        address = self.state / "run" / "proxy.address"
        await_true("the proxy is ready", lambda: address.exists()
                   or self.process.poll() is not None)
        if not address.exists():
            raise AssertionError((folder / "log").read_text())
        host, port = address.read_text().strip().rsplit(":", 1)
        self.address = (host, int(port))
        self.token = (self.state / "keys" / "local.token").read_text().strip()
        self.context = ssl.create_default_context(
            cafile=self.state / "tls" / "ca.crt")

    def worker(self):
        found = []
        await_true("a worker runs",
                   lambda: found.extend(descendants(self.process.pid))
                   or found, pause_s=0)
        return found[0]

    def is_sanitized(self):
        """Then freed memory is kept for a while, and says nothing."""
        return "libasan" in pathlib.Path(
            f"/proc/{self.worker()}/maps").read_text()

    def rss(self):
        for line in pathlib.Path(
                f"/proc/{self.worker()}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) << 10
        raise AssertionError("no VmRSS")

    def connect(self, receive_buffer=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                            receive_buffer)
        sock.settimeout(DEADLINE_S)
        sock.connect(self.address)
        client = Client(Tls(sock, self.context, False, "localhost"),
                        self.token)
        self.clients.append(client)
        return client

    def hang_up(self):
        """Closes what tests have left open."""
        while self.clients:
            self.clients.pop().tls.sock.close()

    def stop(self):
        """Its exit code, when no sanitizer has said a word."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        self.log.close()
        said = (self.folder / "log").read_text()
        for word in ("AddressSanitizer", "runtime error", "Assertion"):
            assert word not in said, said[-8000:]
        return code


class Client:
    """A client connection to the proxy."""

    def __init__(self, tls, token):
        self.tls = tls
        self.stream = Stream(tls)
        self.token = token

    def send(self, data):
        self.tls.send(data)

    def request(self, method, target, fields=(), body=None, version="1.1"):
        lines = [f"{method} {target} HTTP/{version}", "Host: here",
                 f"Authorization: Bearer {self.token}", *fields]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    def head(self):
        return read_head(self.stream)

    def response(self, to_head=False):
        return read_body(self.stream, self.head(), True, to_head)

    def call(self, method, target, *args, **kwargs):
        self.request(method, target, *args, **kwargs)
        return self.response(to_head=method == "HEAD")

    def close(self):
        self.tls.close()


@contextlib.contextmanager
def stage(settings="", recorder_timeout_ms=600000, state=None):
    """No recorder runs: it is missed after `recorder_timeout_ms`."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-scenario-"))
    standin = StandIn(folder)
    proxy = None
    try:
        proxy = Proxy(folder, standin, settings, recorder_timeout_ms, state)
        yield standin, proxy
    except BaseException:
        if proxy is not None:
            sys.stderr.write((folder / "log").read_text()[-4000:])
        sys.stderr.write("".join(standin.errors))
        raise
    finally:
        try:
            if proxy is not None:
                proxy.hang_up()
            if proxy is not None and proxy.process.poll() is None:
                code = proxy.stop()
                assert code == 0, code
            assert not standin.errors, standin.errors
        finally:
            standin.close()
            shutil.rmtree(folder)


# ---- sessions ----

def frame(opcode, payload, is_masked, is_final=True):
    """A WebSocket frame (RFC 6455 5.2)."""
    head = bytes([(0x80 if is_final else 0) | opcode])
    mask_bit = 0x80 if is_masked else 0
    if len(payload) < 126:
        head += bytes([mask_bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", len(payload))
    if not is_masked:
        return head + payload
    key = b"\x11\x22\x33\x44"
    key_long = key * (len(payload) // 4 + 1)
    masked = (int.from_bytes(payload, "big")
              ^ int.from_bytes(key_long[:len(payload)], "big"))
    return head + key + masked.to_bytes(len(payload), "big")


def said(channel, data):
    """A server's message on a channel of v5.channel.k8s.io."""
    return frame(2, bytes([channel]) + data, False)


SUCCESS = said(3, b'{"metadata":{},"status":"Success"}')
SERVER_CLOSE = frame(8, struct.pack(">H", 1000), False)


def grant(c, _request):
    """101, as the API server says it."""
    c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
           b"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
           b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n")


EXEC = "/api/v1/namespaces/default/pods/web/exec"


def ask_for_session(client, command="sh", more="&stdin=true"):
    client.request("GET", f"{EXEC}?container=c&command={command}&stdout=true"
                   f"&stderr=true{more}",
                   ["Connection: Upgrade", "Upgrade: websocket",
                    f"Sec-WebSocket-Key: {WEBSOCKET_KEY}",
                    "Sec-WebSocket-Version: 13",
                    "Sec-WebSocket-Protocol: v5.channel.k8s.io"])
    head = client.head()
    return head


# ---- the journal ----

Record = collections.namedtuple("Record", "lsn session kind stream payload")
OPEN, DATA, RESIZE, STATUS, NOTE, CLOSE, EVENT, PAD = range(1, 9)


def read_segment(path):
    with open(path, "rb") as f:
        data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    assert data[:16] == b"kubetape-journal"
    number = struct.unpack(">Q", data[40:48])[0]
    at = 128
    while at + 40 <= len(data):
        length, _, lsn, session = struct.unpack(">IIQQ", data[at:at + 24])
        if lsn != number * SEGMENT_BYTES + at:
            return
        kind, stream = data[at + 32], data[at + 33]
        if kind == PAD:
            return
        yield Record(lsn, session, kind, stream,
                     data[at + 40:at + 40 + length])
        at += (40 + length + 7) // 8 * 8


def sessions_of(state):
    """By id: what the journals have of each session."""
    found = {}
    for folder in sorted((state / "journal").glob("w*")):
        live = {}
        for path in sorted(folder.glob("*.seg")):
            for r in read_segment(path):
                add_record(r, live, found)
    return found


def add_record(r, live, found):
    if r.kind == OPEN:
        meta = json.loads(r.payload)
        live[r.lsn] = found[meta["id"]] = {
            "open": meta, "close": None, "status": b"",
            "streams": [bytearray(), bytearray(), bytearray()]}
    elif r.kind == DATA:
        live[r.session]["streams"][r.stream] += r.payload
    elif r.kind == STATUS:
        live[r.session]["status"] += r.payload
    elif r.kind == CLOSE:
        live[r.session]["close"] = json.loads(r.payload)
