"""The recorder, killed at random moments while sessions end: every session
that ended has exactly one leaf, and files, rows and leaves agree."""
import collections
import os
import random
import signal
import sys
import pathlib
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from recorder_stage import PATIENCE_S, Stage  # noqa: E402

KILLS = int(os.environ.get("LEDGER_KILLS", "20"))


def leaves_size(stage):
    path = stage.state / "ledger" / "leaves"
    return path.stat().st_size


class Kills(unittest.TestCase):
    def await_leaves(self, stage, before):
        """The moment at which a leaf was written and its row was not."""
        deadline = time.monotonic() + PATIENCE_S
        while leaves_size(stage) == before:
            self.assertLess(time.monotonic(), deadline, stage.said())
            time.sleep(0.0005)

    def test_every_session_has_one_leaf(self):
        seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
        print("seed", seed, file=sys.stderr)
        chance = random.Random(seed)
        stage = Stage()
        self.addCleanup(stage.close)
        ids = []
        for _ in range(KILLS):
            stage.start()
            before = leaves_size(stage)
            ids += stage.make(chance.randrange(1, 6))
            if chance.random() < 0.7:
                self.await_leaves(stage, before)
                time.sleep(chance.uniform(0, 0.01))
            else:
                time.sleep(chance.uniform(0, 0.1))
            stage.end(signal.SIGKILL)
        stage.start()
        rows = stage.await_rows(ids)
        self.assertEqual(stage.end(), 0)

        leaves = [leaf for leaf in stage.leaves()
                  if leaf["kind"] == "recording"]
        counts = collections.Counter(leaf["id"] for leaf in leaves)
        self.assertEqual(counts, collections.Counter(ids))
        for leaf in leaves:
            self.assertEqual(leaf["file"], rows[leaf["id"]]["file"])
            self.assertEqual(leaf["file_len"], rows[leaf["id"]]["size"])
        verified = stage.kubetape("verify", "--all", "--full")
        self.assertEqual(verified.returncode, 0,
                         verified.stdout + verified.stderr)


if __name__ == "__main__":
    unittest.main()
