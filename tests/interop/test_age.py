"""The age format, both ways, against the standard tool: what this project
encrypts `age -d` reads, and what `age` encrypts this project reads; what was
altered or cut, neither takes. And the way an auditor goes without this
project: `age -d -i key X.cast.zst.age | zstd -d`."""
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden" / "example.cast.zst"
BIN = pathlib.Path(os.environ["KUBETAPE_BIN"])
KUBETAPE = BIN / "kubetape"
RECORDER = BIN / "kubetape-recorder"
JOURNAL_CORPUS = os.environ["JOURNAL_CORPUS"]
AGE_TOOL = os.environ["AGE_TOOL"]
CHUNK = 64 * 1024
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1,
         3 * CHUNK - 1, 5 * CHUNK + 4321)
# Whose stanza is of a type that this project does not know. (An example key;
# nobody needs its other half.)
SSH = ("ssh-ed25519 "
       "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")


def run(*command, stdin=b"", check=True, env=None):
    done = subprocess.run([str(c) for c in command], input=stdin, env=env,
                          capture_output=True, timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.stderr.decode()}")
    return done


class Stage(unittest.TestCase):
    """Keys, and both sides."""

    @classmethod
    def setUpClass(cls):
        built = pathlib.Path(
            run(HERE / "build", "age").stdout.decode().strip())
        cls.age = built / "age"
        cls.folder = tempfile.TemporaryDirectory()
        cls.keys = []
        cls.recipients = []
        for n in range(3):
            key = pathlib.Path(cls.folder.name) / f"key{n}.txt"
            run(built / "age-keygen", "-o", key)
            cls.keys.append(key)
            cls.recipients.append(
                run(built / "age-keygen", "-y", key).stdout.decode().strip())

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def path(self, data):
        path = pathlib.Path(self.folder.name) / "file.age"
        path.write_bytes(data)
        return path

    def theirs(self, plain, recipients):
        flags = [f for r in recipients for f in ("-r", r)]
        return run(self.age, *flags, stdin=plain).stdout

    def ours(self, plain, recipients):
        return run(AGE_TOOL, "encrypt", *recipients, stdin=plain).stdout

    def read_theirs(self, data, key, check=True):
        return run(self.age, "-d", "-i", key, stdin=data, check=check)

    def read_ours(self, data, key, check=True):
        return run(AGE_TOOL, "decrypt", key, self.path(data), check=check)


class Format(Stage):
    def test_they_read_ours(self):
        for size in SIZES:
            plain = random.Random(size).randbytes(size)
            for count in (1, 3):
                data = self.ours(plain, self.recipients[:count])
                for key in self.keys[:count]:
                    self.assertEqual(
                        self.read_theirs(data, key).stdout, plain)

    def test_we_read_theirs(self):
        for size in SIZES:
            plain = random.Random(size).randbytes(size)
            for count in (1, 3):
                data = self.theirs(plain, self.recipients[:count])
                for key in self.keys[:count]:
                    self.assertEqual(self.read_ours(data, key).stdout, plain)

    def test_unknown_stanzas_are_passed_over(self):
        data = self.theirs(b"hello", [SSH, self.recipients[0], SSH])
        self.assertEqual(data.count(b"-> ssh-ed25519"), 2)
        self.assertEqual(self.read_ours(data, self.keys[0]).stdout, b"hello")
        only = self.theirs(b"hello", [SSH])
        refused = self.read_ours(only, self.keys[0], check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"encrypted to no X25519 recipient", refused.stderr)

    def test_a_file_of_several_identities(self):
        several = pathlib.Path(self.folder.name) / "several.txt"
        several.write_bytes(
            b"# mine\n\n" + b"".join(k.read_bytes() for k in self.keys))
        data = self.theirs(b"hello", self.recipients[2:])
        self.assertEqual(self.read_ours(data, several).stdout, b"hello")

    def test_others_read_nothing(self):
        refused = self.read_ours(self.theirs(b"x", self.recipients[:2]),
                                 self.keys[2], check=False)
        self.assertEqual((refused.returncode, refused.stdout), (1, b""))
        refused = self.read_theirs(self.ours(b"x", self.recipients[:2]),
                                   self.keys[2], check=False)
        self.assertEqual((refused.returncode, refused.stdout), (1, b""))

    def test_neither_takes_what_was_altered(self):
        plain = random.Random(1).randbytes(CHUNK + 500)
        ours = self.ours(plain, self.recipients[:2])
        theirs = self.theirs(plain, self.recipients[:2])
        rng = random.Random(2)
        head = ours.index(b"\n---") + 60
        places = [rng.randrange(head) for _ in range(12)]
        places += [rng.randrange(head, len(ours)) for _ in range(12)]
        for at in places + [len(ours) - 1]:
            for data, read in ((ours, self.read_theirs),
                               (theirs, self.read_ours)):
                bad = bytearray(data)
                bad[at] ^= 1 << rng.randrange(8)
                self.assertEqual(
                    read(bytes(bad), self.keys[1], check=False).returncode, 1,
                    f"byte {at}")
        for keep in (0, 10, head, head + CHUNK, len(ours) - 516,
                     len(ours) - 1):
            self.assertEqual(self.read_theirs(
                ours[:keep], self.keys[0], check=False).returncode, 1)
            self.assertEqual(self.read_ours(
                theirs[:keep], self.keys[0], check=False).returncode, 1)
        self.assertEqual(self.read_theirs(
            ours + b"x", self.keys[0], check=False).returncode, 1)
        self.assertEqual(self.read_ours(
            theirs + b"x", self.keys[0], check=False).returncode, 1)


