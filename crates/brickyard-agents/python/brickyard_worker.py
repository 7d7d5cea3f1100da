"""The worker side: loads one logged model and answers one request at a time.

Runs in the agent's own environment, so it uses the standard library and what the agent brought (mlflow, and
the Databricks SDK if it is there; any version of either). It plays the part that the closed scoring server
plays in Model Serving:

    read the start frame -> fixed token paths -> user-token lookups -> load_model -> READY
    per request:  strip what is not the model's -> predict or predict_stream -> ANSWER, or CHUNK* END, or ERROR

Rules it keeps:
- Everything of the agent runs on the main thread; the only other thread waits for the socket's hang-up.
- Standard output and error belong to the agent. Frames travel on a socket that arrives as standard input and
  is moved away at once; no child process of the agent inherits it.
- The user's token can be looked up only while its request runs, and only by code that this request started.
- A frame is never cut: a cancellation may interrupt the agent, but not the writing of a frame.
"""

import contextvars
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import types

import brickyard_imports

HEADER = struct.Struct("<IQB")
START, READY, LOAD_FAILED, PREDICT, CANCEL, ANSWER, CHUNK, END, ERROR = range(1, 10)
PEEK = 64 * 1024


class Cancelled(BaseException):
    """Raised inside the agent when its caller has gone away. Not an `Exception`: agents catch those."""


class HungUp(BaseException):
    """The other end of the socket is closed: there is nobody left to work for."""


class Channel:
    """Frames over the socket: `<u32 payload length><u64 request id><u8 kind><payload>`."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = bytearray(PEEK)
        self.view = memoryview(self.buffer)
        self.have = 0
        self.max_frame = 64 * 1024 * 1024

    def receive(self):
        """The next frame as (id, kind, payload)."""
        while self.have < HEADER.size:
            self._fill()
        length, request, kind = HEADER.unpack_from(self.buffer)
        total = HEADER.size + length
        if total <= PEEK:
            while self.have < total:
                self._fill()
            payload = bytes(self.view[HEADER.size : total])
            rest = self.have - total
            if rest:
                self.buffer[:rest] = self.buffer[total : self.have]
            self.have = rest
            return request, kind, payload
        payload = bytearray(length)
        target = memoryview(payload)
        got = self.have - HEADER.size
        target[:got] = self.view[HEADER.size : self.have]
        self.have = 0
        while got < length:
            read = self.sock.recv_into(target[got:])
            if read == 0:
                raise HungUp
            got += read
        return request, kind, payload

    def _fill(self, flags=0):
        read = self.sock.recv_into(self.view[self.have :], 0, flags)
        if read == 0:
            raise HungUp
        self.have += read

    def waiting(self):
        """A whole small frame that has already arrived, or None. Never blocks."""
        if self.have < HEADER.size:
            try:
                self._fill(socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                return None
            if self.have < HEADER.size:
                return None
        length, _, kind = HEADER.unpack_from(self.buffer)
        if kind != CANCEL or self.have < HEADER.size + length:
            return None
        return self.receive()

    def send(self, request, kind, payload):
        """Writes one frame, whole."""
        self.sock.sendall(HEADER.pack(len(payload), request, kind) + payload)


class Credential:
    """The user's token during one request. Emptied when the request ends, so that whoever kept it has nothing."""

    __slots__ = ("token",)

    def __init__(self, token):
        self.token = token


_held = contextvars.ContextVar("serving_credential", default=None)
_in_flight = None


def _visible():
    """The credential that the calling code may see.

    First the request that this context belongs to, then the request that started this thread. A thread that is
    older than any request (made while the model was loaded) sees the one request that runs now. A thread left
    behind by an earlier request sees that request's emptied credential, never the next caller's.
    """
    held = _held.get()
    if held is None:
        held = getattr(threading.current_thread(), "_serving_credential", None)
        if held is None:
            held = _in_flight
    return held


def fetch_obo_token():
    """What `mlflowserving.scoring_server.agent_utils.fetch_obo_token` answers: the caller's token, or None."""
    held = _visible()
    return None if held is None else held.token


class _MainThreadData(dict):
    """The main thread's `__dict__`, with a live `invokers_token` (the databricks-sdk's own lookup)."""

    def __contains__(self, key):
        if key == "invokers_token":
            return fetch_obo_token() is not None
        return dict.__contains__(self, key)

    def __getitem__(self, key):
        if key == "invokers_token":
            token = fetch_obo_token()
            if token is None:
                raise KeyError(key)
            return token
        return dict.__getitem__(self, key)

    def get(self, key, default=None):
        return self[key] if key in self else default


