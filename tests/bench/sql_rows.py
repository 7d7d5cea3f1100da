"""Rows of the SQL warehouse: `SELECT 1` against minilake, queries against bare DataFusion, and a thousand at once."""

import asyncio
import http.client
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack

from environments import environment
from http_rows import token_of
from machine import CORES, HERE, PEERS, SCRATCH, SERVER_CORE, Server, brickyard, clean_environment, free_port, fresh_dir
from measure import ROUNDS, check, interleave, post, probe, wrk
from workspace_config import ADMIN, sql

PATH = "/api/2.0/sql/statements"
# Of the file that is read as it is, and of the table with policies, which is made of a part of it.
ROWS = int(float(os.environ.get("BENCH_SCALE", "1")) * 10_000_000)
PART = ROWS // 2
MEBIBYTES = 512
ANA = "ana@example.com"


def install():
    return environment("bench-sql", HERE / "sql_requirements.txt")


def body(statement, warehouse="w", wait="10s"):
    return json.dumps({"statement": statement, "warehouse_id": warehouse, "wait_timeout": wait, "disposition": "INLINE", "format": "JSON_ARRAY"})


def rows_of(answer):
    try:
        assert answer["status"]["state"] == "SUCCEEDED"
        return answer["result"].get("data_array") or []
    except (KeyError, AssertionError):
        raise SystemExit(f"a statement failed: {json.dumps(answer)[:1000]}") from None


def run(server, statement, token):
    """To its end, however long it takes."""
    answer = post(server.url, PATH, body(statement), token)[2]
    while answer.get("status", {}).get("state") in ("PENDING", "RUNNING"):
        time.sleep(0.2)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", f"{PATH}/{answer['statement_id']}", headers={"Authorization": f"Bearer {token}"})
        answer = json.loads(connection.getresponse().read())
    return rows_of(answer)


class Door:
    """A connection that stays open, as every client keeps one: what Python does with the bytes is not in the time."""

    def __init__(self, server, token):
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    def ask(self, statement):
        """Milliseconds from the first byte of the request to the last of the answer, and the rows."""
        text = body(statement, wait="50s")
        request = f"{self.head}Content-Length: {len(text)}\r\n\r\n{text}".encode()
        begin = time.perf_counter()
        self.socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.more()
        head, _, answer = received.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(answer) < length:
            answer += self.more()
        took = (time.perf_counter() - begin) * 1e3
        return took, rows_of(json.loads(answer))

    def more(self):
        got = self.socket.recv(1 << 20)
        if not got:
            raise SystemExit("brickyard closed the connection")
        return got


