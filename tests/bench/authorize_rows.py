"""Rows of authorizing: criterion's own figures of `benches/authorize.rs`, one core."""

import json
import os
import subprocess

from machine import ROOT, SCRATCH, SERVER_CORE


def authorizing(report):
    """The median of each benchmark, and its confidence interval."""
    home = SCRATCH / "criterion"
    command = ["cargo", "bench", "--quiet", "--locked", "--workspace", "--bench", "authorize"]
    # Everything in it is built first, on all cores.
    subprocess.run([*command, "--no-run"], cwd=ROOT, check=True)
    env = {**os.environ, "CRITERION_HOME": str(home)}
    pin = lambda: os.sched_setaffinity(0, SERVER_CORE)  # noqa: E731
    subprocess.run(command, cwd=ROOT, check=True, env=env, stdout=subprocess.DEVNULL, preexec_fn=pin)
    report.begin("Authorizing a three-part name with 100,000 grants and 1,000 groups (criterion: median and its confidence interval)")
    for found in sorted(home.glob("authorize/*/new/estimates.json")):
        median = json.loads(found.read_text())["median"]
        name = json.loads((found.parent / "benchmark.json").read_text())["function_id"]
        interval = median["confidence_interval"]
        figures = [interval["lower_bound"], median["point_estimate"], interval["upper_bound"]]
        report.figure(name, [one / 1e3 for one in figures], 10, unit="us")