class _Carried:
    """A task of a thread pool, run with the credential of the request that submitted it."""

    __slots__ = ("held", "task")

    def __init__(self, held, task):
        self.held = held
        self.task = task

    def __call__(self, *args, **kwargs):
        token = _held.set(self.held)
        try:
            return self.task(*args, **kwargs)
        finally:
            _held.reset(token)


def install_user_token_lookups():
    """Both places where clients look for the caller's token, and its way into threads."""
    package = types.ModuleType("mlflowserving")
    server = types.ModuleType("mlflowserving.scoring_server")
    utils = types.ModuleType("mlflowserving.scoring_server.agent_utils")
    package.__path__ = []
    server.__path__ = []
    utils.fetch_obo_token = fetch_obo_token
    package.scoring_server = server
    server.agent_utils = utils
    for module in (package, server, utils):
        sys.modules[module.__name__] = module

    main = threading.main_thread()
    main.__dict__ = _MainThreadData(main.__dict__)

    start = threading.Thread.start

    def start_with_credential(self):
        held = _visible()
        if held is not None:
            self._serving_credential = held
        return start(self)

    threading.Thread.start = start_with_credential

    from concurrent.futures import ThreadPoolExecutor

    submit = ThreadPoolExecutor.submit

    def submit_with_credential(self, fn, /, *args, **kwargs):
        held = _visible()
        return submit(self, fn if held is None else _Carried(held, fn), *args, **kwargs)

    ThreadPoolExecutor.submit = submit_with_credential


def point_fixed_token_paths():
    """mlflow (every version so far) and older SDKs know only `/var/credentials-secret`; tell them ours."""
    folder = os.environ.get("SERVING_CREDENTIALS_DIR")
    if not folder:
        return
    path = os.path.join(folder, "model-dependencies-oauth-token")
    name = "_MODEL_DEPENDENCY_OAUTH_TOKEN_FILE_PATH"
    import importlib

    for module, owner in (
        ("mlflow.utils.databricks_utils", None),
        ("databricks.sdk.credentials_provider", "ModelServingAuthProvider"),
    ):
        try:
            target = importlib.import_module(module)
            if owner is not None:
                target = getattr(target, owner)
            if hasattr(target, name):
                setattr(target, name, path)
        except Exception:
            # Not installed, too old to have it, or broken in the agent's environment: the agent's own import
            # will say so in its own words.
            continue


class AgentError(Exception):
    """An error reply with the fields of mlflow's own scoring server."""

    def __init__(self, body, kind="agent"):
        super().__init__(body.get("message"))
        self.body = body
        self.kind = kind


def bad_request(message, stack_trace=None):
    body = {"error_code": "BAD_REQUEST", "message": message}
    if stack_trace is not None:
        body["stack_trace"] = stack_trace
    return AgentError(body)


UNEXPECTED = (
    "Encountered an unexpected error while evaluating the model. Verify that the serialized input Dataframe is "
    "compatible with the model for inference."
)


