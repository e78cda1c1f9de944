"""Small disks for a state folder, that fill up, turn read-only and fail; and the
recorder beside the proxy.

The disks are real file systems on loop devices, so that their errors are the
kernel's own. Making them needs root; where that is refused a test fails, and
says so.
"""
import collections
import contextlib
import fcntl
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading

from proxy_stage import (DEADLINE_S, EXEC, SERVER_CLOSE, SUCCESS, Cut,
                         ask_for_session, await_true, grant, read_body, said)

MIB = 1 << 20
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
LONG_S = 60  # for what a loaded machine takes its time with


def root(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(
            f"{' '.join(map(str, argv))}: {done.stderr.strip()} "
            "(these tests mount file systems: they need root)")
    return done.stdout.strip()


class Disk:
    """An ext4 of its own in an image file."""

    def __init__(self, size_mib, folder, options="errors=remount-ro"):
        self.folder = folder
        self.image = folder / "image"
        self.mount = folder / "mount"
        self.mount.mkdir()
        with open(self.image, "wb") as f:
            f.truncate(size_mib * MIB)
        # No blocks are kept for root, or it would find room in a full disk.
        root("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", self.image)
        self.device = root("losetup", "--find", "--show", self.image)
        root("mount", "-o", options, self.device, self.mount)
        self.state = self.mount / "state"

    def fill(self):
        """All that is free, up to the last block."""
        with open(self.mount / "filler", "wb") as f:
            left = os.statvfs(self.mount)
            with contextlib.suppress(OSError):
                os.posix_fallocate(f.fileno(), 0, left.f_bavail * left.f_frsize)
            with contextlib.suppress(OSError):
                while True:
                    os.write(f.fileno(), bytes(4096))

    def free(self):
        (self.mount / "filler").unlink()

    def fail(self):
        """The file system gives up: every write is an I/O error from here."""
        fd = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, b"\2\0\0\0")  # without a flush
        finally:
            os.close(fd)

    def turn_read_only(self):
        """As ext4 does by itself when it finds itself damaged."""
        name = pathlib.Path(self.device).name
        pathlib.Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("test")

    def close(self):
        root("umount", "--lazy", self.mount)
        root("losetup", "--detach", self.device)


@contextlib.contextmanager
def small_disk(size_mib=400, **more):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-disk-"))
    disk = None
    try:
        disk = Disk(size_mib, folder, **more)
        yield disk
    finally:
        if disk is not None:
            disk.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def thin_disk():
    """One whose image is on a file system smaller than it says to be: blocks
    are reserved and written, until the kernel writes them back."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubetape-thin-"))
    root("mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder)
    disk = None
    try:
        disk = Disk(300, folder, options="errors=continue")
        yield disk
    finally:
        if disk is not None:
            disk.close()
        root("umount", "--lazy", folder)
        folder.rmdir()


@contextlib.contextmanager
def slowed(disk, proxy, bytes_per_s):
    """A disk that takes no more than so much of what the worker syncs."""
    group = pathlib.Path("/sys/fs/cgroup/blkio") / disk.folder.name
    try:
        group.mkdir()
        device = os.stat(disk.device).st_rdev
        (group / "blkio.throttle.write_bps_device").write_text(
            f"{os.major(device)}:{os.minor(device)} {bytes_per_s}")
        (group / "cgroup.procs").write_text(str(proxy.worker()))
    except OSError as e:
        raise AssertionError(f"no disk can be slowed here: {e}") from e
    try:
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(proxy.worker()))
        group.rmdir()


class Recorder:
    """kubetape-recorder on a proxy's state folder."""

    def __init__(self, proxy):
        self.path = proxy.folder / "recorder.log"
        with open(self.path, "ab") as log:
            self.process = subprocess.Popen(
                [pathlib.Path(os.environ["KUBETAPE_BIN"]) /
                 "kubetape-recorder", "--config",
                 proxy.folder / "config.yaml"], stderr=log)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        code = self.process.wait(LONG_S)
        said_last = self.path.read_text(errors="replace")
        for word in ("AddressSanitizer", "runtime error", "Assertion"):
            assert word not in said_last, said_last[-8000:]
        return code


@contextlib.contextmanager
def recorder_of(proxy):
    recorder = Recorder(proxy)
    try:
        yield recorder
    finally:
        if recorder.process.poll() is None:
            recorder.stop()


