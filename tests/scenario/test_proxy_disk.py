"""What the proxy does when recording cannot go on: disks that fill up, turn
read-only and fail, and a recorder that is away. Nothing is shown that is not
recorded, nobody waits for ever, and whoever is ended is told why."""
import json
import signal
import time
import unittest

from disk_stage import (LONG_S, MIB, Flood, Listener, Talk, await_log,
                        count_in_log, cpu_s, parse, recorder_of, slowed,
                        small_disk, tape, thin_disk)
from proxy_stage import (SERVER_CLOSE, SUCCESS, await_true, frame, said,
                         sessions_of, stage)

ENDED = b"kubetape: this session was ended: it can no longer be recorded: "


def settings(pause_ms, more=""):
    return (f"admin: 127.0.0.1:0\njournal:\n  min_free_bytes: 0\n"
            f"  pause_ms: {pause_ms}\n{more}")


class Case(unittest.TestCase):
    def expect_recorded(self, records, shown, channel=1):
        """All that was shown; in the journal there may be more."""
        kept = records["streams"][channel]
        self.assertGreaterEqual(len(kept), len(shown))
        self.assertTrue(kept[:len(shown)] == shown, "what was shown differs")

    def expect_farewell(self, talk, listener, why):
        """The user's last words, and the protocol's."""
        self.assertEqual(listener.await_end(), "end")
        heard = parse(talk.data)
        self.assertTrue(heard.is_whole)
        self.assertTrue(heard.has_close)
        self.assertIn(ENDED + why, heard.channels[2])
        status = json.loads(heard.channels[3])
        self.assertEqual(status["status"], "Failure")
        self.assertIn(why.decode(), status["message"])
        return heard

    def expect_idle(self, proxy):
        """Waiting costs nothing."""
        before, began = cpu_s(proxy.worker()), time.monotonic()
        time.sleep(1)
        used = cpu_s(proxy.worker()) - before
        self.assertLess(used, (time.monotonic() - began) / 3)

    def expect_refused(self, api, proxy, why):
        talk = Talk(api, proxy)
        self.assertEqual(talk.head.status, 503)
        self.assertIn(why, talk.refused().body)
        api.on("/x", lambda c, r: c.answer(200, b"x"))
        self.assertEqual(proxy.connect().call("GET", "/x").status, 200)

    def await_failed(self, proxy, session):
        await_true("its CLOSE", lambda: sessions_of(proxy.state)
                   .get(session, {}).get("close"))
        records = sessions_of(proxy.state)[session]
        self.assertEqual(records["close"]["status"], "failed")
        return records


