"""record.mode: best-effort. Sessions start and go on whatever becomes of the
journal; what passes unrecorded is counted, and the recording says so."""
import json
import signal
import unittest

from disk_stage import (LONG_S, MIB, Flood, Listener, Talk, await_log,
                        count_in_log, parse, recorder_of, small_disk, tape)
from proxy_stage import SERVER_CLOSE, SUCCESS, await_true, said, stage


def settings(more=""):
    return ("journal:\n  min_free_bytes: 0\n  pause_ms: 0\n" + more
            + "record:\n  mode: best-effort\n")


class Gaps(unittest.TestCase):
    def facts(self, proxy, session):
        """Once it is sealed."""
        def sealed():
            shown = tape(proxy, "show", session, "--json")
            found = json.loads(shown.stdout) if shown.returncode == 0 else {}
            return found if found.get("sealed") else None
        await_true("it is recorded", sealed, LONG_S)
        return sealed()

    def expect_told(self, proxy, session, shown):
        """What was shown is recorded, or lies in a gap that is told. The
        facts, and the text of the gaps."""
        facts = self.facts(proxy, session)
        raw = tape(proxy, "export", session, "--format", "raw", "--stream",
                   "stdout")
        self.assertEqual(raw.returncode, 0, raw.stderr)
        self.assertEqual(facts["bytes"]["stdout"], len(shown))
        self.assertEqual(
            len(raw.stdout) + facts.get("gaps", {}).get("bytes", 0),
            len(shown))
        verdict = tape(proxy, "verify", session)
        self.assertEqual(verdict.returncode, 0, verdict.stdout)
        # Text and files of their own, so that no marker hides in output.
        played = tape(proxy, "play", session, "--speed", "100000",
                      "--idle-limit", "0.001")
        self.assertEqual(played.returncode, 0)
        self.assertEqual(played.stderr.count(b"kubetape: gap: "),
                         facts.get("gaps", {}).get("count", 0))
        told = tape(proxy, "show", session).stdout
        self.assertEqual(told.count(b"\ngap  "),
                         facts.get("gaps", {}).get("count", 0))
        self.assertIn(b"best-effort", told)
        return facts, raw.stdout, played.stderr

    def end_of(self, talk):
        """Says the end as the server; all that its user was shown."""
        talk.send(SUCCESS + SERVER_CLOSE)
        talk.server.tls.end()
        self.assertEqual(Listener(talk).await_end(), "end")
        talk.close()
        return parse(talk.data).channels[1]

    def fill_journal(self, api, proxy):
        """By a session of its own, which goes on all the same."""
        talk = Talk(api, proxy)
        listener = Listener(talk)
        Flood(talk, 140 * MIB, is_last=False)
        await_true("all is shown",
                   lambda: listener.heard() > 140 * MIB, LONG_S)
        return talk, listener

    def while_full(self, api, proxy):
        """Sessions over the beginning of a gap, and one that is all in it."""
        talk = Talk(api, proxy)
        talk.send(said(1, b"before\n"))
        talk.hear(10)
        flooded, listener = self.fill_journal(api, proxy)
        talk.send(said(1, b"unseen\n"))
        talk.hear(20)
        late = Talk(api, proxy)
        late.send(said(1, b"lost\n"))
        self.end_of(late)
        self.assertEqual(count_in_log(proxy, "session.gap session="
                                      + talk.id), 1)
        self.assertEqual(count_in_log(proxy, "session.unrecorded session="
                                      + late.id), 1)
        return talk, flooded, listener, late

    def test_a_full_disk_makes_gaps_and_no_end(self):
        with small_disk(600) as disk, stage(
                settings(), state=disk.state) as (api, proxy), \
                recorder_of(proxy) as recorder:
            await_true("the recorder reads", lambda: list(
                proxy.state.glob("*/*/position")), LONG_S)
            recorder.signal(signal.SIGSTOP)  # or it makes room
            await_true("a spare", lambda: list(
                disk.state.glob("*/*/spare")), LONG_S)
            disk.fill()
            talk, flooded, listener, late = self.while_full(api, proxy)
            disk.free()
            recorder.signal(signal.SIGCONT)
            await_log(proxy, "journal.trouble_over what=segment")
            talk.send(said(1, b"after\n"))
            shown = self.end_of(talk)
            self.assertEqual(shown, b"before\nunseen\nafter\n")
            facts, kept, told = self.expect_told(proxy, talk.id, shown)
            self.assertEqual(kept, b"before\nafter\n")
            self.assertEqual(facts["gaps"], {"count": 1, "bytes": 7})
            self.assertEqual((facts["status"], facts["exit_code"]),
                             ("complete", 0))
            self.assertIn(b"gap: 7 bytes of output were not recorded", told)
            self.assertIn(b"the disk with the session journal is full", told)

            facts, kept, _ = self.expect_told(proxy, late.id, b"lost\n")
            self.assertEqual(kept, b"")
            self.assertEqual((facts["status"], facts["exit_code"]),
                             ("complete", 0))

            flooded.send(SUCCESS + SERVER_CLOSE)
            flooded.server.tls.end()
            self.assertEqual(listener.await_end(), "end")
            shown = parse(flooded.data).channels[1]
            facts = self.facts(proxy, flooded.id)
            raw = tape(proxy, "export", flooded.id, "--format", "raw",
                       "--stream", "stdout").stdout
            self.assertTrue(shown[:len(raw)] == raw)
            self.assertEqual(len(raw) + facts["gaps"]["bytes"], len(shown))
            flooded.close()

    def test_a_recorder_that_is_away_makes_none(self):
        """What it will find in the journal is recorded."""
        with stage(settings(), recorder_timeout_ms=1000) as (api, proxy):
            await_log(proxy, "journal.trouble what=silence")
            talk = Talk(api, proxy)
            talk.send(said(1, b"hello\n") + SUCCESS + SERVER_CLOSE)
            talk.server.tls.end()
            listener = Listener(talk)
            self.assertEqual(listener.await_end(), "end")
            with recorder_of(proxy):
                shown = parse(talk.data).channels[1]
                facts, kept, _ = self.expect_told(proxy, talk.id, shown)
            self.assertEqual(kept, b"hello\n")
            self.assertNotIn("gaps", facts)
            self.assertEqual(facts["record"], "best-effort")
            talk.close()

    def test_a_journal_that_cannot_be_written_keeps_nobody_out(self):
        with small_disk(300) as disk, stage(
                settings(), state=disk.state) as (api, proxy):
            disk.fail()
            first = Talk(api, proxy)  # finds out
            first.send(said(1, b"unseen"))
            self.assertEqual(parse(first.hear(9)).channels[1], b"unseen")
            await_log(proxy, "journal.trouble what=write")
            talk = Talk(api, proxy)
            self.assertEqual(talk.head.status, 101)
            await_log(proxy, "session.unrecorded session=" + talk.id)
            talk.send(said(1, b"hello\n") + SUCCESS + SERVER_CLOSE)
            talk.server.tls.end()
            self.assertEqual(Listener(talk).await_end(), "end")
            self.assertEqual(parse(talk.data).channels[1], b"hello\n")
            first.close()
            talk.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
