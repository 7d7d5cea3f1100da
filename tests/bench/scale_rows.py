"""Rows of size: what a call costs in a large workspace."""

import os
from contextlib import ExitStack

from http_rows import asked, invocations
from machine import PEERS, SERVER_CORE, Server, free_port
from measure import check, interleave, post, says, wrk
from workspace_config import BODY

SMALL = {"endpoints": 1, "grants": 1, "users": 1, "tokens": 1}
PART = float(os.environ.get("BENCH_SCALE", "1"))
LARGE = {"endpoints": int(10_000 * PART), "grants": 10, "users": 1000, "tokens": int(1_000_000 * PART) // 1000 * 1000}
# Of a large workspace's tokens, not all are shown every minute; so many are, in one row.
IN_USE = min(50_000, LARGE["tokens"])


def workspace(name, size):
    port = free_port()
    settings = [f"{key}={value}" for key, value in size.items()]
    return Server(name, [PEERS, "workspace", f"127.0.0.1:{port}", *settings], port, cores=SERVER_CORE, patience=600, ready_line="ready")


def scale(report, large):
    """`large` was started long before: seeding takes its time."""
    with ExitStack() as stack:
        small = stack.enter_context(workspace("small workspace", SMALL)).wait()
        large.wait()
        for server, size in ((small, SMALL), (large, LARGE)):
            def ask(number, server=server, size=size):
                number = number * 7919
                endpoint = number % size["endpoints"]
                user = (endpoint * size["grants"] + number % size["grants"]) % size["users"]
                token = user + size["users"] * (number % (size["tokens"] // size["users"]))
                answer = post(server.url, invocations(f"e{endpoint}"), asked(f"call {number}"), f"dapi{token:032x}")[2]
                return says(answer), f"You said: call {number}"

            check(server.name, ask)
        one = f"Bearer dapi{0:032x}"
        figures = interleave({
            "small": lambda: wrk(small, invocations("e0"), BODY, one),
            "large": lambda: wrk(large, invocations("e0"), BODY, one),
            "small, spread": lambda: wrk(small, invocations("e0"), BODY, one, **SMALL),
            "large, spread": lambda: wrk(large, invocations("e0"), BODY, one, **LARGE),
            "large, in use": lambda: wrk(large, invocations("e0"), BODY, one, **{**LARGE, "tokens": IN_USE}),
        })
        cost = {name: [one["cpu_us"] for one in rounds] for name, rounds in figures.items()}
        total = LARGE["endpoints"] * LARGE["grants"]
        what = f"{LARGE['endpoints']:,} endpoints, {total:,} grants, {LARGE['tokens']:,} tokens"
        report.begin(f"Size: server CPU time for each call with {what}, against one of each; pinned")
        report.ratio("one caller asks one endpoint", cost["large"], cost["small"], 1.2, at_least=False, unit="us")
        for key, tokens in (("large, in use", f"one of {IN_USE:,} tokens"), ("large, spread", "any token, nine in ten not seen lately")):
            label = f"each call another endpoint, user and token: {tokens}"
            report.ratio(label, cost[key], cost["small, spread"], 1.2, at_least=False, unit="us")
        report.figure("memory of the large workspace", [large.resident_mb()], unit="MB")
