"""The worker side of Python functions: runs the bodies of one owner's functions, a batch of rows at a time.

Runs as `python -I -B -X utf8 -c <this> <memory bytes> <seconds> <largest frame>`, with the standard library only.

    limits -> ready frame -> per request: define (once) -> rows in -> body(*row) -> values out, or one error

Rules it keeps:
- A frame is `<u32 length><16 bytes of the request's identity><JSON>`. Frames travel on descriptors that are moved
  away from 0 and 1 at once: what a body prints, or writes to descriptor 1, goes to standard error.
- A body is the body of `main(parameters)` with a namespace of its own for every request; nothing is executed when a
  body is only checked.
- The parent's end is noticed even while a body runs (a thread waits for the hang-up), and by the CPU limit.
- A value travels as its declared type says, in both directions; anything else is an error that names the value.
"""

import _thread
import ast
import builtins
import datetime
import decimal
import json
import keyword
import math
import numbers
import os
import resource
import select
import struct
import sys

HEADER = struct.Struct("<I16s")
OWN_PROCESS = os.getpid()
FILE = "<udfbody>"
NAIVE_EPOCH = datetime.datetime(1970, 1, 1)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
EPOCH_DAY = NAIVE_EPOCH.toordinal()
MICROSECOND = datetime.timedelta(microseconds=1)
LARGEST_FLOAT = 3.4028235677973366e38  # rounds to infinity from here on
LONGEST_TEXT = 4000
DEEPEST_STACK = 20


class Failure(Exception):
    """One error for the statement: its kind, its message and the lines of the body that led to it."""

    def __init__(self, kind, message, stack=""):
        super().__init__(message)
        # Half a surrogate pair is a text in Python and nowhere else.
        message, stack = (text[:LONGEST_TEXT].encode("utf-8", "backslashreplace").decode() for text in (message, stack))
        self.answer = {"error": kind, "message": message, "stack": stack}


class Mismatch(Exception):
    """A value that does not fit the declared type."""


# -- the body ---------------------------------------------------------------------------------------------------------


