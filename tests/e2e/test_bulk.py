"""Much of it: nothing is lost, nothing is held in memory, and kubectl cp."""
import filecmp
import hashlib
import io
import os
import pathlib
import random
import subprocess
import tarfile
import tempfile

from harness import (BIN, TRANSPORTS, TestCase, direct, main, new_tag,
                     until)

MIB = 1 << 20
RSS_MAX_MIB = 120  # of one program while hundreds of MiB pass; a sanitizer
                   # takes most of that, and without one it is 13


def sha256_of(argv, env=None, stdin=subprocess.DEVNULL):
    """(hash, length, exit code) of what a program prints, read as it comes."""
    digest, length = hashlib.sha256(), 0
    with subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE,
                          stdin=stdin, stderr=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}) as program:
        while data := program.stdout.read1(MIB):
            digest.update(data)
            length += len(data)
    return digest.hexdigest(), length, program.returncode


def random_lines(size):
    """Text whose places differ, so that bytes lost or swapped show."""
    draw = random.Random(size)
    lines = (draw.randbytes(30).hex() + "\n" for _ in range(size // 61 + 1))
    return "".join(lines).encode()[:size]


def files_below(root):
    """{name: content}"""
    return {str(p.relative_to(root)): p.read_bytes()
            for p in root.rglob("*") if p.is_file()}


def files_in_tar(data, prefix):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name.removeprefix(prefix): tar.extractfile(m).read()
                for m in tar if m.isfile()}


def unless_cut(stand, attempt):
    """attempt(tag), again if the cluster cut its session.

    Seen on a machine under load: the API server logs that the kubelet reset
    its connection, and what was under way is lost. A kubelet that closes while
    a ping of the client is unread would do that. The recording tells whose
    doing an end was; the retry is printed."""
    for _ in range(4):
        before = {s["id"] for s in stand.sessions()}
        result = attempt()
        new = until("the sessions over", lambda: [
            s for s in stand.sessions() if s["id"] not in before
        ] if all(s["status"] != "active" for s in stand.sessions()) else [])
        if all(s["reason"] not in CUTS for s in new):
            return result
        print("(cut by the cluster) ", end="", flush=True)
    raise AssertionError("the cluster cuts every session")


CUTS = ("the API server ended the session early",
        "the connection to the API server was cut")


class Bulk(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-bulk-"))
        cls.there = f"/tmp/{cls.folder.name}"

    @classmethod
    def tearDownClass(cls):
        direct("ws", "exec", "web", "--", "rm", "-rf", cls.there)
        subprocess.run(["rm", "-rf", cls.folder], check=True)
        super().tearDownClass()

    def peak_mib(self):
        """The most memory that any of the programs ever had."""
        return max(int(pathlib.Path(f"/proc/{pid}/status").read_text()
                       .split("VmHWM:")[1].split()[0]) >> 10
                   for pid in self.stand.descendants())

    def recorded_sha256(self, session, stream):
        return sha256_of([BIN / "kubetape", "export", "--state",
                          self.stand.state, session["id"], "--format", "raw",
                          "--stream", stream], self.stand.env)

    def exec_sha256(self, transport, script, *flags, stdin=None):
        """(the tag of its command, what sha256_of says)."""
        tag = new_tag()
        return tag, sha256_of([TRANSPORTS[transport].program, "exec", *flags,
                          "web", "--", "sh", "-c", script, tag],
                         self.stand.kubectl_env(transport),
                         stdin or subprocess.DEVNULL)

    def test_256_mib_of_output(self):
        block = random_lines(16 * MIB - 7)  # so that no block lies as another
        # The shell must outlive cat: once a command holds its stdout no
        # longer, containerd takes no more of its input.
        put = direct("ws", "exec", "-i", "web", "--", "sh", "-c",
                     f"mkdir -p {self.there}; cat >{self.there}/block; "
                     f"wc -c <{self.there}/block", stdin=block)
        self.assertEqual((0, b"%d\n" % len(block)), put[:2], put)
        digest = hashlib.sha256()
        for _ in range(16):
            digest.update(block)
        expected = (digest.hexdigest(), 16 * len(block), 0)
        script = f"for i in $(seq 16); do cat {self.there}/block; done"
        for transport in ("ws", "spdy"):
            with self.subTest(transport=transport):
                tag, got = unless_cut(self.stand, lambda t=transport:
                                      self.exec_sha256(t, script))
                self.assertEqual(expected, got)
                session = self.stand.await_tag(tag)
                self.assertEqual(expected,
                                 self.recorded_sha256(session, "stdout"))
                self.assert_verified(session)
        print(f"peak {self.peak_mib()} MiB ", end="", flush=True)
        self.assertLess(self.peak_mib(), RSS_MAX_MIB)

    def test_100_mib_of_input(self):
        data = random_lines(25 * MIB - 3) * 4
        source = self.folder / "input"
        source.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        for transport in TRANSPORTS:
            with self.subTest(transport=transport):
                def send(transport=transport):
                    with open(source) as stdin:
                        return self.exec_sha256(
                            transport, "sha256sum >&2; echo end", "-i",
                            stdin=stdin)
                tag, got = unless_cut(self.stand, send)
                self.assertEqual(hashlib.sha256(b"end\n").hexdigest(), got[0])
                session = self.stand.await_tag(tag)
                self.assertEqual(f"{digest}  -\n".encode(),
                                 self.stand.raw(session, "stderr"))
                self.assertEqual((digest, len(data), 0),
                                 self.recorded_sha256(session, "stdin"))
                self.assert_verified(session)
        print(f"peak {self.peak_mib()} MiB ", end="", flush=True)
        self.assertLess(self.peak_mib(), RSS_MAX_MIB)


class Copy(TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-cp-"))

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["rm", "-rf", cls.folder], check=True)
        super().tearDownClass()

    def make_tree(self):
        tree, draw = self.folder / "tree", random.Random(7)
        for number in range(1000):
            path = tree / f"d{number % 37}" / f"Datei {number} ü"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(draw.randbytes(draw.randrange(3000)))
        return tree

    def remove_there(self, path):
        direct("ws", "exec", "web", "--", "rm", "-rf", path)

    def copy(self, transport, *paths):
        done = self.try_copy(transport, *paths)
        self.assertEqual(0, done.code, done)

    def try_copy(self, transport, *paths):
        return self.stand.kubectl(transport, "cp", "-c", "shell",
                                  *map(str, paths))

    def assert_same_files(self, expected, got):
        self.assertEqual(1000, len(expected))
        self.assertEqual(set(expected), set(got))
        self.assertEqual([], [n for n in got if expected[n] != got[n]])

    def test_tree_both_ways(self):
        tree = self.make_tree()
        files = files_below(tree)

        def one(transport):
            tag = new_tag()  # in the command of both sessions
            folder = f"/tmp/{tag}"
            self.addCleanup(self.remove_there, folder)
            direct("ws", "exec", "web", "--", "mkdir", folder)
            there = f"{folder}/tree"
            self.copy(transport, tree, f"web:{there}")
            up = self.stand.await_session(
                lambda s: {"tar", folder} <= set(s["command"]), "the upload")
            self.assert_facts(up, type="cp", status="complete", exit_code=0)
            self.assert_verified(up)
            self.assert_same_files(files, files_in_tar(
                self.stand.raw(up, "stdin"), "tree/"))
            back = self.folder / f"back-{transport}"
            self.copy(transport, f"web:{there}", back)
            self.assert_same_files(files, files_below(back))
            down = self.stand.await_session(
                lambda s: {"tar", there} <= set(s["command"]),
                "the download")
            self.assert_facts(down, type="cp", status="complete")
            self.assert_same_files(files, files_in_tar(
                self.stand.raw(down, "stdout"), there[1:] + "/"))
        self.together(one, [(t,) for t in TRANSPORTS])

    def test_200_mib_file(self):
        source = self.folder / "large"
        with open(source, "wb") as out:
            draw = random.Random(3)
            for _ in range(200):
                out.write(draw.randbytes(MIB))
        there = f"/tmp/{new_tag()}"
        self.addCleanup(self.remove_there, there)
        back = self.folder / "large-back"
        self.copy("spdy", source, f"web:{there}")
        done = unless_cut(self.stand, lambda: self.try_copy(
            "ws", f"web:{there}", back))
        self.assertEqual(0, done.code, done)
        self.assertTrue(filecmp.cmp(source, back, shallow=False))
        sessions = [s for s in self.stand.sessions()
                    if s["reason"] not in CUTS and
                    max(s["bytes"].values()) > 200 * MIB]
        self.assertEqual(2, len(sessions), sessions)
        for session in sessions:
            done = self.stand.await_session(
                lambda s, i=session["id"]: s["id"] == i)
            self.assert_facts(done, type="cp", status="complete", exit_code=0)
            self.assert_verified(done)


if __name__ == "__main__":
    main()
