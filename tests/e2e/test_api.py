"""Everything that is no session: kubectl through here is kubectl."""
import json
import re
import signal

from harness import TestCase, direct, main, new_tag, until


def config_map(name, **data):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap",
                       "metadata": {"name": name}, "data": data}).encode()


def ageless(run):
    """What kubectl printed, without the ages and the width they give a table:
    time passes between two runs."""
    without = re.sub(rb" \d[\dsmhd]*[smhd] ", b" AGE ", run.out)
    return run._replace(out=re.sub(rb" +", b" ", without))


class Api(TestCase):
    def assert_alike(self, *args, stdin=b"", transport="ws"):
        plain = direct(transport, *args, stdin=stdin)
        taped = self.stand.kubectl(transport, *args, stdin=stdin)
        self.assert_same(plain, taped)
        return taped

    def new_config_map(self):
        name = new_tag()
        self.addCleanup(direct, "ws", "delete", "configmap", name,
                        "--ignore-not-found", "--wait=false")
        return name

    def test_reading(self):
        def one(transport, *args):
            self.assert_alike(*args, transport=transport)
        cases = (
            ("get", "pod", "web", "-o", "json"),
            ("get", "--raw", "/api/v1/namespaces/kube-system"),
            ("get", "clusterroles", "-o", "yaml"),
            ("describe", "clusterrole", "admin"),
            ("api-resources", "--sort-by=name"),
            ("api-versions",),
            ("explain", "pod.spec.containers"),
            ("version", "-o", "json"),
            ("auth", "can-i", "--list"),
            ("auth", "can-i", "create", "pods/exec"),
            ("get", "pod", "no-such-pod"),
            ("get", "no-such-kind"),
            ("get", "--raw", "/no/such/path"),
            ("logs", "no-such-pod"),
        )
        self.together(one, [(t, *case) for t in ("ws", "old")
                            for case in cases])

    def test_tables(self):
        """What the API server lays out itself, for who accepts a Table."""
        for transport in ("ws", "old"):
            with self.subTest(transport):
                args = ("get", "nodes", "-o", "wide")
                plain = direct(transport, *args)
                self.assertIn(b"AGE", plain.out)
                self.assert_same(ageless(plain), ageless(
                    self.stand.kubectl(transport, *args)))

    def test_whoami(self):
        self.assert_alike("auth", "whoami", "-o",
                          "jsonpath={.status.userInfo}")

    def test_writing(self):
        """apply, diff, patch, label, replace, delete: each seen from the other
        side."""
        name = self.new_config_map()
        kubectl = self.stand.kubectl

        def value():
            return direct("ws", "get", "configmap", name, "-o",
                          "jsonpath={.data}").out

        made = kubectl("ws", "apply", "-f", "-",
                       stdin=config_map(name, a="1"))
        self.assertEqual((0, f"configmap/{name} created\n".encode()),
                         made[:2], made)
        self.assertEqual(b'{"a":"1"}', value())
        changed = config_map(name, a="2")
        differs = kubectl("ws", "diff", "-f", "-", stdin=changed)
        self.assertEqual(1, differs.code, differs)
        self.assertIn(b"+  a: \"2\"", differs.out)
        made = kubectl("old", "apply", "-f", "-", stdin=changed)
        self.assertEqual(0, made.code, made)
        self.assertEqual(b'{"a":"2"}', value())
        done = kubectl("ws", "patch", "configmap", name, "--type", "merge",
                       "-p", '{"data":{"b":"3"}}')
        self.assertEqual(0, done.code, done)
        self.assertEqual(b'{"a":"2","b":"3"}', value())
        self.assert_alike("get", "configmap", name, "-o", "yaml")
        done = kubectl("ws", "delete", "configmap", name)
        self.assertEqual(0, done.code, done)
        self.assertEqual(b"", value())
        gone = self.assert_alike("delete", "configmap", name)
        self.assertEqual(1, gone.code)

    def test_server_side_errors_stay_as_they_are(self):
        bad = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":' \
              b'{"name":"Not A Name"}}'
        refused = self.assert_alike("apply", "-f", "-", stdin=bad)
        self.assertIn(b"Not A Name", refused.err)

    def test_watch(self):
        """Events come when they happen, not when a buffer is full."""
        name = self.new_config_map()
        watcher = self.stand.pipes("ws", "get", "configmap", "-w",
                                   "--field-selector",
                                   f"metadata.name={name}", "--no-headers",
                                   "--output-watch-events")
        for verb, step in (
                (b"ADDED", ("create", "configmap", name)),
                (b"MODIFIED", ("label", "configmap", name, "x=y")),
                (b"DELETED", ("delete", "configmap", name))):
            direct("ws", *step)
            self.assertTrue(watcher.hear().startswith(verb), watcher.seen)
        watcher.end(by=signal.SIGINT)

    def test_logs_follow(self):
        for transport in ("ws", "old"):
            with self.subTest(transport):
                follower = self.stand.pipes(transport, "logs", "-f",
                                            "--tail=1", "printer")
                numbers = [int(follower.hear().split()[1]) for _ in range(4)]
                follower.end(by=signal.SIGINT)
                first = numbers[0]
                self.assertEqual(list(range(first, first + 4)), numbers)

    def test_logs_whole(self):
        """From the first byte on; the pod prints on, so of a length that it
        is beyond already."""
        def enough():
            return len(direct("ws", "logs", "printer").out) >= 200
        until("the printer's first lines", enough)
        self.assert_alike("logs", "printer", "--since-time",
                          "2000-01-01T00:00:00Z", "--limit-bytes", "200")

    def test_wait(self):
        self.assert_alike("wait", "--for=condition=Ready", "pod/web",
                          "--timeout=20s")
        self.assert_alike("wait", "--for=condition=Ready", "pod/none",
                          "--timeout=1s")

    def test_a_wrong_token(self):
        """kubectl prints why, and nothing is asked on behalf of nobody."""
        config = self.stand.client_kubeconfig({"token": "wrong"})
        for args in (("get", "pods"), ("exec", "web", "--", "id")):
            refused = self.stand.kubectl("ws", *args, kubeconfig=config)
            self.assertEqual((1, b""), refused[:2])
            self.assertIn(b"error: You must be logged in to the server",
                          refused.err)


if __name__ == "__main__":
    main()
