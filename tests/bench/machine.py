"""Processes: started on given cores, waited for, measured, and ended by their own id."""

import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
SCRATCH = TARGET / "bench"
BRICKYARD = Path(os.environ.get("BENCH_BRICKYARD", TARGET / "release/brickyard"))
PEERS = Path(os.environ.get("BENCH_PEERS", TARGET / "release/brickyard-bench"))
TICK = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
# Pinned: what is measured on the first core, the load generator on the last one.
SERVER_CORE, LOAD_CORE = {CORES[0]}, {CORES[-1]}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """One process of ours, with its log beside it. `with Server(...)` ends it whatever happens."""

    def __init__(self, name, command, port, ready="/health", env=None, cores=None, patience=60, cwd=None, ready_line=None):
        self.name, self.port, self.url = name, port, f"http://127.0.0.1:{port}"
        logs = SCRATCH / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{name.replace(' ', '-').replace('/', '-')}.log"
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**clean_environment(), **(env or {})},
                cwd=cwd or SCRATCH,
                start_new_session=True,
                preexec_fn=pin,
            )
        self.ready, self.ready_line, self.deadline = ready, ready_line, time.monotonic() + patience

    def wait(self):
        """Until it answers."""
        while True:
            if self.process.poll() is not None or time.monotonic() > self.deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                self.stop()
                raise SystemExit(f"{self.name} did not come up; the end of {self.log}:\n{tail}")
            if self.ready_line is not None:
                if self.ready_line in self.log.read_text(errors="replace"):
                    return self
            elif self.answers():
                return self
            time.sleep(0.05)

    def answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", self.ready)
            return connection.getresponse().status < 500
        except OSError:
            return False

    def cpu_seconds(self):
        """Time on a core so far, of the process and not of its children."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident_mb(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def workers(self):
        """How many Python workers brickyard has: processes below its own that have none below theirs, since workers may be
        forked from one that answers nobody."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[entry.name] = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                except OSError:
                    continue
        own, below = str(self.process.pid), set()
        for pid in parents:
            at = pid
            while at in parents and at != own:
                at = parents[at]
            if at == own and pid != own:
                below.add(pid)
        return len(below - set(parents.values()))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            # Its own session: whatever it left behind, and nobody else.
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def clean_environment():
    """Nothing of the developer's that an agent, mlflow or brickyard would look at."""
    keep = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_INDEX_URL", "UV_INDEX_URL")
    return {name: value for name, value in os.environ.items() if name in keep}


def brickyard(name, config, cores=None, env=None, data_dir=None, **more):
    """`brickyard serve` as anybody starts it, state on disk."""
    port = free_port()
    folder = SCRATCH / "config" / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "brickyard.yaml").write_text(config)
    data_dir = data_dir or fresh_dir(f"state/{name.replace(' ', '-')}")
    command = [BRICKYARD, "serve", "--config", folder, "--listen", f"127.0.0.1:{port}", "--data-dir", data_dir]
    return Server(name, command, port, ready="/ready", cores=cores, env=env, **more)


def fresh_dir(name):
    import shutil

    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
