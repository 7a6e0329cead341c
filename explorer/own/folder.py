"""The folder that the pages import from: what lies in it, and that nothing leads out of it.

It is the environment variable `EXPLORER_OWN`, else `own/` in the project; the command line takes any path.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from explorer.files.places import own_root
from explorer.images.lazy_torchvision import import_torchvision

WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".tar")
CODE = (".py", ".ipynb")
SPLIT_FOLDERS = {"train": ("train",), "test": ("test", "val")}  # by split, where ImageFolder's layout has it

Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """For callers who do not watch an import."""


def image_folders(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the folders in it that hold class folders, or splits of them."""
    root = root or own_root()
    kinds = import_torchvision("datasets.folder").IMG_EXTENSIONS
    found = set()
    for folder, names in _inside(root):
        if any(name.lower().endswith(kinds) for name in names):
            splits = {name for choices in SPLIT_FOLDERS.values() for name in choices}
            whole = folder.parent.parent if folder.parent.name in splits else folder.parent
            found.add(whole)
    return sorted(str(folder.relative_to(root)) for folder in found if root in folder.parents)


def weights_files(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the files in it that may hold weights."""
    return _files(WEIGHTS, root or own_root())


def code_files(root: Path | None = None) -> list[str]:
    """The paths, from the root, of the files in it that may define networks."""
    return _files(CODE, root or own_root())


def _files(kinds: tuple[str, ...], root: Path) -> list[str]:
    """The paths, from the root, of the files in it that end in one of these ways."""
    paths = (folder / name for folder, names in _inside(root) for name in names if name.endswith(kinds))
    return sorted(str(path.relative_to(root)) for path in paths if is_within(path, root))


def _inside(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder in the root with the names of its files; links to folders are not followed."""
    return ((Path(folder), names) for folder, _, names in os.walk(root))


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder, symbolic links resolved."""
    return path.resolve().is_relative_to(folder.resolve())


def check_within(paths: Sequence[Path] | Iterator[Path], folder: Path | None) -> None:
    """ValueError for the first path that leads out of the folder, symbolic links resolved; None is no limit."""
    for path in paths if folder else ():
        assert folder is not None
        if not is_within(path, folder):
            raise ValueError(f"{path} leads out of {folder}; put what you import into that folder")
