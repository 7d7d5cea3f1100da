"""What every agent imports, and how that is done in less time.

A third of the time of these imports goes into text that `dataclasses` writes and has compiled, the same each time: the
SDK has two thousand data classes. Python keeps the compiled form of a file, but not of such text. So when an
environment is built this file runs once in it, as `python -c <this> <file>`, and keeps the compiled form beside the
environment's interpreter; nobody but brickyard writes there. Where it is missing, or is another Python's, everything is
compiled as usual.
"""

import gc
import importlib
import importlib.util
import marshal
import os
import sys

# What the worker's own loading begins with.
IMPORTED = ("mlflow", "mlflow.pyfunc", "mlflow.pyfunc.scoring_server", "databricks.sdk", "databricks_ai_bridge")
FILE = "brickyard-generated-code"


class RareCollections:
    """Lets the collector look for garbage rarely while a model is loaded.

    Imports make a million objects and next to no garbage, and a sixth of the time of loading went into looking for it.
    What the agent itself does with the collector stays as it did it.
    """

    OFTEN = 100_000

    def __enter__(self):
        self.before = gc.get_threshold()
        self.rare = (self.OFTEN, *self.before[1:])
        if 0 < self.before[0] < self.OFTEN:
            gc.set_threshold(*self.rare)

    def __exit__(self, *_):
        if gc.get_threshold() == self.rare:
            gc.set_threshold(*self.before)


class Generated:
    """Answers `exec` for the module `dataclasses` while it is entered: with the kept form of a text, if there is one."""

    def __init__(self, kept):
        self.kept = kept

    def __enter__(self):
        import dataclasses

        self.module = dataclasses
        dataclasses.exec = self.run

    def __exit__(self, *_):
        del self.module.exec

    def run(self, text, *names):
        code = self.kept.get(text)
        if code is None:
            code = self.kept[text] = compile(text, "<string>", "exec", dont_inherit=True)
        exec(code, *names)


def read(path):
    """What was kept at `path` by this very Python; empty if there is none."""
    try:
        with open(path, "rb") as file:
            head, kept = marshal.load(file)
        return kept if head == _python() else {}
    except (OSError, ValueError, EOFError, TypeError):
        return {}


def _python():
    return (sys.version, importlib.util.MAGIC_NUMBER)


def import_what_agents_import(kept=None):
    """Imports it, and forgets what cannot be: the worker says so when it loads its model."""
    if kept is None:
        kept = read(os.path.join(sys.prefix, FILE))
    with RareCollections(), Generated(kept):
        for name in IMPORTED:
            try:
                importlib.import_module(name)
            except Exception:
                # Not installed, or broken.
                continue


if __name__ == "__main__":
    compiled = {}
    import_what_agents_import(compiled)
    with open(sys.argv[1], "wb") as file:
        marshal.dump((_python(), compiled), file)
