"""Where things lie on disk: each folder is an environment variable's, else one in the project."""

import os
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent

PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")  # of what one names oneself: a file name on any system


def data_root() -> Path:
    """Where full datasets lie: the environment variable EXPLORER_DATA, else `data/` in the project."""
    return Path(os.environ.get("EXPLORER_DATA") or PROJECT / "data")


def checkpoints_root() -> Path:
    """Where checkpoints lie: the environment variable EXPLORER_CHECKPOINTS, else `checkpoints/` in the project."""
    return Path(os.environ.get("EXPLORER_CHECKPOINTS") or PROJECT / "checkpoints")


def results_root() -> Path:
    """Where results lie: the environment variable EXPLORER_RESULTS, else `results/` in the project."""
    return Path(os.environ.get("EXPLORER_RESULTS") or PROJECT / "results")


def own_root() -> Path:
    """The folder that pages import from: the environment variable EXPLORER_OWN, else `own/` in the project."""
    return Path(os.environ.get("EXPLORER_OWN") or PROJECT / "own")


def answers_root() -> Path:
    """Where the answers lie that ship: the environment variable EXPLORER_ANSWERS, else beside our checkpoints."""
    return Path(os.environ.get("EXPLORER_ANSWERS") or PROJECT / "checkpoints" / "answers")
