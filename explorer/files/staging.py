"""Folders made whole or not at all: filled in a sibling, NAME~….part, before they take their place."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from explorer.files.locks import held


@contextlib.contextmanager
def staging(root: Path, name: str) -> Iterator[Path]:
    """A folder in `root` to make `name` in, by one writer at a time; it is gone at the end.

    What a writer of that name left who was killed goes first. ValueError where somebody else is making it just now.
    """
    root.mkdir(parents=True, exist_ok=True)
    with held(root, name):
        for left in root.glob(f"{name}~*.part"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=root, prefix=f"{name}~", suffix=".part") as place:
            yield Path(place)
