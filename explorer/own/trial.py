"""Build a network of a student's code for the first time, in a process of its own, where it can do no harm.

What it prints is dropped, it has nothing to read, opens no window, and ends after a while, whatever it does.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.files.places import PROJECT
from explorer.images.registry import Shape
from explorer.language.saying import Said, say

SECONDS = 60  # that building a network, and one look at two blank images, may take
IMAGES = 3  # blank ones; two would be taken for two classes


@dataclass(frozen=True)
class Trial:
    """What came of it: which network it was, called with what, and the shapes that it returned for IMAGES images."""

    name: str
    options: dict[str, Any]
    outputs: dict[str, tuple[int, ...]]  # by key, as `outputs.tensors_of` names them
    code: str  # the SHA-256 of what was run


def try_out(path: Path, name: str, options: Mapping[str, Any], shape: Shape, classes: int) -> Trial:
    """Build the network `name` (empty for the only one there is) of a file, and let it look at blank images.

    Raises ValueError with one sentence for whatever goes wrong.
    """
    asked = {"path": str(path.resolve()), "name": name, "options": options, "shape": shape, "classes": classes}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        ended = _run([json.dumps(asked), str(answer)], path.name)
        try:
            found = json.loads(answer.read_bytes())
        except (OSError, ValueError):
            raise ValueError(
                say(
                    "{file}: the process that builds its network ended without an answer (exit code {code}); take out "
                    "what ends it",
                    file=path.name,
                    code=ended,
                )
            ) from None
    if "error" in found:
        raise ValueError(_unpacked(found["error"]))
    return as_told(found)


def _packed(said: Any) -> Any:
    """What was said, for JSON: as the sentence and its values, so that it can be said again."""
    if not isinstance(said, Said):
        return said
    return {"sentence": said.sentence, "values": {name: _packed(value) for name, value in said.values.items()}}


def _unpacked(told: Any) -> Any:
    """What `_packed` gave, said here."""
    if not isinstance(told, dict):
        return told
    return say(told["sentence"], **{name: _unpacked(value) for name, value in told["values"].items()})


def as_told(found: Mapping[str, Any]) -> Trial:
    """What `building.first_look` found, as the process tells it."""
    outputs = {key: tuple(sizes) for key, sizes in found["outputs"].items()}
    return Trial(found["name"], found["options"], outputs, found["code"])


def _run(arguments: list[str], file: str) -> int:
    """The exit code of this module as a program; ValueError where it does not end in time."""
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    command = [sys.executable, "-m", "explorer.own.trial", *arguments]
    process = subprocess.Popen(command, env=environment, cwd=PROJECT, start_new_session=True, **quiet)
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        words = "{file}: its network is not built after {seconds} s; take out of it what waits or works that long"
        raise ValueError(say(words, file=file, seconds=SECONDS)) from None
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process, and what it started where the system knows that as a group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing of it runs any more
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def main(asked: Mapping[str, Any], answer: Path) -> None:
    """What the process does; `answer` is where it says what came of it."""
    from explorer.own.building import first_look  # torch, too

    try:
        found = first_look(**{**asked, "path": Path(asked["path"]), "shape": tuple(asked["shape"])})
    except ValueError as error:
        found = {"error": _packed(str(error))}
    answer.write_text(json.dumps(found, default=str), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