def statements(text):
    """The statements of a body, at whatever depth it is indented. Nothing inside string literals is touched."""
    first = next((line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")), None)
    if first is None:
        raise SyntaxError("the body is empty")
    if not first[0].isspace():
        return ast.parse(text, FILE).body
    try:
        tree = ast.parse("if 1:\n" + text, FILE)
    except SyntaxError as error:
        if error.lineno:
            error.lineno -= 1
        raise
    block = tree.body[0]
    behind = tree.body[1:] + block.orelse
    if behind:
        error = SyntaxError("unindent does not match the indentation of the first line")
        error.lineno = behind[0].lineno - 1
        raise error
    for statement in block.body:
        ast.increment_lineno(statement, -1)
    return block.body


def compiled(definition):
    """The code that defines `main`."""
    names = [name for name, _ in definition["parameters"]]
    for name in names:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise SyntaxError("parameter `%s` is not a name in Python; rename it" % name)
    text = definition["body"].replace("\r\n", "\n")
    try:
        tree = ast.parse("def main(%s): pass" % ", ".join(names), FILE)
        tree.body[0].body = statements(text)
        return compile(tree, FILE, "exec", dont_inherit=True)
    except (ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise SyntaxError(str(error) or "the body is nested too deeply") from None


def syntax_failure(error, body):
    lines = body.split("\n")
    stack = ""
    if error.lineno and 0 < error.lineno <= len(lines):
        stack = '  File "%s", line %d\n    %s' % (FILE, error.lineno, lines[error.lineno - 1].strip()[:200])
    return Failure("syntax", "%s: %s" % (type(error).__name__, error.msg), stack)


def named(error):
    """`ZeroDivisionError: division by zero`; an exception may lie about itself, or fail to speak."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__", "__udf__"):
        name = "%s.%s" % (kind.__module__, name)
    try:
        text = str(error)
    except BaseException:
        text = "<its text cannot be shown>"
    return "%s: %s" % (name, text) if text else name


def stack_of(error, lines):
    """The frames of the body. Frames of libraries would tell where the developer keeps them."""
    found = []
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        if code.co_filename == FILE:
            text = '  File "%s", line %d, in %s' % (FILE, frame.tb_lineno, code.co_name)
            if 0 < frame.tb_lineno <= len(lines):
                text += "\n    " + lines[frame.tb_lineno - 1].strip()[:200]
            found.append(text)
        frame = frame.tb_next
    return "\n".join(found[-DEEPEST_STACK:])


class Function:
    """A compiled body and the ways of its values in and out."""

    def __init__(self, definition):
        self.lines = definition["body"].split("\n")
        try:
            self.code = compiled(definition)
        except SyntaxError as error:
            raise syntax_failure(error, definition["body"]) from None
        self.readers = [(at, reader(kind)) for at, (_, kind) in enumerate(definition["parameters"])]
        self.readers = [(at, read) for at, read in self.readers if read is not None]
        self.write = writer(definition["returns"])

    def call(self, rows):
        namespace = {"__builtins__": builtins, "__name__": "__udf__"}
        exec(self.code, namespace)
        body = namespace["main"]
        answers = []
        for row in rows:
            try:
                for at, read in self.readers:
                    if row[at] is not None:
                        row[at] = read(row[at])
            except MemoryError:
                raise
            except Exception as error:
                raise Failure("input", named(error)) from None
            try:
                value = body(*row)
            except MemoryError:
                raise
            except BaseException as error:
                raise Failure("code", named(error), stack_of(error, self.lines)) from None
            try:
                answers.append(self.write(value))
            except MemoryError:
                raise
            except Mismatch as error:
                raise Failure("result", str(error)) from None
            except BaseException as error:
                raise Failure("result", named(error)) from None
        return answers


# -- values in --------------------------------------------------------------------------------------------------------


def reader(kind):
    """How a value that is not NULL becomes Python's; None if JSON has already made it so."""
    return READERS.get(kind["kind"], lambda kind: None)(kind)


def read_array(kind):
    read = reader(kind["element"])
    return read and (lambda items: [None if item is None else read(item) for item in items])


def read_map(kind):
    key, value = reader(kind["key"]), reader(kind["value"])

    def read(pairs):
        return {
            (key(one) if key else one): (value(other) if value and other is not None else other)
            for one, other in pairs
        }

    return read


def read_struct(kind):
    fields = [(field["name"], reader(field["type"])) for field in kind["fields"]]

    def read(values):
        return {
            name: (read(value) if read and value is not None else value)
            for (name, read), value in zip(fields, values)
        }

    return read


READERS = {
    "float": lambda kind: float,
    "decimal": lambda kind: decimal.Decimal,
    "binary": lambda kind: bytes.fromhex,
    "date": lambda kind: lambda days: datetime.date.fromordinal(EPOCH_DAY + days),
    "timestamp": lambda kind: lambda micros: EPOCH + datetime.timedelta(microseconds=micros),
    "timestamp_ntz": lambda kind: lambda micros: NAIVE_EPOCH + datetime.timedelta(microseconds=micros),
    "interval": lambda kind: lambda micros: datetime.timedelta(microseconds=micros),
    "array": read_array,
    "map": read_map,
    "struct": read_struct,
}


# -- values out -------------------------------------------------------------------------------------------------------


def shown(value):
    try:
        text = repr(value)
    except BaseException:
        text = "<a value that cannot be shown>"
    return "%s (%s)" % (text if len(text) <= 100 else text[:100] + "...", type(value).__name__)


def mismatch(value, kind, hint=""):
    return Mismatch("%s cannot be returned as %s%s" % (shown(value), kind["text"].upper(), hint))


def writer(kind):
    """How a value of the body becomes the declared type on the wire."""
    write = WRITERS[kind["kind"]](kind)
    return lambda value: None if value is None else write(value)


def write_void(kind):
    def write(value):
        raise mismatch(value, kind, ": only None can")

    return write


def write_boolean(kind):
    def write(value):
        if isinstance(value, bool):
            return value
        if type(value).__module__ == "numpy" and type(value).__name__ in ("bool_", "bool"):
            return bool(value)
        raise mismatch(value, kind)

    return write


def write_integer(kind):
    limit = 1 << (kind["bits"] - 1)

    def write(value):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise mismatch(value, kind)
        number = int(value)
        if not -limit <= number < limit:
            raise mismatch(value, kind, ": it is out of range")
        return number

    return write


def write_float(kind):
    single = kind["bits"] == 32

    def write(value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise mismatch(value, kind)
        number = float(value)
        if single and math.isfinite(number) and abs(number) >= LARGEST_FLOAT:
            raise mismatch(value, kind, ": it is out of range")
        # As text: it holds NaN and infinity, and reads back as the same double.
        return float.__repr__(number)

    return write


def write_decimal(kind):
    precision, scale = kind["precision"], kind["scale"]

    def write(value):
        if isinstance(value, bool) or not isinstance(value, (decimal.Decimal, numbers.Integral)):
            raise mismatch(value, kind, ": return a decimal.Decimal")
        number = value if isinstance(value, decimal.Decimal) else decimal.Decimal(int(value))
        if not number.is_finite():
            raise mismatch(value, kind)
        if not number:
            return "0"
        if number.adjusted() >= precision - scale:
            raise mismatch(value, kind, ": it is out of range")
        sign, digits, exponent = number.as_tuple()
        shift = exponent + scale
        if shift < 0:
            if any(digits[shift:]):
                raise mismatch(value, kind, ": it has more than %d decimal places; quantize it" % scale)
            digits, shift = digits[:shift], 0
        return ("-" if sign else "") + "".join(map(str, digits)) + "0" * shift

    return write


def write_string(kind):
    def write(value):
        if not isinstance(value, str):
            raise mismatch(value, kind, ": return str(..)")
        if not str.isascii(value):
            try:
                str.encode(value, "utf-8")
            except UnicodeEncodeError:
                raise mismatch(value, kind, ": it holds half of a surrogate pair") from None
        return value

    return write


def write_binary(kind):
    def write(value):
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise mismatch(value, kind)
        return bytes(value).hex()

    return write


def write_date(kind):
    def write(value):
        if not isinstance(value, datetime.date):
            raise mismatch(value, kind)
        return value.toordinal() - EPOCH_DAY

    return write


def write_timestamp(kind):
    def write(value):
        if not isinstance(value, datetime.datetime):
            raise mismatch(value, kind)
        # The session's time zone is UTC: a naive one is taken to be in it.
        return int((value - (NAIVE_EPOCH if value.utcoffset() is None else EPOCH)) // MICROSECOND)

    return write


def write_timestamp_ntz(kind):
    def write(value):
        if not isinstance(value, datetime.datetime):
            raise mismatch(value, kind)
        if value.utcoffset() is not None:
            raise mismatch(value, kind, ": it has a time zone; remove it with replace(tzinfo=None)")
        return int((value.replace(tzinfo=None) - NAIVE_EPOCH) // MICROSECOND)

    return write


def write_interval(kind):
    def write(value):
        if not isinstance(value, datetime.timedelta):
            raise mismatch(value, kind)
        return int(value // MICROSECOND)

    return write


def listed(value, kind):
    if not isinstance(value, (list, tuple)):
        if type(value).__module__ != "numpy" or not hasattr(value, "tolist"):
            raise mismatch(value, kind)
        value = value.tolist()
        if not isinstance(value, list):
            raise mismatch(value, kind)
    return value


def write_array(kind):
    element = writer(kind["element"])
    return lambda value: [element(item) for item in listed(value, kind)]


def write_map(kind):
    key, value = writer(kind["key"]), writer(kind["value"])

    def write(mapping):
        if not isinstance(mapping, dict):
            raise mismatch(mapping, kind)
        if None in mapping:
            raise mismatch(mapping, kind, ": a key is None")
        return [[key(one), value(other)] for one, other in mapping.items()]

    return write


def write_struct(kind):
    fields = [(field["name"], writer(field["type"]), field["nullable"]) for field in kind["fields"]]

    def write(value):
        if isinstance(value, dict):
            # As Spark does: a field that is not there is NULL, one that was not declared is dropped.
            values = [value.get(name) for name, _, _ in fields]
        elif isinstance(value, (list, tuple)) and len(value) == len(fields):
            values = value
        else:
            raise mismatch(value, kind, ": return a dict with its fields")
        for (name, _, nullable), one in zip(fields, values):
            if one is None and not nullable:
                raise mismatch(value, kind, ": field `%s` is NOT NULL" % name)
        return [one(item) for (_, one, _), item in zip(fields, values)]

    return write


WRITERS = {
    "void": write_void,
    "boolean": write_boolean,
    "integer": write_integer,
    "float": write_float,
    "decimal": write_decimal,
    "string": write_string,
    "binary": write_binary,
    "date": write_date,
    "timestamp": write_timestamp,
    "timestamp_ntz": write_timestamp_ntz,
    "interval": write_interval,
    "array": write_array,
    "map": write_map,
    "struct": write_struct,
}


# -- the process ------------------------------------------------------------------------------------------------------


def limit(kind, most):
    """Lowers a limit for good; False where the platform does not have it."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    try:
        resource.setrlimit(kind, (most, most))
    except (ValueError, OSError):
        return False
    return True


def allow_cpu(seconds):
    """CPU time for one request. The parent's clock is the limit; this one ends a body whose parent is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 2 * seconds + 2
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def end_with_parent(requests):
    """Waits until nobody can send requests any more."""
    waiting = select.poll()
    waiting.register(requests, 0)
    waiting.poll()
    os._exit(0)


def receive(descriptor, length):
    data = bytearray()
    while len(data) < length:
        piece = os.read(descriptor, min(length - len(data), 1 << 20))
        if not piece:
            os._exit(0)
        data += piece
    return data


def send(descriptor, identity, payload):
    data = memoryview(HEADER.pack(len(payload), identity) + payload)
    while data:
        data = data[os.write(descriptor, data) :]


class Worker:
    def __init__(self, seconds, largest):
        self.seconds = seconds
        self.largest = largest
        self.functions = {}

    def handle(self, payload):
        """The answer to one request, as JSON."""
        try:
            try:
                answer = {"values": self.values(json.loads(payload))}
            except Failure as failure:
                answer = failure.answer
            # A thread that goes on could write into the next request's answer.
            answer["leave"] = _thread._count() > 1
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except Exception:
                    pass
            data = json.dumps(answer, ensure_ascii=False, check_circular=False, separators=(",", ":")).encode("utf-8")
            if len(data) > self.largest:
                message = "the values for one batch of rows are too large: %d bytes" % len(data)
                return json.dumps(Failure("result", message).answer).encode("ascii")
            return data
        except MemoryError:
            pass
        # Outside the handler: the frames that held the memory are gone. What is left of it is not known.
        return b'{"error":"memory","leave":true}'

    def values(self, request):
        definition = request.get("define")
        if request.get("check"):
            Function(definition)
            return []
        number = request["function"]
        if definition is not None:
            self.functions[number] = Function(definition)
        return self.functions[number].call(request["rows"])


def main():
    memory, seconds, largest = map(int, sys.argv[1:4])
    try:
        opened = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        opened = range(256)
    for descriptor in opened:
        if descriptor > 2:
            try:
                os.close(descriptor)
            except OSError:
                pass
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    # What was printed last must be there when the process is ended.
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    # The locale's coercion adds to the environment; a body finds only what it was given.
    os.environ.pop("LC_CTYPE", None)
    _thread.stack_size(256 * 1024)
    _thread.start_new_thread(end_with_parent, (requests,))
    _thread.stack_size(0)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_NOFILE, 128)
    memory_limited = limit(resource.RLIMIT_AS, memory)
    worker = Worker(seconds, largest)
    ready = {"python": "%d.%d.%d" % sys.version_info[:3], "memory_limited": memory_limited}
    send(answers, bytes(16), json.dumps(ready).encode("ascii"))
    while True:
        length, identity = HEADER.unpack(receive(requests, HEADER.size))
        payload = receive(requests, length)
        allow_cpu(seconds)
        answer = worker.handle(payload)
        if os.getpid() != OWN_PROCESS:
            # A body has forked, and this is the copy.
            os._exit(0)
        send(answers, identity, answer)


if sys.version_info < (3, 9):
    sys.exit("Python 3.9 or newer is needed")
main()
