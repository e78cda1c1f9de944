"""A thousand open sessions, of a worker that died and of one that lives on,
and a recorder that is killed again and again while it recovers them: what
comes of it is what an undisturbed recovery of the same state makes of it."""
import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from recorder_stage import PATIENCE_S, Stage  # noqa: E402
from store_stage import DATA, STDOUT, Journal, hold  # noqa: E402

SESSIONS = 500  # of each worker
LATE = 50  # of them, that the first recorder never saw
KILLS = int(os.environ.get("RECOVERY_KILLS", "16"))
START_US = 1764028800000000  # 2025-11-25T00:00:00Z
CHARACTER = "é".encode()


def await_that(stage, holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass: " + stage.said())
        time.sleep(0.001)  # between looks, not instead of them


def begin(journal, count):
    """Ends in the middle of a character, so that seals carry something."""
    for _ in range(count):
        key, name = journal.open(START_US)
        journal.put(DATA, key, f"{name} begins ".encode() + CHARACTER[:1],
                    STDOUT)


def go_on(journal):
    for key, name in journal.names.items():
        journal.put(DATA, key, CHARACTER[1:] + f" {name} goes on\n".encode(),
                    STDOUT)


def files(stage):
    return list((stage.state / "recordings").rglob("*.cast.zst"))


def is_partly_sealed(file):
    return file.read_bytes().count(b"KUBETAPE-SEAL-1") > 1


def leaf_count(stage):
    try:
        return (stage.state / "ledger" / "leaves").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def texts(stage, folder):
    """By name of the recording."""
    subprocess.run(["zstd", "-dq", f"--output-dir-flat={folder}",
                    *files(stage)], check=True, timeout=PATIENCE_S)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Recovery(unittest.TestCase):
    def stage(self):
        stage = Stage()
        self.addCleanup(stage.close)
        return stage

    def crash(self):
        """What a machine is left with: sessions of which a part is sealed, a
        part in the journal only, and some of which nothing is sealed."""
        stage = self.stage()
        stage.configure({"seal_interval_ms": 100})
        dead, live = Journal(stage.state), Journal(stage.state)
        self.addCleanup(live.close)
        for journal in dead, live:
            begin(journal, SESSIONS - LATE)
        stage.start()
        await_that(stage, lambda: sum(map(is_partly_sealed, files(stage))) ==
                   2 * (SESSIONS - LATE))
        stage.end(signal.SIGKILL)
        for journal in dead, live:
            begin(journal, LATE)
            go_on(journal)
        dead.close()
        return stage, dead, live

    def twin(self, stage, live):
        """The same state once more, its live worker included."""
        twin = self.stage()
        for name in "journal", "recordings", "ledger", "keys":
            subprocess.run(["cp", "-a", "--sparse=always", stage.state / name,
                            twin.state], check=True)
        for path in stage.state.glob("index.db*"):
            subprocess.run(["cp", "-a", path, twin.state], check=True)
        folder = twin.state / "journal" / live.folder.name
        self.addCleanup(hold(folder).close)
        return twin, folder

    def recover(self, stage, dead, live):
        """Seconds until it records again, and until all is finished."""
        began = time.monotonic()
        stage.start()
        ready_s = time.monotonic() - began
        rows = stage.await_rows(dead.names.values(), "failed")
        whole_s = time.monotonic() - began
        self.assertEqual({rows[name]["reason"]
                          for name in dead.names.values()}, {"proxy died"})
        self.assertEqual({rows[name]["status"]
                          for name in live.names.values()}, {"active"})
        return ready_s, whole_s

    def kill_at_random(self, stage, chance, ready_s, is_late):
        """While files are gone on with, or late, while sessions are finished;
        whether some were."""
        before = leaf_count(stage)
        with stage.launch():
            if is_late and before < SESSIONS:
                await_that(stage, lambda: leaf_count(stage) > before)
                time.sleep(chance.uniform(0, 0.05))
            else:
                time.sleep(chance.uniform(0, 1.5 * ready_s))
            self.assertIsNone(stage.process.poll(), stage.said())
            stage.end(signal.SIGKILL)
        return leaf_count(stage) > before

    def end_live(self, live, segment_of_twin):
        """The worker's last records, into both journals."""
        at = live.at
        for key in live.names:
            live.close_session(key)
        live.file.seek(at)
        with open(segment_of_twin, "r+b") as segment:
            segment.seek(at)
            segment.write(live.file.read(live.at - at))

    def test_killed_again_and_again(self):
        seed = int(os.environ.get("SEED") or
                   random.SystemRandom().randrange(1 << 32))
        print("seed", seed, file=sys.stderr)
        chance = random.Random(seed)
        stage, dead, live = self.crash()
        twin, folder_of_twin = self.twin(stage, live)
        ready_s, whole_s = self.recover(twin, dead, live)
        print(f"recovery of {2 * SESSIONS} sessions: it records again after "
              f"{ready_s:.2f} s, all is finished after {whole_s:.2f} s",
              file=sys.stderr)

        late = [n % 3 == 0 for n in range(KILLS)]
        chance.shuffle(late)
        steps = [self.kill_at_random(stage, chance, ready_s, is_late)
                 for is_late in late]
        self.assertTrue(any(steps) or not KILLS)
        self.recover(stage, dead, live)
        self.end_live(live, folder_of_twin / f"{0:016x}.seg")
        for one in stage, twin:
            one.await_rows(live.names.values())
            self.assertEqual(one.end(), 0)
        self.assert_same(stage, twin, {*dead.names.values(),
                                       *live.names.values()})

    def assert_same(self, stage, twin, ids):
        leaves = collections.Counter(
            leaf["id"] for leaf in stage.leaves()
            if leaf["kind"] == "recording")
        self.assertEqual(leaves, collections.Counter(ids))
        folders = [one.state / "texts" for one in (stage, twin)]
        for folder in folders:
            folder.mkdir()
        mine, undisturbed = texts(stage, folders[0]), texts(twin, folders[1])
        self.assertEqual(set(mine), {f"{name}.cast" for name in ids})
        self.assertEqual(set(undisturbed), set(mine))
        for name, text in mine.items():
            self.assertEqual(text, undisturbed[name], name)
            self.assertIn("é".encode(), text)
        verified = stage.kubetape("verify", "--all", "--full")
        self.assertEqual(verified.returncode, 0,
                         verified.stdout[-4000:] + verified.stderr)


if __name__ == "__main__":
    unittest.main()
