"""Recorded before revealed: a worker is killed at any moment, and whatever
either end has got by then is in the journal."""
import os
import random
import signal
import threading
import time
import unittest

from proxy_stage import (EXEC, Cut, ask_for_session, await_true, frame, grant,
                         said, sessions_of, stage)

ROUNDS = 8


def payload(data, channel):
    """What these bytes of a WebSocket say on a channel, the last frame as far
    as it has come."""
    out = b""
    at = 0
    while at + 2 <= len(data):
        size, head = data[at + 1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2:at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(data[at + 2:at + 10], "big"), 10
        if data[at + 1] & 0x80:
            key = data[at + head:at + head + 4]
            head += 4
        else:
            key = bytes(4)
        part = data[at + head:at + head + size]
        plain = bytes(b ^ key[n % 4] for n, b in enumerate(part))
        if plain[:1] == bytes([channel]):
            out += plain[1:]
        at += head + size
    return out


def hear_all(stream):
    try:
        while stream.more():
            pass
    except (Cut, OSError):
        pass
    return bytes(stream.bytes)


class Kill(unittest.TestCase):
    def round(self, seed, settings):
        rng = random.Random(seed)
        server_got = []
        with stage(settings) as (api, proxy):
            def session(c, request):
                output = random.Random(seed)
                grant(c, request)
                ear = threading.Thread(
                    target=lambda: server_got.append(hear_all(c.stream)))
                ear.start()
                try:
                    while True:
                        c.send(said(1, output.randbytes(output.choice(
                            (1, 40, 3000, 30000)))))
                        time.sleep(output.choice((0, 0, 0.001)))
                except OSError:
                    pass
                ear.join()
                c.is_open = False
            api.on(EXEC, session)
            worker = proxy.worker()
            client = proxy.connect()
            head = ask_for_session(client)
            client_got = []
            ear = threading.Thread(
                target=lambda: client_got.append(hear_all(client.stream)))
            ear.start()
            end = time.monotonic() + rng.uniform(0, 0.3)
            while time.monotonic() < end:
                client.send(frame(2, b"\0" + os.urandom(rng.choice((1, 900))),
                                  True))
            os.kill(worker, signal.SIGKILL)
            ear.join()
            await_true("the server's end", lambda: server_got)
            found = sessions_of(proxy.state)[head.get("Kubetape-Session")]
            output = payload(client_got[0], 1)
            entered = payload(server_got[0], 0)
            self.assertTrue(found["streams"][1].startswith(output),
                            f"seed {seed}: {len(output)} bytes were shown")
            self.assertTrue(found["streams"][0].startswith(entered),
                            f"seed {seed}: {len(entered)} bytes were entered")
            await_true("another worker",
                       lambda: proxy.worker() != worker)
            return len(output) + len(entered)

    def test_journal(self):
        seed = random.randrange(1 << 30)
        total = sum(self.round(seed + n, "") for n in range(ROUNDS))
        self.assertGreater(total, 0)

    def test_strict(self):
        seed = random.randrange(1 << 30)
        total = sum(self.round(seed + n, "journal:\n  durability: strict\n")
                    for n in range(ROUNDS))
        self.assertGreater(total, 0)

    def test_a_stop_finds_a_worker_that_was_born_this_moment(self):
        """Its signals are its own from the first instruction on."""
        for n in range(20):
            with stage() as (_, proxy):
                first = proxy.worker()
                os.kill(first, signal.SIGKILL)
                await_true("another worker", lambda: proxy.worker() != first,
                           pause_s=0)
                time.sleep(n * 0.0001)
            # The stage stops it, and waits.

    def test_requests_go_on_with_the_next_worker(self):
        with stage() as (api, proxy):
            api.on("/x", lambda c, r: c.answer(200, b"x"))
            self.assertEqual(proxy.connect().call("GET", "/x").status, 200)
            os.kill(proxy.worker(), signal.SIGKILL)
            # The socket stays open: who calls meanwhile waits.
            self.assertEqual(proxy.connect().call("GET", "/x").status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
