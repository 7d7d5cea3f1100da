"""Rows of starting: seconds to ready, to the demo's first answer, and memory at rest."""

import subprocess
import sys
import time

from machine import BRICKYARD, ROOT, SCRATCH, TARGET, Server, clean_environment, fresh_dir, free_port
from measure import post
from workspace_config import scripted

TIMES = 5
# Ana's, of config/brickyard.yaml.
PAT = "dapi000000000000000000000000000000aa"
QUESTION = {"input": [{"role": "user", "content": "hello"}]}


def start(folder, state):
    """Milliseconds until the ready line, and the memory (MB) one second later."""
    command = [BRICKYARD, "serve", "--config", folder, "--listen", f"127.0.0.1:{free_port()}", "--data-dir", state]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment(), cwd=SCRATCH)
    try:
        line = process.stdout.readline()
        took = (time.perf_counter() - begin) * 1e3
        if b"is ready" not in line or b"FAILED" in line:
            raise SystemExit(f"brickyard did not come up well: {line!r}")
        time.sleep(1)
        status = open(f"/proc/{process.pid}/status").read()
        return took, int(status.split("VmRSS:")[1].split()[0]) / 1024
    finally:
        process.terminate()
        process.wait()


def starting(report):
    folder = fresh_dir("config/start")
    (folder / "brickyard.yaml").write_text(scripted("http://127.0.0.1:1"))
    first, again, memory, memory_again = [], [], [], []
    for _ in range(TIMES):
        state = fresh_dir("state/start")
        for times, sizes in ((first, memory), (again, memory_again)):
            took, size = start(folder, state)
            times.append(took)
            sizes.append(size)
    report.begin("Starting, scripted agents, state on disk (each figure: the ready line, counted from the fork)")
    report.figure("first start", first, 300)
    report.figure("second start, on the kept state", again, 300)
    report.figure("memory at rest", memory, 60, unit="MB")
    report.figure("memory at rest, second start", memory_again, 60, unit="MB")
    demo(report)


def demo(report):
    """What `make run` does, counted to the answer of the Python agent. The first start builds the agent's environment."""
    debug = TARGET / "debug/brickyard"
    binary, built = (debug, "as `make run` builds it") if debug.exists() else (BRICKYARD, "a release build")
    state = fresh_dir("state/demo")
    took = []
    weather = Server("weather", [sys.executable, ROOT / "config/agents/weather_service.py"], 0)
    with weather:
        for number in range(TIMES + 1):
            port = free_port()
            command = [binary, "serve", "--config", "config", "--listen", f"127.0.0.1:{port}", "--data-dir", state]
            begin = time.perf_counter()
            with Server("demo", command, port, patience=900, cwd=ROOT, ready_line="is ready at") as server:
                server.wait()
                status, _, answer = post(server.url, "/serving-endpoints/concierge/invocations", QUESTION, PAT)
                if status != 200:
                    raise SystemExit(f"the demo's agent did not answer: {status} {answer}")
                if number:
                    took.append(time.perf_counter() - begin)
    report.begin(f"The demo workspace of config/, {built}: from the fork to the answer of its Python agent")
    report.figure("second start", took, 3.0, unit="s")
