"""`make bench`: every row in one run. See README.md."""

import json
import os
import shutil
import sys
import time

import authorize_rows
import build_rows
import http_rows
import issuer_rows
import python_rows
import scale_rows
import sql_rows
import start_rows
from machine import CORES, LOAD_CORE, SCRATCH, SERVER_CORE
from measure import ROUNDS, SECONDS, Report

PARTS = ("http", "latency", "start", "scale", "issuer", "authorize", "statements", "queries", "python")
# Not without being named.
LONG = ("build",)


def main():
    parts = sys.argv[1:] or PARTS
    for unknown in set(parts) - {*PARTS, *LONG}:
        raise SystemExit(f"no part {unknown}; there are {', '.join((*PARTS, *LONG))}")
    for tool in ("wrk", *(("node", "npm") if "issuer" in parts else ())):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is needed (Debian: apt-get install wrk nodejs npm)")
    if len(CORES) < 2:
        raise SystemExit("two cores are needed: one for what is measured, one for the load generator")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    begin, load = time.monotonic(), os.getloadavg()[0]
    print(f"{len(CORES)} cores, load average {load:.2f}; {ROUNDS} rounds of {SECONDS:g} s each, interleaved; median (min .. max)")
    print(f"pinned: what is measured on core {min(SERVER_CORE)}, wrk with one thread on core {min(LOAD_CORE)}")
    report = Report()
    if "python" in parts:
        python_rows.install()
    if "issuer" in parts:
        issuer_rows.install()
    if "http" in parts:
        http_rows.throughput(report, SERVER_CORE, LOAD_CORE, "pinned", full=True)
        http_rows.throughput(report, None, None, "not pinned", full=False)
    if "latency" in parts:
        http_rows.added_latency(report)
    if "start" in parts:
        start_rows.starting(report)
    if "issuer" in parts:
        issuer_rows.issuers(report)
    if "scale" in parts:
        with scale_rows.workspace("large workspace", scale_rows.LARGE) as large:
            scale_rows.scale(report, large)
    if "authorize" in parts:
        authorize_rows.authorizing(report)
    if "statements" in parts:
        sql_rows.statements(report)
    if "queries" in parts:
        sql_rows.queries(report)
    if "python" in parts:
        python_rows.agents(report)
    if "build" in parts:
        build_rows.building(report)
    missed = report.table()
    print(f"load average at the end {os.getloadavg()[0]:.2f}; {time.monotonic() - begin:.0f} s in all")
    (SCRATCH / "result.json").write_text(json.dumps(report.rows, indent=1))
    print(f"also as {SCRATCH / 'result.json'}")
    # A figure of a shared machine is for people to judge: a missed bar fails the run only when that is asked for.
    return 1 if missed and os.environ.get("BENCH_STRICT") else 0


if __name__ == "__main__":
    sys.exit(main())
