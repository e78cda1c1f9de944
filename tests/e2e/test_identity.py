"""Who asks, and with whose power: the recording names the one that the API
server knows, however the credentials come about."""
import base64
import pathlib

from harness import (CLUSTER, TRANSPORTS, Stand, TestCase, direct, main,
                     new_tag)
from wire import Peer, websocket

ALICE = {"user": "alice", "groups": ["developers", "system:authenticated"]}


def token_of(name):
    kubeconfig = pathlib.Path(CLUSTER[f"{name.upper()}_KUBECONFIG"])
    return (kubeconfig.parent / f"{name}.token").read_text().strip()


class Whose(TestCase):
    def assert_session_of(self, stand, facts, kubeconfig=None):
        """Over every transport, a session that names this user."""
        for transport in TRANSPORTS:
            with self.subTest(transport=transport):
                tag = new_tag()
                done = stand.kubectl(transport, "exec", "web", "--", "echo",
                                     tag, kubeconfig=kubeconfig)
                self.assertEqual((0, f"{tag}\n".encode(), b""), done)
                self.assert_facts(stand.await_tag(tag), **facts)

    def whoami(self, stand, kubeconfig=None):
        shown = stand.kubectl("ws", "auth", "whoami", "-o",
                              "jsonpath={.status.userInfo.username}",
                              kubeconfig=kubeconfig)
        return shown.out.decode()


class Upstreams(Whose):
    """In `kubetape up` the power is that of one's own kubeconfig."""

    @classmethod
    def setUpClass(cls):  # each test has a stand of its own
        pass

    tearDownClass = setUpClass

    def test_tokens_by_every_way(self):
        for way in ("alice", "exec", "tokenfile"):
            with self.subTest(way), \
                    Stand(CLUSTER[f"{way.upper()}_KUBECONFIG"]) as stand:
                self.assertEqual("alice", self.whoami(stand))
                self.assert_session_of(stand, ALICE)

    def test_client_certificate(self):
        with Stand() as stand:
            self.assertEqual("admin", self.whoami(stand))
            self.assert_session_of(stand, {
                "user": "admin",
                "groups": ["system:masters", "system:authenticated"]})

    def test_the_kubeconfig_holds_no_secret_of_the_cluster(self):
        with Stand(CLUSTER["ALICE_KUBECONFIG"]) as stand:
            self.assertNotIn(token_of("alice"), stand.kubeconfig.read_text())
            self.assertEqual(0o600, stand.kubeconfig.stat().st_mode & 0o777)
            self.assertNotIn(token_of("alice"), stand.log())


class Passthrough(Whose):
    """The caller's own credentials go upstream, and nothing else does."""

    # The proxy's own power is the impersonator's: were it ever lent to a
    # caller, that would show as another user here.
    upstream = CLUSTER["PROXY_KUBECONFIG"]
    config = "identity: [passthrough]"

    def client(self, name):
        return self.stand.client_kubeconfig({"token": token_of(name)}, name)

    def test_two_users(self):
        alice, bob = self.client("alice"), self.client("bob")
        self.assertEqual("alice", self.whoami(self.stand, alice))
        self.assertEqual("bob", self.whoami(self.stand, bob))
        self.assert_session_of(self.stand, ALICE, alice)

    def test_rbac_is_the_callers(self):
        """bob may not, and alice having come before does not help him."""
        self.assert_session_of(self.stand, ALICE, self.client("alice"))
        tag = new_tag()
        args = ["exec", "web", "--", "true", tag]
        plain = direct("old", *args, kubeconfig=CLUSTER["BOB_KUBECONFIG"])
        refused = self.stand.kubectl("old", *args,
                                     kubeconfig=self.client("bob"))
        self.assert_same(plain, refused)
        self.assertEqual(1, refused.code)
        self.assert_facts(self.stand.await_tag(tag), status="refused",
                          user="bob")

    def test_a_token_in_a_subprotocol(self):
        """As browsers send it: a credential like any other, passed on and
        never written down."""
        word = base64.urlsafe_b64encode(token_of("alice").encode()).decode()
        tag = new_tag()
        peer = Peer(self.client("alice"))
        with peer.open() as wire:
            wire.request(
                "GET", "/api/v1/namespaces/default/pods/web/exec?command=echo"
                f"&command={tag}&container=shell&stdout=1",
                *websocket("base64url.bearer.authorization.k8s.io." +
                           word.rstrip("="), "v4.channel.k8s.io"),
                known=False)
            answer = wire.answer()
            began = answer.status == 101
            for _ in wire.messages() if began else ():
                pass
        if began:
            self.assert_facts(self.stand.await_tag(tag), **ALICE,
                              subprotocol="v4.channel.k8s.io")
        else:
            self.assertEqual(401, answer.status)
        for path in (self.stand.state / "journal").rglob("*"):
            if path.is_file():
                self.assertNotIn(word.rstrip("=").encode(), path.read_bytes())

    def test_impersonation_is_the_callers(self):
        """Asking to be another takes the right to: alice has it not."""
        args = ["get", "--raw", "/api/v1/namespaces/default/pods", "--as",
                "bob"]
        plain = direct("ws", *args, kubeconfig=CLUSTER["ALICE_KUBECONFIG"])
        self.assertEqual(1, plain.code)
        self.assert_same(plain, self.stand.kubectl(
            "ws", *args, kubeconfig=self.client("alice")))

    def test_nobody(self):
        config = self.stand.client_kubeconfig({"token": "wrong"}, "wrong")
        refused = self.stand.kubectl("ws", "get", "pods", kubeconfig=config)
        self.assertEqual((1, b""), refused[:2])
        self.assertIn(b"You must be logged in", refused.err)


if __name__ == "__main__":
    main()