class Model:
    """The loaded model and what never changes between requests, looked up once."""

    def __init__(self, start):
        import mlflow
        import mlflow.pyfunc

        try:
            from mlflow.pyfunc import scoring_server
        except Exception:
            scoring_server = None
        self.scoring_server = scoring_server
        from mlflow.exceptions import MlflowException

        self.mlflow_exception = MlflowException
        self.mlflow_version = mlflow.__version__
        self.endpoint = start.get("endpoint_name")
        load = getattr(scoring_server, "load_model_with_mlflow_config", None) or mlflow.pyfunc.load_model
        self.model = load(start["model_dir"])
        metadata = self.model.metadata
        self.metadata = metadata
        self.input_schema = metadata.get_input_schema()
        params_schema = metadata.get_params_schema() if hasattr(metadata, "get_params_schema") else None
        self.params = frozenset(p.name for p in params_schema.params) if params_schema else frozenset()
        import inspect

        self.takes_params = "params" in inspect.signature(self.model.predict).parameters
        flavor = (metadata.flavors or {}).get("python_function", {})
        self.streamable = bool(flavor.get("streamable")) and hasattr(self.model, "predict_stream")
        if getattr(self.model, "_predict_stream_fn", self) is None:
            self.streamable = False
        self.task = (metadata.metadata or {}).get("task")
        self.unified_keys = ("messages", "prompt", "input")
        try:
            from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

            self.encoder, self.jsonable = NumpyEncoder, _get_jsonable_obj
        except Exception:
            self.encoder, self.jsonable = json.JSONEncoder, lambda value, **_: value
        try:
            from mlflow.pyfunc.context import Context, set_prediction_context

            self.context, self.set_context = Context, set_prediction_context
        except Exception:
            self.context = None
        self.pop_trace = None
        if os.environ.get("ENABLE_MLFLOW_TRACING", "").lower() in ("true", "1"):
            try:
                from mlflow.tracing.export.inference_table import pop_trace

                self.pop_trace = pop_trace
            except Exception:
                self.pop_trace = None
        self.show_request_id = os.environ.get("RETURN_REQUEST_ID_IN_RESPONSE", "").lower() == "true"

    def report(self):
        return {
            "task": self.task,
            "streamable": self.streamable,
            "mlflow_version": self.mlflow_version,
            "python_version": ".".join(map(str, sys.version_info[:3])),
        }

    def read_json(self, body):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            text = bytes(body).decode("utf-8", "replace")
            raise bad_request(
                "Invalid input. Ensure that input is a valid JSON formatted string. "
                f"Error: '{error!r}'\nInput: \n{text}\n"
            ) from None
        if isinstance(value, dict):
            return value
        formats = {"dataframe_records", "dataframe_split", "instances", "inputs"}
        received = "a list" if isinstance(value, list) else f"unexpected input type '{type(value)}'"
        raise bad_request(
            "Invalid input. The input must be a JSON dictionary with exactly one of the input fields "
            f"{formats}. Received {received}."
        )

    def parse(self, fields):
        """(data, params, unified): the open-source scoring server's reading of a JSON body."""
        if any(key in fields for key in self.unified_keys):
            if not self.params:
                return fields, {}, True
            params = {key: value for key, value in fields.items() if key in self.params}
            data = {key: value for key, value in fields.items() if key not in self.params}
            return data, params, True
        server = self.scoring_server
        parse = getattr(server, "_parse_json_data", None)
        if parse is not None:
            parsed = parse(fields, self.metadata, self.input_schema)
            return parsed.data, parsed.params, False
        if server is None:
            raise bad_request("This agent's mlflow can only read bodies with `messages`, `prompt` or `input`.")
        data, params = server._split_data_and_params(fields)
        return server.infer_and_parse_data(data, self.input_schema), params, False

    def failed(self, error, data):
        """The reply for what `predict` raised, as the scoring server words it."""
        if isinstance(error, AgentError):
            return error
        if isinstance(error, self.mlflow_exception):
            message = getattr(error, "message", None) or str(error)
            if data is not None:
                message = f"Failed to predict data '{data}'. \nError: {message}"
                error.message = message
            return self.of_mlflow(error)
        stack = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        # The author reads the endpoint's log; the caller's answer may be out of reach, and a stream has no room for it.
        print(stack, file=sys.stderr, end="", flush=True)
        return bad_request(UNEXPECTED, stack)

    def of_mlflow(self, error):
        try:
            body = json.loads(error.serialize_as_json())
        except Exception:
            body = {"error_code": str(getattr(error, "error_code", "INTERNAL_ERROR")), "message": str(error)}
        body.setdefault("message", str(error))
        return AgentError(body)

    def dumps(self, value):
        if type(value) is not dict:
            value = self.jsonable(value, pandas_orient="records")
        try:
            return json.dumps(value, cls=self.encoder).encode()
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            stack = traceback.format_exc()
            raise AgentError(
                {
                    "error_code": "INTERNAL_ERROR",
                    "message": f"The model's output cannot be written as JSON: {error}",
                    "stack_trace": stack,
                }
            ) from None


