"""What is soaked: the real proxy and recorder, in front of a stand-in for the
API server that serves exec with Kubernetes' own code (load/).

Everything that is started here ends here, and lives in one temporary folder.
"""
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench"))
import meter  # noqa: E402
import stand  # noqa: E402

STOP_S = 60
PATIENCE_S = 120  # for whatever is awaited


def await_true(what, check):
    """`check` answers True, or what there is instead."""
    end = time.monotonic() + PATIENCE_S
    while True:
        have = check()
        if have is True:
            return
        if time.monotonic() > end:
            raise SystemExit(f"soak: not within {PATIENCE_S} s: {what}: {have}")
        time.sleep(0.1)


class Stage:
    def __init__(self, stack, folder, settings=None):
        self.stack = stack
        self.folder = folder
        self.state = folder / "state"
        self.settings = settings or {}
        self.load = subprocess.run([HERE / "build"], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.strip()
        self.logs = []
        self.start_api_server()
        self.write_config()
        self.recorder = self.start("kubetape-recorder")
        self.proxy = self.start("kubetape-proxy")
        self.server = "https://" + (
            self.state / "run/proxy.address").read_text().strip()

    # ---- the programs ----

    def start_api_server(self):
        self.cert, key = self.folder / "api.crt", self.folder / "api.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             key, "-out", self.cert], check=True, capture_output=True)
        process = subprocess.Popen(
            [self.load, "serve", "-cert", self.cert, "-key", key],
            stdout=subprocess.PIPE, text=True)
        self.stack.callback(process.stdout.close)
        self.stack.callback(stand.stop, process)
        self.api_server = "https://" + process.stdout.readline().strip()

    def write_config(self):
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "stand-in", "cluster": {
                "server": self.api_server,
                "certificate-authority": str(self.cert)}}],
            "users": [{"name": "u", "user": {"token": "upstream"}}],
            "contexts": [{"name": "c", "context": {
                "cluster": "stand-in", "user": "u"}}]}))
        self.config = self.folder / "kubetape.yaml"
        self.config.write_text(json.dumps({
            "state": str(self.state), "listen": "127.0.0.1:0",
            "upstream": {"kubeconfig": str(kubeconfig)},
            "identity": ["passthrough"],
            # A busy machine may take its time to start a recorder again.
            "recorder": {"timeout_ms": 60000}, **self.settings}))

    def start(self, name):
        log = self.folder / f"{name}-{len(self.logs)}.log"
        self.logs.append(log)
        return stand.start_ready(
            self.stack, [stand.program(name), "--config", self.config], log)

    @staticmethod
    def stop(process):
        """As a service manager does; whatever is not a clean end is wrong."""
        process.terminate()
        code = process.wait(STOP_S)
        if code != 0:
            raise SystemExit(f"soak: {process.args[0]} ended with {code}")

    def reload(self):
        self.proxy.send_signal(signal.SIGHUP)

    def restart_recorder(self):
        self.stop(self.recorder)
        self.recorder = self.start("kubetape-recorder")

    def ports(self):
        """That clients and the proxy connect to."""
        return [int(url.rsplit(":", 1)[1])
                for url in (self.server, self.api_server)]

    def prune(self):
        """What the rules of the configuration let go, now."""
        subprocess.run([stand.program("kubetape"), "prune", "--state",
                        self.state], check=True, stdout=subprocess.DEVNULL)

    def processes(self):
        """{pid: role}; a worker that drains is there beside its successor."""
        found = {pid: "worker" for pid in meter.tree(self.proxy.pid)}
        found[self.proxy.pid] = "proxy"
        found[self.recorder.pid] = "recorder"
        return found

    def workers(self):
        return {pid for pid, role in self.processes().items()
                if role == "worker"}

    # ---- the index ----

    def index(self):
        return sqlite3.connect(f"file:{self.state}/index.db?mode=ro", uri=True)

    def count_recorded(self):
        index = self.index()
        try:
            return index.execute(
                "SELECT (SELECT count(*) FROM removed) + (SELECT count(*) FROM "
                "sessions WHERE sealed OR status = 'refused')").fetchone()[0]
        finally:
            index.close()

    def await_recorded(self, count):
        """Until the recorder is done with all that clients had."""
        def check():
            there = self.count_recorded()
            return there >= count or f"{there} of {count}"
        await_true("every session is recorded", check)

    # ---- the clients ----

    def call(self, results, sessions, *more, server=None, ca=None):
        """Clients that run; they say "done N" on standard output."""
        process = subprocess.Popen(
            [self.load, "call", "-server", server or self.server, "-ca",
             ca or self.state / "tls/ca.crt", "-results", results,
             "-sessions", str(sessions), *map(str, more)],
            stdout=subprocess.PIPE, text=True)
        self.stack.callback(stand.stop, process)
        return process
