"""What changes the store on request and by rule, as its users see it: the real
recorder and the real kubetape, over sessions that are months old or running."""
import contextlib
import json
import os
import random
import socket
import sqlite3
import threading
import time
import unittest

import store_stage

DAY_US = 86400 * 1_000_000


def ago(days):
    return time.time_ns() // 1000 - days * DAY_US


class Store(unittest.TestCase):
    def setUp(self):
        self.stage = store_stage.Stage(self)

    def ok(self, *words):
        code, out, err = self.stage.run(*words)
        self.assertEqual(code, 0, err)
        return out

    def fails(self, expected, says, *words):
        code, out, err = self.stage.run(*words)
        self.assertEqual(code, expected, out + err)
        self.assertIn(says, err)

    def verify_all(self):
        code, out, err = self.stage.run("verify", "--all")
        self.assertEqual(code, 0, out + err)


class Holds(Store):
    def test_hold_and_release(self):
        stage = self.stage
        stage.start()
        name = stage.journal.session(ago(100))
        running, active = stage.journal.open(ago(0))
        stage.until(lambda: len(stage.ids()) == 2)
        stage.until(lambda: stage.sql(
            "SELECT 1 FROM sessions WHERE status = 'complete'"))
        self.fails(2, "--reason", "hold", name)
        self.fails(2, "one line of text", "hold", name, "--reason", "a\nb")
        self.fails(3, "no session has the ID ffff", "hold", "ffff",
                   "--reason", "r")
        self.fails(3, "is not held", "release", name)
        self.fails(3, "still running", "hold", active, "--reason", "r")
        self.assertIn("is held", self.ok("hold", name[:20], "--reason",
                                         "case 7"))
        self.fails(3, "is held already", "hold", name, "--reason", "r")
        shown = self.ok("show", name)
        self.assertRegex(shown, r"held +since 20\S+ by \S+: case 7\n")
        [leaf] = stage.leaves("hold")
        self.assertEqual((leaf["id"], leaf["why"]), (name, "case 7"))
        stage.reload(rules=[{"max_age": "90d"}])
        self.assertIn("0 recordings, 0 B: removed\n1 more is held",
                      self.ok("prune"))
        stage.kill()
        stage.start()
        self.assertIn("case 7", self.ok("show", name))
        self.ok("release", name)
        self.assertNotIn("held", self.ok("show", name))
        self.assertIn("1 recording,", self.ok("prune"))
        self.assertEqual(stage.ids(), {active})
        stage.journal.close_session(running)
        stage.until_recorded()
        self.verify_all()

    def test_nobody_answers(self):
        stage = self.stage
        self.fails(3, "run/recorder.sock: start kubetape-recorder", "prune")
        stage.start()
        stage.kill()  # its socket stays
        self.fails(3, "run/recorder.sock: start kubetape-recorder", "reindex")
        stage.start()
        self.assertIn("0 sessions", self.ok("reindex"))


