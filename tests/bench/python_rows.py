"""Rows of Python agents: one file, served by brickyard, by `mlflow models serve` and by MLflow's AgentServer."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

from http_rows import asked, invocations, token_of
from machine import HERE, SCRATCH, TARGET, Server, brickyard, clean_environment, free_port
from measure import SECONDS, check, interleave, post, says, wrk
from workspace_config import BODY, python

VENV = TARGET / "python/bench"
PYTHON = VENV / "bin/python"
MODEL = SCRATCH / "model"


def install():
    """An environment with mlflow, and the agent logged in it."""
    wanted = (HERE / "requirements.txt").read_text()
    stamp = VENV / ".ready"
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = shutil.which("uv") or TARGET / "python/uv/bin/uv"
        if not os.path.exists(uv):
            subprocess.run([sys.executable, "-m", "venv", TARGET / "python/uv"], check=True)
            subprocess.run([TARGET / "python/uv/bin/python", "-m", "pip", "install", "--quiet", "uv"], check=True)
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", PYTHON, "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    logged = MODEL / "MLmodel"
    if not logged.exists() or logged.stat().st_mtime < (HERE / "agent.py").stat().st_mtime:
        env = {**clean_environment(), "MLFLOW_TRACKING_URI": f"sqlite:///{SCRATCH}/logging.db"}
        subprocess.run([PYTHON, HERE / "log_agent.py", MODEL], check=True, env=env, cwd=SCRATCH, stdout=subprocess.DEVNULL)


class Loop:
    """`predict` in a loop inside one process, for as long as it is told."""

    def __init__(self, traced):
        env = {**clean_environment(), "ENABLE_MLFLOW_TRACING": "true" if traced else "false"}
        self.process = subprocess.Popen(
            [PYTHON, HERE / "predict_loop.py", MODEL, BODY], env=env, cwd=SCRATCH, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(SCRATCH / "logs/predict-loop.log", "w"))

    def wait(self):
        check("predict in a loop", lambda _: (says(json.loads(self.process.stdout.readline())), "You said: hello"), 1)
        return self

    def rate(self, seconds=SECONDS):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return {"rate": float(self.process.stdout.readline())}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def others(traced):
    """The other servers. Their traces go to a database of their own, in the background, as mlflow does by default."""
    name = "traced" if traced else "untraced"
    folder = fresh(name)
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "PATH": f"{VENV}/bin:{os.environ['PATH']}"}
    if not traced:
        env["BENCH_TRACING"] = "off"
    models, server = free_port(), free_port()
    command = [VENV / "bin/mlflow", "models", "serve", "-m", MODEL, "--env-manager", "local", "-h", "127.0.0.1", "-p", models]
    return (
        Server(f"mlflow models serve {name}", command, models, env=env, ready="/ping", patience=180, cwd=folder),
        Server(f"AgentServer {name}", [PYTHON, HERE / "agent_server.py", server], server, env=env, patience=180, cwd=folder),
    )


def fresh(name):
    folder = SCRATCH / "mlflow" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def settle(process, load):
    """Loads a server until it has as many workers as it wants: one that is starting takes a core for seconds."""
    seen, calm, deadline = -1, 0, time.monotonic() + 120
    while calm < 3 and time.monotonic() < deadline:
        load()
        calm = calm + 1 if process.children() == seen else 0
        seen = process.children()


def agents(report, traced):
    word = "traced" if traced else "untraced"
    with ExitStack() as stack:
        start = lambda one: stack.enter_context(one)  # noqa: E731
        served = lambda name, workers: start(  # noqa: E731
            brickyard(f"{name} {word}", python(MODEL, PYTHON, workers, traced), patience=180))
        one, two, grown = served("one worker", 1), served("two workers", 2), served("as deployed", None)
        loop, (models, server) = start(Loop(traced)), map(start, others(traced))
        for process in (one, two, grown, loop, models, server):
            process.wait()
        tokens = {ours: token_of(ours.url) for ours in (one, two, grown)}
        paths = {ours: invocations("agent") for ours in tokens} | {models: "/invocations", server: "/invocations"}
        for process, path in paths.items():
            check(process.name, lambda n, process=process, path=path: (
                says(post(process.url, path, asked(f"call {n}"), tokens.get(process))[2]), f"You said: call {n}"))

        def load(process, connections, **more):
            bearer = f"Bearer {tokens.get(process, 'none')}"
            return wrk(process, paths[process], BODY, bearer, connections=connections, cores=None, **more)

        for process, connections in ((one, 2), (two, 8), (grown, 32)):
            settle(process, lambda process=process, connections=connections: load(process, connections))
        workers = {process: process.children() for process in (one, two, grown)}
        figures = interleave({
            "loop": loop.rate,
            "one": lambda: load(one, 2),
            "two": lambda: load(two, 4 if workers[two] == 2 else 2),
            "grown": lambda: load(grown, 32),
            "models": lambda: load(models, 32),
            "server": lambda: load(server, 32),
        })
        rate = {name: [one["rate"] for one in rounds] for name, rounds in figures.items()}
        workers = {process: process.children() for process in (one, two, grown)}
        ratio = lambda text, name, than, bar=None: report.ratio(text, rate[name], rate[than], bar)  # noqa: E731
        report.begin(f"Python ResponsesAgent, {word}, nothing pinned")
        ratio(f"one worker (2 connections; {workers[one]} seen), against predict in a loop inside Python", "one", "loop", 0.85)
        how = "4 connections" if workers[two] == 2 else "2 connections, so two at work at once"
        ratio(f"two workers ({how}; {workers[two]} seen), against one", "two", "one", 1.4)
        bars = (5.0, 3.0) if not traced else (None, None)
        ratio("one worker, against mlflow models serve (one worker, 32 connections)", "one", "models", bars[0])
        ratio("one worker, against MLflow's AgentServer (one process, 32 connections)", "one", "server", bars[1])
        ratio(f"as deployed, workload_size Small ({workers[grown]} workers, 32 connections), against mlflow models serve", "grown", "models")
        ratio(f"as deployed, workload_size Small ({workers[grown]} workers, 32 connections), against AgentServer", "grown", "server")
