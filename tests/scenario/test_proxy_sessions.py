"""Sessions through the real proxy: bytes as they were said, in the journal
before anybody sees them, and every way a session can end."""
import os
import random
import struct
import threading
import time
import unittest

from proxy_stage import (EXEC, SERVER_CLOSE, SUCCESS, Cut, ask_for_session,
                         await_true, frame, grant, read_body, said,
                         sessions_of, stage)

MIB = 1 << 20


def drain(c):
    """Until the peer is gone, whatever it says."""
    try:
        while c.stream.more():
            c.stream.bytes.clear()
    except (Cut, OSError):
        pass


CLIENT_CLOSE = frame(8, struct.pack(">H", 1000), True)


class Sessions(unittest.TestCase):
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
            self.assertLess(grown, 32 * MIB)

    def serve(self, handler):
        """handler(connection) runs behind the 101, and then it is over."""
        def session(c, request):
            c.request = request
            grant(c, request)
            handler(c)
            c.is_open = False
        self.api.on(EXEC, session)

    def begin(self, **more):
        head = ask_for_session(self.client, **more)
        self.assertEqual(head.status, 101, head.start)
        return head.get("Kubetape-Session")

    def closed(self, session):
        """The session's records, once its CLOSE is among them."""
        await_true("the session is closed", lambda: sessions_of(
            self.proxy.state).get(session, {}).get("close"))
        return sessions_of(self.proxy.state)[session]

    # ---- the beginning ----

    def test_it_is_open_in_the_journal_before_it_is_asked_for(self):
        found = []

        def handler(c, request):
            found.append(sessions_of(self.proxy.state).get(
                request.get("Audit-ID")))
            c.answer(403, b'{"message":"pods \\"web\\" is forbidden"}')
        self.api.on(EXEC, handler)
        head = ask_for_session(self.client)
        self.assertEqual(head.status, 403)
        self.assertEqual(found[0]["open"]["user"], "keeper")
        self.assertEqual(found[0]["open"]["pod"], "web")

    def test_a_refusal_passes_with_its_body_and_is_noted(self):
        reason = b'{"kind":"Status","message":"no exec for you"}'
        self.api.on(EXEC, lambda c, r: c.answer(
            403, reason, ["Content-Type: application/json"]))
        head = ask_for_session(self.client)
        self.assertEqual(head.status, 403)
        self.assertEqual(self.client.stream.take(len(reason)), reason)
        close = self.closed(head.get("Kubetape-Session"))["close"]
        self.assertEqual((close["status"], close["reason"]),
                         ("refused", "403: no exec for you"))

    def test_another_protocol_than_asked_for_is_refused(self):
        def handler(c, _):
            c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n"
                   b"Connection: Upgrade\r\n\r\n")
            drain(c)
        self.api.on(EXEC, handler)
        self.assertEqual(ask_for_session(self.client).status, 502)

    def test_frames_right_behind_the_101_are_not_lost(self):
        def session(c, _):
            c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   b"Connection: Upgrade\r\n"
                   b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
                   + said(1, b"at once") + SUCCESS + SERVER_CLOSE)
            c.end("close")
        self.api.on(EXEC, session)
        session = self.begin()
        self.assertEqual(self.client.stream.rest(),
                         said(1, b"at once") + SUCCESS + SERVER_CLOSE)
        self.assertEqual(self.closed(session)["streams"][1], b"at once")

    # ---- bytes ----

    def both_ways(self, cut):
        """`cut` says in which pieces each end sends."""
        to_client = b"".join(
            said(1 + n % 2, os.urandom(n * 37 % 700)) for n in range(60))
        to_client += SUCCESS + SERVER_CLOSE
        inputs = [os.urandom(n * 53 % 400 + 1) for n in range(40)]
        to_server = b"".join(frame(2, b"\0" + data, True) for data in inputs)
        got = []

        def handler(c):
            def hear():
                got.append(c.stream.take(len(to_server)))
            ear = threading.Thread(target=hear)
            ear.start()
            for piece in cut(to_client[:-len(SUCCESS + SERVER_CLOSE)]):
                c.send(piece)
            ear.join()
            c.send(SUCCESS + SERVER_CLOSE)
            c.end("close")
        self.serve(handler)
        session = self.begin()
        for piece in cut(to_server):
            self.client.send(piece)
        self.assertEqual(self.client.stream.rest(), to_client)
        self.assertEqual(got, [to_server])
        records = self.closed(session)
        self.assertEqual(records["streams"][0], b"".join(inputs))
        at, expected = 0, [b"", b"", b""]
        for n in range(60):
            size = n * 37 % 700
            head = len(said(1, b"x" * size)) - size
            expected[1 + n % 2] += to_client[at + head:at + head + size]
            at += head + size
        self.assertEqual(records["streams"][1:], expected[1:])
        self.assertEqual(records["close"]["status"], "complete")
        self.assertEqual(records["status"],
                         b'{"metadata":{},"status":"Success"}')

    def test_byte_by_byte(self):
        self.both_ways(lambda data: [data[n:n + 1] for n in range(len(data))])

    def test_in_one_piece(self):
        self.both_ways(lambda data: [data])

    def test_at_random_places(self):
        def cut(data):
            at = sorted(random.sample(range(len(data)), 200))
            return [data[a:b] for a, b in zip([0, *at], [*at, len(data)])]
        self.both_ways(cut)

    def test_large_frames(self):
        blocks = [os.urandom(size) for size in (65536, MIB, 65535, 3 * MIB)]

        def handler(c):
            for block in blocks:
                c.send(said(1, block))
            c.send(SUCCESS + SERVER_CLOSE)
            c.end("close")
        self.serve(handler)
        session = self.begin()
        self.assertEqual(self.client.stream.rest(), b"".join(
            said(1, block) for block in blocks) + SUCCESS + SERVER_CLOSE)
        self.assertEqual(self.closed(session)["streams"][1], b"".join(blocks))

    def test_a_slow_reader_gets_all_of_a_long_output(self):
        """And memory stays where it was: back-pressure, end to end."""
        size = 64 * MIB
        block = os.urandom(32768)

        def handler(c):
            message = said(1, block)
            for _ in range(size // len(block)):
                c.send(message)
            c.send(SUCCESS + SERVER_CLOSE)
            c.end("close")
        self.serve(handler)
        self.client = self.proxy.connect(receive_buffer=16384)
        before = self.proxy.rss()
        session = self.begin()
        most = 0
        got = len(self.client.stream.bytes)
        total = size // len(block) * len(said(1, block)) + len(
            SUCCESS + SERVER_CLOSE)
        tail = b""
        for n in range(1 << 30):
            more = self.client.tls.recv(MIB)
            if not more:
                break
            tail = (tail + more)[-200:]
            got += len(more)
            if n % 512 == 0:
                time.sleep(0.01)
                most = max(most, self.proxy.rss())
        self.assertEqual(got, total)
        self.assertTrue(tail.endswith(SUCCESS + SERVER_CLOSE))
        self.expect_bounded(most - before)
        streams = self.closed(session)["streams"]
        self.assertEqual(len(streams[1]), size)
        self.assertEqual(streams[1][-len(block):], block)

    def test_the_tail_is_waited_for(self):
        """The command has ended, the reader takes its time."""
        def handler(c):
            c.send(said(1, b"t" * 200000) + SUCCESS + SERVER_CLOSE)
            c.end("close")
        self.serve(handler)
        self.client = self.proxy.connect(receive_buffer=4096)
        self.begin()
        time.sleep(2)
        self.assertEqual(self.client.stream.rest(),
                         said(1, b"t" * 200000) + SUCCESS + SERVER_CLOSE)

    def test_input_that_nobody_reads_does_not_cost_the_output(self):
        """`head -1`: the command is done while its input still comes."""
        for _ in range(10):
            def handler(c):
                c.stream.take(1000)
                c.send(said(1, b"first line\n") + SUCCESS + SERVER_CLOSE)
                c.end("close")
            self.serve(handler)
            self.client = self.proxy.connect()
            self.begin()
            try:
                for _ in range(100):
                    self.client.send(frame(2, b"\0" + b"i" * 16000, True))
            except OSError:
                pass
            self.assertEqual(self.client.stream.rest(),
                             said(1, b"first line\n") + SUCCESS + SERVER_CLOSE)

    # ---- ends ----

    def ended(self, how):
        def handler(c):
            c.send(said(1, b"some"))
            c.end(how)
        self.serve(handler)
        session = self.begin()
        self.assertEqual(self.client.stream.take(7), said(1, b"some"))
        try:
            self.client.stream.rest()
        except Cut:
            pass
        records = self.closed(session)
        self.assertEqual(records["streams"][1], b"some")
        return records["close"]

    def test_a_server_that_is_cut_is_a_failure(self):
        self.assertEqual(self.ended("cut")["status"], "failed")

    def test_a_server_that_is_reset_is_a_failure(self):
        self.assertEqual(self.ended("reset")["status"], "failed")

    def test_a_server_that_ends_without_a_word_is_a_failure(self):
        self.assertEqual(self.ended("close")["status"], "failed")

    def client_goes(self, how):
        heard = []

        def handler(c):
            c.send(said(1, b"prompt$ "))
            try:
                while c.stream.more():
                    pass
                heard.append(bytes(c.stream.bytes))
            except (Cut, OSError):
                heard.append(bytes(c.stream.bytes))
            c.end("close")
        self.serve(handler)
        session = self.begin()
        self.client.stream.take(11)
        self.client.send(frame(2, b"\0last", True))
        if how == "reset":
            time.sleep(0.2)
        getattr(self.client.tls, how)()
        records = self.closed(session)
        await_true("the server hears of it", lambda: heard)
        self.assertEqual(heard[0], frame(2, b"\0last", True))
        self.assertEqual(records["streams"][0], b"last")

    def test_a_client_that_closes(self):
        self.client_goes("close")

    def test_a_client_that_is_cut(self):
        self.client_goes("cut")

    def test_a_client_that_is_reset(self):
        self.client_goes("reset")

    def goodbye_answered_by(self, how):
        """The client says it, and its connection is open still when the
        server's ends."""
        def handler(c):
            c.send(said(1, b"prompt$ "))
            c.stream.take(len(CLIENT_CLOSE))
            c.end(how)
        self.serve(handler)
        session = self.begin()
        self.client.stream.take(11)
        self.client.send(CLIENT_CLOSE)
        close = self.closed(session)["close"]
        self.assertEqual((close["status"], close["reason"]),
                         ("complete", "the client disconnected"))

    def test_a_goodbye_that_the_server_ends_without_a_word(self):
        self.goodbye_answered_by("close")

    def test_a_goodbye_that_the_server_cuts(self):
        self.goodbye_answered_by("cut")

    def test_a_client_that_only_stops_talking_hears_the_rest(self):
        def handler(c):
            drain(c)
            c.send(said(1, b"result") + SUCCESS + SERVER_CLOSE)
            c.end("close")
        self.serve(handler)
        session = self.begin()
        self.client.send(frame(2, b"\0question", True))
        self.client.tls.end()
        self.assertEqual(self.client.stream.rest(),
                         said(1, b"result") + SUCCESS + SERVER_CLOSE)
        self.assertEqual(self.closed(session)["close"]["status"], "complete")

    def test_a_frame_that_is_refused_ends_it_with_a_message(self):
        heard = []

        def handler(c):
            c.send(said(1, b"so far"))
            try:
                while c.stream.more():
                    pass
            except (Cut, OSError):
                pass
            heard.append(bytes(c.stream.bytes))
            c.end("close")
        self.serve(handler)
        session = self.begin()
        self.client.stream.take(9)
        self.client.send(frame(2, b"\0ok", True) + frame(2, b"\7x", True)
                         + frame(2, b"\0behind", True))
        said_last = self.client.stream.rest()
        self.assertIn(b"kubetape", said_last)
        self.assertIn(b"Failure", said_last)
        records = self.closed(session)
        self.assertEqual(records["close"]["status"], "failed")
        self.assertEqual(records["streams"][0], b"ok")
        await_true("the server hears of it", lambda: heard)
        self.assertEqual(heard[0], frame(2, b"\0ok", True))

    def test_garbage_with_an_end_behind_it(self):
        """Both in one read, while output waits: nobody is called twice."""
        def handler(c):
            for _ in range(40):
                c.send(said(1, b"o" * 16000))
            drain(c)
            c.end("close")
        self.serve(handler)
        for how in ("end", "cut", "reset"):
            self.client = self.proxy.connect(receive_buffer=4096)
            session = self.begin()
            time.sleep(0.2)
            self.client.send(b"\xff\xff\xff\xff")
            getattr(self.client.tls, how)()
            self.assertEqual(self.closed(session)["close"]["status"], "failed")

    # ---- many ----

    def test_sessions_beside_each_other_stay_apart(self):
        def handler(c):
            name = c.request.target.split("command=")[1].split("&")[0]
            for n in range(50):
                c.send(said(1, f"{name}:{n};".encode()))
            drain_until = f"{name}!".encode()
            assert c.stream.take(len(frame(2, b"\0" + drain_until, True)))
            c.send(SUCCESS + SERVER_CLOSE)
            c.end("close")
        self.serve(handler)
        results = {}

        def run(name):
            client = self.proxy.connect()
            head = ask_for_session(client, command=name)
            client.send(frame(2, b"\0" + f"{name}!".encode(), True))
            results[name] = (head.get("Kubetape-Session"),
                             client.stream.rest())
        names = [f"n{n}" for n in range(20)]
        threads = [threading.Thread(target=run, args=(n,)) for n in names]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for name in names:
            session, got = results[name]
            text = [f"{name}:{n};".encode() for n in range(50)]
            self.assertEqual(got, b"".join(said(1, t) for t in text)
                             + SUCCESS + SERVER_CLOSE)
            records = self.closed(session)
            self.assertEqual(records["streams"][1], b"".join(text))
            self.assertEqual(records["streams"][0], f"{name}!".encode())

    # ---- SPDY ----

    def test_spdy_passes_byte_by_byte_up_to_what_is_refused(self):
        def handler(c, _):
            c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n"
                   b"Connection: Upgrade\r\n"
                   b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
            ping = b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x02"
            for byte in ping:
                c.send(bytes([byte]))
            self.assertEqual(
                c.stream.take(12),
                b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01")
            c.send(struct.pack(">II", 1, 3) + b"out")  # a stream never opened
            drain(c)
            c.is_open = False
        self.api.on(EXEC, handler)
        self.client.request(
            "POST", f"{EXEC}?container=c&command=sh&stdout=true",
            ["Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0",
             "X-Stream-Protocol-Version: v4.channel.k8s.io"])
        head = self.client.head()
        self.assertEqual(head.status, 101)
        for byte in b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01":
            self.client.send(bytes([byte]))
        self.assertEqual(self.client.stream.take(12)[-1:], b"\x02")
        rest = self.client.stream.rest()
        self.assertNotIn(b"out", rest[:3])
        close = self.closed(head.get("Kubetape-Session"))["close"]
        self.assertEqual(close["status"], "failed")


class Ends(unittest.TestCase):
    def test_a_stop_says_so_and_closes_what_runs(self):
        with stage() as (api, proxy):
            def session(c, request):
                grant(c, request)
                c.send(said(1, b"hello"))
                drain(c)
                c.is_open = False
            api.on(EXEC, session)
            client = proxy.connect()
            head = ask_for_session(client)
            client.stream.take(8)
            stopper = threading.Thread(target=proxy.stop)
            stopper.start()
            rest = client.stream.rest()
            stopper.join()
            self.assertIn(b"shutting down", rest)
            self.assertIn(b"Failure", rest)
            found = sessions_of(proxy.state)[head.get("Kubetape-Session")]
            self.assertEqual(found["close"]["status"], "failed")

    def test_strict_sessions(self):
        with stage("journal:\n  durability: strict\n") as (api, proxy):
            blocks = [os.urandom(random.randrange(1, 40000))
                      for _ in range(200)]

            def session(c, request):
                grant(c, request)
                for block in blocks:
                    c.send(said(1, block))
                c.send(SUCCESS + SERVER_CLOSE)
                c.end("close")
            api.on(EXEC, session)
            client = proxy.connect()
            head = ask_for_session(client)
            self.assertEqual(
                client.stream.rest(),
                b"".join(said(1, b) for b in blocks) + SUCCESS + SERVER_CLOSE)
            found = sessions_of(proxy.state)[head.get("Kubetape-Session")]
            self.assertEqual(found["streams"][1], b"".join(blocks))

    def test_no_recorder_no_session(self):
        with stage(recorder_timeout_ms=1000) as (api, proxy):
            api.on("/x", lambda c, r: c.answer(200, b"x"))
            api.on(EXEC, lambda c, r: c.answer(500))
            time.sleep(1.1)
            client = proxy.connect()
            answer = read_body(client.stream, ask_for_session(client), True)
            self.assertEqual(answer.status, 503)
            self.assertIn(b"the recorder is not running", answer.body)
            self.assertEqual(api.seen(EXEC), [])
            self.assertEqual(proxy.connect().call("GET", "/x").status, 200)

    def test_two_workers_keep_journals_of_their_own(self):
        with stage("workers: 2\n") as (api, proxy):
            def session(c, request):
                grant(c, request)
                c.send(said(1, b"w") + SUCCESS + SERVER_CLOSE)
                c.end("close")
            api.on(EXEC, session)
            for _ in range(24):
                client = proxy.connect()
                self.assertEqual(ask_for_session(client).status, 101)
                client.stream.rest()
            found = sessions_of(proxy.state)
            self.assertEqual(len(found), 24)
            self.assertEqual(
                {s["close"]["status"] for s in found.values()}, {"complete"})
            folders = list((proxy.state / "journal").glob("w*"))
            self.assertEqual(len(folders), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