class Rules(Store):
    def test_prune_while_sessions_run(self):
        stage = self.stage
        stage.start()
        old = [stage.journal.session(ago(100 + n)) for n in range(5)]
        prod = stage.journal.session(ago(100), namespace="prod-1")
        young = stage.journal.session(ago(80))
        refused = stage.journal.session(ago(100), text="", status="refused")
        stage.until_recorded()
        key, active = stage.journal.open(ago(95))
        stage.until(lambda: len(stage.ids()) == 9)
        self.fails(3, "neither retention.rules nor", "prune")
        stage.reload(rules=[{"namespace": "prod-*", "max_age": "365d"},
                            {"max_age": "90d"}])
        before = stage.ls()
        named = [json.loads(line) for line in
                 self.ok("prune", "--dry-run", "--json").splitlines()]
        self.assertEqual(before, stage.ls())
        self.assertEqual({item["id"] for item in named} & set(old), set(old))
        self.assertEqual(len(named), 6)  # and a day's attempts
        self.assertEqual({item["why"] for item in named},
                         {"older than 90d (rule 2)"})
        done = threading.Event()

        def run_on():
            while not done.wait(0.001):
                stage.journal.data(key, "tick\n")

        ticking = threading.Thread(target=run_on)
        ticking.start()
        self.assertIn("6 recordings", self.ok("prune"))
        stage.gone_attempts.add(refused)
        done.set()
        ticking.join()
        stage.journal.close_session(key)
        stage.until_recorded()
        self.assertEqual(stage.ids(), {prod, young, active})
        self.assertEqual(stage.files(), {prod, young, active})
        for word in ("show", "play"):
            self.fails(3, "older than 90d (rule 2)", word, old[0])
        self.assertIn("older than 90d (rule 2)", self.ok("verify", old[0]))
        self.fails(3, refused, "show", refused)
        leaves = {leaf["id"]: leaf for leaf in stage.leaves("tombstone")}
        self.assertEqual(len(leaves), 6)
        self.assertNotEqual(leaves[old[0]]["who"], "retention")
        self.verify_all()

    def test_the_oldest_go_first(self):
        stage = self.stage
        stage.start()
        noise = random.Random(7)
        names = [stage.journal.session(
            ago(9 - n), "".join(noise.choices("0123456789abcdef", k=700_000)))
            for n in range(6)]
        stage.until_recorded()
        size = sum(row[0] for row in stage.sql("SELECT size FROM sessions"))
        self.assertGreater(size, 2 << 20)
        self.ok("hold", names[0], "--reason", "case 7")
        stage.reload(max_bytes="1MiB")
        self.ok("prune")
        [(left,)] = stage.sql("SELECT sum(size) FROM sessions")
        self.assertLessEqual(left, 1 << 20)
        self.assertIn(names[0], stage.ids())
        self.assertNotIn(names[1], stage.ids())
        self.assertIn(names[5], stage.ids())
        self.assertEqual(stage.ids(), stage.files())
        self.verify_all()

    def test_by_itself_at_a_start(self):
        stage = self.stage
        stage.start()
        old = stage.journal.session(ago(100))
        young = stage.journal.session(ago(1))
        stage.until_recorded()
        self.assertEqual(stage.stop(), 0)
        stage.configure(rules=[{"max_age": "90d"}])
        stage.start()
        stage.until(lambda: stage.ids() == {young})
        [leaf] = stage.leaves("tombstone")
        self.assertEqual((leaf["id"], leaf["who"]), (old, "retention"))

    def test_kills(self):
        """Killed at any moment: a recording, whole, or its tombstone."""
        stage = self.stage
        stage.start()
        old = {stage.journal.session(ago(100 + n % 30)) for n in range(250)}
        stage.until_recorded()
        self.assertEqual(stage.stop(), 0)
        stage.configure(rules=[{"max_age": "90d"}])
        pause = random.Random(7)
        rounds = 0
        while stage.files():
            stage.start()
            # Longer and longer, so that a slow machine comes to an end, too.
            time.sleep(pause.random() * 0.05 * (1 + rounds / 10))
            stage.kill()
            gone = {leaf["id"] for leaf in stage.leaves("tombstone")}
            self.assertEqual(old - gone - stage.files(), set())
            rounds += 1
            self.assertLess(rounds, 200)
        stage.start()
        stage.until(lambda: not stage.ids())
        leaves = [leaf["id"] for leaf in stage.leaves("tombstone")]
        self.assertEqual(sorted(leaves), sorted(old))
        self.verify_all()


class Index(Store):
    def fill(self):
        stage = self.stage
        stage.start()
        for n in range(40):
            stage.journal.session(
                ago(n), user=f"u{n}", status="complete" if n % 3 else "failed")
        for n in range(5):
            stage.journal.session(ago(n), text="", status="refused")
        stage.until_recorded()
        held = sorted(stage.files())[0]
        self.ok("hold", held, "--reason", "case 7")
        return held

    def test_reindex_changes_nothing(self):
        self.fill()
        before = self.stage.ls()
        self.assertIn("45 sessions are in the index", self.ok("reindex"))
        self.assertEqual(before, self.stage.ls())

    def test_a_removal_that_the_ledger_does_not_know(self):
        """Somebody wrote it into the index: no file goes for that."""
        self.fill()
        before, files = self.stage.ls(), self.stage.files()
        with contextlib.closing(sqlite3.connect(
                self.stage.state / "index.db", timeout=60)) as db, db:
            db.execute("INSERT INTO removed"
                       " SELECT id, 'r', 'w', 1 FROM sessions")
        self.ok("reindex")
        self.assertEqual(files, self.stage.files())
        self.assertEqual(before, self.stage.ls())
        self.verify_all()

    def test_lost_and_damaged(self):
        stage = self.stage
        held = self.fill()
        key, active = stage.journal.open(ago(0))
        stage.journal.data(key, "still here\n")
        stage.until(lambda: active in stage.ids())
        before = stage.ls()

        def lose(path):
            path.unlink()

        def spoil(path):
            path.write_bytes(b"not a database" * 1000)

        def spoil_a_page(path):
            with open(path, "r+b") as file:
                file.seek(2 * 4096)
                file.write(b"x" * 4096)

        for harm in (lose, spoil, spoil_a_page):
            with self.subTest(harm.__name__):
                self.assertEqual(stage.stop(), 0)  # the WAL goes
                harm(stage.state / "index.db")
                stage.start()
                stage.until(lambda: active in stage.ids())
                stage.until_whole()
                self.assertEqual(before, stage.ls())
                self.assertIn("case 7", self.ok("show", held))
        self.assertEqual(len(list(stage.state.glob("index.db.damaged-*"))), 2)
        self.assertEqual(stage.said("index.damaged"), 2)
        stage.journal.close_session(key)
        stage.until_recorded()
        self.verify_all()

    def test_killed_while_rebuilding(self):
        stage = self.stage
        self.fill()
        before = stage.ls()
        stage.stop()
        (stage.state / "index.db").unlink()
        pause = random.Random(7)
        for _ in range(8):
            stage.start()
            time.sleep(pause.random() * 0.02)
            stage.kill()
        stage.start()
        stage.until_whole()
        self.assertEqual(before, stage.ls())

    def test_a_missing_recording_stays_known(self):
        stage = self.stage
        self.fill()
        before = stage.ls()
        [path] = stage.state.glob(
            f"recordings/*/*/*/{sorted(stage.files())[3]}*")
        path.unlink()
        self.assertIn("1 more are in it whose recordings are missing",
                      self.ok("reindex"))
        self.assertEqual(before, stage.ls())

    def test_forged_rows(self):
        """What the index says and the recordings do not."""
        stage = self.stage
        self.fill()
        before = stage.ls()
        stage.stop()
        db = sqlite3.connect(stage.state / "index.db")
        db.execute("UPDATE sessions SET user = 'mallory', namespace = 'x'"
                   " WHERE user LIKE 'u%'")
        db.execute("DELETE FROM sessions WHERE rowid % 7 = 0")
        db.execute("DELETE FROM holds")
        db.commit()
        db.close()
        stage.start()
        self.assertNotEqual(before, stage.ls())
        self.ok("reindex")
        self.assertEqual(before, stage.ls())
        self.assertEqual(len(stage.sql("SELECT 1 FROM holds")), 1)


