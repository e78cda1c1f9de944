"""SIGHUP: a configuration that cannot run leaves the proxy serving with the
one it has, through a crash as well; one that runs takes its place."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from proxy_stage import await_true, stage

DEADLINE_S = 30


class Reload(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.log = self.folder / "log"
        self.kubeconfig("good")
        self.configure("good")
        program = pathlib.Path(os.environ["KUBETAPE_BIN"]) / "kubetape-proxy"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [program, "--config", self.folder / "config"], stderr=out)
        self.addCleanup(self.end)
        self.await_log("proxy.ready", 1)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(DEADLINE_S), 0)

    def kubeconfig(self, name):
        (self.folder / name).write_text(json.dumps({
            "current-context": "c",
            "contexts": [{"name": "c",
                          "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c",
                          "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"token": "t"}}]}))

    def configure(self, kubeconfig):
        (self.folder / "config").write_text(json.dumps({
            "state": str(self.folder / "state"),
            "listen": "127.0.0.1:0",
            "workers": 2,
            "upstream": {"kubeconfig": str(self.folder / kubeconfig)},
            "identity": ["passthrough"]}))

    def reload(self, kubeconfig):
        self.configure(kubeconfig)
        self.process.send_signal(signal.SIGHUP)

    def workers(self):
        task = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return set(map(int, pathlib.Path(task).read_text().split()))

    def await_log(self, event, count):
        until = time.monotonic() + DEADLINE_S
        while self.log.read_text().count(f" {event} ") < count:
            self.assertIsNone(self.process.poll(), self.log.read_text())
            self.assertLess(time.monotonic(), until, self.log.read_text())
            time.sleep(0.01)

    def await_workers(self, are_right):
        until = time.monotonic() + DEADLINE_S
        while not are_right(self.workers()):
            self.assertLess(time.monotonic(), until, self.log.read_text())
            time.sleep(0.01)

    def test_what_cannot_run_changes_nothing(self):
        before = self.workers()
        self.reload("missing")
        self.await_log("config.kept", 2)
        self.await_workers(lambda now: now == before)
        self.assertNotIn("worker.draining", self.log.read_text())

    def test_a_crash_after_that_comes_back_with_what_ran(self):
        before = self.workers()
        self.reload("missing")
        self.await_log("config.kept", 2)
        self.await_workers(lambda now: now == before)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        self.await_log("worker.ready", 3)
        self.assertNotIn(victim, self.workers())

    def test_what_runs_replaces_the_workers(self):
        before = self.workers()
        self.kubeconfig("other")
        self.reload("other")
        self.await_log("worker.draining", 2)
        self.await_workers(lambda now: len(now) == 2 and not now & before)

    def test_two_at_once_end_with_one_set(self):
        before = self.workers()
        self.reload("good")
        self.reload("good")
        self.await_workers(lambda now: len(now) == 2 and not now & before)


class Connections(unittest.TestCase):
    """What clients have open with a worker when its successor is ready."""

    def reload(self, proxy):
        old = proxy.worker()
        proxy.process.send_signal(signal.SIGHUP)
        log = proxy.folder / "log"
        await_true("the old worker drains",
                   lambda: b"worker.draining" in log.read_bytes())
        return old

    def await_gone(self, proxy, pid):
        proxy.hang_up()
        await_true("the old worker is gone",
                   lambda: not pathlib.Path(f"/proc/{pid}").exists())

    def test_who_has_not_asked_yet_gets_an_answer(self):
        with stage() as (api, proxy):
            api.on("/x", lambda c, r: c.answer(200, b"x"))
            client = proxy.connect()  # its handshake is done
            old = self.reload(proxy)
            answer = client.call("GET", "/x")
            self.assertEqual((answer.status, answer.body), (200, b"x"))
            self.assertEqual(answer.get("Connection"), "close")
            self.await_gone(proxy, old)

    def test_who_was_answered_is_let_go(self):
        with stage() as (api, proxy):
            api.on("/x", lambda c, r: c.answer(200, b"x"))
            client = proxy.connect()
            self.assertEqual(client.call("GET", "/x").status, 200)
            old = self.reload(proxy)
            self.assertEqual(client.stream.rest(), b"")
            self.await_gone(proxy, old)

    def test_a_stop_waits_for_nobody_who_has_not_asked(self):
        with stage() as (_, proxy):
            client = proxy.connect()
            proxy.process.send_signal(signal.SIGHUP)
            self.assertEqual(proxy.stop(), 0)
            self.assertEqual(client.stream.rest(), b"")


if __name__ == "__main__":
    unittest.main()
