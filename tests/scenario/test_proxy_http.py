"""Ordinary requests through the real proxy, to a stand-in that answers every
way an API server may, and some that none should."""
import os
import socket
import ssl
import threading
import time
import unittest

import proxy_stage
from proxy_stage import Cut, await_true, read_body, read_chunk, stage

MIB = 1 << 20


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage()
        cls.api, cls.proxy = cls.stage.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.stage.__exit__(None, None, None)

    def setUp(self):
        self.client = self.proxy.connect()

    def tearDown(self):
        self.proxy.hang_up()

    def expect_bounded(self, grown):
        if not self.proxy.is_sanitized():
            self.assertLess(grown, 16 * MIB)

    def on(self, handler):
        """A path of this test's own."""
        path = f"/{self.id().rsplit('.', 1)[1]}"
        self.api.on(path, handler)
        return path

    def expect_cut(self, read):
        with self.assertRaises((Cut, EOFError)) as caught:
            read()
        return caught.exception

    # ---- connections ----

    def test_both_connections_are_kept(self):
        path = self.on(lambda c, r: c.answer(200, b"hello"))
        for _ in range(5):
            answer = self.client.call("GET", path)
            self.assertEqual((answer.status, answer.body), (200, b"hello"))
            self.assertIsNone(answer.get("Connection"))
        self.assertEqual(len({r.connection for r in self.api.seen(path)}), 1)

    def test_uploads_keep_both_connections(self):
        def echo(c, r):
            read_body(c.stream, r, False)
            c.answer(200, r.body)
        path = self.on(echo)
        for size in (1, 100, 70000, 0, 5):
            body = os.urandom(size)
            answer = self.client.call("POST", path, body=body)
            self.assertEqual((answer.status, answer.body), (200, body))
            self.assertIsNone(answer.get("Connection"), size)
        self.assertEqual(len({r.connection for r in self.api.seen(path)}), 1)

    def test_credentials_and_addresses_are_the_proxys(self):
        path = self.on(lambda c, r: c.answer(200))
        self.client.call("GET", path, [
            "X-Forwarded-For: 1.2.3.4", "x-remote-user: root",
            "X_Remote_Group: system:masters", "AUDIT-ID: forged",
            "Kubetape-Session: forged", "Cookie: c", "Connection: X-Drop",
            "X-Drop: 1", "X-Keep: 2", "X-Real-Ip: 1.2.3.4"])
        seen = self.api.seen(path)[0]
        self.assertEqual(sorted(seen.fields), sorted([
            ("Host", f"127.0.0.1:{self.api.port}"), ("X-Keep", "2"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("Authorization", "Bearer upstream-token")]))

    def test_without_credentials_nothing_passes(self):
        path = self.on(lambda c, r: c.answer(200))
        self.client.token = "wrong"
        answer = self.client.call("GET", path)
        self.assertEqual(answer.status, 401)
        self.assertIn(b'"kind":"Status"', answer.body)
        self.client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        self.assertEqual(self.client.response().status, 401)
        self.assertEqual(self.api.seen(path), [])

    def kept_then_closed(self, how):
        """A connection that the server ends when it is used again."""
        path = self.on(None)
        first = []

        def handler(c, _):
            if first and c.number == first[0]:
                c.end(how)
                return
            first.append(c.number)
            c.answer(200, b"fresh")
        self.api.on(path, handler)
        return path

    def retry(self, how):
        path = self.kept_then_closed(how)
        self.assertEqual(self.client.call("GET", path).body, b"fresh")
        # Any pooled connection may be taken: only `first` ends.
        for _ in range(3):
            self.assertEqual(self.client.call("GET", path).body, b"fresh")
        self.assertGreater(len({r.connection for r in self.api.seen(path)}), 1)

    def test_a_get_is_tried_again_when_a_kept_connection_ends(self):
        self.retry("close")

    def test_a_get_is_tried_again_when_a_kept_connection_is_cut(self):
        self.retry("cut")

    def test_a_get_is_tried_again_when_a_kept_connection_is_reset(self):
        self.retry("reset")

    def test_a_post_is_never_sent_twice(self):
        path = self.kept_then_closed("close")
        self.client.call("GET", path)
        answer = self.client.call("POST", path, body=b"once")
        self.assertEqual(answer.status, 502)
        posts = [r for r in self.api.seen(path) if r.method == "POST"]
        self.assertEqual(len(posts), 1)

    def test_pipelined_requests_are_answered_in_order(self):
        path = self.on(lambda c, r: c.answer(200, r.target.encode()))
        for n in range(20):
            self.client.request("GET", f"{path}?{n}")
        for n in range(20):
            self.assertEqual(self.client.response().body,
                             f"{path}?{n}".encode())

    def test_an_http_1_0_client(self):
        def chunked(c, _):
            c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        path = self.on(chunked)
        answer = self.client.call("GET", path, version="1.0")
        self.assertIsNone(answer.get("Transfer-Encoding"))
        self.assertEqual(answer.body, b"abcdefg")
        self.assertEqual(self.client.stream.tls.recv(), b"")

    def test_a_client_that_ends_after_its_request_gets_all_of_the_answer(self):
        body = os.urandom(200000)
        path = self.on(lambda c, r: c.answer(200, body))
        self.client.request("GET", path)
        self.client.tls.end()
        self.assertEqual(self.client.response().body, body)
        self.assertEqual(self.client.tls.recv(), b"")

    def test_one_that_ended_with_an_answer_on_its_way_gets_the_rest(self):
        """The answer fits the proxy's buffer, not the client's."""
        body = os.urandom(240000)
        path = self.on(lambda c, r: c.answer(200, body))
        slow = self.proxy.connect(receive_buffer=4096)
        slow.request("GET", path)
        await_true("the answer is asked for", lambda: self.api.seen(path))
        time.sleep(0.3)
        slow.tls.end()
        time.sleep(0.3)
        self.assertEqual(slow.response().body, body)

    # ---- responses ----

    def test_a_watch_arrives_piece_by_piece(self):
        go_on = threading.Event()

        def watch(c, _):
            c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for n in range(5):
                c.send(b"2\r\n%d\n\r\n" % n)
                self.assertTrue(go_on.wait(10))
                go_on.clear()
            c.send(b"0\r\n\r\n")
        path = self.on(watch)
        self.client.request("GET", path)
        self.client.head()
        for n in range(5):
            self.assertEqual(read_chunk(self.client.stream), b"%d\n" % n)
            go_on.set()
        self.assertIsNone(read_chunk(self.client.stream))

    def test_chunks_both_ways_and_trailers(self):
        def echo(c, r):
            read_body(c.stream, r, False)
            c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                   b"Trailer: X-Sum\r\n\r\n")
            for byte in r.body:
                c.send(b"1;ext=x\r\n%c\r\n" % byte)
            c.send(b"0\r\nX-Sum: %d\r\n\r\n" % len(r.body))
        path = self.on(echo)
        self.client.request("POST", path, ["Transfer-Encoding: chunked"])
        for data in (b"6\r\nchunk ", b"\r\n", b"3\r\nby ch", b"\r\n0\r\n",
                     b"X-Mine: 1\r\n\r\n"):
            if data.startswith(b"3"):
                data = b"3\r\nby \r\n5\r\nchunk"
            self.client.send(data)
            time.sleep(0.01)
        answer = self.client.response()
        self.assertEqual(answer.body, b"chunk by chunk")
        self.assertEqual(answer.trailers, ["X-Sum: 14"])
        seen = self.api.seen(path)[0]
        self.assertEqual(seen.trailers, ["X-Mine: 1"])

    def test_answers_without_a_body(self):
        def handler(c, r):
            status = int(r.target.rsplit("?", 1)[1])
            c.send(b"HTTP/1.1 %d X\r\nETag: e\r\n%s\r\n" % (
                status, b"Content-Length: 5\r\n" if status == 200 else b""))
        path = self.on(handler)
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304),
                               ("HEAD", 200), ("GET", 304)):
            answer = self.client.call(method, f"{path}?{status}")
            self.assertEqual((answer.status, answer.body), (status, b""))
            self.assertEqual(answer.get("Content-Length"),
                             "5" if method == "HEAD" else None)

    def test_continue_is_asked_and_passed_on(self):
        def handler(c, r):
            self.assertEqual(r.get("Expect"), "100-continue")
            c.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                   b"HTTP/1.1 100 Continue\r\n\r\n")
            c.answer(200, c.stream.take(5))
        path = self.on(handler)
        self.client.request("PUT", path, ["Expect: 100-continue",
                                          "Content-Length: 5"])
        self.assertEqual(self.client.head().status, 103)
        self.assertEqual(self.client.head().status, 100)
        self.client.send(b"hello")
        self.assertEqual(self.client.response().body, b"hello")

    def test_an_early_answer_to_an_unfinished_upload(self):
        path = self.on(lambda c, r: c.answer(413, b"too much"))
        self.client.request("POST", path, ["Content-Length: 1000000"])
        self.client.send(b"x" * 1000)
        answer = self.client.response()
        self.assertEqual((answer.status, answer.body), (413, b"too much"))
        self.assertEqual(answer.get("Connection"), "close")
        self.assertEqual(self.client.tls.recv(), b"")

    def test_a_refusal_by_a_server_that_leaves_at_once(self):
        def handler(c, _):
            c.answer(413, b"too much", ["Connection: close"])
            c.end("close")
        path = self.on(handler)
        for _ in range(20):
            client = self.proxy.connect()
            client.request("POST", path, ["Content-Length: 10000000"])
            try:
                for _ in range(50):
                    client.send(b"x" * 16384)
            except OSError:
                pass
            answer = client.response()
            self.assertEqual((answer.status, answer.body), (413, b"too much"))

    def test_a_length_that_is_cut_is_a_cut(self):
        def handler(c, r):
            c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            c.end(r.target.rsplit("?", 1)[1])
        path = self.on(handler)
        for how in ("close", "cut", "reset"):
            client = self.proxy.connect()
            client.request("GET", f"{path}?{how}")
            self.expect_cut(client.response)

    def test_chunks_that_are_cut_are_a_cut(self):
        def handler(c, _):
            c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"5\r\nhello\r\n")
            c.end("close")
        path = self.on(handler)
        self.client.request("GET", path)
        self.expect_cut(self.client.response)

    def test_a_body_until_close_ends_only_with_a_clean_one(self):
        def handler(c, r):
            c.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            c.end(r.target.rsplit("?", 1)[1])
        path = self.on(handler)
        answer = self.client.call("GET", f"{path}?close")
        self.assertEqual(answer.body, b"all of it")
        client = self.proxy.connect()
        client.request("GET", f"{path}?cut")
        self.expect_cut(client.response)

    def test_answers_that_are_no_http(self):
        for n, raw in enumerate((
                b"nonsense\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                b"Content-Length: 2\r\n\r\nx",
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\n\r\n")):
            def handler(c, _, raw=raw):
                c.send(raw)
                c.end("close")
            path = self.on(handler)
            answer = self.client.call("GET", f"{path}?{n}")
            self.assertEqual(answer.status, 502, raw)
            self.assertIn(b'"kind":"Status"', answer.body)

    def test_a_server_that_says_more_is_not_asked_again(self):
        """What came behind an answer must not answer the next request."""
        def handler(c, _):
            c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
                   b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        path = self.on(handler)
        for _ in range(5):
            self.assertEqual(self.client.call("GET", path).body, b"good")

    # ---- sizes ----

    def test_a_slow_reader_of_every_size_gets_on(self):
        """The last piece may fill the buffer: the next request still goes."""
        path = self.on(lambda c, r: c.answer(
            200, b"y" * int(r.target.rsplit("?", 1)[1])))
        for size in [*range(250000, 340000, 15000), MIB, 3 * MIB]:
            slow = self.proxy.connect(receive_buffer=4096)
            for _ in range(2):
                slow.request("GET", f"{path}?{size}")
                time.sleep(0.05)
                self.assertEqual(len(slow.response().body), size)

    def test_memory_stays_bounded(self):
        size = 256 * MIB
        block = os.urandom(MIB)

        def handler(c, _):
            c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // MIB):
                c.send(block)
        path = self.on(handler)
        before = self.proxy.rss()
        slow = self.proxy.connect(receive_buffer=65536)
        slow.request("GET", path)
        slow.head()
        got = len(slow.stream.bytes)
        most = 0
        while got < size:
            got += len(slow.tls.recv(MIB))
            if got % (16 * MIB) < MIB:
                most = max(most, self.proxy.rss())
        self.assertEqual(got, size)
        self.expect_bounded(most - before)

    def test_an_upload_to_a_slow_server_stays_bounded(self):
        size = 64 * MIB

        def handler(c, _):
            got = 0
            while got < size:
                if got < MIB:
                    time.sleep(0.05)
                got += len(c.stream.take(min(65536, size - got)))
            c.answer(200, b"%d" % got)
        path = self.on(handler)
        before = self.proxy.rss()
        self.client.request("POST", path, [f"Content-Length: {size}"])
        block = os.urandom(MIB)
        most = 0
        for _ in range(size // MIB):
            self.client.send(block)
            most = max(most, self.proxy.rss())
        self.assertEqual(self.client.response().body, b"%d" % size)
        self.expect_bounded(most - before)

    def test_a_client_that_takes_no_answers_asks_no_more(self):
        path = self.on(lambda c, r: c.answer(200, b"z" * 50000))
        slow = self.proxy.connect(receive_buffer=4096)
        for n in range(200):
            slow.request("GET", f"{path}?{n}")
        time.sleep(0.5)
        self.assertLess(len(self.api.seen(path)), 100)
        for _ in range(200):
            self.assertEqual(len(slow.response().body), 50000)

    # ---- ends ----

    def client_gone(self, how):
        began = threading.Event()
        over = threading.Event()

        def watch(c, _):
            c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            began.set()
            try:
                c.stream.more()
            except (Cut, OSError):
                pass
            over.set()
            c.is_open = False
        path = self.on(watch)
        self.client.request("GET", path)
        self.assertTrue(began.wait(10))
        getattr(self.client.tls, how)()
        self.assertTrue(over.wait(5))

    def test_a_client_cut_mid_watch_ends_the_call(self):
        self.client_gone("cut")

    def test_a_client_reset_mid_watch_ends_the_call(self):
        self.client_gone("reset")

    def test_a_client_gone_mid_upload_is_not_an_end(self):
        seen = []

        def handler(c, _):
            try:
                seen.append(c.stream.take(100))
            except (EOFError, Cut):
                seen.append(None)
            c.is_open = False
        path = self.on(handler)
        self.client.request("POST", path, ["Content-Length: 100"])
        self.client.send(b"x" * 50)
        await_true("the upload began", lambda: self.api.seen(path))
        self.client.close()
        await_true("the upload ended", lambda: seen)
        self.assertEqual(seen, [None])

    # ---- refusals ----

    def test_smuggling_is_refused_and_not_passed(self):
        path = self.on(lambda c, r: c.answer(200))
        auth = f"Authorization: Bearer {self.proxy.token}\r\n"
        for n, raw in enumerate((
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "Content-Length: 5\r\nContent-Length: 6\r\n",
                "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n",
                "Content-Length: 0x5\r\n", "Transfer-Encoding: gzip\r\n",
                "Transfer-Encoding: chunked, chunked\r\n",
                "Transfer-Encoding : chunked\r\n",
                "X: a\r\n Transfer-Encoding: chunked\r\n",
                "X: a\nTransfer-Encoding: chunked\r\n",
                "X: a\rY: b\r\n", "X: a\0\r\n", "X Y: b\r\n", ": b\r\n")):
            client = self.proxy.connect()
            client.send((f"POST {path} HTTP/1.1\r\nHost: h\r\n{auth}{raw}"
                         "\r\n5\r\nhello\r\n0\r\n\r\nGET /x HTTP/1.1\r\n"
                         "Host: h\r\n\r\n").encode("latin-1"))
            answer = client.response()
            self.assertIn(answer.status, (400, 501), (n, raw))
            self.assertEqual(answer.get("Connection"), "close")
            self.assertEqual(client.tls.recv(), b"", raw)
        self.assertEqual(self.api.seen(path), [])

    def test_paths_and_forms_that_are_refused(self):
        for target in ("/api/../x", "/a//b", "/%2e%2e/x", "/a%00", "/a%zz",
                       "http://x/y", "*", "x"):
            answer = self.proxy.connect().call("GET", target)
            self.assertEqual(answer.status, 400, target)

    def test_a_head_that_is_too_large(self):
        client = self.proxy.connect()
        client.request("GET", "/", ["X-Long: " + "a" * 200000])
        self.assertEqual(client.response().status, 431)

    def test_a_chunk_that_is_none_cuts_the_connection(self):
        path = self.on(lambda c, r: read_body(c.stream, r, False))
        self.client.request("POST", path, ["Transfer-Encoding: chunked"])
        self.client.send(b"5\nhello\r\n0\r\n\r\n")
        self.expect_cut(self.client.response)

    def test_bytes_that_are_no_tls(self):
        with socket.create_connection(self.proxy.address) as sock:
            sock.settimeout(10)
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with self.assertRaises((Cut, ssl.SSLError, OSError)):
                proxy_stage.Tls(sock, self.proxy.context, False, "localhost")


class Deaths(unittest.TestCase):
    def test_no_server_is_502(self):
        with stage() as (api, proxy):
            def handler(c, _):
                c.answer(200, b"x", ["Connection: close"])
                c.end("close")
            api.on("/x", handler)
            client = proxy.connect()
            for _ in range(2):  # one on the connection that asked who it is
                self.assertEqual(client.call("GET", "/x").status, 200)
            api.close()
            answer = client.call("GET", "/x")
            self.assertEqual(answer.status, 502)
            self.assertIn(b'"kind":"Status"', answer.body)

    def test_a_stop_lets_the_answer_in_hand_be_given(self):
        go_on = threading.Event()

        def handler(c, _):
            go_on.wait(10)
            c.answer(200, b"done")
        with stage() as (api, proxy):
            api.on("/slow", handler)
            client = proxy.connect()
            client.request("GET", "/slow")
            await_true("asked", lambda: api.seen("/slow"))
            stopper = threading.Thread(target=proxy.stop)
            stopper.start()
            time.sleep(0.3)
            go_on.set()
            self.assertEqual(client.response().body, b"done")
            client.close()
            stopper.join()
            self.assertEqual(proxy.process.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
