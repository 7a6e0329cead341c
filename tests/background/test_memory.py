"""Memory is handed back, and what stays in it is no leak."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_what_stays_in_memory_is_let_go_at_the_end_without_a_complaint():
    """Libraries bound by nanobind call every object a leak that is still there when Python ends."""
    code = "import torch._dynamo; from explorer.background import memory; memory.settle(); memory.give_back()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout + ended.stderr == ""