class Disks(Case):
    def test_little_free_space_refuses_before_the_disk_is_full(self):
        with small_disk(300) as disk, stage(
                "journal:\n  min_free_bytes: 200MiB\n",
                state=disk.state) as (api, proxy):
            self.expect_refused(
                api, proxy,
                b"less than 200 MiB free where the session journal is")
            self.assertEqual(
                count_in_log(proxy, "journal.trouble what=room"), 1)

    def test_a_full_disk_that_is_emptied_in_time(self):
        size = 150 * MIB
        with small_disk() as disk, stage(
                settings(60000), state=disk.state) as (api, proxy):
            await_true("a spare", lambda: list(disk.state.glob("*/*/spare")))
            disk.fill()
            talk = Talk(api, proxy)
            listener = Listener(talk)
            Flood(talk, size)
            await_log(proxy, "journal.trouble what=segment "
                      'why="the disk with the session journal is full"')
            shown = listener.await_rest()
            self.assertLess(shown, 128 * MIB)
            self.expect_idle(proxy)
            self.expect_refused(api, proxy, b"is full")
            self.assertEqual(listener.heard(), shown)
            disk.free()
            self.assertEqual(listener.await_end(), "end")
            heard = parse(talk.data)
            self.assertTrue(heard.channels[1] == Flood.expected(size))
            self.assertEqual(heard.channels[3],
                             b'{"metadata":{},"status":"Success"}')
            records = sessions_of(proxy.state)[talk.id]
            self.assertTrue(records["streams"][1] == heard.channels[1])
            self.assertEqual(records["close"]["status"], "complete")
            await_log(proxy, "journal.trouble_over what=segment")
            self.assertEqual(
                count_in_log(proxy, "journal.trouble what=segment"), 1)
            self.assertEqual(
                count_in_log(proxy, "journal.trouble_over what=segment"), 1)
            talk.close()

    def test_a_full_disk_that_stays_full(self):
        with small_disk() as disk, stage(
                settings(300), state=disk.state) as (api, proxy):
            await_true("a spare", lambda: list(disk.state.glob("*/*/spare")))
            disk.fill()
            talk = Talk(api, proxy)
            idle = Talk(api, proxy)
            idle.send(said(1, b"prompt$ "))
            idle_listener, listener = Listener(idle), Listener(talk)
            Flood(talk, 200 * MIB)
            for one, ear in ((talk, listener), (idle, idle_listener)):
                heard = self.expect_farewell(
                    one, ear, b"the disk with the session journal is full")
                # The last segment's last part is kept for these.
                records = self.await_failed(proxy, one.id)
                self.assertTrue(records["streams"][1] == heard.channels[1])
                self.assertIn("full", records["close"]["reason"])
            self.expect_refused(api, proxy, b"is full")
            self.assertEqual(count_in_log(proxy, "session.end"), 2)
            talk.close()
            idle.close()

    def ended_by(self, break_disk, why):
        with small_disk(300) as disk, stage(
                settings(300), state=disk.state) as (api, proxy):
            talk = Talk(api, proxy)
            talk.send(said(1, b"before"))
            talk.hear(9)
            recorded = sessions_of(proxy.state)[talk.id]
            break_disk(disk)
            talk.send(said(1, b"never shown"))
            heard = self.expect_farewell(talk, Listener(talk), why)
            self.assertEqual(heard.channels[1], b"before")
            self.expect_recorded(recorded, b"before")
            self.expect_refused(api, proxy, why)
            self.assertEqual(
                count_in_log(proxy, "journal.trouble what=write"), 1)
            self.expect_idle(proxy)
            talk.close()

    def test_a_disk_that_turns_read_only(self):
        self.ended_by(
            lambda disk: disk.turn_read_only(),
            b"the file system of the session journal is read-only")

    def test_a_disk_that_fails(self):
        self.ended_by(
            lambda disk: disk.fail(),
            b"the disk with the session journal has input/output errors")

    def test_input_is_held_too(self):
        with small_disk(300) as disk, stage(
                settings(300), state=disk.state) as (api, proxy):
            talk = Talk(api, proxy)
            talk.client.send(frame(2, b"\0first", True))
            self.assertEqual(talk.server.stream.take(12),
                             frame(2, b"\0first", True))
            disk.fail()
            talk.client.send(frame(2, b"\0rm -rf", True))
            self.expect_farewell(talk, Listener(talk), b"the disk")
            try:
                got = talk.server.stream.rest()
            except Exception:  # cut is as good as ended
                got = bytes(talk.server.stream.bytes)
            self.assertEqual(got, b"")
            talk.close()

    def test_a_disk_that_loses_what_it_took(self):
        """Promised more than there is: writing works, syncing does not. What
        was synced before is there, and nothing else was shown."""
        with thin_disk() as disk, stage(
                settings(300, "  durability: strict\n"),
                state=disk.state) as (api, proxy):
            talk = Talk(api, proxy)
            listener = Listener(talk)
            Flood(talk, 100 * MIB)
            listener.await_end()
            self.assertEqual(
                count_in_log(proxy, "journal.trouble what=sync"), 1)
            shown = parse(talk.data).channels[1]
            self.assertGreater(len(shown), 0)
            self.expect_recorded(sessions_of(proxy.state)[talk.id], shown)
            self.expect_refused(api, proxy, b"the disk")
            talk.close()

    def test_a_slow_disk_only_takes_its_time(self):
        """Under strict nothing is shown before the disk has it."""
        size = 4 * MIB
        with small_disk(300) as disk, stage(
                settings(10000, "  durability: strict\n"),
                state=disk.state) as (api, proxy):
            with slowed(disk, proxy, 2 * MIB):
                talk = Talk(api, proxy)
                listener = Listener(talk)
                Flood(talk, size)
                self.assertEqual(listener.await_end(), "end")
            heard = parse(talk.data)
            self.assertTrue(heard.channels[1] == Flood.expected(size))
            self.assertEqual(count_in_log(proxy, "journal.trouble"), 0)
            talk.close()