class Recording(Stage):
    """One recording, by the program that auditors use."""

    def kubetape(self, *words, check=True, **environment):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("KUBETAPE_")}
        return run(KUBETAPE, *words, check=check,
                   env={**env, "KUBETAPE_STATE": self.folder.name,
                        **environment})

    def recording(self):
        path = pathlib.Path(self.folder.name) / "x.cast.zst.age"
        path.write_bytes(
            self.theirs(GOLDEN.read_bytes(), self.recipients[:2]))
        return path

    def test_export_and_play(self):
        path = self.recording()
        text = run("zstd", "-dcq", GOLDEN).stdout
        cast = self.kubetape("export", "--format", "cast", "--identity",
                             self.keys[1], path)
        self.assertEqual(cast.stdout, text)
        played = self.kubetape("play", "--speed", "1000000", path,
                               KUBETAPE_IDENTITY=str(self.keys[0]))
        self.assertIn("price: 5 €".encode(), played.stdout)
        raw = self.kubetape("export", "--format", "raw", "--stream", "stderr",
                            "--identity", self.keys[0], "-o", "-", path)
        self.assertEqual(raw.stdout, b"bad byte \xff\n")

    def test_refused(self):
        path = self.recording()
        for words in (("play",), ("export", "--format", "cast")):
            none = self.kubetape(*words, path, check=False)
            self.assertEqual((none.returncode, none.stdout), (3, b""))
            self.assertIn(f"{path} is encrypted to 2 recipients; give "
                          "--identity FILE".encode(), none.stderr)
            wrong = self.kubetape(*words, "--identity", self.keys[2], path,
                                  check=False)
            self.assertEqual((wrong.returncode, wrong.stdout), (3, b""))
            self.assertIn(b"but to none of the identities given",
                          wrong.stderr)
            absent = self.kubetape(*words, "--identity", "/nonexistent", path,
                                   check=False)
            self.assertEqual(absent.returncode, 3)
            self.assertIn(b"the identity /nonexistent", absent.stderr)


