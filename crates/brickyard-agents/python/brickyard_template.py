"""The process that an endpoint's workers are forked from.

It has imported what every agent imports (mlflow, the Databricks SDK: seconds), and nothing of any agent's, so that a
worker that grows, or takes a dead one's place, is there in milliseconds. It is started in the environment of its
workers, gets orders on a socket that arrives as standard input, and does nothing else:

    {"id": 1, "variables": {..}, "folder": ".."}  and three descriptors: the worker's frames, standard output, standard error
        -> "born <id> <pid>"         when the worker has its own group
        -> "unborn <id> <errno>"     when the system gives no process
        -> "ended <pid> <status>"    as waitpid would say it; the process stays unburied, so its number stays its own
    {"bury": <pid>}          brickyard has done what it does with that number

A forked worker runs `brickyard_worker.main()` as a process that was started by itself would, and `/proc` shows its own
variables as its environment.
"""

import array
import errno
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
import warnings

ORDER = 64 * 1024
DESCRIPTORS = 3


class Orders:
    """Orders and their descriptors from the socket."""

    def __init__(self, sock):
        self.sock = sock
        self.text = b""
        self.descriptors = []

    def next(self):
        """The orders that have arrived, or None when the other end is closed."""
        data, control, _, _ = self.sock.recvmsg(ORDER, socket.CMSG_SPACE(DESCRIPTORS * 4), socket.MSG_CMSG_CLOEXEC)
        for level, kind, value in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                whole = len(value) - len(value) % 4
                self.descriptors.extend(array.array("i", value[:whole]))
        if not data:
            return None
        *lines, self.text = (self.text + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def take_descriptors(self):
        taken, self.descriptors = self.descriptors[:DESCRIPTORS], self.descriptors[DESCRIPTORS:]
        return taken


def native(text):
    """Bytes that travelled as one character each."""
    return text.encode("latin-1")


def show_environment(variables):
    """Makes `/proc/<pid>/environ` say that this process was started with `variables`.

    Linux shows the memory that a program was started with. brickyard finds what a dead worker left behind by it, and
    an agent that looks there must find its own variables. False if they do not fit.
    """
    import ctypes

    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    text = b"".join(name + b"=" + value + b"\0" for name, value in variables.items())
    if len(text) > end - start:
        return False
    # The C library's own list still points into that memory; after this it points to copies.
    own = dict(os.environb)
    for name in own:
        os.unsetenv(name)
    for name, value in own.items():
        os.putenv(name, value)
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text, len(text))
    return True


def forget_where_it_was():
    """What imported modules have looked up once and that is another one's now."""
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None
    site = sys.modules.get("site")
    if site is not None:
        site.USER_BASE = site.USER_SITE = None
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        # Python's own generator is seeded anew by a fork; numpy's would give every worker the same numbers.
        numpy.random.seed()


class Template:
    def __init__(self, sock, worker, started_with):
        self.sock = sock
        # Imported modules add variables of their own.
        self.started_with = started_with
        self.worker = worker
        self.script = worker.__file__
        self.orders = Orders(sock)
        self.living = set()
        # Threads do not survive a fork. Where an import has started one, workers are started by themselves.
        self.forks = threading.active_count() == 1
        self.woken, wake = os.pipe()
        for end in (self.woken, wake):
            os.set_blocking(end, False)
        self.pipes = (self.woken, wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self):
        """Until brickyard closes the socket. In a worker this never returns."""
        while True:
            readable, _, _ = select.select([self.sock, self.woken], [], [])
            if self.woken in readable:
                os.read(self.woken, 4096)
                self.report_ended()
            if self.sock in readable:
                orders = self.orders.next()
                if orders is None:
                    return
                for order in orders:
                    self.obey(order)

    def obey(self, order):
        if "bury" in order:
            try:
                os.waitpid(order["bury"], 0)
            except ChildProcessError:
                pass
            return
        descriptors = self.orders.take_descriptors()
        try:
            if len(descriptors) < DESCRIPTORS:
                raise OSError(errno.EMFILE, "not all descriptors came")
            pid = self.fork(order, descriptors)
        except OSError as error:
            # The others live on.
            self.sock.sendall(b"unborn %d %d\n" % (order["id"], error.errno or 0))
        else:
            self.living.add(pid)
            self.sock.sendall(b"born %d %d\n" % (order["id"], pid))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def fork(self, order, descriptors):
        variables = {native(name): native(value) for name, value in order["variables"].items()}
        folder = native(order["folder"])
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python warns of native threads (numpy's); the libraries that start them on import see to forks themselves.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            try:
                self.become_worker(parent, descriptors, variables, folder)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        try:
            # Whoever is first, the worker or its parent: when its number is told, it leads its own group.
            os.setpgid(pid, pid)
        except OSError:
            pass
        return pid

    def report_ended(self):
        for pid in list(self.living):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            self.living.discard(pid)
            if ended.si_code == os.CLD_EXITED:
                status = ended.si_status << 8
            else:
                status = ended.si_status | (0x80 if ended.si_code == os.CLD_DUMPED else 0)
            self.sock.sendall(b"ended %d %d\n" % (pid, status))

    def become_worker(self, parent, descriptors, variables, folder):
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        for descriptor in (*descriptors, *self.pipes):
            os.close(descriptor)
        self.sock.close()
        os.chdir(folder)
        os.environb.update(variables)
        started_with = {**self.started_with, **variables}
        try:
            shown = self.forks and show_environment(started_with)
        except Exception:
            # No /proc, or a Python without ctypes.
            shown = False
        if not shown:
            os.execve(sys.executable, [sys.executable, self.script], started_with)
        self.worker.die_with_parent()
        if os.getppid() != parent:
            return
        sys.argv[:] = [self.script]
        forget_where_it_was()
        self.worker.main()


def serve(worker, import_all):
    """Plays the template of processes that run `worker.main()`."""
    fd = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    worker.die_with_parent()
    started_with = dict(os.environb)
    # The folder of this file must not offer modules to what is imported.
    here = os.path.dirname(os.path.realpath(__file__))
    if sys.path and os.path.realpath(sys.path[0] or ".") == here:
        del sys.path[0]
    import_all()
    # Nothing of this becomes garbage; to look for it would copy this memory in each worker.
    gc.freeze()
    try:
        Template(socket.socket(fileno=fd), worker, started_with).run()
    except (BrokenPipeError, ConnectionError):
        pass
    os._exit(0)


if __name__ == "__main__":
    import brickyard_imports
    import brickyard_worker

    serve(brickyard_worker, brickyard_imports.import_what_agents_import)
