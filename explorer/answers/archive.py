"""How an answer that ships lies in a file: what identifies it without an image, and what it was computed on.

`answers/NAME/`, below the checkpoints that ship, holds the answers about the checkpoint NAME, a compressed NumPy
archive each. Its `about`, JSON, has the identity (what was asked, of which weights, over images of which published
checksums, in which format), the facts that are no arrays, and when, with what and on what it was computed. An answer of
another identity, such as one about a checkpoint that has changed since, is none.
"""

import io
import json
import os
import platform
import re
import zipfile
import zlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from explorer.files.places import answers_root
from explorer.files.whole import write_whole
from explorer.images.registry import DATASETS
from explorer.language.saying import say
from explorer.networks.cards import versions
from explorer.networks.checkpoints import Checkpoint

FORMAT = 1  # of these files: raise it where their meaning changes, and ship anew
SPLIT = "test"  # the only one that answers ship about; a curve may be ranked on another
USUAL = ("filter", "once")  # not worth a word in a file's name

MADE = re.compile(r"(?P<date>.+), PyTorch (?P<version>\S+), (?P<count>\d+) threads? of (?P<machine>.+)")
Note = str  # a sentence for the user on the way to an answer
Arrays = dict[str, np.ndarray]
Facts = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Archive:
    """What a file holds."""

    arrays: Arrays
    facts: Facts
    made: str  # when, with what and on what it was computed, in words


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a checkpoint; it says where the answer lies."""

    checkpoint: Checkpoint
    kind: str
    asked: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """Where the answer lies, whether or not there is one."""
        words = [self.kind, *(str(value) for value in self.asked.values() if value not in USUAL)]
        return answers_root() / self.checkpoint.name / f"{'-'.join(words)}.npz"

    @property
    def identity(self) -> Facts:
        """Everything that decides the answer's numbers, but for the K and the number of images."""
        card = self.checkpoint.card
        files = DATASETS[card.dataset].files
        splits = dict.fromkeys([SPLIT, self.asked.get("ranked_on", SPLIT)])
        return {
            "format": FORMAT,
            "kind": self.kind,
            "asked": dict(self.asked),
            "weights": self.checkpoint.sha256,
            "network": card.model,
            "mean": list(card.mean),
            "std": list(card.std),
            "classes": list(card.classes),
            "images": [card.dataset, *(file.md5 for split in splits for file in files[split])],
        }

    def facts(self) -> Facts | None:
        """What the answer says of itself, without its arrays; None where there is none, or it is damaged."""
        try:
            about = self._about()
        except ValueError:
            return None
        return about and about["facts"]

    def find(self, fits: Callable[[Facts], bool] = lambda facts: True) -> Generator[Note, None, Archive | None]:
        """The answer, where there is one whose facts fit; a note where its file is damaged."""
        try:
            about = self._about()
            if about is None or not fits(about["facts"]):
                return None
            return Archive(_load(self.path), about["facts"], _made(about["made"]))
        except ValueError:
            words = "The answer {file}, which came with the app, is damaged: restore it. It is computed anew."
            yield say(words, file=self.path.name)
            return None

    def write(self, arrays: Arrays, facts: Facts) -> None:
        """Keep an answer, with what it was computed on; whole or not at all."""
        made = {"date": datetime.now(UTC).date().isoformat(), "versions": versions(), "processor": processor()}
        about = json.dumps({"identity": self.identity, "facts": facts, "made": made}, ensure_ascii=False)
        content = io.BytesIO()
        everything: dict[str, Any] = {"about": np.array(about), **arrays}
        np.savez_compressed(content, **everything)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, content.getvalue())

    def _about(self) -> Facts | None:
        if self.checkpoint.card.dataset not in DATASETS or not os.path.isfile(self.path):  # not for impossible names
            return None
        about = _read_about(self.path, self.path.stat().st_mtime_ns)
        return about if about["identity"] == self.identity else None


def differences(predictions: np.ndarray) -> np.ndarray:
    """Predictions (rows, N) as what changes from row to row, (N, rows): mostly zero, so that it compresses."""
    steps = np.diff(predictions, axis=0, prepend=np.zeros_like(predictions[:1]))  # whole numbers that wrap around
    return np.ascontiguousarray(steps.T)


def predictions_of(steps: np.ndarray) -> np.ndarray:
    """The predictions (rows, N) whose `differences` these are."""
    return np.cumsum(steps.T, axis=0, dtype=steps.dtype)


def processor() -> str:
    """What computes here, in words."""
    import torch  # which takes seconds, and is here already where something was computed

    count = torch.get_num_threads()
    return f"{count} thread{'s'[: count != 1]} of {platform.processor() or platform.machine()}"


@lru_cache(maxsize=256)
def _read_about(path: Path, changed: int) -> Facts:
    """What the file at `path`, last changed at that time, says of itself; ValueError where it is damaged."""
    about = json.loads(str(_load(path, ("about",))["about"]))
    if not isinstance(about, dict) or about.keys() != {"identity", "facts", "made"}:
        raise ValueError(say("{file} is no answer", file=path))
    return about


def _load(path: Path, names: tuple[str, ...] | None = None) -> Arrays:
    """The arrays of those names, or all but `about`; ValueError where the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names or set(file.files) - {"about"}}
    except (OSError, zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise ValueError(say("{file} is damaged", file=path)) from error


def made_in_words(made: str) -> str:
    """When an answer was computed and on what, as its file says, in the language spoken here."""
    found = MADE.fullmatch(made)
    if found is None:
        return made
    words = "{date}, PyTorch {version}, 1 thread of {machine}"
    if found["count"] != "1":
        words = "{date}, PyTorch {version}, {count} threads of {machine}"
    return say(words, **found.groupdict())


def _made(made: Facts) -> str:
    return f"{made['date']}, PyTorch {made['versions']['torch'].split('+')[0]}, {made['processor']}"
