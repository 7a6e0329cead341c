"""The folder that the pages import from: what lies in it, and that nothing leads out of it.

It is the environment variable `EXPLORER_OWN`, else `own/` in the project; the command line takes any path.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from explorer.files.places import own_root
from explorer.images.lazy_torchvision import import_torchvision
from explorer.language.saying import say

WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar")
CODE = (".py", ".ipynb")
SYSTEM_NAMES = ("__macosx", "@eadir", "thumbs.db", "desktop.ini")  # what systems put among files, in small letters
SPLIT_FOLDERS = {  # by split, the folders that may hold it, in small letters; the first that is there does
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation", "dev"),
}

Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """For callers who do not watch an import."""


def image_folders(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the folders in it that hold class folders, or splits of them."""
    root = root or own_root()
    found = set()
    for folder, names in inside(root):
        if any(is_image(name) for name in names):
            found.add(folder.parent.parent if is_split(folder.parent.name) else folder.parent)
    return sorted(str(folder.relative_to(root)) for folder in found if root in folder.parents)


def weights_files(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the files in it that may hold weights."""
    return _files(WEIGHTS, root or own_root())


def code_files(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the files in it that may define networks."""
    return _files(CODE, root or own_root())


def _files(kinds: tuple[str, ...], root: Path) -> list[str]:
    """The paths, from the root, of the files in it that end in one of these ways."""
    paths = (folder / name for folder, names in inside(root) for name in names if name.endswith(kinds))
    return sorted(str(path.relative_to(root)) for path in paths if is_within(path, root))


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's, and nobody's image."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def is_image(name: str) -> bool:
    """Whether a file of this name is one of the images that torchvision's ImageFolder takes."""
    return not is_junk(name) and name.lower().endswith(image_kinds())


def image_kinds() -> tuple[str, ...]:
    """How the names of images end, in small letters."""
    return import_torchvision("datasets.folder").IMG_EXTENSIONS


def is_split(name: str) -> bool:
    """Whether a folder of this name holds a split, where it holds folders."""
    return any(name.lower() in names for names in SPLIT_FOLDERS.values())


def inside(root: Path, links: bool = False) -> Iterator[tuple[Path, list[str]]]:
    """Every folder in the root, and itself, with the names of its files, junk left out; `links` follows links."""
    for folder, below, names in os.walk(root, followlinks=links):
        below[:] = [name for name in below if not is_junk(name)]
        yield Path(folder), [name for name in names if not is_junk(name)]


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder, symbolic links resolved."""
    return path.resolve().is_relative_to(folder.resolve())


def check_within(paths: Sequence[Path] | Iterator[Path], folder: Path | None) -> None:
    """ValueError for the first path that leads out of the folder, symbolic links resolved; None is no limit."""
    for path in paths if folder else ():
        assert folder is not None
        if not is_within(path, folder):
            words = "{path} leads out of {folder}; put what you import into that folder"
            raise ValueError(say(words, path=path, folder=folder))