class Worker:
    """One model, one channel, one request at a time."""

    def __init__(self, channel):
        self.channel = channel
        self.model = None
        # The request that runs now; 0 between requests.
        self.current = 0
        self.cancelled = False
        # True only while the agent's own code runs: the one time when `Cancelled` may be raised.
        self.in_agent = False
        # True once a chunk of the current request was sent: its status is 200, whatever happens from here.
        self.streamed = False
        self.looking = False
        self.called_while_looking = False

    def on_signal(self, _number, _frame):
        if self.current == 0:
            return
        if self.looking:
            self.called_while_looking = True
            return
        self.look_for_cancel()
        if self.cancelled and self.in_agent:
            self.in_agent = False
            raise Cancelled

    def look_for_cancel(self):
        """Takes a cancellation that has arrived for the current request."""
        self.looking = True
        try:
            while True:
                self.called_while_looking = False
                frame = self.channel.waiting()
                if frame is not None:
                    if frame[0] == self.current:
                        self.cancelled = True
                elif not self.called_while_looking:
                    return
        finally:
            self.looking = False

    def run(self):
        request, kind, payload = self.channel.receive()
        if kind != START:
            raise HungUp
        start = json.loads(payload)
        self.channel.max_frame = start["max_frame"]
        try:
            with brickyard_imports.RareCollections():
                point_fixed_token_paths()
                install_user_token_lookups()
                self.model = Model(start)
        except BaseException as error:
            if isinstance(error, HungUp):
                raise
            text = traceback.format_exc()
            report = {"message": f"{type(error).__name__}: {error}", "traceback": text}
            self.channel.send(request, LOAD_FAILED, json.dumps(report).encode())
            return
        signal.signal(signal.SIGUSR1, self.on_signal)
        self.channel.send(request, READY, json.dumps(self.model.report()).encode())
        while True:
            request, kind, payload = self.channel.receive()
            if kind == PREDICT:
                # A context a request: what an agent puts into its own context variables dies with the request.
                contextvars.copy_context().run(self.serve, request, payload)
            # Any other frame is a cancellation that came after its request's answer.

    def serve(self, request, payload):
        global _in_flight
        size = int.from_bytes(payload[:4], "little")
        header = json.loads(payload[4 : 4 + size])
        body = payload[4 + size :]
        held = Credential(header.pop("user_token", None))
        self.cancelled = False
        self.streamed = False
        self.current = request
        _in_flight = held
        _held.set(held)
        try:
            try:
                kind, reply = self.answer(request, header, body)
            except AgentError as error:
                kind, reply = ERROR, self.error(error)
            except Cancelled:
                kind, reply = ERROR, b'{"kind":"cancelled","body":{}}'
            except HungUp:
                raise
            except BaseException as error:
                kind, reply = ERROR, self.error(self.model.failed(error, None))
        finally:
            self.in_agent = False
            held.token = None
            _in_flight = None
            self.current = 0
        if len(reply) > self.channel.max_frame:
            kind, reply = ERROR, self.error(self.too_large(len(reply)))
        self.channel.send(request, kind, reply)

    def too_large(self, size):
        message = f"The model's answer has {size} bytes; at most {self.channel.max_frame} can be passed on."
        return AgentError({"error_code": "INTERNAL_ERROR", "message": message})

    def error(self, error):
        body = error.body
        # A stack trace that cannot travel must not turn the error into another one.
        if len(body.get("message") or "") > 1_000_000:
            body["message"] = body["message"][:1_000_000] + "..."
        if len(body.get("stack_trace") or "") > 4_000_000:
            body["stack_trace"] = "..." + body["stack_trace"][-4_000_000:]
        return json.dumps({"kind": error.kind, "body": body}).encode()

    def answer(self, request, header, body):
        model = self.model
        mime = header.get("content_type")
        if mime is not None and mime.split(";")[0].strip().lower() != "application/json":
            return self.answer_other(mime, body)
        fields = model.read_json(body)
        options = fields.pop("databricks_options", None)
        stream = fields.pop("stream", None) is True or header.get("stream") is True
        wants_trace = header.get("return_trace") is True or (
            isinstance(options, dict) and options.get("return_trace") is True
        )
        if stream and not model.streamable:
            raise bad_request("This model does not support streaming: it has no predict_stream method.")
        request_id = header["request_id"]
        data = None
        try:
            try:
                data, params, unified = model.parse(fields)
            except model.mlflow_exception as error:
                raise model.of_mlflow(error) from None
            if model.context is None:
                return self.call(request, data, params, unified, stream, wants_trace, request_id)
            context = model.context(request_id=request_id, endpoint_name=model.endpoint)
            with model.set_context(context):
                return self.call(request, data, params, unified, stream, wants_trace, request_id)
        except (AgentError, Cancelled, HungUp):
            raise
        except BaseException as error:
            failure = model.failed(error, data)
            if self.streamed and failure.body.get("message") == UNEXPECTED:
                # In a stream there is only this text: what mlflow's AgentServer sends, and whose fault it is.
                failure.body["message"] = f"{type(error).__name__}: {error}"
            raise failure from None
        finally:
            self.in_agent = False
            if model.pop_trace is not None:
                # Whatever was left behind must not pile up, nor meet a later request of the same id.
                model.pop_trace(request_id)

    def call(self, request, data, params, unified, stream, wants_trace, request_id):
        model = self.model
        if stream:
            return self.stream(request, data, params, wants_trace, request_id)
        self.enter_agent()
        if model.takes_params:
            result = model.model.predict(data, params=params)
        else:
            result = model.model.predict(data)
        self.in_agent = False
        if not unified:
            result = {"predictions": model.jsonable(result, pandas_orient="records")}
        if wants_trace or model.show_request_id:
            self.add_output(result, wants_trace, request_id)
        return ANSWER, model.dumps(result)

    def enter_agent(self):
        self.in_agent = True
        if self.cancelled:
            self.in_agent = False
            raise Cancelled

    def add_output(self, result, wants_trace, request_id):
        """`databricks_output`, when it was asked for and the reply is an object that can carry it."""
        if type(result) is dict:
            extra = {}
            if wants_trace and self.model.pop_trace is not None:
                extra["trace"] = self.model.pop_trace(request_id)
            extra["databricks_request_id"] = request_id
            result["databricks_output"] = extra

    def stream(self, request, data, params, wants_trace, request_id):
        model = self.model
        adds = wants_trace or model.show_request_id
        held_back = None
        chunks = None
        try:
            self.enter_agent()
            if model.takes_params:
                chunks = iter(model.model.predict_stream(data, params=params))
            else:
                chunks = iter(model.model.predict_stream(data))
            while True:
                self.enter_agent()
                try:
                    chunk = next(chunks)
                except StopIteration:
                    self.in_agent = False
                    break
                self.in_agent = False
                self.look_for_cancel()
                if self.cancelled:
                    raise Cancelled
                if adds:
                    # The trace is complete only after the last chunk, which must carry it.
                    chunk, held_back = held_back, chunk
                    if chunk is None:
                        continue
                self.send_chunk(request, chunk)
            if held_back is not None:
                self.add_output(held_back, wants_trace, request_id)
                self.send_chunk(request, held_back)
            return END, b""
        except Exception:
            self.in_agent = False
            if held_back is not None:
                # What the agent said before it failed was said.
                self.send_chunk(request, held_back)
            raise
        finally:
            self.in_agent = False
            close = getattr(chunks, "close", None)
            if close is not None:
                try:
                    close()
                except Exception:
                    traceback.print_exc()

    def send_chunk(self, request, chunk):
        text = self.model.dumps(chunk)
        if len(text) > self.channel.max_frame:
            raise self.too_large(len(text))
        self.streamed = True
        self.channel.send(request, CHUNK, text)

    def answer_other(self, mime, body):
        """CSV and Parquet bodies, and the refusal of anything else: mlflow's scoring server itself."""
        model = self.model
        invocations = getattr(model.scoring_server, "invocations", None)
        if invocations is None:
            body = {"error_code": "BAD_REQUEST", "message": "This agent's mlflow reads only application/json."}
            raise AgentError(body, "unsupported_media_type")
        try:
            self.enter_agent()
            reply = invocations(bytes(body), mime, model.model, model.input_schema)
            self.in_agent = False
        except model.mlflow_exception as error:
            raise model.of_mlflow(error) from None
        if reply.status != 200:
            body = {"error_code": "BAD_REQUEST", "message": reply.response}
            raise AgentError(body, "unsupported_media_type")
        return ANSWER, reply.response.encode()


