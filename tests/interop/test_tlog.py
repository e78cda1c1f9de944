"""The ledger, held to Go's own packages: what `kubetape ledger` prints opens
with golang.org/x/mod/sumdb/note and checks with sumdb/tlog, unchanged, also
after the key was changed; what was altered does not."""
import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from recorder_stage import Stage  # noqa: E402

TLOG = None


def setUpModule():
    global TLOG
    built = subprocess.run([HERE / "build", "tlog"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.strip()
    TLOG = pathlib.Path(built) / "tlog"


class Ledger(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)

    def printed(self, *words):
        done = self.stage.kubetape("ledger", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def file(self, name, text):
        path = pathlib.Path(self.stage.folder.name) / name
        path.write_text(text)
        return path

    def tlog(self, *arguments):
        return subprocess.run([TLOG, *map(str, arguments)], text=True,
                              capture_output=True, timeout=60)

    def check(self, key, checkpoint, proof):
        return self.tlog("check", key, self.file("checkpoint", checkpoint),
                         self.file("proof", proof))

    def expect_proved(self, ids):
        key = self.printed("key").strip()
        checkpoint = self.printed("checkpoint")
        for session in ids:
            done = self.check(key, checkpoint, self.printed("prove", session))
            self.assertEqual(done.returncode, 0, done.stderr)
            size, _, leaf = done.stdout.strip().split(" ", 2)
            leaf = json.loads(leaf)
            self.assertEqual(leaf["id"], session)
            self.assertEqual(size, checkpoint.splitlines()[1])
            recording = (self.stage.state / leaf["file"]).read_bytes()
            self.assertEqual(leaf["file_len"], len(recording))
            self.assertEqual(leaf["file_hash"],
                             hashlib.sha256(recording).hexdigest())
        return key, checkpoint

    def test_before_and_after_a_change_of_key(self):
        stage = self.stage
        stage.start()
        first = stage.make(5)
        stage.await_rows(first)
        key, checkpoint = self.expect_proved(first)
        self.assertEqual(stage.end(), 0)

        (stage.state / "keys/seal.pem").rename(stage.state / "keys/old.pem")
        stage.configure({"former_keys": ["keys/old.pem"]})
        stage.start()
        second = stage.make(4)
        stage.await_rows(second)
        newer_key, newer = self.expect_proved(first + second)
        self.assertNotEqual(key, newer_key)
        self.assertEqual(key.split("+")[0], newer_key.split("+")[0])

        grew = self.tlog("grew", key, self.file("old", checkpoint),
                         self.file("new", newer),
                         stage.state / "ledger/leaves", newer_key)
        self.assertEqual(grew.returncode, 0, grew.stderr)
        self.assertEqual(grew.stdout, "6 11\n")
        # Signed with the key of its day, and no other.
        self.assertNotEqual(
            self.check(key, newer, self.printed("prove", first[0])
                       ).returncode, 0)
        # The key before vouches for the new one.
        leaf = stage.leaves()[6]
        self.assertEqual(leaf["kind"], "key")
        raw = base64.b64decode(key.split("+", 2)[2])
        self.assertEqual(leaf["by"], raw[1:].hex())
        self.assertNotEqual(leaf["signature"].strip("0"), "")

    def test_what_was_altered_does_not_check(self):
        self.stage.start()
        ids = self.stage.make(6)
        self.stage.await_rows(ids)
        key, checkpoint = self.expect_proved(ids[:1])
        proof = self.printed("prove", ids[2])
        lines = proof.splitlines()
        self.assertEqual(self.check(key, checkpoint, proof).returncode, 0)
        other = self.printed("prove", ids[3]).splitlines()
        for at in (1, 2, 3):  # the leaf, its index, its sibling
            self.assertNotEqual(lines[at], other[at])
            changed = "\n".join(
                lines[:at] + [other[at]] + lines[at + 1:]) + "\n"
            self.assertEqual(self.check(key, checkpoint, changed).returncode,
                             1, at)
        size = lines[lines.index("") + 2]
        changed = proof.replace(f"\n{size}\n", f"\n{int(size) - 1}\n")
        self.assertEqual(self.check(key, checkpoint, changed).returncode, 1)

    def test_what_cannot_be_proved_is_said(self):
        stage = self.stage
        refused = stage.kubetape("ledger", "checkpoint")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("there is no ledger", refused.stderr)
        stage.start()
        with stage.maker("2+") as maker:
            ids = [maker.stdout.readline().strip() for _ in range(3)]
            stage.await_rows(ids[:2])
            stage.await_rows(ids[2:], "active")
            for words, code, why in (
                    (["prove", ids[2]], 3, "has no leaf in the ledger yet"),
                    (["prove", "ffff"], 3, "no session"),
                    (["prove", "0"], 2, "several recordings"),
                    (["prove"], 2, "expected checkpoint, key, or prove ID"),
                    (["other"], 2, "expected checkpoint, key, or prove ID")):
                done = stage.kubetape("ledger", *words)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(why, done.stderr)
        stage.end()
        leaves = stage.state / "ledger/leaves"
        text = leaves.read_text()
        leaves.write_text(text.replace('"file_len":', '"file_len":1', 1))
        done = stage.kubetape("ledger", "prove", ids[0])
        self.assertEqual(done.returncode, 3)
        self.assertIn("not those of its checkpoint", done.stderr)


if __name__ == "__main__":
    unittest.main()
