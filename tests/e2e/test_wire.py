"""What no kubectl sends: odd spellings of an exec must not be a way around the
recorder, and plain HTTP must come out as the API server meant it.

For every spelling the rule is one: if it starts a session at the API server, it
starts a recorded one through here, or is refused here.
"""
import base64
import json
import pathlib

from harness import ADMIN, CLUSTER, TestCase, main, new_tag, until
from wire import Peer, status_of, websocket

POD = "/api/v1/namespaces/default/pods/web"
CHANNELS = "v5.channel.k8s.io"


def exec_query(tag):
    return f"?command=echo&command={tag}&container=shell&stdout=1"


# Where an exec may hide. {q} is its query.
PATHS = {
    "plain": POD + "/exec{q}",
    "one slash behind": POD + "/exec/{q}",
    "two slashes behind": POD + "/exec//{q}",
    "a letter encoded": POD + "/%65xec{q}",
    "all of it encoded": POD + "/%65%78%65%63{q}",
    "pods encoded": POD.replace("pods", "%70ods") + "/exec{q}",
    "v1 encoded": POD.replace("v1", "%761") + "/exec{q}",
    "api encoded": POD.replace("api", "%61pi") + "/exec{q}",
    "a slash encoded behind": POD + "/exec%2F{q}",
    "a slash encoded inside": POD.replace("pods/", "pods%2F") + "/exec{q}",
    "slashes encoded": POD.replace("/pods/", "%2Fpods%2f") + "%2Fexec{q}",
    "encoded twice": POD + "/%2565xec{q}",
    "a dot": POD + "/./exec{q}",
    "a dot behind": POD + "/exec/.{q}",
    "two dots": POD + "/log/../exec{q}",
    "dots encoded": POD + "/log/%2e%2e/exec{q}",
    "a slash inside": POD + "//exec{q}",
    "a slash in front": "/" + POD + "/exec{q}",
    "upper case": POD + "/EXEC{q}",
    "a parameter": POD + "/exec;x=1{q}",
    "a NUL": POD + "/exec%00{q}",
    "a broken escape": POD + "/exec%zz{q}",
    "an empty query": POD + "/exec?&{q}",
    "a fragment": POD + "/exec{q}#x",
    "the legacy proxy": "/api/v1/proxy/namespaces/default/pods/web/exec{q}",
    "the pod's own proxy": POD + "/proxy/exec{q}",
}

UPGRADES = {
    "as usual": websocket(CHANNELS),
    "mixed case": websocket(CHANNELS, upgrade="WebSocket"),
    "upper case": websocket(CHANNELS, upgrade="WEBSOCKET"),
    "no subprotocol": websocket(),
    "v4": websocket("v4.channel.k8s.io"),
    "unversioned": websocket("channel.k8s.io"),
    "base64": websocket("base64.channel.k8s.io"),
    "v4 base64": websocket("v4.base64.channel.k8s.io"),
    "best first": websocket("v9.channel.k8s.io", CHANNELS),
    "unknown subprotocol": websocket("v9.channel.k8s.io"),
    "two tokens": [f.replace("Connection: Upgrade",
                             "Connection: keep-alive, Upgrade")
                   for f in websocket(CHANNELS)],
    "compression asked for": websocket(CHANNELS) + [
        "Sec-WebSocket-Extensions: permessage-deflate"],
    "both": websocket(CHANNELS, upgrade="SPDY/3.1, websocket"),
    "h2c": websocket(upgrade="h2c"),
    "something": websocket(upgrade="something/1"),
    "no upgrade at all": [],
    "upgrade without connection": websocket(CHANNELS)[1:],
    "spdy by GET": ["Connection: Upgrade", "Upgrade: SPDY/3.1",
                    "X-Stream-Protocol-Version: v4.channel.k8s.io"],
}


