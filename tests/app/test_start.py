"""What opens the app: pages whose curves ship wait for nothing but pandas and Altair, least of all for torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
WITHOUT_TORCH = """
import json, sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] not in ("torch", "torchvision"), f"{name} is imported"

sys.meta_path.insert(0, Refusal())
from streamlit.testing.v1 import AppTest

at = AppTest.from_file(sys.argv[1], default_timeout=300)
at.query_params.update(json.loads(sys.argv[2]))
if sys.argv[3] != "prune":
    at.switch_page(f"explorer/app/pages/{sys.argv[3]}.py")
at.run()
assert not at.exception, at.exception[0].message
assert not at.error, at.error[0].value
charts = len(at.get("vega_lite_chart"))
print(json.dumps({"charts": charts, "metrics": {each.label: each.value for each in at.metric}}))
"""


def opened_without_torch(tmp_path, page, link):
    """What a page shows in a process that cannot import torch, on a machine without images but the bundled ones."""
    environment = {name: value for name, value in os.environ.items() if name != "EXPLORER_ANSWERS"}
    environment |= {"EXPLORER_DATA": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_TORCH, str(PROJECT / "streamlit_app.py"), json.dumps(link)]
    done = subprocess.run([*command, page], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("link", "accuracy"),
    [
        ({}, "Accuracy at K = 16"),
        ({"lab": "A"}, "Accuracy at K = 14"),
        ({"lab": "D"}, "Accuracy at K = 128"),
        ({"lab": "E"}, "Accuracy at K = 32"),
    ],
)
def test_the_curve_that_ships_is_there_without_torch(tmp_path, link, accuracy):
    shown = opened_without_torch(tmp_path, "prune", link)
    assert shown["charts"] >= 1 and shown["metrics"][accuracy].endswith(" %")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["sweep", "compare"])
def test_the_comparison_that_ships_is_there_without_torch(tmp_path, page):
    assert opened_without_torch(tmp_path, page, {})["charts"] == 1
