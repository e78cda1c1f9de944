"""Recordings in the hands of strangers: other programs, and a reader that was
written from the format's page alone."""
import hashlib
import subprocess

import recording_reader
from harness import (VENV_PYTHON, Terminal, TestCase, main, new_tag,
                     of_command, run, until)

SCRIPTS = {
    "text": "for i in $(seq 300); do echo line $i Grüße 🍐; done; exit 3",
    "turns": "for i in 1 2 3; do echo o $i; sleep 0.02; echo e $i >&2; "
             "sleep 0.02; done",
    "invalid": r"printf 'a\377b\n\303'; sleep 0.1; printf '\251 \303\n'",
    "binary": "head -c 700000 /bin/busybox; echo text >&2",
    "nothing": "true",
    "input": "cat",
}
SEEK = """
import hashlib, sys, pyzstd
with pyzstd.SeekableZstdFile(sys.argv[1]) as f:
    whole = f.read()
    for at in (0, 1, len(whole) // 3, len(whole) - 5):
        f.seek(at)
        assert f.read(5) == whole[at:at + 5], at
    print(hashlib.sha256(whole).hexdigest())
"""


class Formats(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.made = {name: cls.make(name) for name in SCRIPTS}
            cls.made["terminal"] = cls.make_terminal()
        except BaseException:
            cls.stand.stop()
            raise

    @classmethod
    def make(cls, name):
        """(what the client saw, its session)."""
        tag = new_tag()
        stdin = b"typed\n\xff" * 5000 if name == "input" else b""
        shown = cls.stand.kubectl(
            "ws", "exec", *(["-i"] if stdin else []), "web", "--", "sh", "-c",
            SCRIPTS[name], tag, stdin=stdin)
        return shown, cls.stand.await_tag(tag)

    @classmethod
    def make_terminal(cls):
        tag = new_tag()
        t = cls.stand.terminal(
            "ws", "exec", "-it", "web", "--", "bash", "-c",
            "echo begin; read x; clear; stty size", tag, size=(90, 30))
        t.expect(b"begin\r\n")
        t.resize(91, 31)
        t.type(b"\n")
        return t.end(), cls.stand.await_tag(tag)

    def each(self, test):
        """test(name, what the client saw, session, file) for every one."""
        for name, (shown, session) in self.made.items():
            with self.subTest(name):
                test(name, shown, session, self.stand.recording(session))

    def text(self, path):
        return subprocess.run(["zstdcat", path], check=True,
                              capture_output=True).stdout

    def test_by_the_page(self):
        key = self.stand.state / "keys/seal.pub.pem"

        def one(name, shown, session, path):
            kept = recording_reader.read(path, key)
            streams = kept.streams()
            self.assert_same_bytes(shown.out, streams["stdout"], "stdout")
            if name != "terminal":
                self.assert_same_bytes(of_command(shown), streams["stderr"],
                                       "stderr")
            self.assertEqual(session["bytes"], kept.facts["bytes"])
            self.assertEqual(shown.code, kept.facts["exit_code"])
            differ = {k for k in session if session[k] != kept.facts[k]}
            self.assertLessEqual(differ, {"size", "sealed", "file"})
            self.assertIn(b'"status"', kept.error_stream())
        self.each(one)
        self.assertEqual(b"typed\n\xff" * 5000, recording_reader.read(
            self.stand.recording(self.made["input"][1]), key)
            .streams()["stdin"])
        self.assertEqual(["90x30", "91x31"], recording_reader.read(
            self.stand.recording(self.made["terminal"][1]), key).sizes())

    def test_asciinema_plays(self):
        """On a terminal, as a person would; and `cat` shows all of it."""
        def one(_name, _shown, _session, path):
            cast = self.stand.home / "x.cast"
            cast.write_bytes(self.text(path))
            t = Terminal(["asciinema", "play", "-s", "100", cast],
                         {"TERM": "xterm-256color"})
            self.assertEqual(0, t.end().code)
            catted = Terminal(["asciinema", "cat", cast]).end()
            self.assertEqual(0, catted.code, catted)
        self.each(one)

    def test_asciinema_shows_what_was_seen(self):
        shown, session = self.made["terminal"]
        cast = self.stand.home / "x.cast"
        cast.write_bytes(self.text(self.stand.recording(session)))
        catted = Terminal(["asciinema", "cat", cast]).end()
        self.assertIn(shown.out.replace(b"\r\n", b"\n"),
                      catted.out.replace(b"\r", b""))

    def test_own_player_shows_what_was_seen(self):
        shown, session = self.made["text"]
        played = self.stand.tape("play", session["id"], "--speed", "1000")
        self.assertEqual((0, b""), (played.code, played.err), played)
        self.assert_same_bytes(shown.out, played.out, "played")

    def test_another_zstd_seeks(self):
        def one(_name, _shown, _session, path):
            done = run([VENV_PYTHON, "-c", SEEK, path])
            self.assertEqual(0, done.code, done)
            self.assertEqual(hashlib.sha256(self.text(path)).hexdigest(),
                             done.out.decode().strip())
        self.each(one)

    def test_read_while_it_runs(self):
        """What a running session has written is whole frames already."""
        tag = new_tag()
        t = self.stand.terminal("ws", "exec", "-it", "web", "--", "sh", "-c",
                                "echo begin; read x; echo end", tag)
        t.expect(b"begin\r\n")
        found = until("it in the index", lambda: self.stand.by_tag(tag))[0]
        self.assertEqual(("active", False), (found["status"],
                                             found["sealed"]))
        path = self.stand.recording(found)
        text = until("output on disk", lambda: path.exists() and
                     b"begin" in run(["zstdcat", path]).out and
                     run(["zstdcat", path]))
        self.assertEqual((0, b""), (text.code, text.err))
        verdict = self.stand.tape("verify", found["id"])
        self.assertEqual(0, verdict.code, verdict)
        t.type(b"\n")
        self.assertEqual(0, t.end().code)
        self.assert_verified(self.stand.await_tag(tag))

    def test_any_change_is_found(self):
        """One byte of text, of a seal, of the table; a cut; a swap."""
        _, session = self.made["text"]
        whole = self.stand.recording(session).read_bytes()
        _, other = self.made["turns"]
        lie = self.stand.home / self.stand.recording(session).name
        pieces = recording_reader.split(whole)
        at, changed = 0, []
        for kind, raw in pieces:
            middle = at + len(raw) * 3 // 4
            changed.append((f"a byte of the {kind} at {at}", whole[:middle] +
                            bytes([whole[middle] ^ 1]) + whole[middle + 1:]))
            at += len(raw)
        changed += [
            ("cut at a seal", b"".join(raw for _, raw in pieces[:2])),
            ("cut in a frame", whole[:len(whole) // 2]),
            ("a frame taken out", b"".join(
                raw for i, (_, raw) in enumerate(pieces) if i not in (2, 3))),
            ("another's", self.stand.recording(other).read_bytes()),
            ("something behind", whole + b"\0"),
        ]
        for what, data in changed:
            with self.subTest(what):
                lie.write_bytes(data)
                verdict = self.stand.tape("verify", lie)
                self.assertEqual(1, verdict.code, verdict)


if __name__ == "__main__":
    main()
