"""The short forms of the fault scripts; the long ones are run by hand (see each script's first line)."""

import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent


def run(script: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, FAULTS / script, *arguments], capture_output=True, text=True, timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_damaged_files_are_refused_in_a_sentence_each():
    said = run("corpus.py", "--flips", "10")
    assert said.count("files") == 10 and "memory:" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sweep and CSV", "band", "import of images", "training by queue"])
def test_what_is_killed_leaves_nothing_half_written_and_loses_nothing(name):
    assert "lost: 0" in run("kills.py", name, "--rounds", "3")