class Recorder(Stage):
    """The recorder as it is run, killed at any moment, and its recordings
    read by auditors who have the key and none of this project, and by ours."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = pathlib.Path(folder.name)
        self.config = self.state / "config.yaml"
        self.running = None

    def tearDown(self):
        if self.running is not None:
            self.end()

    def configure(self, recipients):
        listed = "".join(f"    - {r}\n" for r in recipients)
        self.config.write_text(
            f"state: {self.state}\nupstream: {{kubeconfig: /nowhere}}\n"
            "recorder:\n  seal_interval_ms: 100\n  encrypt_to:\n"
            f"{listed}" if recipients else
            f"state: {self.state}\nupstream: {{kubeconfig: /nowhere}}\n")

    def start(self):
        with open(self.state / "recorder.log", "ab") as log:
            self.running = subprocess.Popen(
                [RECORDER, "--config", self.config], stderr=log)

    def end(self, how=signal.SIGTERM):
        self.running.send_signal(how)
        self.running.wait(60)
        self.running = None

    def kubetape(self, *words, check=True):
        return run(KUBETAPE, *words, "--state", self.state, check=check)

    def rows(self):
        if not (self.state / "index.db").exists():
            return []
        listed = self.kubetape("ls", "--json", check=False).stdout
        return [json.loads(line) for line in listed.splitlines()]

    def await_rows(self, is_right):
        for _ in range(600):
            rows = self.rows()
            if is_right(rows):
                return rows
            self.assertIsNone(self.running.poll(),
                              (self.state / "recorder.log").read_text())
            time.sleep(0.1)
        self.fail("it takes too long")
        return []

    def clear_files(self):
        """What could be read without a key, outside of journal segments."""
        return [p for folder in ("recordings", "journal/running")
                for p in (self.state / folder).rglob("*")
                if p.is_file() and p.suffix != ".age"]

    def corpus(self, mib):
        run(JOURNAL_CORPUS, "shell", str(mib), self.state)

    def test_killed_at_any_moment(self):
        self.corpus(3)
        self.configure(self.recipients[:2])
        rng = random.Random(20261125)
        for _ in range(12):
            self.start()
            time.sleep(rng.uniform(0.01, 0.4))
            self.end(signal.SIGKILL)
        self.start()
        # The journal's worker is gone, and with it the folder.
        rows = self.await_rows(
            lambda rows: rows and not list(self.state.glob("journal/w*")))
        self.end()
        self.assertEqual({r["status"] for r in rows}, {"complete"})
        self.assertEqual(self.clear_files(), [])
        for row in rows[:5]:
            file = self.state / row["file"]
            self.assertEqual(file.suffix, ".age")
            self.assertEqual(file.stat().st_size, row["size"])
            zst = self.read_theirs(file.read_bytes(), self.keys[1]).stdout
            text = run("zstd", "-dcq", stdin=zst).stdout
            ours = self.kubetape("export", "--format", "cast", "--identity",
                                 self.keys[0], row["id"]).stdout
            self.assertEqual(ours, text)
            self.assertEqual(
                json.loads(text.splitlines()[-1])[1], "k")
            done = self.kubetape("verify", "--identity", self.keys[1],
                                 row["id"])
            self.assertIn(b"as recorded, and complete", done.stdout)
            # The ledger knows the file, so nobody needs a key to know that
            # it was not changed.
            done = self.kubetape("verify", row["id"])
            self.assertIn(b"--identity", done.stdout)
        done = self.kubetape("verify", "--all")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_altered_file_is_found_without_a_key(self):
        self.corpus(1)
        self.configure(self.recipients[:1])
        self.start()
        rows = self.await_rows(
            lambda rows: rows and not list(self.state.glob("journal/w*")))
        self.end()
        file = self.state / rows[0]["file"]
        data = bytearray(file.read_bytes())
        data[-20] ^= 1
        file.write_bytes(data)
        done = self.kubetape("verify", rows[0]["id"], check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        done = self.kubetape("verify", "--all", check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(rows[0]["id"].encode(), done.stdout)
        done = self.kubetape("verify", "--identity", self.keys[0],
                             rows[0]["id"], check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)

    def test_bad_recipient_is_named(self):
        self.configure(["age1nonsense"])
        done = run(RECORDER, "--config", self.config, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"recorder.encrypt_to: age1nonsense was given, expected "
                      b"an age recipient (age1", done.stderr)


if __name__ == "__main__":
    unittest.main()
