"""What is measured: the API server of tests/cluster, and in front of it, both
alike (one thread on core 0, one certificate, TLS to TLS), haproxy and kubetape.

Everything that is started here ends here, and lives in one temporary folder.
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import meter

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("KUBETAPE_BUILD", ROOT / "build/release"))
PINNED_TO = {0}
PATIENCE = 20  # seconds for a server to start or end

HAPROXY = """\
global
    nbthread 1
    maxconn 2000
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
    mode http
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend clients
    bind {address} ssl crt {folder}/proxy.both.pem alpn http/1.1
    default_backend api
backend api
    server api {upstream} ssl verify required ca-file {upstream_ca} alpn http/1.1
"""


class Target:
    """A way to the API server, and the processes that make it."""

    def __init__(self, name, address):
        self.name = name
        self.address = address
        self.kubeconfig = None
        self.proxy_pid = None
        self.recorder_pid = None

    def proxy_cpu(self):
        return meter.cpu_seconds(meter.tree(self.proxy_pid))

    def recorder_cpu(self):
        return meter.cpu_seconds(meter.tree(self.recorder_pid))

    def memory_kib(self):
        pids = [p for p in (self.proxy_pid, self.recorder_pid) if p]
        return sum(meter.memory_kib(meter.tree(p)) for p in pids)

    def wait_until_recorded(self):
        """Until the recorder has nothing left to do."""
        deadline = time.monotonic() + 60
        before = -1.0
        while self.recorder_pid and time.monotonic() < deadline:
            now = self.recorder_cpu()
            if now == before:
                return
            before = now
            time.sleep(0.5)


def program(name):
    for folder in ("bin", "bench"):
        path = BUILD / folder / name
        if path.exists():
            return str(path)
    raise SystemExit(f"bench: no {name} in {BUILD}: run make build first")


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


def start(stack, argv, log, pinned=False, **options):
    """A process that ends with `stack`; what it says goes to the file `log`."""
    def pin():
        if pinned:
            os.sched_setaffinity(0, PINNED_TO)

    out = stack.enter_context(open(log, "wb"))
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                               stderr=out, preexec_fn=pin, **options)
    stack.callback(stop, process)
    return process


def stop(process):
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_ready(stack, argv, log, pinned=False):
    """The same, returning once the program has said so on --ready-fd."""
    ready, ready_in = os.pipe()
    process = start(stack, [*argv, "--ready-fd", str(ready_in)], log, pinned,
                    pass_fds=[ready_in])
    os.close(ready_in)
    with open(ready, "rb") as f:
        if not f.read(1):
            raise SystemExit(f"bench: {argv[0]} did not start: "
                             f"{pathlib.Path(log).read_text()[-2000:]}")
    return process


def wait_for_port(address, process, log):
    host, port = address.rsplit(":", 1)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port)), 1).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"bench: nothing listens on {address}: "
                     f"{pathlib.Path(log).read_text()[-2000:]}")


class Stand:
    def __init__(self, stack):
        self.stack = stack
        self.folder = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="kubetape-bench-")))
        self.env = self.bring_up_cluster()
        upstream = self.env["API_SERVER"].removeprefix("https://")
        self.make_certificate()
        alice = pathlib.Path(self.env["ALICE_KUBECONFIG"])
        self.token_file = alice.with_name("alice.token")
        self.token = self.token_file.read_text().strip()
        self.direct = Target("direct", upstream)
        self.haproxy = self.start_haproxy("haproxy", upstream, self.env["API_CA"])
        self.kubetape = self.start_kubetape("kubetape")
        self.targets = [self.direct, self.haproxy, self.kubetape]
        for target in self.targets:
            target.kubeconfig = self.write_kubeconfig(target)

    def bring_up_cluster(self):
        cluster = ROOT / "tests/cluster"
        was_up = subprocess.run([cluster / "env"],
                                capture_output=True).returncode == 0
        if not was_up:
            print("bench: starting the test cluster", flush=True)
            self.stack.callback(subprocess.run, [cluster / "down"],
                                stdout=subprocess.DEVNULL)
        subprocess.run([cluster / "up"], check=True, stdout=subprocess.DEVNULL)
        out = subprocess.run(
            ["bash", "-c", f'eval "$({cluster}/env)" && env -0'], check=True,
            capture_output=True, text=True).stdout
        return dict(pair.split("=", 1) for pair in out.split("\0") if pair)

    def make_certificate(self):
        """One for both proxies; P-256, like the one kubetape makes itself."""
        cert, key = self.folder / "proxy.pem", self.folder / "proxy.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             key, "-out", cert], check=True, capture_output=True)
        (self.folder / "proxy.both.pem").write_text(
            cert.read_text() + key.read_text())
        self.ca = self.folder / "trusted.pem"  # for clients of any target
        self.ca.write_text(cert.read_text() +
                           pathlib.Path(self.env["API_CA"]).read_text())

    def start_haproxy(self, name, upstream, upstream_ca):
        target = Target("haproxy", free_address())
        config, log = self.folder / f"{name}.cfg", self.folder / f"{name}.log"
        config.write_text(HAPROXY.format(
            address=target.address, folder=self.folder, upstream=upstream,
            upstream_ca=upstream_ca))
        process = start(self.stack, ["haproxy", "-db", "-f", config], log,
                        pinned=True)
        wait_for_port(target.address, process, log)
        target.proxy_pid = process.pid
        return target

    def start_kubetape(self, name, **settings):
        target = Target(name, free_address())
        config = self.folder / f"{name}.yaml"
        config.write_text(json.dumps({
            "state": str(self.folder / f"{name}-state"),
            "listen": target.address,
            "identity": ["passthrough"],
            "upstream": {"kubeconfig": self.env["ALICE_KUBECONFIG"]},
            "tls": {"cert": str(self.folder / "proxy.pem"),
                    "key": str(self.folder / "proxy.key")},
            "log": {"level": "warn"},
            **settings,
        }))
        recorder = start_ready(
            self.stack, [program("kubetape-recorder"), "--config", config],
            self.folder / f"{name}-recorder.log")
        proxy = start_ready(
            self.stack, [program("kubetape-proxy"), "--config", config],
            self.folder / f"{name}-proxy.log", pinned=True)
        target.proxy_pid, target.recorder_pid = proxy.pid, recorder.pid
        return target

    def write_kubeconfig(self, target):
        path = self.folder / f"{target.name}.kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {
                "server": f"https://{target.address}",
                "certificate-authority": str(self.ca)}}],
            "users": [{"name": "alice", "user": {"token": self.token}}],
            "contexts": [{"name": "bench", "context": {
                "cluster": "bench", "user": "alice"}}],
        }))
        return path


@contextlib.contextmanager
def open_stand():
    """Also ends everything on SIGTERM and SIGINT."""
    def leave(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    with contextlib.ExitStack() as stack:
        yield Stand(stack)
