"""Rows of Python agents: one file, served by brickyard, by `mlflow models serve` and by MLflow's AgentServer."""

import json
import os
import shutil
import subprocess
import time
from contextlib import ExitStack

from environments import environment
from http_rows import asked, invocations, token_of
from machine import HERE, SCRATCH, TARGET, Server, brickyard, clean_environment, free_port
from measure import SECONDS, check, interleave, post, says, wrk
from workspace_config import BODY, python

VENV = TARGET / "python/bench"
PYTHON = VENV / "bin/python"
MODEL = SCRATCH / "model"


def install():
    """An environment with mlflow, and the agent logged in it."""
    environment("bench", HERE / "requirements.txt")
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
        calm = calm + 1 if process.workers() == seen else 0
        seen = process.workers()


def agents(report):
    with ExitStack() as stack:
        start = lambda one: stack.enter_context(one)  # noqa: E731
        served = {
            (word, traced): start(brickyard(f"{word} {'traced' if traced else 'untraced'}", python(MODEL, PYTHON, most, traced), patience=180))
            for traced in (False, True) for word, most in (("one", 1), ("two", 2), ("grown", None)) if not (traced and word == "grown")
        }
        loops = {traced: start(Loop(traced)) for traced in (False, True)}
        peers = {(word, traced): start(one) for traced in (False, True) for word, one in zip(("models", "server"), others(traced))}
        for process in (*served.values(), *loops.values(), *peers.values()):
            process.wait()
        tokens = {process: token_of(process.url) for process in served.values()}
        paths = {process: invocations("agent") for process in tokens} | {process: "/invocations" for process in peers.values()}
        for process, path in paths.items():
            check(process.name, lambda n, process=process, path=path: (
                says(post(process.url, path, asked(f"call {n}"), tokens.get(process))[2]), f"You said: call {n}"))

        def load(process, connections, **more):
            bearer = f"Bearer {tokens.get(process, 'none')}"
            return wrk(process, paths[process], BODY, bearer, connections=connections, cores=None, **more)

        # Where `max_provisioned_concurrency` caps the workers, they are kept busy with two calls for each. Where it does not,
        # as many calls at a time as workers are wanted: no call waits, so no more of them are at work, however many there are.
        settle(served["two", False], lambda: load(served["two", False], 8, seconds=1))
        each = 2 if served["two", False].workers() == 2 else 1
        many = {"one": each, "two": 2 * each, "grown": 32}
        for (word, _), process in served.items():
            if each == 1 and word == "two":
                # They have to be there before two of them can work.
                settle(process, lambda process=process: load(process, 32, seconds=1))
            settle(process, lambda process=process, word=word: load(process, many[word], seconds=1))
        calls = {("grown", False): lambda: load(served["grown", False], many["grown"])}
        for traced in (False, True):
            calls["loop", traced] = loops[traced].rate
            calls["one", traced] = lambda traced=traced: load(served["one", traced], many["one"])
            calls["two", traced] = lambda traced=traced: load(served["two", traced], many["two"])
            calls["models", traced] = lambda traced=traced: load(peers["models", traced], 32)
            calls["server", traced] = lambda traced=traced: load(peers["server", traced], 32)
        figures = interleave(calls)
        rate = {name: [one["rate"] for one in rounds] for name, rounds in figures.items()}
        workers = {name: process.workers() for name, process in served.items()}
        ratio = lambda text, ours, theirs, bar=None: report.ratio(text, rate[ours], rate[theirs], bar)  # noqa: E731
        report.begin("Python ResponsesAgent, the same file everywhere, nothing pinned")
        for traced in (False, True):
            word = "traced" if traced else "untraced"
            seen = f"{many['one']} connection(s); {workers['one', traced]} worker(s) seen"
            ratio(f"{word}: one worker ({seen}), against predict in a loop inside Python", ("one", traced), ("loop", traced), 0.85)
            seen = f"{many['two']} connections; {workers['two', traced]} worker(s) seen"
            ratio(f"{word}: two workers ({seen}), against one", ("two", traced), ("one", traced), 1.4)
        # brickyard traces when an endpoint asks for it, as Model Serving does; mlflow's servers trace unless told not to.
        ratio("each as it comes: one worker, against mlflow models serve (32 connections)", ("one", False), ("models", True), 5.0)
        ratio("each as it comes: one worker, against MLflow's AgentServer (32 connections)", ("one", False), ("server", True), 3.0)
        grown = f"workload_size Small (32 connections; {workers['grown', False]} workers seen)"
        ratio(f"each as it comes: {grown}, against mlflow models serve", ("grown", False), ("models", True))
        ratio(f"each as it comes: {grown}, against AgentServer", ("grown", False), ("server", True))
        for traced in (False, True):
            word = "all traced" if traced else "none traced"
            ratio(f"{word}: one worker, against mlflow models serve", ("one", traced), ("models", traced))
            ratio(f"{word}: one worker, against AgentServer", ("one", traced), ("server", traced))