class Encrypted(Store):
    RECIPIENT = ("age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ry"
                 "ef")

    def test_attempts(self):
        """Of a day that is over nobody here can read them, today's are in
        journal/running/: neither is held against the store."""
        stage = self.stage
        stage.configure(encrypt_to=[self.RECIPIENT])
        stage.start()
        for day in (3, 2, 0):  # each turns to another day's file
            stage.journal.session(ago(day), text="", status="refused")
            stage.until_recorded()
        over = sorted(stage.state.glob("recordings/*/*/*/attempts*"))
        running = list(stage.state.glob("journal/running/*-attempts*"))
        self.assertEqual([p.suffix for p in over], [".age", ".age"])
        self.assertEqual(len(running), 1)
        stage.until(lambda: len(stage.leaves("recording")) == 2)
        self.verify_all()
        self.assertEqual(stage.stop(), 0)
        self.verify_all()
        # They are looked at all the same.
        self.spoiled(over[0], over[0].read_bytes()[:-1],
                     f"{over[0].name} is not the file that line")
        self.spoiled(over[1], None, "is missing, of which line")
        self.spoiled(running[0], None, "the index says that it was refused, "
                                       "no day's attempts do")
        other = stage.state / "recordings/2020/01/01" / over[1].name
        other.parent.mkdir(parents=True)
        self.spoiled(other, over[1].read_bytes(),
                     "encrypted attempts that the ledger does not know")
        other.unlink()
        strange = running[0].with_name("2020-01-01-attempts.cast.zst")
        os.mkfifo(strange)  # which nobody will ever write to
        code, out, err = stage.run("verify", "--all")
        self.assertEqual(code, 1, out + err)
        self.assertIn("neither a file nor a folder", out)

    def spoiled(self, path, content, says):
        """With those bytes instead, or without the file."""
        whole = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        code, out, err = self.stage.run("verify", "--all")
        self.assertEqual(code, 1, out + err)
        self.assertIn(says, out)
        if whole is not None:
            path.write_bytes(whole)


class Socket(Store):
    def test_strangers(self):
        stage = self.stage
        stage.start()
        path = stage.state / "run/recorder.sock"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700)
        for line, why in (
                (b"GET / HTTP/1.1\r\n", b"no JSON"),
                (b"\0\xff\n", b"no JSON"),
                (b"x" * 20000, b"a line longer than"),
                (b'{"do":"erase"}\n', b'\\"do\\" is none of'),
                (b'{"do":"reindex"}\n{"do":"reindex"}\n', b"more than one"),
                (b'{"do":"reindex"}\n', b'"ok":true')):
            with self.subTest(line[:20]):
                self.assertIn(why, stage.ask(line))
        # Many at once, who say nothing or half of it, and never read.
        crowd = []
        for n in range(60):
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            try:
                s.connect(str(path))
                s.send(b'{"do":"reindex"}\n'[:n % 18])
            except (BlockingIOError, BrokenPipeError):
                pass
            crowd.append(s)
        beat = None
        for _ in range(5):
            name = stage.journal.session(ago(0))
            stage.until(lambda: name in stage.ids())
            stage.until(lambda: stage.journal.heartbeat() != beat)
            beat = stage.journal.heartbeat()
        # Those in front are shown out in their time; then it is our turn.
        self.assertIn("sessions are in the index", self.ok("reindex"))
        for s in crowd:
            s.close()
        self.assertEqual(stage.stop(), 0)


if __name__ == "__main__":
    unittest.main()
