"""The real recorder over a state folder of a test's own, fed by session_maker
instead of a proxy: for tests of what it leaves on the disk."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

BIN = pathlib.Path(os.environ["KUBETAPE_BIN"])
MAKER = os.environ["SESSION_MAKER"]
PATIENCE_S = 60


class Stage:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.state = pathlib.Path(self.folder.name) / "state"
        self.state.mkdir(mode=0o700)
        self.config = self.state / "config.yaml"
        self.configure()
        self.log = open(self.state / "recorder.log", "ab")
        self.process = None

    def configure(self, recorder=None):
        """JSON is YAML."""
        self.config.write_text(json.dumps({
            "state": str(self.state), "upstream": {"kubeconfig": "/nowhere"},
            "recorder": recorder or {}}))

    def launch(self):
        """Returns at once, with the pipe on which it will say that it is
        ready."""
        read, write = os.pipe()
        self.process = subprocess.Popen(
            [BIN / "kubetape-recorder", "--config", self.config,
             f"--ready-fd={write}"], pass_fds=[write], stderr=self.log)
        os.close(write)
        return open(read, "rb")

    def start(self):
        """Returns once the recorder says that it is ready."""
        with self.launch() as ready:
            if ready.read() != b"\n":
                raise AssertionError("no recorder: " + self.said())

    def said(self):
        return (self.state / "recorder.log").read_text()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def close(self):
        if self.process is not None:
            self.end(signal.SIGKILL)
        self.log.close()
        self.folder.cleanup()

    def maker(self, count, pause_us=0):
        """Runs beside us; its standard output tells the ids."""
        return subprocess.Popen(
            [MAKER, self.state, str(count), str(pause_us)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def make(self, count):
        """Sessions that are over; returns their ids."""
        with self.maker(count) as maker:
            return maker.communicate()[0].split()

    def kubetape(self, *arguments):
        return subprocess.run(
            [BIN / "kubetape", *arguments, "--state", self.state],
            capture_output=True, text=True, timeout=PATIENCE_S)

    def rows(self):
        done = self.kubetape("ls", "--json", "--limit", "100000")
        if done.returncode != 0:
            return {}
        rows = map(json.loads, done.stdout.splitlines())
        return {row["id"]: row for row in rows}

    def await_rows(self, ids, status="complete"):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            rows = self.rows()
            if all(rows.get(i, {}).get("status") == status for i in ids):
                return rows
            if time.monotonic() > deadline:
                raise AssertionError(f"not all {status}: {self.said()}")
            time.sleep(0.05)  # between looks, not instead of them

    def leaves(self):
        text = (self.state / "ledger" / "leaves").read_text()
        return [json.loads(line) for line in text.splitlines()]
