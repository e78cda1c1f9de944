"""The other ways into a pod, and the ways a session comes to nothing."""
import contextlib
import hashlib
import itertools
import json
import signal
import urllib.request

from harness import (CLUSTER, TRANSPORTS, TestCase, direct, main, new_tag,
                     until)

# The runtime drops what a container printed as its last word, so that the
# end waits for a second line: seen straight at the API server, too.
SCRIPT = "read -r x; echo got $x; read -r x; exit 0"
IMAGE = ["--image", "kubetape/test:1", "--image-pull-policy=Never"]


def make_pod(name):
    """A pod of a test's own: debug leaves containers behind in it."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
           "spec": pod_spec()}
    made = direct("ws", "apply", "-f", "-", stdin=json.dumps(pod).encode())
    assert made.code == 0, made
    ready = direct("ws", "wait", "--for=condition=Ready", f"pod/{name}")
    assert ready.code == 0, ready


def pod_spec(**container):
    return {"nodeName": "localhost", "hostNetwork": True,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "shell", "image": "kubetape/test:1",
                            "imagePullPolicy": "Never",
                            "command": ["sleep", "infinity"], **container}]}


def delete_pod(name):
    direct("ws", "delete", "pod", name, "--now", "--wait=false")


class Attach(TestCase):
    def test_printer(self):
        """It prints whether or not somebody looks."""
        for transport, t in TRANSPORTS.items():
            with self.subTest(transport=transport):
                with self.stand.new_session(type="attach",
                                            pod="printer") as found:
                    client = self.stand.pipes(transport, "attach", "printer")
                    client.hear(lines=5)
                    client.end(by=signal.SIGINT)
                session = found[0]
                kept = self.stand.raw(session, "stdout")
                self.assertTrue(kept.startswith(client.seen), kept)
                self.assert_facts(session, tty=False, container="printer",
                                  command=[], exit_code=None,
                                  protocol=t.protocol)
                self.assertIn(session["status"], ("complete", "failed"))
                self.assert_verified(session)


class Debug(TestCase):
    def setUp(self):
        self.pod = new_tag()
        make_pod(self.pod)
        self.addCleanup(delete_pod, self.pod)

    def test_ephemeral_container(self):
        """Type debug, by what the pod says of the container."""
        def one(transport):
            container = "dbg-" + transport
            client = self.stand.pipes(
                transport, "debug", "-q", "-i", self.pod, "-c", container,
                *IMAGE, "--", "sh", "-c", SCRIPT)
            client.say(b"one\n")
            self.assertEqual(b"got one\n", client.hear())
            client.say(b"two\n")
            self.assertEqual(0, client.end())
            session = self.stand.await_session(
                lambda s: s["container"] == container, container)
            self.assert_facts(session, type="debug", pod=self.pod,
                              status="complete",
                              protocol=TRANSPORTS[transport].protocol)
            self.assert_recorded(session, b"one\ntwo\n", b"got one\n", b"")
        self.together(one, [(t,) for t in TRANSPORTS])

    def test_attached_without_saying_so(self):
        """What the client calls itself does not decide the type."""
        made = direct("ws", "debug", "-q", self.pod, "-c", "later", *IMAGE,
                      "--stdin", "--attach=false", "--", "sh", "-c",
                      "echo ready; cat")
        self.assertEqual(0, made.code, made)
        until("the container runs", lambda: b"ready" in direct(
            "ws", "logs", self.pod, "-c", "later").out)
        client = self.stand.pipes("ws", "attach", "-i", self.pod, "-c",
                                  "later")
        client.say(b"x\n")
        self.assertEqual(b"x\n", client.hear())
        self.assertEqual(0, client.end())
        session = self.stand.await_session(
            lambda s: s["container"] == "later", "the attach")
        self.assert_facts(session, type="debug")
        self.assert_recorded(session, b"x\n", b"x\n", b"")


class Run(TestCase):
    def test_run_attached(self):
        for transport in TRANSPORTS:
            name = new_tag()
            overrides = json.dumps({"spec": pod_spec(
                name=name, stdin=True, stdinOnce=True,
                command=["sh", "-c", SCRIPT])})
            self.addCleanup(delete_pod, name)
            with self.subTest(transport=transport):
                client = self.stand.pipes(
                    transport, "run", name, *IMAGE, "-q", "-i",
                    "--restart=Never", "--overrides", overrides)
                client.say(b"one\n")
                self.assertEqual(b"got one\n", client.hear())
                client.say(b"two\n")
                client.end()
                session = self.stand.await_session(
                    lambda s: s["pod"] == name, name)
                self.assert_facts(session, type="run", status="complete")
                self.assert_recorded(session, b"one\ntwo\n", b"got one\n",
                                     b"")


ATTEMPTS = {"exec": ["exec", "web", "--", "true"],
            "attach": ["attach", "tty"],
            "port-forward": ["port-forward", "http", "0:80"]}


class ComesToNothing(TestCase):
    def test_no_such_pod(self):
        for transport in TRANSPORTS:
            with self.subTest(transport=transport):
                args = ["exec", "no-such-pod", "--", "true"]
                self.assert_same(direct(transport, *args),
                                 self.stand.kubectl(transport, *args))

    def test_no_such_container(self):
        """kubectl asks for it, the API server knows better."""
        def one(transport):
            tag = new_tag()
            args = ["exec", "web", "-c", "nope", "--", "true", tag]
            plain = direct(transport, *args)
            self.assertNotEqual(0, plain.code)
            self.assert_same(plain, self.stand.kubectl(transport, *args))
            if transport != "old":  # this kubectl looks at the pod itself
                return
            session = self.stand.await_tag(tag)
            self.assertIn(session["status"], ("refused", "failed"))
            self.assertIn("container nope is not valid", session["reason"])
        self.together(one, [(t,) for t in TRANSPORTS])

    def test_no_such_command(self):
        def one(transport):
            tag = new_tag()
            args = ["exec", "web", "--", "/no/such/program", tag]
            plain = direct(transport, *args)
            self.assertNotEqual(0, plain.code)
            taped = self.stand.kubectl(transport, *args)
            self.assertEqual(plain.code, taped.code)
            self.assertEqual(without_ids(plain.err), without_ids(taped.err))
            session = self.stand.await_tag(tag)
            self.assertIn("no such file", session["reason"])
            self.assert_verified(session)
        self.together(one, [(t,) for t in TRANSPORTS])

    def test_client_killed(self):
        """Recorded up to there, and nothing of what was seen is missing."""
        script = "i=0; while echo line $i; do i=$((i + 1)); sleep 0.01; done"

        def one(transport):
            tag = new_tag()
            client = self.stand.pipes(transport, "exec", "web", "--", "sh",
                                      "-c", script, tag)
            client.hear(lines=30)
            client.end(by=signal.SIGKILL)
            seen = client.seen
            session = self.stand.await_tag(tag)
            self.assertIn(session["status"], ("complete", "failed"))
            self.assertIn("client", session["reason"])
            self.assertIsNone(session["exit_code"])
            kept = self.stand.raw(session, "stdout")
            self.assertTrue(kept.startswith(seen), (seen[-80:], kept[-80:]))
            self.assert_verified(session)
        self.together(one, [(t,) for t in TRANSPORTS])


def without_ids(text):
    """The runtime names each exec by a random number."""
    return b" ".join(word for word in text.split() if len(word) < 64)


class ForbiddenByTheCluster(TestCase):
    upstream = CLUSTER["BOB_KUBECONFIG"]

    def test_refused_and_indexed(self):
        for transport, verb in itertools.product(TRANSPORTS, ATTEMPTS):
            with self.subTest(transport=transport, verb=verb):
                before = {s["id"] for s in self.stand.sessions()}
                plain = direct(transport, *ATTEMPTS[verb],
                               kubeconfig=CLUSTER["BOB_KUBECONFIG"])
                self.assertNotEqual(0, plain.code)
                self.assert_same(plain, self.stand.kubectl(
                    transport, *ATTEMPTS[verb]))
                self.assert_all_refused(verb, before)

    def assert_all_refused(self, verb, before):
        """A kubectl that was refused over WebSocket tries SPDY, too."""
        found = until("the attempt in the index, and over", lambda: [
            s for s in self.stand.sessions() if s["id"] not in before and
            s["status"] != "active"])
        for session in found:
            self.assert_facts(session, status="refused", user="bob",
                              groups=["viewers", "system:authenticated"],
                              uid="uid-bob", exit_code=None, type=verb)
            self.assertIn('User "bob" cannot', session["reason"])


class PortForward(TestCase):
    @contextlib.contextmanager
    def forwarded(self, transport):
        """The local port of a running `kubectl port-forward`."""
        forwarder = self.stand.pipes(transport, "port-forward", "pod/http",
                                     f":{CLUSTER['HTTP_PORT']}")
        try:
            line = forwarder.hear().decode()
            self.assertIn("Forwarding from 127.0.0.1:", line)
            yield line.split("127.0.0.1:")[1].split()[0]
        finally:
            forwarder.end(by=signal.SIGINT)

    def get(self, port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}",
                                    timeout=60) as answer:
            return answer.read()

    def test_download(self):
        plain = self.get(CLUSTER["HTTP_PORT"], "/big")
        self.assertEqual(8 << 20, len(plain))
        for transport, t in TRANSPORTS.items():
            with self.subTest(transport=transport):
                with self.stand.new_session(type="port-forward") as found:
                    with self.forwarded(transport) as port:
                        self.assertEqual(b"hello\n", self.get(port, "/hello"))
                        taped = self.get(port, "/big")
                self.assertEqual(hashlib.sha256(plain).digest(),
                                 hashlib.sha256(taped).digest())
                self.assert_facts(found[0], pod="http", user="admin",
                                  protocol=t.protocol)
                total = sum(found[0]["bytes"].values())
                self.assertGreater(total, 8 << 20, found[0])


if __name__ == "__main__":
    main()
