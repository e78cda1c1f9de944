"""Shells on a terminal: what a person sees and types, and sizes that change."""
import json
import subprocess

from harness import (ADMIN, TRANSPORTS, TestCase, Terminal, direct,
                     kubectl_env, main, new_tag)

# Typed once the prompt is there, so that echo and output come in one order.
AWAIT_SIZE = 'while [ "$(stty size)" != "%d %d" ]; do :; done; echo at-size\n'


def shell_words(tag):
    """A bash whose echo is the kernel's, so that two runs show the same."""
    return ["env", f"TAG={tag}", "PS1=ready> ", "bash", "--norc",
            "--noediting"]


class Shell(TestCase):
    config = "identity: [local]\nrecord:\n  stdin: always"

    def drive(self, transport, words, env):
        """One session as a person would have it; the terminal afterwards."""
        t = Terminal([TRANSPORTS[transport].program, "exec", "-it", "web",
                      "--", *words], env, size=(100, 40))
        typed = b""

        def say(line):
            nonlocal typed
            t.expect(b"ready> ")
            t.type(line)
            typed += line

        say((AWAIT_SIZE % (40, 100)).encode())
        t.expect(b"at-size\r\n")
        say("echo Grüße 🍐\n".encode())
        say(b"printf '\\033[1mbold\\033[0m\\377\\n'; tty >&2\n")
        t.expect(b"ready> ")
        t.resize(132, 50)
        t.type((AWAIT_SIZE % (50, 132)).encode())
        typed += (AWAIT_SIZE % (50, 132)).encode()
        t.expect(b"at-size\r\n")
        say(b"cat\n")
        t.expect(b"cat\r\n")
        t.type(b"until the end\n\x04")
        typed += b"until the end\n\x04"
        say(b"exit 7\n")
        return t.end(), typed

    def one(self, transport):
        tag = new_tag()
        words = shell_words(tag)
        plain, _ = self.drive(transport, words,
                              kubectl_env(TRANSPORTS[transport], ADMIN))
        taped, typed = self.drive(transport, words,
                                  self.stand.kubectl_env(transport))
        self.assertEqual(7, plain.code, plain)
        # Each has a pseudo-terminal of its own number.
        self.assertIn(b"/dev/pts/", taped.out)
        self.assert_same_bytes(without_tty(plain.out), without_tty(taped.out),
                               "terminal")
        self.assertEqual((plain.code, plain.err), (taped.code, taped.err))

        session = self.stand.await_tag(tag)
        self.assert_recorded(session, typed, taped.out, b"")
        self.assert_facts(session, status="complete", type="exec", tty=True,
                          exit_code=7, command=words, container="shell",
                          protocol=TRANSPORTS[transport].protocol,
                          subprotocol=TRANSPORTS[transport].subprotocol)
        self.assert_sizes(session)

    def assert_sizes(self, session):
        """The first size is the header's, the later ones are events."""
        text = subprocess.run(["zstdcat", self.stand.recording(session)],
                              check=True, capture_output=True).stdout
        header, *events = [json.loads(line) for line in text.splitlines()]
        sizes = [f"{header['width']}x{header['height']}"]
        sizes += [data for _, code, data in events if code == "r"]
        self.assertEqual(("100x40", "132x50"), (sizes[0], sizes[-1]), sizes)

    def test_as_without_us_and_recorded(self):
        self.together(self.one, [(t,) for t in TRANSPORTS])

    def test_line_editing(self):
        """Arrows and deletions are drawn by readline, and kept as drawn."""
        def one(transport):
            tag = new_tag()
            t = self.stand.terminal(
                transport, "exec", "-it", "web", "--", "env", f"TAG={tag}",
                "PS1=ready> ", "TERM=xterm", "bash", "--norc")
            t.expect(b"ready> ")
            t.type(b"echo wrnog\x1b[D\x1b[D\x1b[D\x7f\x1b[C\x1b[Cx\x01#\n")
            t.expect(b"ready> ")
            t.type(b"\x04")
            done = t.end()
            session = self.stand.await_tag(tag)
            self.assertEqual(0, done.code, done)
            self.assert_recorded(session, stdout=done.out)
        self.together(one, [(t,) for t in TRANSPORTS])

    def test_attach(self):
        """To a shell that ran before, left by hanging up."""
        for transport in TRANSPORTS:  # one after the other: it is one shell
            with self.subTest(transport=transport):
                tag = new_tag()
                with self.stand.new_session(type="attach", pod="tty") as found:
                    t = self.stand.terminal(transport, "attach", "-it", "tty")
                    t.await_raw()
                    t.type(f"\x15: $((40+2)) {tag}; echo {tag}-$((40+2))\n"
                           .encode())
                    t.expect(f"{tag}-42\r\n".encode())
                    left = t.close()
                session = found[0]
                shown = self.stand.raw(session, "stdout")
                self.assertIn(f"{tag}-42\r\n".encode(), shown)
                self.assertTrue(shown.startswith(left.out), left)
                self.assert_verified(session)
                self.assert_facts(session, tty=True, container="tty",
                                  command=[])


class TypedSecrets(TestCase):
    """Without a word of policy, what is typed on a terminal is not kept."""

    def test_input_is_counted_and_not_kept(self):
        tag = new_tag()
        t = self.stand.terminal(
            "ws", "exec", "-it", "web", "--", "bash", "-c",
            "stty -echo; echo ask; read secret; echo ${#secret}", tag)
        t.expect(b"ask\r\n")
        t.type(b"hunter2\n")
        self.assertEqual((0, b"ask\r\n7\r\n", b""), t.end())
        session = self.stand.await_tag(tag)
        self.assertEqual(8, session["bytes"]["stdin"])
        self.assertEqual(b"", self.stand.raw(session, "stdin"))
        self.assertNotIn(b"hunter2", subprocess.run(
            ["zstdcat", self.stand.recording(session)], check=True,
            capture_output=True).stdout)


class NoTerminalHere(TestCase):
    def test_t_without_a_terminal(self):
        """kubectl warns and goes on; the API server makes a terminal."""
        for transport in TRANSPORTS:
            with self.subTest(transport=transport):
                tag = new_tag()
                args = ["exec", "-t", "web", "--", "sh", "-c", "echo x", tag]
                plain = direct(transport, *args)
                taped = self.stand.kubectl(transport, *args)
                self.assert_same(plain, taped)
                session = self.stand.await_tag(tag)
                self.assert_recorded(session, stdout=taped.out)


def without_tty(shown):
    head, _, rest = shown.rpartition(b"/dev/pts/")
    return head + rest.partition(b"\r\n")[2]


if __name__ == "__main__":
    main()
