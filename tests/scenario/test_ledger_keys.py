"""Changing the signing key while a session runs: it is gone on with under the
new key, and what both sealed verifies, when the old key is named; without it
the log says what an auditor will see."""
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from recorder_stage import Stage  # noqa: E402


class Keys(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)

    def change_key(self, former):
        keys = self.stage.state / "keys"
        (keys / "seal.pem").rename(keys / "old.pem")
        self.stage.configure({"former_keys": ["keys/old.pem"]} if former
                             else {})

    def test_a_running_session_goes_on_under_the_next_key(self):
        stage = self.stage
        stage.start()
        with stage.maker("1+") as maker:
            over, running = [maker.stdout.readline().strip()
                             for _ in range(2)]
            stage.await_rows([over])
            stage.await_rows([running], "active")
            self.assertEqual(stage.end(), 0)
            self.change_key(True)
            stage.start()
        # The maker is gone without a CLOSE.
        row = stage.await_rows([running], "failed")[running]
        self.assertEqual(row["reason"], "proxy died")
        self.assertTrue(row["sealed"])
        self.assertEqual(stage.end(), 0)
        public = (stage.state / "keys/seal.pub.pem").read_text()
        self.assertEqual(public.count("BEGIN PUBLIC KEY"), 2)
        self.assertEqual(
            [leaf["id"] for leaf in stage.leaves()
             if leaf["kind"] == "recording"], [over, running])
        for words in (["--all", "--full"], [over], [running]):
            done = stage.kubetape("verify", *words)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_change_that_nobody_vouches_for_is_said(self):
        stage = self.stage
        stage.start()
        self.assertEqual(stage.end(), 0)
        self.change_key(False)
        stage.start()
        self.assertEqual(stage.end(), 0)
        self.assertIn("recorder.former_keys does not name", stage.said())
        self.assertEqual(set(stage.leaves()[1]["signature"]), {"0"})

    def test_a_ledger_that_was_changed_stops_the_start(self):
        stage = self.stage
        stage.start()
        stage.await_rows(stage.make(2))
        self.assertEqual(stage.end(), 0)
        leaves = stage.state / "ledger" / "leaves"
        text = leaves.read_text()
        leaves.write_text("".join(text.splitlines(True)[:-1]))
        with self.assertRaises(AssertionError):
            stage.start()
        self.assertEqual(stage.process.wait(60), 3)
        self.assertIn("fewer leaves than the checkpoint says", stage.said())
        leaves.write_text(text)
        stage.start()
        self.assertEqual(stage.end(), 0)


if __name__ == "__main__":
    unittest.main()
