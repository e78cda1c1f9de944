"""Requests as bytes over TLS: for what no kubectl sends.

A `Wire` is one connection. It knows as much of HTTP/1.1 and WebSocket as a test
needs to say exactly what it means, and shows exactly what came back.
"""
import base64
import collections
import contextlib
import json
import os
import socket
import ssl
import struct
import tempfile

from harness import DEADLINE_S, kubeconfig_entry

Answer = collections.namedtuple("Answer", "status headers body")


def decoded(entry, name):
    """A kubeconfig's inline PEM."""
    return base64.b64decode(entry[name + "-data"])


class Peer:
    """Where a kubeconfig points, and with what credentials."""

    def __init__(self, kubeconfig):
        cluster, user = kubeconfig_entry(kubeconfig)
        self.host, port = cluster["server"].removeprefix("https://").split(":")
        self.port = int(port)
        self.tls = ssl.create_default_context(
            cadata=decoded(cluster, "certificate-authority").decode())
        self.authorization = b""
        if "token" in user:
            self.authorization = b"Authorization: Bearer %s\r\n" % \
                user["token"].encode()
        if "client-key-data" in user:
            with tempfile.NamedTemporaryFile() as pem:
                pem.write(decoded(user, "client-certificate") +
                          decoded(user, "client-key"))
                pem.flush()
                self.tls.load_cert_chain(pem.name)

    def open(self):
        return Wire(self)

    def ask(self, method, path, *lines, body=b"", known=True):
        """One request on a connection of its own."""
        with self.open() as wire:
            wire.request(method, path, *lines, body=body, known=known)
            return wire.answer(method)


class Wire:
    def __init__(self, peer):
        self.peer = peer
        plain = socket.create_connection((peer.host, peer.port), DEADLINE_S)
        self.socket = peer.tls.wrap_socket(plain, server_hostname=peer.host)
        self.socket.settimeout(DEADLINE_S)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, *lines, body=b"", known=True):
        """`lines` are header fields; the credentials come along unless the
        caller is to be unknown."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.peer.host}\r\n"
        fields = "".join(line + "\r\n" for line in lines)
        self.send(head.encode() + fields.encode() +
                  (self.peer.authorization if known else b"") +
                  b"\r\n" + body)

    # ---- HTTP ----

    def more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        self.left += data
        return bool(data)

    def take(self, size):
        while len(self.left) < size:
            if not self.more():
                raise EOFError(f"ended after {self.left[:200]!r}")
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def until(self, end):
        while end not in self.left:
            if not self.more():
                raise EOFError(f"ended after {self.left[:200]!r}")
        return self.take(self.left.index(end) + len(end))

    def answer(self, method="GET"):
        """The next answer, whole; its headers' names in lower case."""
        first, *lines = self.until(b"\r\n\r\n").decode().split("\r\n")[:-2]
        status = int(first.split()[1])
        headers = {}
        for line in lines:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        has_body = method != "HEAD" and status >= 200 and \
            status not in (204, 304)
        return Answer(status, headers, self.body(headers) if has_body else b"")

    def body(self, headers):
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(self.chunks())
        if "content-length" in headers:
            return self.take(int(headers["content-length"]))
        while self.more():
            pass
        return self.take(len(self.left))

    def chunks(self):
        while size := int(self.until(b"\r\n"), 16):
            yield self.take(size)
            self.take(2)
        self.until(b"\r\n")

    # ---- WebSocket ----

    def message(self):
        """The next message of the server; None at its close or end."""
        try:
            first, length = self.take(2)
            if length == 126:
                length, = struct.unpack(">H", self.take(2))
            elif length == 127:
                length, = struct.unpack(">Q", self.take(8))
            data = self.take(length)
        except EOFError:
            return None
        return None if first & 15 == 8 else data

    def messages(self):
        while (data := self.message()) is not None:
            yield data

    def say(self, data, opcode=2):
        """One masked message; the mask of zeros hides nothing."""
        head = bytes([0x80 | opcode]) + (
            bytes([0x80 | len(data)]) if len(data) < 126 else
            b"\xfe" + struct.pack(">H", len(data)))
        self.send(head + bytes(4) + data)


def websocket(*subprotocols, upgrade="websocket"):
    """The header fields that ask for one."""
    key = base64.b64encode(os.urandom(16)).decode()
    fields = ["Connection: Upgrade", f"Upgrade: {upgrade}",
              "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    if subprotocols:
        fields.append("Sec-WebSocket-Protocol: " + ", ".join(subprotocols))
    return fields


def status_of(answer):
    """A metav1.Status, or None when it is none."""
    with contextlib.suppress(ValueError):
        said = json.loads(answer.body)
        if isinstance(said, dict) and said.get("kind") == "Status":
            return said
    return None