def end_with_the_group():
    """Ends this process and everything that the agent started in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


def watch_for_hang_up(fd):
    """If brickyard goes away while the agent is busy, nobody else would end this process."""
    poll = select.poll()
    poll.register(fd, 0)
    while True:
        for _, event in poll.poll():
            if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                end_with_the_group()


def die_with_parent():
    """Asks Linux for SIGKILL when brickyard dies: holds even if agent code never lets go of the interpreter."""
    if sys.platform != "linux":
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    except Exception:
        traceback.print_exc()


def write_no_core_files():
    """What a crash leaves on the disk would hold the caller's token."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ValueError, OSError):
        traceback.print_exc()


def main():
    fd = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sock = socket.socket(fileno=fd)
    sock.setblocking(True)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: os.close(fd))
    die_with_parent()
    write_no_core_files()
    threading.Thread(target=watch_for_hang_up, args=(fd,), daemon=True).start()
    # The folder of this file must not offer modules to the agent.
    if sys.path and os.path.realpath(sys.path[0] or ".") == os.path.dirname(os.path.realpath(__file__)):
        del sys.path[0]
    try:
        Worker(Channel(sock)).run()
    except (HungUp, ConnectionError):
        pass
    sys.stdout.flush()
    sys.stderr.flush()
    end_with_the_group()


if __name__ == "__main__":
    main()