class WireCase(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = Peer(ADMIN)
        cls.taped = Peer(cls.stand.kubeconfig)


def attempt(peer, path, fields, encoded=False):
    """(status, the command's output if a session began, Status or None)."""
    with peer.open() as wire:
        wire.request("GET", path, *fields)
        answer = wire.answer()
        if answer.status != 101:
            return answer.status, b"", status_of(answer)
        if "SPDY" in answer.headers.get("upgrade", "").upper():
            return 101, b"", None  # began, and that is all that counts
        out = b"".join(
            base64.b64decode(m[1:]) if encoded else m[1:]
            for m in wire.messages() if m[:1] in (b"\x01", b"1"))
        return 101, out, None


class Disguises(WireCase):
    def one(self, path, fields):
        """Never less than a refusal, never less than a recording."""
        tag = new_tag()
        encoded = any("base64" in f for f in fields)
        there = attempt(self.plain, path.format(q=exec_query(tag)), fields,
                        encoded)
        tag = new_tag()
        here = attempt(self.taped, path.format(q=exec_query(tag)), fields,
                       encoded)
        if here[0] == 101:
            self.assertEqual(101, there[0], "began here and not there")
            session = self.stand.await_tag(tag)
            self.assert_recorded(session, stdout=here[1])
            self.assert_facts(session, status="complete")
            if there[1]:
                self.assertEqual(f"{tag}\n".encode(), here[1])
        elif here[0] != there[0]:
            self.assertGreaterEqual(here[0], 400)
            self.assertIsNotNone(here[2], "a refusal of ours is a Status")
        return there[0], here[0]

    def test_paths(self):
        """Those that begin a session do so here, too, but recorded; save two
        that no client needs."""
        def one(name):
            there, here = self.one(PATHS[name], websocket(CHANNELS))
            if name in ("two slashes behind", "a fragment"):
                self.assertEqual((101, 400), (there, here))
            elif there == 101:
                self.assertEqual(101, here, "refused, although it is known")
        self.together(one, [(name,) for name in PATHS])

    def test_upgrades(self):
        self.together(lambda name: self.one(PATHS["plain"], UPGRADES[name]),
                      [(name,) for name in UPGRADES])

    def test_every_subprotocol_works(self):
        def one(name):
            self.assertEqual((101, 101),
                             self.one(PATHS["plain"], UPGRADES[name]))
        self.together(one, [(name,) for name in (
            "as usual", "mixed case", "upper case", "no subprotocol", "v4",
            "unversioned", "base64", "v4 base64", "best first", "two tokens",
            "compression asked for")])

    def test_unknown_upgrades_are_refused(self):
        """Not passed as if they were plain requests."""
        for name in ("h2c", "something"):
            for path in (PATHS["plain"], "/version", POD + "/log",
                         POD + "/proxy/"):
                with self.subTest(name=name, path=path):
                    status, _, said = attempt(
                        self.taped, path.format(q="?command=id"),
                        UPGRADES[name])
                    self.assertIn(status, (400, 403), said)
                    self.assertIn("cannot be recorded" if path !=
                                  PATHS["plain"] else "neither SPDY",
                                  said["message"])

    def test_nodes(self):
        """The kubelet's own doors are shut, upgrade or not, by any spelling;
        its other pages are not sessions."""
        node = "/api/v1/nodes/localhost/proxy/"
        for door in ("exec/default/web/shell", "attach/default/tty/tty",
                     "run/default/web/shell", "portForward/default/web",
                     "%65xec/default/web/shell", "exec%2Fdefault/web/shell",
                     "/exec/default/web/shell", "cri/exec/x"):
            for fields in (websocket(CHANNELS), [], UPGRADES["spdy by GET"]):
                for method in ("GET", "POST"):
                    with self.subTest(door=door, fields=fields[1:2],
                                      method=method):
                        answer = self.taped.ask(
                            method, node + door + "?command=id&cmd=id",
                            *fields, "Content-Length: 0")
                        self.assertIn(answer.status, (400, 403))
                        self.assertIsNotNone(status_of(answer))
                        self.assertNotIn("loopback", str(answer.body))

    def test_a_message_too_many(self):
        """A frame that two peers could read differently ends the session."""
        for name, data in {
                "an unknown channel": b"\x09x",
                "output from the client": b"\x01x",
                "a lone end mark": b"\xff"}.items():
            with self.subTest(name), self.taped.open() as wire:
                tag = new_tag()
                wire.request("GET", f"{POD}/exec?command=cat&command=-&"
                             f"command={tag}&container=shell&stdin=1&stdout=1"
                             "&stderr=1", *websocket(CHANNELS))
                self.assertEqual(101, wire.answer().status)
                wire.say(data)
                for _ in wire.messages():
                    pass  # until it is ended
                session = self.stand.await_tag(tag)
                self.assert_facts(session, status="failed")
                self.assertNotEqual("", session["reason"])
                self.assert_verified(session)

    def test_identity_headers_do_not_pass(self):
        """Nobody becomes another by saying so, nor names the session."""
        answer = self.taped.ask("GET", POD, "Impersonate-User: bob",
                                "X-Remote-User: bob", "X-Remote-Group: nobody")
        self.assertIn(answer.status, (200, 400, 401, 403))
        tag = new_tag()
        chosen = "0199f3a0-0000-7000-8000-000000000000"
        status, _, _ = attempt(
            self.taped, PATHS["plain"].format(q=exec_query(tag)),
            websocket(CHANNELS) + [f"Audit-ID: {chosen}",
                                   f"Kubetape-Session: {chosen}"])
        self.assertEqual(101, status)
        self.assertNotEqual(chosen, self.stand.await_tag(tag)["id"])

    def test_the_session_id_is_told(self):
        """To the client, and as the audit id to the API server's log."""
        tag = new_tag()
        with self.taped.open() as wire:
            wire.request("GET", PATHS["plain"].format(q=exec_query(tag)),
                         *websocket(CHANNELS))
            answer = wire.answer()
            for _ in wire.messages():
                pass
        session = self.stand.await_tag(tag)
        self.assertEqual(session["id"], answer.headers["kubetape-session"])
        log = pathlib.Path(CLUSTER["API_AUDIT_LOG"])
        until("the id in the audit log", lambda: any(
            f'"auditID":"{session["id"]}"' in line and tag in line
            for line in log.read_text().splitlines()))


class PlainHttp(WireCase):
    """The same bytes as the API server's, whatever HTTP is used for them."""

    def assert_alike(self, method, path, *fields, body=b""):
        plain = self.plain.ask(method, path, *fields, body=body)
        taped = self.taped.ask(method, path, *fields, body=body)
        self.assertEqual(plain.status, taped.status, taped)
        self.assertEqual(plain.headers.get("content-type"),
                         taped.headers.get("content-type"))
        self.assertEqual(plain.headers.get("content-length"),
                         taped.headers.get("content-length"))
        self.assert_same_bytes(plain.body, taped.body, path)
        return taped

    def test_get(self):
        for path in ("/version", "/api", "/apis", "/openapi/v2", "/healthz",
                     "/livez?verbose", "/api/v1/namespaces/default",
                     "/nope", "/api/v1/namespaces/none/pods/none", "/"):
            with self.subTest(path):
                self.assert_alike("GET", path)

    def test_get_compressed(self):
        answer = self.assert_alike("GET", "/openapi/v2",
                                   "Accept-Encoding: gzip")
        self.assertEqual("gzip", answer.headers.get("content-encoding"))

    def test_head(self):
        for path in ("/version", "/nope", "/healthz"):
            with self.subTest(path):
                self.assert_alike("HEAD", path)

    def config_map(self, size):
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap",
                           "metadata": {"name": new_tag()},
                           "data": {"big": "x" * size}}).encode()

    def create(self, peer, body, *fields):
        with peer.open() as wire:
            wire.request("POST", "/api/v1/namespaces/default/configmaps"
                         "?dryRun=All", "Content-Type: application/json",
                         *fields, body=body)
            return wire.answer()

    def test_large_bodies(self):
        """What fits is taken, and what does not is refused as it is there."""
        for size, expected in ((900_000, (201,)), (3_300_000, (413, 422)),
                               (1_200_000, (413, 422))):
            with self.subTest(size):
                body = self.config_map(size)
                length = f"Content-Length: {len(body)}"
                plain = self.create(self.plain, body, length)
                taped = self.create(self.taped, body, length)
                self.assertIn(plain.status, expected)
                self.assertEqual(plain.status, taped.status)
                if plain.status != 201:  # else uid and time differ
                    self.assertEqual(status_of(plain), status_of(taped))

    def test_chunked_upload(self):
        body = self.config_map(300_000)
        pieces = [body[i:i + 7777] for i in range(0, len(body), 7777)]
        sent = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
        answer = self.create(self.taped, sent + b"0\r\n\r\n",
                             "Transfer-Encoding: chunked")
        self.assertEqual(201, answer.status, answer.body[:300])
        self.assertEqual(300_000, len(json.loads(answer.body)["data"]["big"]))

    def test_expect_continue(self):
        """The go-ahead comes before the body is there."""
        body = self.config_map(1000)
        with self.taped.open() as wire:
            wire.request("POST", "/api/v1/namespaces/default/configmaps"
                         "?dryRun=All", "Content-Type: application/json",
                         f"Content-Length: {len(body)}",
                         "Expect: 100-continue")
            self.assertEqual(100, wire.answer().status)
            wire.send(body)
            self.assertEqual(201, wire.answer().status)

    def test_one_connection_for_many(self):
        with self.taped.open() as wire:
            for _ in range(50):
                wire.request("GET", "/version")
                self.assertEqual(200, wire.answer().status)
            wire.request("HEAD", "/healthz")
            self.assertEqual(200, wire.answer("HEAD").status)
            wire.request("GET", "/nope")
            self.assertEqual(404, wire.answer().status)
            wire.request("GET", "/version")
            self.assertEqual(200, wire.answer().status)

    def test_pipelined(self):
        """Answers come in the order of the questions."""
        paths = ["/version", "/nope", "/healthz", "/version"] * 5
        with self.taped.open() as wire:
            wire.send(b"".join(
                b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" %
                (path.encode(), self.taped.authorization) for path in paths))
            answers = [wire.answer() for _ in paths]
        for path, answer in zip(paths, answers):
            expected = self.plain.ask("GET", path)
            self.assertEqual((expected.status, expected.body),
                             (answer.status, answer.body), path)

    def test_smuggling(self):
        """What two servers could take for different requests is refused, and
        nothing behind it is read."""
        second = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
        heads = {
            "both lengths": b"Content-Length: 4\r\n"
                            b"Transfer-Encoding: chunked\r\n",
            "two lengths": b"Content-Length: 4\r\nContent-Length: 5\r\n",
            "a sign": b"Content-Length: +4\r\n",
            "unknown coding": b"Transfer-Encoding: gzip\r\n",
            "space before colon": b"Content-Length : 4\r\n",
            "a folded line": b"X: a\r\n b\r\n",
            "a bare LF": b"X: a\nY: b\r\n",
            "a NUL": b"X: a\0b\r\n",
        }
        for name, fields in heads.items():
            with self.subTest(name), self.taped.open() as wire:
                wire.send(b"POST /version HTTP/1.1\r\nHost: x\r\n" +
                          self.taped.authorization + fields + b"\r\n" +
                          b"0\r\n\r\n" + second)
                answer = wire.answer()
                self.assertIn(answer.status, (400, 501))
                self.assertIsNotNone(status_of(answer))
                self.assertFalse(wire.left or wire.more(), wire.left)

    def test_unknown_callers(self):
        """401, as a Status; nothing is asked on behalf of nobody."""
        for name, fields in {
                "no token": [], "a wrong token": ["Authorization: Bearer x"],
                "an empty one": ["Authorization: Bearer "],
                "another scheme": ["Authorization: Basic eDp4"]}.items():
            for path in ("/version", POD, PATHS["plain"].format(q="")):
                with self.subTest(name, path=path):
                    answer = self.taped.ask("GET", path, *fields,
                                            *websocket(CHANNELS)
                                            if "exec" in path else [],
                                            known=False)
                    said = status_of(answer)
                    self.assertEqual((401, 401, "Unauthorized"),
                                     (answer.status, said["code"],
                                      said["reason"]))


if __name__ == "__main__":
    main()