def statements(report):
    """The smallest statement there is, and a thousand of them at once."""
    venv = install()
    with ExitStack() as stack:
        ours = stack.enter_context(brickyard("brickyard sql", sql(MEBIBYTES), SERVER_CORE)).wait()
        token, port = token_of(ours.url), free_port()
        # Its extension would be fetched from a server of DuckDB's; nothing here needs it.
        env = {
            "MINILAKE_DATA_DIR": str(fresh_dir("minilake")), "MINILAKE_DUCKDB_EXTENSION_DIR": str(fresh_dir("minilake-extensions")),
            "MINILAKE_NOTEBOOK": "0",
        }
        command = [venv / "bin/minilake", "--port", port, "--host", "127.0.0.1"]
        theirs = stack.enter_context(Server("minilake", command, port, ready="/_minilake/health", env=env, cores=SERVER_CORE)).wait()
        made = post(theirs.url, "/api/2.0/sql/warehouses", {"name": "w", "cluster_size": "2X-Small"})[2]["id"]
        one, their_one = body("SELECT 1"), body("SELECT 1", made)
        for server, number_of, warehouse in ((ours, str, "w"), (theirs, int, made)):
            check(server.name, lambda n, server=server, number_of=number_of, warehouse=warehouse: (
                rows_of(post(server.url, PATH, body(f"SELECT {n}", warehouse), token)[2]), [[number_of(n)]]))
        bearer = f"Bearer {token}"
        figures = interleave({
            "ours 32": lambda: wrk(ours, PATH, one, bearer),
            "theirs 32": lambda: wrk(theirs, PATH, their_one, bearer),
            "ours 1": lambda: wrk(ours, PATH, one, bearer, connections=1),
            "theirs 1": lambda: wrk(theirs, PATH, their_one, bearer, connections=1),
            "ours at a rate": lambda: probe(ours, PATH, one, token, rate=200),
        })
        rate = {name: [one["rate"] for one in rounds] for name, rounds in figures.items() if "rate" in rounds[0]}
        milliseconds = lambda name, key: [one[key] / 1e3 for one in figures[name]]  # noqa: E731
        report.begin("SELECT 1 through REST, inline JSON; pinned")
        report.figure("1 connection, 200 a second (open loop), p50", milliseconds("ours at a rate", "p50_us"), 2.0)
        report.figure("1 connection, 200 a second (open loop), p99", milliseconds("ours at a rate", "p99_us"))
        report.figure("1 connection (closed loop), p50, beside minilake's", milliseconds("ours 1", "p50_us"), beside=milliseconds("theirs 1", "p50_us"))
        report.ratio("32 connections, against minilake", rate["ours 32"], rate["theirs 32"], 5.0, unit="statements/s")
        report.ratio("1 connection, against minilake", rate["ours 1"], rate["theirs 1"], 5.0, unit="statements/s")
        for name in ("ours 32", "theirs 32"):
            report.figure(f"CPU time of the server for each statement: {name.split()[0]}", [one["cpu_us"] for one in figures[name]], unit="us")
    with ExitStack() as stack:
        ours = stack.enter_context(brickyard("brickyard many", sql(MEBIBYTES))).wait()
        token = token_of(ours.url)
        for statement in ("CREATE CATALOG b", "CREATE SCHEMA b.s", "CREATE TABLE b.s.small AS SELECT 0 AS id UNION ALL SELECT 1", *(
            f"GRANT {what} TO `account users`" for what in ("USE CATALOG ON CATALOG b", "USE SCHEMA ON SCHEMA b.s", "SELECT ON TABLE b.s.small"))):
            run(ours, statement, ADMIN)
        took, wrong = [], []
        for _ in range(ROUNDS):
            each, bad = asyncio.run(thousand(ours, token))
            took.append(max(each))
            wrong.append(bad)
        report.begin("1,000 statements at once, each on a connection of its own: half SELECT n, half a look into a table")
        report.figure("wrong or refused", wrong, 0, unit="of 1,000")
        report.figure("the last answer", took, unit="s")


