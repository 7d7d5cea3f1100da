"""Rows of building: a clean development build, and the build after a change. Only when asked for: ten minutes and more."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from machine import ROOT, SCRATCH, fresh_dir

TIMES = 3
# A change in the crate that everything meets in, in one that the SQL engine stands on, and in the engine itself.
CHANGED = {"brickyard": 30, "brickyard-catalog": 30, "brickyard-sql": None}


def build(sources):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(SCRATCH / "build/target")}
    begin = time.perf_counter()
    done = subprocess.run(
        ["cargo", "build", "--locked", "--workspace"], cwd=sources, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"the build failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - begin


def building(report):
    """Of a copy of what the repository holds: nobody's sources are changed, and nobody's target folder is emptied."""
    fresh_dir("build")
    sources = SCRATCH / "build/sources"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, sources / name)
    subprocess.run(["cargo", "fetch", "--locked"], cwd=sources, check=True, capture_output=True)
    report.begin("Building the workspace for development (cargo build, what it depends on is downloaded)")
    report.figure("clean", [build(sources)], 600, unit="s")
    for crate, bar in CHANGED.items():
        source = Path(sources, "crates", crate, "src/lib.rs")
        text, took = source.read_text(), []
        for number in range(TIMES):
            source.write_text(f"{text}\n/// A change.\npub fn changed() -> usize {{\n    {number}\n}}\n")
            took.append(build(sources))
        report.figure(f"after a change of {crate}", took, bar, unit="s")
    shutil.rmtree(SCRATCH / "build")
