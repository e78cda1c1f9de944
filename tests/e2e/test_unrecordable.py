"""Recording cannot go on, as somebody with kubectl sees it: real sessions that
are paused, ended with a message, or let go on with a gap."""
import contextlib
import pathlib
import signal
import subprocess
import sys

from harness import (DEADLINE_S, TRANSPORTS, Stand, TestCase, main, new_tag,
                     until)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "scenario"))
from disk_stage import small_disk  # noqa: E402

MIB = 1 << 20
ENDED = b"kubetape: this session was ended: it can no longer be recorded: "


class Kubectl:
    """`kubectl exec` that is still running."""

    def __init__(self, stand, transport, script):
        self.tag = new_tag()
        self.program = subprocess.Popen(
            [TRANSPORTS[transport].program, "exec", "-i", "web", "--", "sh",
             "-c", script, self.tag], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**stand.env, **stand.kubectl_env(transport)})

    def say(self, data):
        self.program.stdin.write(data)
        self.program.stdin.flush()

    def hear(self):
        return self.program.stdout.readline()

    def await_end(self):
        """It is ended, while its user would go on."""
        self.program.wait(DEADLINE_S)
        return self.end()

    def end(self):
        """Its user has no more to say."""
        out, err = self.program.communicate(timeout=DEADLINE_S)
        return self.program.returncode, out, err


@contextlib.contextmanager
def stopped_recorder(stand):
    pid = stand.children()["kubetape-recorder"]
    os_kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os_kill(pid, signal.SIGCONT)


def os_kill(pid, number):
    subprocess.run(["kill", f"-{int(number)}", str(pid)], check=True)


class Away(TestCase):
    config = ("journal:\n  pause_ms: 1000\n  min_free_bytes: 0\n"
              "recorder:\n  timeout_ms: 2000\n")

    def test_sessions_are_ended_with_a_message(self):
        sessions = [(t, Kubectl(self.stand, t, "echo ready; cat; echo never"))
                    for t in TRANSPORTS]
        for _, kubectl in sessions:
            self.assertEqual(b"ready\n", kubectl.hear())
        with stopped_recorder(self.stand):
            ends = [(t, k, k.await_end()) for t, k in sessions]
            refused = self.stand.kubectl("ws", "exec", "web", "--", "true")
        for transport, kubectl, (code, out, err) in ends:
            with self.subTest(transport=transport):
                self.assertNotEqual(0, code)
                self.assertEqual(b"", out)
                self.assertIn(ENDED + b"the recorder is not running", err)
                done = self.stand.await_tag(kubectl.tag)
                self.assert_facts(done, status="failed",
                                  reason="the recorder is not running")
                self.assert_recorded(done, stdout=b"ready\n")
        self.assertEqual(1, refused.code)
        self.assertIn(b"the recorder is not running", refused.err)
        # It is back, and so are sessions.
        until("a session may start", lambda: self.stand.kubectl(
            "ws", "exec", "web", "--", "true").code == 0)


class Late(TestCase):
    config = ("journal:\n  pause_ms: 60000\n  min_free_bytes: 0\n"
              "recorder:\n  timeout_ms: 1000\n")

    def test_sessions_go_on_and_nothing_is_missing(self):
        sessions = [(t, Kubectl(self.stand, t, "echo ready; cat"))
                    for t in TRANSPORTS]
        for _, kubectl in sessions:
            self.assertEqual(b"ready\n", kubectl.hear())
        with stopped_recorder(self.stand):
            until("the proxy misses it", lambda: "what=silence"
                  in self.stand.log())
            for _, kubectl in sessions:
                kubectl.say(b"asked meanwhile\n")
        for transport, kubectl in sessions:
            with self.subTest(transport=transport):
                self.assertEqual(b"asked meanwhile\n", kubectl.hear())
                self.assertEqual((0, b"", b""), kubectl.end())
                done = self.stand.await_tag(kubectl.tag)
                self.assert_facts(done, status="complete", exit_code=0)
                self.assert_recorded(done, stdin=b"asked meanwhile\n",
                                     stdout=b"ready\nasked meanwhile\n")


class FullDisk(TestCase):
    @classmethod
    def setUpClass(cls):
        pass  # each test has a disk, and a stand on it

    @classmethod
    def tearDownClass(cls):
        pass

    @contextlib.contextmanager
    def full_disk(self, config):
        with small_disk(600) as disk:
            self.stand = Stand(config=config, home=disk.mount)
            self.stand.may_restart = True  # it says that the disk is full
            with self.stand:
                self.disk = disk
                yield

    def flood(self, transport, script):
        """(kubectl, what it said, its exit code, its stderr) while the disk is
        full and nobody makes room."""
        until("a spare segment", lambda: list(
            self.stand.state.glob("journal/*/spare")))
        with stopped_recorder(self.stand):
            self.disk.fill()
            kubectl = Kubectl(self.stand, transport, script)
            code, out, err = kubectl.end()
            self.disk.free()
        return kubectl, out, code, err

    SCRIPT = "yes 0123456789abcdef | head -c 160000000; echo done >&2"

    def test_a_flood_is_ended_where_it_could_be_recorded(self):
        with self.full_disk(
                "journal:\n  pause_ms: 500\n  min_free_bytes: 0\n"
                "recorder:\n  timeout_ms: 600000\n"):
            kubectl, out, code, err = self.flood("spdy", self.SCRIPT)
            self.assertNotEqual(0, code)
            self.assertIn(ENDED, err)
            self.assertIn(b"is full", err)
            done = self.stand.await_tag(kubectl.tag)
            self.assert_facts(done, status="failed")
            self.assertIn("is full", done["reason"])
            kept = self.stand.raw(done, "stdout")
            self.assertGreater(len(out), 64 * MIB)
            self.assertTrue(kept.startswith(out))
            self.assert_verified(done)

    def test_a_flood_of_best_effort_has_a_gap(self):
        with self.full_disk(
                "journal:\n  min_free_bytes: 0\n"
                "record:\n  mode: best-effort\n"
                "recorder:\n  timeout_ms: 600000\n"):
            kubectl, out, code, err = self.flood("ws", self.SCRIPT)
            self.assertEqual((0, b"done\n"), (code, err))
            self.assertEqual(160000000, len(out))
            done = self.stand.await_tag(kubectl.tag)
            self.assert_facts(done, status="complete", exit_code=0)
            kept = self.stand.raw(done, "stdout")
            self.assertTrue(out.startswith(kept))
            lost = done["gaps"]["bytes"]
            self.assertEqual(160000000 + 5, len(kept) + lost +
                             len(self.stand.raw(done, "stderr")))
            self.assert_verified(done)


if __name__ == "__main__":
    main()
