"""Run a Python program that holds a lock for as long as it lives: held.py LOCK, then what would follow `python`.

The program runs in this very process, so that no other can outlive it with the lock, nor it without.
"""

import runpy
import sys
from pathlib import Path

from explorer.files.locks import take

PATIENCE = 10.0  # seconds; whoever asks whether the lock is held holds it for a moment
TAKEN = 75  # the exit code where another holds the lock: sysexits' "try again later"


def run(lock: Path, how: str, *rest: str) -> None:
    """Run `-m MODULE`, `-c CODE` or a file, with the arguments that follow, as `python` would."""
    held = take(lock, wait=PATIENCE)
    if held is None:
        sys.exit(TAKEN)
    try:
        if how == "-m":
            sys.argv = list(rest)
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif how == "-c":
            sys.argv = ["-c", *rest[1:]]
            exec(rest[0], {"__name__": "__main__"})
        else:
            sys.argv = [how, *rest]
            runpy.run_path(how, run_name="__main__")
    finally:
        held.release()


if __name__ == "__main__":
    run(Path(sys.argv[1]), *sys.argv[2:])
