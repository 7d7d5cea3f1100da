"""Rounds, load generators, correctness before speed, and the table at the end."""

import http.client
import json
import os
import statistics
import subprocess

from machine import HERE, LOAD_CORE, PEERS

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))


def wrk(server, path, body, authorization, connections=32, kind="application/json", cores=LOAD_CORE, seconds=None, **spread):
    """One round of wrk, one thread: calls a second, latencies, and the server's own CPU time for each call."""
    seconds = seconds or SECONDS
    env = {**os.environ, "BENCH_BODY": body, "BENCH_AUTHORIZATION": authorization, "BENCH_TYPE": kind}
    env.update({f"BENCH_{name.upper()}": str(value) for name, value in spread.items()})
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    command += ["-s", str(HERE / "call.lua"), server.url + path]
    before = server.cpu_seconds()
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    out = subprocess.run(command, env=env, capture_output=True, text=True, check=True, preexec_fn=pin)
    figures = json.loads(out.stdout.strip().splitlines()[-1])
    if figures["status"] or figures["broken"] or not figures["requests"]:
        raise SystemExit(f"{server.name}: not every answer was good: {figures}\n{out.stdout}")
    figures["rate"] = figures["requests"] / figures["seconds"]
    figures["cpu_us"] = (server.cpu_seconds() - before) / figures["requests"] * 1e6
    return figures


def probe(server, path, body, token, rate=1000, seconds=None):
    """One connection at a fixed rate, by our own open-loop generator (src/latency.rs)."""
    command = [PEERS, "latency", server.url + path, str(rate), str(seconds or SECONDS), body, token]
    pin = lambda: os.sched_setaffinity(0, LOAD_CORE)  # noqa: E731
    out = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin)
    if out.returncode:
        raise SystemExit(f"{server.name}: {out.stderr}")
    return json.loads(out.stdout)


def interleave(measurements, rounds=None):
    """A, B, C, A, B, C, ...: {name: [figures of each round]}. A slow minute of the machine meets all of them."""
    figures = {name: [] for name in measurements}
    for _ in range(rounds or ROUNDS):
        for name, measure in measurements.items():
            figures[name].append(measure())
    return figures


def post(url, path, body, token=None, headers=None):
    """One call: (status, headers, decoded JSON)."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    headers = {"Content-Type": "application/json", **(headers or {})}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request("POST", path, body if isinstance(body, str) else json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read()
    try:
        return response.status, response.headers, json.loads(text)
    except ValueError:
        raise SystemExit(f"{url}{path}: {response.status} {text[:500]!r}") from None


def says(answer):
    """The text of a `ResponsesAgent`'s answer."""
    try:
        return answer["output"][0]["content"][0]["text"]
    except (KeyError, IndexError, TypeError):
        return f"no text: {json.dumps(answer)[:500]}"


def check(name, ask, calls=100):
    """`ask(number)` gives (what came, what should have come), a hundred times, before anything is timed."""
    for number in range(calls):
        came, wanted = ask(number)
        if came != wanted:
            raise SystemExit(f"{name}: wrong answer to call {number}: {came!r} instead of {wanted!r}")


class Report:
    """The rows, printed as they come and again as one table."""

    def __init__(self):
        self.rows, self.section = [], ""

    def begin(self, section):
        self.section = section
        print(f"\n== {section}", flush=True)

    def _add(self, label, ours, theirs, ratio, bar, passed, unit):
        row = {"section": self.section, "row": label, "unit": unit, "ours": ours, "theirs": theirs}
        row.update(ratio=ratio, bar=bar, verdict=None if passed is None else "pass" if passed else "MISS")
        self.rows.append(row)
        print(line(row), flush=True)

    def ratio(self, label, ours, theirs, bar=None, at_least=True, unit="req/s"):
        """Ratio of medians against a bar."""
        ratio = statistics.median(ours) / statistics.median(theirs)
        passed = None if bar is None else ratio >= bar if at_least else ratio <= bar
        sign = ">=" if at_least else "<="
        self._add(label, spread(ours), spread(theirs), f"{ratio:.3g}x", bar and f"{sign} {bar:g}x", passed, unit)

    def figure(self, label, ours, bar=None, unit="ms", beside=None):
        """A figure that has to stay below a bar."""
        middle = statistics.median(ours)
        passed = None if bar is None else middle <= bar
        self._add(label, spread(ours), beside and spread(beside), "", None if bar is None else f"<= {bar:g} {unit}", passed, unit)

    def table(self):
        print("\n" + "=" * 40 + " all rows, losing ones too")
        section = None
        for row in self.rows:
            if row["section"] != section:
                section = row["section"]
                print(f"\n{section}")
            print(line(row))
        missed = sum(row["verdict"] == "MISS" for row in self.rows)
        held = sum(row["verdict"] == "pass" for row in self.rows)
        print(f"\n{held} bars held, {missed} missed; rows without a bar are there for comparison")
        return missed


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def shown(figures):
    if not figures:
        return ""
    form = lambda value: f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"  # noqa: E731
    return f"{form(figures['median'])} ({form(figures['min'])} .. {form(figures['max'])})"


def line(row):
    verdict = row["verdict"] or ""
    against = f" against {shown(row['theirs'])}" if row["theirs"] else ""
    bar = f"  bar {row['bar']}" if row["bar"] else ""
    ratio = f"  = {row['ratio']}" if row["ratio"] else ""
    return f"  {verdict:4} {row['row']}: {shown(row['ours'])}{against} {row['unit']}{ratio}{bar}"
