"""What every agent imports, and how that is done in less time.

Half of the time of these imports goes into what comes out the same each time and that Python does not keep, as it keeps
the compiled form of a file: text that `dataclasses` writes and has compiled (the SDK has two thousand data classes),
their signatures, regular expressions. So when an environment is built this file runs once in it, as
`python -c <this> <file>`, and keeps them beside the environment's interpreter; nobody but brickyard writes there. Where
they are missing, or another Python's, everything is made as usual.
"""

import gc
import importlib
import importlib.util
import marshal
import os
import sys

# What the worker's own loading begins with.
IMPORTED = ("mlflow", "mlflow.pyfunc", "mlflow.pyfunc.scoring_server", "databricks.sdk", "databricks_ai_bridge")
FILE = "brickyard-kept-imports"


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


class Kept:
    """While it is entered, modules of the standard library get what they make from here, if it is here.

    `code`: the compiled form of a text of `dataclasses`. `signatures`: of a data class, as its documentation shows it.
    `patterns`: the arguments from which the interpreter makes a regular expression, after all parsing. `packages`:
    which installed package has which module.
    """

    def __init__(self, kept=None, keeps=False):
        kept = kept or {}
        self.code = kept.get("code", {})
        self.signatures = kept.get("signatures", {})
        self.patterns = kept.get("patterns", {})
        self.packages = kept.get("packages")
        self.keeps = keeps

    def all(self):
        parts = ("code", "signatures", "patterns", "packages")
        return {part: getattr(self, part) for part in parts}

    def __enter__(self):
        import dataclasses
        import inspect
        import re

        self.dataclasses, self.inspect = dataclasses, inspect
        dataclasses.exec = self.run
        dataclasses.inspect = self
        # Python 3.10 has it elsewhere.
        self.compiler = getattr(re, "_compiler", None) or getattr(re, "sre_compile", None)
        if self.compiler is not None:
            self.compile, self.made = self.compiler.compile, self.compiler._sre
            self.compiler.compile = self.pattern
        return self

    def __exit__(self, *_):
        del self.dataclasses.exec
        self.dataclasses.inspect = self.inspect
        if self.compiler is not None:
            self.compiler.compile = self.compile

    def run(self, text, *names):
        code = self.code.get(text)
        if code is None:
            code = compile(text, "<string>", "exec", dont_inherit=True)
            if self.keeps:
                self.code[text] = code
        exec(code, *names)

    def signature(self, of, **options):
        name = f"{of.__module__}.{of.__qualname__}"
        text = self.signatures.get(name)
        if text is None:
            text = str(self.inspect.signature(of, **options))
            # What a function defines anew each time may differ.
            if self.keeps and "<locals>" not in name:
                self.signatures[name] = text
        return text

    def __getattr__(self, name):
        # Whatever else `dataclasses` finds in `inspect`.
        return getattr(self.inspect, name)

    def pattern(self, text, flags=0):
        if type(text) not in (str, bytes):
            return self.compile(text, flags)
        key = (text, int(flags))
        made_of = self.patterns.get(key)
        if made_of is not None:
            return self.made.compile(*made_of)
        if not self.keeps:
            return self.compile(text, flags)
        self.compiler._sre = Witness(self.made, lambda made_of: self.patterns.__setitem__(key, made_of))
        try:
            return self.compile(text, flags)
        finally:
            self.compiler._sre = self.made

    def know_packages(self):
        """Lets mlflow find out which package has which module, which it asks whenever it loads a model."""
        requirements = sys.modules.get("mlflow.utils.requirements_utils")
        find_out = getattr(requirements, "_init_modules_to_packages_map", None)
        metadata = getattr(requirements, "importlib_metadata", None)
        reads = getattr(metadata, "packages_distributions", None)
        if find_out is None or reads is None:
            return

        def known():
            found = reads() if self.packages is None else self.packages
            if self.keeps:
                self.packages = dict(found)
            return {module: list(packages) for module, packages in found.items()}

        metadata.packages_distributions = known
        try:
            find_out()
        finally:
            metadata.packages_distributions = reads


class Witness:
    """The interpreter's module for regular expressions, whose `compile` says what it was called with."""

    def __init__(self, module, told):
        self.module = module
        self.told = told

    def compile(self, *made_of):
        made = self.module.compile(*made_of)
        # Its numbers have names, which are not kept.
        text, flags, code, groups, names, order = made_of
        self.told((text, int(flags), [int(number) for number in code], groups, dict(names), order))
        return made

    def __getattr__(self, name):
        return getattr(self.module, name)


def read(path):
    """What was kept at `path` by this very Python; empty if there is none."""
    try:
        with open(path, "rb") as file:
            head, kept = marshal.loads(file.read())
        return kept if head == _python() else {}
    except (OSError, ValueError, EOFError, TypeError):
        return {}


def _python():
    return (sys.version, importlib.util.MAGIC_NUMBER)


def import_what_agents_import(kept=None):
    """Imports it, and forgets what cannot be: the worker says so when it loads its model."""
    kept = kept or Kept(read(os.path.join(sys.prefix, FILE)))
    with RareCollections(), kept:
        for name in IMPORTED:
            try:
                importlib.import_module(name)
            except Exception:
                # Not installed, or broken.
                continue
    try:
        kept.know_packages()
    except Exception:
        # It will find out by itself.
        pass


if __name__ == "__main__":
    keeper = Kept(keeps=True)
    import_what_agents_import(keeper)
    with open(sys.argv[1], "wb") as file:
        marshal.dump((_python(), keeper.all()), file)
