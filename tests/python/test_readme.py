"""The samples of the README are run as they stand there, only against the test's own address."""

import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
SAMPLES = [(language, code) for language, code in BLOCKS if language == "python" or code.startswith("curl")]


@pytest.mark.parametrize(("language", "code"), SAMPLES, ids=[code.split()[1] for _, code in SAMPLES])
def test_a_sample_of_the_readme_works(brickyard, language, code):
    if language == "bash" and not shutil.which("curl"):
        pytest.skip("no curl on this machine")
    runner = ["bash", "-ec"] if language == "bash" else [sys.executable, "-c"]
    code = code.replace("http://localhost:8080", brickyard.url)
    ran = subprocess.run([*runner, code], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    # What each sample is there to show: who acted, or what Ana sees of the sales.
    shown = "['EMEA', '***', " if "statement_execution" in code else "on_behalf_of_user"
    assert shown in ran.stdout, ran.stdout
