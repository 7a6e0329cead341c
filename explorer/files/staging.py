"""Folders made whole or not at all: filled in a sibling, NAME~….part, first; and such as go where they stay empty."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from explorer.files.locks import held


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """The folder, and those above it, made where they are not there; those that are empty at the end are gone again.

    ValueError where it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            words = f"cannot make the folder {folder} ({error.strerror}); name one where you can write"
            raise ValueError(words) from error
        yield
    finally:
        for each in missing:
            with contextlib.suppress(OSError):  # it holds something, or was never made
                each.rmdir()


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