async def thousand(server, token):
    """The seconds that each took, and how many were not answered rightly."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    begun = asyncio.Event()

    async def ask(number):
        statement = f"SELECT {number}" if number % 2 else f"SELECT id + {number} FROM b.s.small WHERE id = 0"
        text = body(statement, wait="50s")
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await begun.wait()
        begin = time.perf_counter()
        writer.write(f"{head}Connection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        head, _, answer = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        took = time.perf_counter() - begin
        try:
            return took, head.startswith(b"HTTP/1.1 200") and json.loads(answer)["result"]["data_array"] == [[str(number)]]
        except (ValueError, KeyError):
            return took, False

    asked = [asyncio.create_task(ask(number)) for number in range(1000)]
    await asyncio.sleep(1)
    begun.set()
    answers = await asyncio.gather(*asked)
    return [took for took, _ in answers], sum(not good for _, good in answers)


class Bare:
    """DataFusion by itself, in a process that answers a query a line."""

    def __init__(self, command, **tables):
        log = open(SCRATCH / "logs/bare-datafusion.log", "a")
        command = [*command, str(MEBIBYTES), *(f"{name}={folder}" for name, folder in tables.items())]
        self.process = subprocess.Popen(
            [str(part) for part in command], env=clean_environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{command[0]} did not come up; see {log.name}")

    def ask(self, query):
        self.process.stdin.write(query.replace("\n", " ") + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise SystemExit(f"bare DataFusion: {answer['error']}")
        return answer["ms"], answer["rows"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def same(ours, theirs):
    """Equal tables; numbers as numbers, for each side writes them in its own way."""
    def value(text):
        try:
            return round(float(text), 4)
        except ValueError:
            return text

    return [[value(cell) for cell in row] for row in ours] == [[value(cell) for cell in row] for row in theirs]


# A filter with a group and a mapping, a mask with a group; and what a person would write in their place.
FILTER = f"""EXISTS (SELECT 1 FROM mapping m WHERE m.who = '{ANA}' AND m.region = orders.region)"""
MASKED = "concat('***@', split_part(customer, '@', 2))"
PAIRS = {
    "count, sum and average by region": (
        "SELECT region, count(*), sum(amount), avg(quantity) FROM {orders} GROUP BY region ORDER BY region",
        f"SELECT region, count(*), sum(amount), avg(quantity) FROM orders WHERE {FILTER} GROUP BY region ORDER BY region"),
    "count and sum by the masked column": (
        "SELECT customer, count(*), sum(amount) FROM {orders} GROUP BY customer ORDER BY customer",
        f"SELECT customer, count(*), sum(amount) FROM (SELECT {MASKED} AS customer, amount FROM orders WHERE {FILTER}) GROUP BY customer ORDER BY customer"),
    "100 rows of the middle, by id": (
        f"SELECT id, customer, amount FROM {{orders}} WHERE id BETWEEN {PART // 2} AND {PART // 2 + 99} ORDER BY id",
        f"SELECT id, {MASKED}, amount FROM orders WHERE {FILTER} AND id BETWEEN {PART // 2} AND {PART // 2 + 99} ORDER BY id"),
    "a hundredth of the rows, by quantity": (
        "SELECT count(*), sum(amount) FROM {orders} WHERE quantity = 7",
        f"SELECT count(*), sum(amount) FROM orders WHERE {FILTER} AND quantity = 7"),
}
AGGREGATES = {
    "by region": "SELECT region, count(*), sum(amount), avg(quantity), max(id) FROM {t} GROUP BY region ORDER BY region",
    "100,000 customers": "SELECT count(*), max(total) FROM (SELECT customer, sum(amount) AS total FROM {t} GROUP BY customer)",
}
SETUP = f"""CREATE CATALOG b
CREATE SCHEMA b.s
CREATE TABLE b.s.orders AS SELECT * FROM read_files('data/all', format => 'parquet') WHERE id < {PART}
CREATE TABLE b.s.mapping (who STRING, region STRING)
INSERT INTO b.s.mapping VALUES {', '.join(f"('{ANA}', 'region-{n}')" for n in range(4))}, ('ben@example.com', 'region-7')
CREATE FUNCTION b.s.may_see(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('managers') OR EXISTS (SELECT 1 FROM b.s.mapping m WHERE m.who = current_user() AND m.region = may_see.region)
CREATE FUNCTION b.s.masked(customer STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('managers') THEN customer ELSE concat('***@', split_part(customer, '@', 2)) END
ALTER TABLE b.s.orders SET ROW FILTER b.s.may_see ON (region)
ALTER TABLE b.s.orders ALTER COLUMN customer SET MASK b.s.masked
GRANT USE CATALOG ON CATALOG b TO `account users`
GRANT USE SCHEMA ON SCHEMA b.s TO `account users`
GRANT SELECT ON TABLE b.s.orders TO `account users`"""


def queries(report):
    """Large queries: policies against the same by hand, and Parquet files against DataFusion as others run it."""
    venv = install()
    data = SCRATCH / "config/brickyard-queries/data/all"
    stamp = data.parent / "rows"
    if not stamp.exists() or stamp.read_text() != str(ROWS):
        fresh_dir("config/brickyard-queries/data")
        subprocess.run([PEERS, "parquet", data, str(ROWS), "4"], check=True)
        stamp.write_text(str(ROWS))
    (SCRATCH / "logs").mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        state = fresh_dir("state/brickyard-queries")
        ours = stack.enter_context(brickyard("brickyard queries", sql(MEBIBYTES), data_dir=state)).wait()
        tables = {}
        for statement in SETUP.splitlines():
            before = set((state / "tables").iterdir())
            run(ours, statement, ADMIN)
            tables.update({statement.split()[2].rsplit(".", 1)[-1]: folder for folder in set((state / "tables").iterdir()) - before})
        bare = stack.enter_context(Bare([PEERS, "datafusion"], all=data, **tables))
        wheel = stack.enter_context(Bare([venv / "bin/python", HERE / "bare_datafusion.py"], all=data))
        ana = Door(ours, token_of(ours.url))

        def rounds(mine, **theirs):
            """Milliseconds of each, interleaved, after one time that is not counted and whose answers have to be equal."""
            first = mine()[1]
            for name, other in theirs.items():
                rows = other()[1]
                if not same(first, rows):
                    raise SystemExit(f"{name} answers something else: {first[:3]} .. and {rows[:3]} ..")
            figures = interleave({"mine": mine, **theirs}, rounds=3 * ROUNDS)
            return {name: [took for took, _ in times] for name, times in figures.items()}

        report.begin(f"Row filter (group and mapping) and column mask on {PART:,} rows of a managed table, through REST, against bare DataFusion with both written by hand; {len(CORES)} cores")
        for label, (policed, by_hand) in PAIRS.items():
            figures = rounds(lambda q=policed.format(orders="b.s.orders"): ana.ask(q), bare=lambda q=by_hand: bare.ask(q))
            report.ratio(label, figures["mine"], figures["bare"], 1.15, at_least=False, unit="ms")
        cli = command_line()
        against = "datafusion-cli" if cli else "the wheel of DataFusion's Python package (datafusion-cli is not there: BENCH_DATAFUSION_CLI)"
        report.begin(f"Aggregates over {ROWS:,} rows of Parquet files, read_files through REST, a pool of {MEBIBYTES} MiB each; {len(CORES)} cores")
        admin = Door(ours, ADMIN)
        for label, query in AGGREGATES.items():
            mine = query.format(t="read_files('data/all', format => 'parquet')")
            plain = query.format(t='"all"')
            others = {"wheel": lambda q=plain: wheel.ask(q), "bare": lambda q=plain: bare.ask(q)}
            figures = rounds(lambda q=mine: admin.ask(q), **others)
            if cli:
                figures["cli"] = cli_times(cli, data, plain)
            theirs = figures["cli" if cli else "wheel"]
            report.ratio(f"{label}, against {against}", figures["mine"], theirs, 1.2, at_least=False, unit="ms")
            report.ratio(f"{label}, against bare DataFusion of the same build", figures["mine"], figures["bare"], unit="ms")
        report.figure("memory of brickyard after it all", [ours.resident_mb()], unit="MB")


def command_line():
    """`datafusion-cli`, if somebody built it: that takes as long as brickyard itself."""
    return os.environ.get("BENCH_DATAFUSION_CLI") or shutil.which("datafusion-cli")


def cli_times(cli, data, query):
    """Milliseconds of each time but the first, as it says them itself."""
    create = f"CREATE EXTERNAL TABLE \"all\" STORED AS PARQUET LOCATION '{data}'"
    commands = [create] + [query] * (3 * ROUNDS + 1)
    arguments = [part for command in commands for part in ("-c", command + ";")]
    out = subprocess.run([cli, "-m", f"{MEBIBYTES}m", *arguments], env=clean_environment(), capture_output=True, text=True, check=True)
    took = [float(line.split()[1]) * 1e3 for line in out.stdout.splitlines() if line.startswith("Elapsed")]
    if len(took) != len(commands):
        raise SystemExit(f"datafusion-cli said something else:\n{out.stdout[-1000:]}{out.stderr[-1000:]}")
    return took[2:]