class Recorders(Case):
    def recorded(self, proxy, session):
        """Its facts and its stdout, once it is sealed."""
        def facts():
            shown = tape(proxy, "show", session, "--json")
            found = json.loads(shown.stdout) if shown.returncode == 0 else {}
            return found if found.get("sealed") else None
        await_true("it is recorded", facts, LONG_S)
        raw = tape(proxy, "export", session, "--format", "raw", "--stream",
                   "stdout")
        self.assertEqual(raw.returncode, 0, raw.stderr)
        verdict = tape(proxy, "verify", session)
        self.assertEqual(verdict.returncode, 0, verdict.stdout)
        return facts(), raw.stdout

    def test_one_that_stays_away_ends_what_runs(self):
        with stage(settings(300), recorder_timeout_ms=1000) as (api, proxy):
            talk = Talk(api, proxy)
            talk.send(said(1, b"hello"))
            heard = self.expect_farewell(
                talk, Listener(talk), b"the recorder is not running")
            self.assertEqual(heard.channels[1], b"hello")
            self.await_failed(proxy, talk.id)
            self.assertEqual(
                count_in_log(proxy, "journal.trouble what=silence"), 1)
            self.expect_refused(api, proxy, b"the recorder is not running")
            talk.close()

    def test_a_frame_that_has_begun_may_end_before_the_farewell(self):
        with stage(settings(2000), recorder_timeout_ms=1000) as (api, proxy):
            talk = Talk(api, proxy)
            message = said(1, b"half" * 100)
            talk.send(message[:100])
            await_log(proxy, "journal.trouble what=silence")
            listener = Listener(talk)
            talk.send(message[100:] + said(1, b"not this"))
            heard = self.expect_farewell(
                talk, listener, b"the recorder is not running")
            self.assertEqual(heard.channels[1], b"half" * 100)
            records = self.await_failed(proxy, talk.id)
            self.assertEqual(records["streams"][1], b"half" * 100)
            talk.close()

    def test_a_frame_that_does_not_end_is_cut(self):
        with stage(settings(300), recorder_timeout_ms=1000) as (api, proxy):
            talk = Talk(api, proxy)
            talk.send(said(1, b"half" * 100)[:100])
            self.assertEqual(Listener(talk).await_end(), "cut")
            heard = parse(talk.data)
            self.assertFalse(heard.is_whole)
            records = self.await_failed(proxy, talk.id)
            self.expect_recorded(records, heard.channels[1])
            talk.close()

    def test_one_that_is_late_finds_all(self):
        with stage(settings(60000), recorder_timeout_ms=1000) as (api, proxy):
            talk = Talk(api, proxy)
            talk.send(said(1, b"one "))
            talk.hear(7)
            await_log(proxy, "journal.trouble what=silence")
            talk.send(said(1, b"two"))
            self.expect_idle(proxy)
            with recorder_of(proxy):
                self.assertEqual(
                    parse(talk.hear(13)).channels[1], b"one two")
                talk.send(SUCCESS + SERVER_CLOSE)
                talk.server.tls.end()
                Listener(talk).await_end()
                facts, stdout = self.recorded(proxy, talk.id)
            self.assertEqual(stdout, b"one two")
            self.assertEqual(facts["status"], "complete")
            talk.close()

    def test_one_that_is_stopped_while_much_is_said(self):
        """Memory stays where it was, however far it is behind; and when it
        goes on nothing is missing."""
        size = 180 * MIB
        with stage(settings(60000, "  max_bytes: 128MiB\n")) as (api, proxy), \
                recorder_of(proxy) as recorder:
            await_true("the recorder reads",
                       lambda: list(proxy.state.glob("*/*/position")), LONG_S)
            recorder.signal(signal.SIGSTOP)
            before = proxy.rss()
            talk = Talk(api, proxy)
            listener = Listener(talk)
            Flood(talk, size)
            await_log(proxy, "journal.trouble what=backlog")
            shown = listener.await_rest()
            self.assertLess(shown, 132 * MIB)
            self.expect_refused(api, proxy, b"the recorder is too far behind")
            self.expect_idle(proxy)
            if not proxy.is_sanitized():
                self.assertLess(proxy.rss() - before, 16 * MIB)
            recorder.signal(signal.SIGCONT)
            self.assertEqual(listener.await_end(), "end")
            heard = parse(talk.data)
            self.assertTrue(heard.channels[1] == Flood.expected(size))
            facts, stdout = self.recorded(proxy, talk.id)
            self.assertTrue(stdout == heard.channels[1])
            self.assertEqual(facts["status"], "complete")
            talk.close()

    def test_one_that_stays_stopped_ends_what_is_said(self):
        with stage(settings(300, "  max_bytes: 128MiB\n"),
                   recorder_timeout_ms=2000) as (api, proxy), \
                recorder_of(proxy) as recorder:
            await_true("the recorder reads",
                       lambda: list(proxy.state.glob("*/*/position")), LONG_S)
            talk = Talk(api, proxy)
            listener = Listener(talk)
            recorder.signal(signal.SIGSTOP)
            Flood(talk, 400 * MIB)
            heard = self.expect_farewell(talk, listener, b"the recorder is")
            recorder.signal(signal.SIGCONT)
            facts, stdout = self.recorded(proxy, talk.id)
            self.assertTrue(stdout == heard.channels[1])
            self.assertEqual(facts["status"], "failed")
            self.assertIn("the recorder is", facts["reason"])
            talk.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
