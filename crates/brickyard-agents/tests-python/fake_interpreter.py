"""Stands where an agent's interpreter stands: gets the script of a worker, or of their template, and plays it.

It uses the real script's frames and its real request loop, with a model that does what the request's body says, so
that every behaviour of a worker can be tested without mlflow. Some of them are what no honest worker does.
"""

import importlib.util
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True


def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


folder, script = os.path.split(sys.argv[1])
sys.path.insert(0, folder)
worker = module("brickyard_worker", os.path.join(folder, "brickyard_worker.py"))
channel = None
kept = {}


def act(fields):
    """What the body asks for."""
    request = running.current
    do = fields.get("do", "echo")
    if do == "echo":
        time.sleep(fields.get("for", 0))
        return {"echo": fields.get("text"), "token": worker.fetch_obo_token()}
    if do == "spin":
        # Pure Python that never waits.
        end = time.monotonic() + fields["for"]
        while time.monotonic() < end:
            pass
        return {"echo": "spun"}
    if do == "deaf":
        # Agents that catch everything.
        end = time.monotonic() + fields["for"]
        while time.monotonic() < end:
            try:
                time.sleep(0.05)
            except BaseException:
                pass
        return {"echo": "deaf"}
    if do == "die":
        os._exit(3)
    if do == "raise":
        raise ValueError(fields["text"])
    if do == "exit":
        sys.exit("bye")
    if do == "flood":
        block = b"flood " * 10_000 + b"\n"
        for _ in range(fields["megabytes"] * 1024 * 1024 // len(block)):
            os.write(1, block)
        os.write(2, b"\xff\xfe no text\n")
        return {"echo": "flooded"}
    if do == "twice":
        channel.send(request, worker.ANSWER, b'{"echo":"first"}')
        return {"echo": "second"}
    if do == "twice later":
        threading.Timer(0.05, channel.send, (request, worker.ANSWER, b'{"echo":"late"}')).start()
        return {"echo": "early"}
    if do == "wrong id":
        channel.send(request ^ 1, worker.ANSWER, b'{"echo":"foreign"}')
        time.sleep(60)
    if do == "wrong kind":
        channel.send(request, worker.READY, b"{}")
        time.sleep(60)
    if do == "noise":
        channel.sock.sendall(b"\xff" * 64)
        time.sleep(60)
    if do == "answer inside a stream":
        channel.send(request, worker.CHUNK, b'"one"')
        channel.send(request, worker.ANSWER, b'"two"')
        time.sleep(60)
    if do == "close":
        channel.sock.shutdown(socket.SHUT_RDWR)
        time.sleep(60)
    if do == "children":
        # One stays in the group, one leaves it, as daemons do.
        code = "import time; time.sleep(600)"
        one = subprocess.Popen([sys.executable, "-c", code])
        two = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        if os.fork() == 0:
            time.sleep(600)
        return {"pids": [os.getpid(), one.pid, two.pid]}
    if do == "environment":
        with open("/proc/self/environ") as file:
            shown = dict(line.split("=", 1) for line in file.read().split("\0") if line)
        return {"environ": dict(os.environ), "shown": shown, "parent": os.getppid(), "argv": sys.argv[1:], "cwd": os.getcwd(), "fds": open_files(), "core": resource.getrlimit(resource.RLIMIT_CORE)}
    if do == "open":
        opened = {}
        for path in fields["paths"]:
            try:
                with open(path, "rb") as file:
                    opened[path] = f"{len(file.read())} bytes"
            except OSError as error:
                opened[path] = type(error).__name__
        return opened
    if do == "token file":
        with open(os.path.join(os.environ["SERVING_CREDENTIALS_DIR"], "model-dependencies-oauth-token")) as file:
            return json.load(file)
    if do == "threads":
        seen = {}
        look = lambda name: seen.__setitem__(name, worker.fetch_obo_token())
        thread = threading.Thread(target=look, args=("thread",))
        thread.start()
        thread.join()
        pool().submit(look, "pool").result()
        asked.set()
        answered.wait()
        asked.clear()
        answered.clear()
        seen["older thread"] = kept.get("older")
        main = threading.main_thread().__dict__
        seen["main thread"] = main["invokers_token"] if "invokers_token" in main else None
        return seen
    if do == "leave a thread behind":
        release = kept["release"] = threading.Event()

        def later():
            release.wait()
            kept["left behind"] = worker.fetch_obo_token()

        kept["thread"] = threading.Thread(target=later)
        kept["thread"].start()
        return {}
    if do == "ask the thread left behind":
        kept["release"].set()
        kept["thread"].join()
        return {"left behind": kept["left behind"], "own": worker.fetch_obo_token()}
    raise ValueError(do)


def open_files():
    child = subprocess.run(
        [sys.executable, "-c", "import os\nfor n in range(64):\n try: print(n, os.readlink(f'/proc/self/fd/{n}'))\n except OSError: pass"],
        capture_output=True,
        text=True,
    )
    return child.stdout


def pool():
    if "pool" not in kept:
        from concurrent.futures import ThreadPoolExecutor

        kept["pool"] = ThreadPoolExecutor(1)
    return kept["pool"]


asked, answered = threading.Event(), threading.Event()


def older_thread():
    while True:
        asked.wait()
        kept["older"] = worker.fetch_obo_token()
        asked.clear()
        answered.set()


class PyFunc:
    def predict(self, data, params=None):
        return act(data)

    def predict_stream(self, data, params=None):
        kept["closed"] = False
        try:
            for number in range(data["chunks"]):
                time.sleep(data.get("for", 0))
                if data.get("raise at") == number:
                    raise ValueError("in the stream")
                yield {"n": number, "text": data.get("text"), "token": worker.fetch_obo_token()}
        finally:
            kept["closed"] = True


class Failure(Exception):
    pass


class Model(worker.Model):
    def __init__(self, start):
        if os.environ.get("FAKE_LOAD") == "raise":
            raise RuntimeError("the model's own words; user token: %r" % worker.fetch_obo_token())
        if os.environ.get("FAKE_LOAD") == "exit":
            print("last words")
            os._exit(4)
        if os.environ.get("FAKE_LOAD") == "hang":
            time.sleep(600)
        flag = os.environ.get("FAKE_LOAD_ONCE")
        if flag and os.path.exists(flag):
            raise RuntimeError("only the first worker loads")
        if flag:
            open(flag, "w").close()
        if "FAKE_OLDER_THREAD" in os.environ:
            threading.Thread(target=older_thread, daemon=True).start()
        self.model = PyFunc()
        self.scoring_server = None
        self.mlflow_exception = Failure
        self.mlflow_version = "none"
        self.endpoint = start["endpoint_name"]
        self.params = frozenset()
        self.takes_params = True
        self.streamable = True
        self.task = None
        self.unified_keys = ("do", "chunks")
        self.encoder, self.jsonable = json.JSONEncoder, lambda value, **_: value
        self.context = None
        self.pop_trace = None
        self.show_request_id = False


worker.Model = Model
make = worker.Channel


def remember(sock):
    global channel
    channel = make(sock)
    return channel


worker.Channel = remember
running = None
Loop = worker.Worker


def begin(made):
    global running
    running = Loop(made)
    return running


worker.Worker = begin
if script == "brickyard_worker.py":
    worker.main()
else:
    template = module("brickyard_template", sys.argv[1])
    fork = os.fork

    def fork_unless_told():
        if os.path.exists(os.environ.get("FAKE_NO_FORK", "/nowhere")):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    os.fork = fork_unless_told
    template.serve(worker, lambda: None)
