"""Finished results on disk, found again by what they were made from.

The folder is the environment variable `EXPLORER_RESULTS`, else `results/` in the project; `EXPLORER_RESULTS_MB` is how
many megabytes it may hold. Each file there holds named
arrays, and in its header the identity they were made from, as JSON; its name is that identity's hash. A file that is
damaged or foreign is never trusted: it is renamed to end in `.bad`. All files together are bounded in size.
"""

import contextlib
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from explorer.files.places import results_root
from explorer.language.saying import say

LIMIT = 500_000_000  # bytes: about a hundred sweeps of every K of ResNet-18's widest layer over 10,000 images
MEGABYTE = 1_000_000
STALE = 3600  # seconds after which a file that was never finished belongs to nobody
OWN = re.compile(r"[a-z]+-[0-9a-f]{32}\.safetensors(\.bad|\.[0-9a-f]{32}\.part)?")  # nothing else is ever deleted

UNIT = "unit"  # the kind of what is a part of an answer: the first to go where room is needed

Identity = Mapping[str, Any]  # what JSON can hold, and `kind`, a plain word
Arrays = dict[str, np.ndarray]


class SetAsideError(ValueError):
    """A file could not be trusted, and is now out of the way; the message says so in one sentence."""


def _limit() -> int:
    """How many bytes all results may take; ValueError where the environment says what is no number of them."""
    said = os.environ.get("EXPLORER_RESULTS_MB") or ""
    if not said:
        return LIMIT
    if not said.isdecimal() or not int(said):
        words = "EXPLORER_RESULTS_MB={said} is not a number of megabytes, such as {usual}"
        raise ValueError(say(words, said=said, usual=LIMIT // MEGABYTE))
    return int(said) * MEGABYTE


@dataclass(frozen=True)
class Store:
    """A folder of results, used by any number of threads and processes at a time.

    A file takes its place whole or not at all, so that no reader sees half of it.
    """

    root: Path = field(default_factory=results_root)
    limit: int = field(default_factory=_limit)  # bytes of all files together; the least recently used goes first

    def find(self, identity: Identity, check: Callable[[Arrays], None]) -> Arrays | None:
        """The arrays saved under exactly this identity; None where there are none.

        `check` raises ValueError where they cannot be what they should. Then, and where the file is damaged or
        foreign, it is renamed and SetAsideError raised.
        """
        path = self._path(identity)
        try:
            arrays = _unpack(_read(path, self.limit), _text(identity))
            check(arrays)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise SetAsideError(_set_aside(path, error)) from error
        with contextlib.suppress(OSError):  # a folder that can only be read
            os.utime(path)
        return arrays

    def save(self, identity: Identity, arrays: Arrays) -> None:
        """Keep the arrays, unless they alone are over the limit; OSError where the folder cannot be written."""
        content = _pack(_text(identity), arrays)
        if len(content) > self.limit:
            return
        path = self._path(identity)
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        self._make_room()

    def _path(self, identity: Identity) -> Path:
        name = hashlib.sha256(_text(identity).encode()).hexdigest()[:32]
        return self.root / f"{identity['kind']}-{name}.safetensors"

    def _make_room(self) -> None:
        """Delete what was used least recently until the rest is within the limit, and parts that nobody finished.

        Units go before whole answers: most are parts of one that is here by now.
        """
        files = sorted(_own_files(self.root), key=lambda file: (not file[2].name.startswith(f"{UNIT}-"), file))
        total = sum(size for _, size, _ in files)
        for used, size, path in files:
            in_the_making = path.suffix == ".part"
            if time.time() - used > STALE if in_the_making else total > self.limit:
                path.unlink(missing_ok=True)
                total -= size


def _own_files(root: Path) -> list[tuple[float, int, Path]]:
    """When each file of the store was last used, its size, and where it is; others in the folder are left alone."""
    found = []
    for path in root.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process deleted it just now
            if OWN.fullmatch(path.name) and path.is_file():
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
    return found


def _text(identity: Identity) -> str:
    return json.dumps(identity, sort_keys=True, ensure_ascii=False)


def _read(path: Path, limit: int) -> bytes:
    if path.stat().st_size > limit:
        raise ValueError(say("is larger than all results may be together"))
    return path.read_bytes()


def _pack(identity: str, arrays: Arrays) -> bytes:
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(arrays, {"identity": identity, "sha256": _digest(arrays)})


def _unpack(content: bytes, identity: str) -> Arrays:
    """The arrays of a file; ValueError, which completes a sentence, unless they are whole and of this identity."""
    try:
        arrays = safetensors.numpy.load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(say("is damaged, or no saved result")) from error
    if header.get("identity") != identity:
        raise ValueError(say("says that it was made from something else"))
    if header.get("sha256") != _digest(arrays):
        raise ValueError(say("is damaged"))
    return arrays


def _digest(arrays: Arrays) -> str:
    content = hashlib.sha256()
    for name in sorted(arrays):
        content.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        content.update(arrays[name].tobytes())
    return content.hexdigest()


def _set_aside(path: Path, error: ValueError | OSError) -> str:
    """Rename a file that is not to be trusted; what happened, in one sentence."""
    why = say("cannot be read ({why})", why=say(error.strerror or "")) if isinstance(error, OSError) else str(error)
    aside = path.with_name(path.name + ".bad")
    try:
        os.replace(path, aside)
    except OSError as trouble:
        words = "The saved result {file} {why}, so it is computed anew ({trouble}: it stays there)."
        return say(words, file=path.name, why=why, trouble=say(trouble.strerror or ""))
    words = "The saved result {file} {why}, so it is computed anew; the file now ends in .bad."
    return say(words, file=path.name, why=why)
