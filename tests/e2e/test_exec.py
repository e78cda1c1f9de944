"""Commands without a terminal: every byte of theirs, both ways, over every
transport, as straight to the API server; and the recording has the same."""
import concurrent.futures
import random
import subprocess

from harness import TRANSPORTS, TestCase, direct, main, new_tag, of_command

HALF = r"""printf '\303'; sleep 0.2; printf '\251\n'; \
printf '\360\237' >&2; sleep 0.2; printf '\215\220\n' >&2"""
TURNS = """for i in 1 2 3 4 5; do
    echo out $i; sleep 0.03; echo err $i >&2; sleep 0.03; done"""

HUNG_S = 60  # what takes seconds under sanitizers

# name: (shell script, input, exit code)
SCRIPTS = {
    "nothing at all": ("true", None, 0),
    "one line": ("echo hello", None, 0),
    "no newline": ("printf x", None, 0),
    "exit code 1": ("echo no >&2; exit 1", None, 1),
    "exit code 137": ("echo much; exit 137", None, 137),
    "killed by a signal": ("kill -9 $$", None, 137),
    "both streams in turns": (TURNS, None, 0),
    "a terminal's escapes": (r"printf '\033[31mred\033[0m\r\n\a\b\0end'",
                             None, 0),
    "invalid UTF-8": (r"printf 'a\377b\303(\355\240\200\n'; printf '\200' >&2",
                      None, 0),
    "characters in halves": (HALF, None, 0),
    "every byte": ("cat", bytes(range(256)) * 3, 0),
    "a program's file": ("dd if=/bin/busybox bs=64k count=16 2>/dev/null",
                         None, 0),
    "one byte of input": ("cat", b"x", 0),
    "empty input": ("cat; echo end", b"", 0),
    "UTF-8 of every length": ("cat", "aé€🍐\n".encode() * 4000, 0),
    "half-close": ("n=$(wc -c); echo got $n; echo end >&2", b"line\n" * 99, 0),
    "input that nobody reads": ("echo done", b"unread\n" * 20000, 0),
    "a megabyte each way": ("cat", random.Random(1).randbytes(1 << 20), 0),
}


class Exec(TestCase):
    def both_ways(self, transport, script, stdin):
        """(the command's words, straight to the API server, through here)"""
        words = ["sh", "-c", script, new_tag()]
        args = ["exec", "web", *(["-i"] if stdin is not None else []),
                "--", *words]
        return words, *(
            to(transport, *args, stdin=stdin or b"", timeout=HUNG_S)
            for to in (direct, self.stand.kubectl))

    def unless_hung(self, *case):
        """At times kubectl never ends over SPDY while it holds input that the
        command did not wait for: so it does straight to the API server, 8
        times in 500 on a machine with more to do than it can."""
        for _ in range(4):
            try:
                return self.both_ways(*case)
            except subprocess.TimeoutExpired as hung:
                print(f"(hung: {hung.cmd[0]}) ", end="", flush=True)
        return self.both_ways(*case)

    def one(self, transport, name):
        script, stdin, code = SCRIPTS[name]
        words, plain, taped = self.unless_hung(transport, script, stdin)
        tag = words[-1]
        self.assertEqual(code, plain.code, plain.err)
        self.assert_same(plain, taped)

        session = self.stand.await_tag(tag)
        kept_input = stdin or b""
        if name == "input that nobody reads":
            # How much of it was sent before the end is the client's affair.
            kept_input = self.stand.raw(session, "stdin")
            self.assertTrue(stdin.startswith(kept_input))
        self.assert_recorded(session, kept_input, taped.out,
                             of_command(taped))
        t = TRANSPORTS[transport]
        self.assert_facts(
            session, status="complete", type="exec", namespace="default",
            pod="web", container="shell", command=words, tty=False,
            protocol=t.protocol, subprotocol=t.subprotocol, exit_code=code,
            user="admin", groups=["system:masters", "system:authenticated"])
        self.assertTrue(session["source"].startswith("127.0.0.1:"), session)

    def test_as_without_us_and_recorded(self):
        self.together(self.one, [(t, name) for name in SCRIPTS
                                 for t in TRANSPORTS])

    def test_random_output_is_what_the_client_got(self):
        def one(transport):
            tag = new_tag()
            taped = self.stand.kubectl(
                transport, "exec", "web", "--", "sh", "-c",
                "head -c 1048576 /dev/urandom", tag)
            self.assertEqual((0, 1 << 20), (taped.code, len(taped.out)))
            self.assert_recorded(self.stand.await_tag(tag), b"", taped.out,
                                 b"")
        self.together(one, [(t,) for t in TRANSPORTS])

    def test_containers(self):
        def one(transport, flags, container):
            tag = new_tag()
            args = ["exec", "two", *flags, "--", "sh", "-c",
                    "echo $CONTAINER", tag]
            plain = direct(transport, *args)
            taped = self.stand.kubectl(transport, *args)
            self.assert_same(plain, taped)
            self.assertEqual(container.encode() + b"\n", taped.out)
            self.assert_facts(self.stand.await_tag(tag), pod="two",
                              container=container)
        self.together(one, [(t, *case) for t in TRANSPORTS for case in (
            ([], "second"), (["-c", "first"], "first"))])

    def test_words_stay_words(self):
        """Spaces, quotes, newlines and other alphabets in arguments."""
        tag = new_tag()
        words = ["printf", "[%s]", "two words", "", "a'b\"c", "line\nline",
                 "%41+&=;", "Grüße 🍐", tag]
        plain = direct("ws", "exec", "web", "--", *words)
        taped = self.stand.kubectl("ws", "exec", "web", "--", *words)
        self.assert_same(plain, taped)
        self.assert_facts(self.stand.await_tag(tag), command=words)

    def test_ten_at_once(self):
        """None gets a byte of another's."""
        def one(number, transport):
            tag = new_tag()
            script = f"for i in $(seq 1 2000); do echo {number} $i; done"
            taped = self.stand.kubectl(transport, "exec", "web", "--", "sh",
                                       "-c", script, tag)
            expected = b"".join(b"%d %d\n" % (number, i)
                                for i in range(1, 2001))
            self.assertEqual(0, taped.code, taped.err)
            self.assert_same_bytes(expected, taped.out, "stdout")
            self.assert_recorded(self.stand.await_tag(tag), b"", expected, b"")
        names = list(TRANSPORTS)
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            for done in [pool.submit(one, n, names[n % 3]) for n in range(10)]:
                done.result()


if __name__ == "__main__":
    main()
