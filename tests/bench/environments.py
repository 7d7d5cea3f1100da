"""Python environments of what is measured against."""

import os
import shutil
import subprocess
import sys

from machine import TARGET


def environment(name, requirements):
    """The environment of a list of requirements, made when it is not there or the list has changed."""
    venv, wanted = TARGET / "python" / name, requirements.read_text()
    stamp = venv / ".ready"
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = shutil.which("uv") or TARGET / "python/uv/bin/uv"
        if not os.path.exists(uv):
            subprocess.run([sys.executable, "-m", "venv", TARGET / "python/uv"], check=True)
            subprocess.run([TARGET / "python/uv/bin/python", "-m", "pip", "install", "--quiet", "uv"], check=True)
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, venv], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", venv / "bin/python", "-r", requirements], check=True)
        stamp.write_text(wanted)
    return venv
