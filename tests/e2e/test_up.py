"""`kubetape up` itself: starting, sharing, being killed, ending."""
import os
import shutil
import signal
import socket
import tempfile
import unittest

from harness import (ADMIN, BIN, CLUSTER, Stand, main, new_tag, process_name,
                     run, until)


class Up(unittest.TestCase):
    def works(self, stand):
        tag = new_tag()
        done = stand.kubectl("ws", "exec", "web", "--", "echo", tag)
        self.assertEqual((0, f"{tag}\n".encode(), b""), done)
        return stand.await_tag(tag)

    def test_starts_and_ends(self):
        for by in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(by=by):
                stand = Stand().start()
                print(f"ready after {stand.started_in_ms:.0f} ms ", end="",
                      flush=True)
                self.works(stand)
                stand.stop(by)  # which looks for processes left

    def test_ends_while_sessions_run(self):
        """The client is told, and the recording is finished."""
        stand = Stand().start()
        tag = new_tag()
        client = stand.pipes("ws", "exec", "-i", "web", "--", "sh", "-c",
                             "echo begin; cat", tag)
        self.assertEqual(b"begin\n", client.hear())
        stand.owns_home = False  # it is looked at afterwards
        self.addCleanup(shutil.rmtree, stand.home)
        stand.stop()
        self.assertNotEqual(0, client.end())
        session, = stand.by_tag(tag)
        self.assertEqual((True, "failed"),
                         (session["sealed"], session["status"]), session)
        self.assertEqual(b"begin\n", stand.raw(session, "stdout"))
        self.assertEqual(0, stand.tape("verify", session["id"]).code)

    def test_starts_again_on_the_same_state(self):
        """What was recorded is there, and so are clients' kubeconfigs."""
        home = tempfile.mkdtemp(prefix="kubetape-again-")
        self.addCleanup(shutil.rmtree, home)
        with Stand(home=home) as stand:
            first = self.works(stand)
            before = stand.kubeconfig.read_text()
        with Stand(home=home) as stand:
            second = self.works(stand)
            after = stand.kubeconfig.read_text()
            ids = [s["id"] for s in stand.sessions()]
            self.assertEqual([second["id"], first["id"]], ids)
            self.assertEqual(0, stand.tape("verify", first["id"]).code)
        same = [line for line in before.splitlines() if "server:" not in line]
        self.assertEqual(same, [line for line in after.splitlines()
                                if "server:" not in line])

    def test_second_on_the_same_state(self):
        with Stand() as stand:
            second = run([BIN / "kubetape", "up", *stand.flags],
                         env=stand.env)
            self.assertEqual((3, b""), second[:2])
            self.assertIn(b"runs on this state folder already", second.err)
            self.works(stand)

    def test_port_taken(self):
        with Stand() as stand, socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            address = "127.0.0.1:%d" % other.getsockname()[1]
            folder = stand.home / "other-state"
            refused = run([BIN / "kubetape", "up", "--state", folder,
                           "--kubeconfig", ADMIN, "--listen", address],
                          env=stand.env)
            self.assertEqual((3, b""), refused[:2], refused)
            self.assertIn(address.encode(), refused.err)

    def test_wrong_flags(self):
        stand = Stand()
        self.addCleanup(shutil.rmtree, stand.home)
        for flags, code, said in (
                (["--kubeconfig", "/nowhere"], 3, b"/nowhere"),
                (["--kubeconfig", ADMIN, "--context", "none"], 3, b"none"),
                (["--kubeconfig", ADMIN, "--listen", "nonsense"], 3,
                 b"nonsense"),
                (["--nonsense"], 2, b"--nonsense")):
            with self.subTest(flags=flags):
                refused = run([BIN / "kubetape", "up", "--state", stand.state,
                               *flags], env=stand.env)
                self.assertEqual((code, b""), refused[:2], refused)
                self.assertIn(said, refused.err)

    def test_killed_programs_start_again(self):
        """kill -9 at any moment: later sessions are recorded, and the one that
        ran through the recorder's death is whole."""
        with Stand(listen=free_address()) as stand:
            stand.may_restart = True
            tag = new_tag()
            client = stand.pipes("spdy", "exec", "-i", "web", "--", "sh",
                                 "-c", "cat", tag)
            client.say(b"before\n")
            self.assertEqual(b"before\n", client.hear())
            first = self.kill(stand, "kubetape-recorder")
            client.say(b"while it is away\n")
            self.assertEqual(b"while it is away\n", client.hear())
            self.back(stand, "kubetape-recorder", first)
            client.say(b"after\n")
            self.assertEqual(b"after\n", client.hear())
            self.assertEqual(0, client.end())
            session = stand.await_tag(tag)
            self.assertEqual(client.seen, stand.raw(session, "stdout"))
            self.assertEqual(client.seen, stand.raw(session, "stdin"))
            self.assertEqual(0, stand.tape("verify", session["id"]).code)

            first = self.kill(stand, "kubetape-proxy")
            self.back(stand, "kubetape-proxy", first)
            until("the proxy answers again", lambda: stand.kubectl(
                "ws", "get", "--raw", "/healthz").out == b"ok")
            self.works(stand)

    def test_proxy_killed_with_a_session(self):
        """What its client has seen is in the recording."""
        with Stand() as stand:
            stand.may_restart = True
            tag = new_tag()
            client = stand.pipes("ws", "exec", "web", "--", "sh", "-c",
                                 "i=0; while echo line $i; do i=$((i + 1)); "
                                 "sleep 0.01; done", tag)
            client.hear(lines=20)
            for pid in stand.descendants():
                if process_name(pid).startswith("kubetape-proxy"):
                    os.kill(pid, signal.SIGKILL)
            self.assertNotEqual(0, client.end())
            session = stand.await_tag(tag)
            self.assertEqual("failed", session["status"], session)
            kept = stand.raw(session, "stdout")
            self.assertTrue(kept.startswith(client.seen), (kept, client.seen))
            self.assertEqual(0, stand.tape("verify", session["id"]).code)

    def kill(self, stand, name):
        pid = stand.children()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def back(self, stand, name, before):
        until(f"{name} runs again",
              lambda: stand.children().get(name, before) != before)

    def test_everything_killed(self):
        """The machine's worst day: after it the recording is completed."""
        home = tempfile.mkdtemp(prefix="kubetape-killed-")
        self.addCleanup(shutil.rmtree, home)
        stand = Stand(home=home).start()
        tag = new_tag()
        client = stand.pipes("ws", "exec", "-i", "web", "--", "sh", "-c",
                             "cat", tag)
        client.say(b"x" * 5000 + b"\n")
        client.hear()
        stand.kill()
        client.end()
        with Stand(home=home) as stand:
            session = stand.await_tag(tag)
            self.assertEqual("failed", session["status"])
            self.assertEqual(client.seen, stand.raw(session, "stdout"))
            self.assertEqual(0, stand.tape("verify", session["id"]).code)
            self.works(stand)

    def test_kubeconfig_merged(self):
        """Into a file with another cluster, which stays as it is."""
        with Stand() as stand:
            mine = stand.home / "mine"
            shutil.copy(CLUSTER["ALICE_KUBECONFIG"], mine)
            merged = run([BIN / "kubetape", "kubeconfig", "--state",
                          stand.state, "--merge", "--name", "taped"],
                         env={**stand.env, "KUBECONFIG": str(mine)})
            self.assertEqual(0, merged.code, merged)
            tag = new_tag()
            done = stand.kubectl("ws", "exec", "web", "--", "echo", tag,
                                 kubeconfig=mine)
            self.assertEqual((0, f"{tag}\n".encode(), b""), done)
            stand.await_tag(tag)
            shown = run([CLUSTER["KUBECTL"], "config", "get-contexts", "-o",
                         "name"], env={"KUBECONFIG": str(mine)})
            self.assertEqual([b"alice", b"taped"],
                             sorted(shown.out.split()))
            who = stand.kubectl("ws", "--context", "alice", "auth", "whoami",
                                "-o", "jsonpath={.status.userInfo.username}",
                                kubeconfig=mine)
            self.assertEqual(b"alice", who.out)
            again = run([BIN / "kubetape", "kubeconfig", "--state",
                         stand.state, "--merge", "--name", "taped"],
                        env={**stand.env, "KUBECONFIG": str(mine)})
            self.assertEqual(0, again.code, again)

    def test_kubeconfig_printed(self):
        with Stand() as stand:
            shown = run([BIN / "kubetape", "kubeconfig", "--state",
                         stand.state], env=stand.env)
            self.assertEqual(0, shown.code, shown)
            path = stand.home / "printed"
            path.write_bytes(shown.out)
            who = stand.kubectl("old", "auth", "whoami", "-o",
                                "jsonpath={.status.userInfo.username}",
                                kubeconfig=path)
            self.assertEqual(b"admin", who.out, who)


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


if __name__ == "__main__":
    main()