def tape(proxy, *argv):
    """An auditor's kubetape."""
    return subprocess.run(
        [pathlib.Path(os.environ["KUBETAPE_BIN"]) / "kubetape", argv[0],
         "--state", proxy.state, *argv[1:]], capture_output=True, check=False)


def log_of(proxy):
    return (proxy.folder / "log").read_text(errors="replace")


def count_in_log(proxy, pattern):
    return len(re.findall(pattern, log_of(proxy)))


def await_log(proxy, pattern, deadline_s=LONG_S):
    await_true(f"the log says {pattern!r}",
               lambda: count_in_log(proxy, pattern), deadline_s)


def cpu_s(pid):
    """What a process has used, in seconds."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    user, system = stat.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


# ---- a session whose two ends are in the test's hands ----

class Talk:
    """`send` says something as the server, `client` is the user's end."""

    def __init__(self, api, proxy, receive_buffer=None):
        self.over = threading.Event()
        self.came = queue.Queue()
        api.on(EXEC, self._serve)
        self.client = proxy.connect(receive_buffer)
        self.head = ask_for_session(self.client)
        self.id = self.head.get("Kubetape-Session")
        if self.head.status == 101:
            self.server = self.came.get(timeout=DEADLINE_S)
        self.data = bytearray()

    def _serve(self, c, request):
        grant(c, request)
        self.came.put(c)
        self.over.wait()
        c.is_open = False

    def send(self, data):
        self.server.send(data)

    def refused(self):
        """The answer's Status, where there is no session."""
        return read_body(self.client.stream, self.head, True)

    def hear(self, size):
        """At least so many bytes, or the end."""
        while len(self.data) < size:
            more = self.client.stream.bytes or self.client.tls.recv(MIB)
            if not more:
                break
            self.data += more
            self.client.stream.bytes.clear()
        return self.data

    def hear_end(self):
        """"end" or "cut"; all that came is in `data`."""
        self.client.tls.sock.settimeout(LONG_S)
        try:
            self.hear(1 << 40)
            return "end"
        except (Cut, OSError):
            return "cut"

    def close(self):
        self.over.set()


class Flood(threading.Thread):
    """Output without end but `size`, each 32 KiB of it different."""

    BLOCK = 32768

    def __init__(self, talk, size, is_last=True):
        super().__init__(daemon=True)
        self.talk = talk
        self.is_last = is_last  # the session ends behind it
        self.count = size // self.BLOCK
        self.start()

    @classmethod
    def block(cls, number):
        return b"%015d\n" % number * (cls.BLOCK // 16)

    @classmethod
    def expected(cls, size):
        return b"".join(cls.block(n) for n in range(size // cls.BLOCK + 1))[
            :size]

    def run(self):
        self.talk.server.tls.sock.settimeout(LONG_S)
        try:
            for number in range(self.count):
                self.talk.send(said(1, self.block(number)))
            if self.is_last:
                self.talk.send(SUCCESS + SERVER_CLOSE)
                self.talk.server.tls.end()
        except OSError:
            pass


class Listener(threading.Thread):
    """Hears a talk to its end, meanwhile."""

    def __init__(self, talk):
        super().__init__(daemon=True)
        self.talk = talk
        self.how = None
        self.start()

    def run(self):
        self.how = self.talk.hear_end()

    def heard(self):
        return len(self.talk.data)

    def await_end(self):
        self.join(LONG_S)
        assert self.how is not None, f"no end after {self.heard()} bytes"
        return self.how

    def await_rest(self):
        """Until nothing more comes."""
        last = [-1]

        def is_still():
            was, last[0] = last[0], self.heard()
            return was == last[0]
        await_true("output stands still", is_still, LONG_S, 0.3)
        return self.heard()


Heard = collections.namedtuple("Heard", "channels is_whole has_close")


def parse(data):
    """What a server's frames say, by channel; whether the last is whole."""
    channels = [bytearray() for _ in range(4)]
    at, has_close = 0, False
    view = memoryview(data)
    while at + 2 <= len(data):
        opcode, size, head = data[at] & 15, data[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2:at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(data[at + 2:at + 10], "big"), 10
        part = view[at + head:at + head + size]
        if opcode == 8:
            has_close = True
        elif len(part) > 0:
            channels[part[0]] += part[1:]
        if at + head + size > len(data):
            return Heard(channels, False, has_close)
        at += head + size
    return Heard(channels, at == len(data), has_close)
