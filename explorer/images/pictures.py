"""Images to look at, read without torch where they lie as plain bytes: those in MNIST's format."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from explorer.images.datasets import dataset_info, files_of
from explorer.images.integrity import check_files
from explorer.images.registry import DataFile, Shape

PLAIN, HEADER = "idx3-ubyte", 16  # how the name of MNIST's images ends, and the bytes before the first


def pictures(name: str, split: str, which: Sequence[int]) -> list[np.ndarray]:
    """The examples of these indices, uint8 (n, C, H, W) for each input of a network; errors as reading.load_split."""
    plain = _plain(name, split)
    if plain is not None:
        return [plain[list(which)]]
    from explorer.images.reading import load_split  # imports torch, which takes seconds

    return [part.numpy() for part in load_split(name, split).take(which).inputs]


def check_whole(name: str, split: str) -> None:
    """ValueError unless the split is on this machine, and whole."""
    if _plain(name, split) is None:
        from explorer.images.reading import load_split

        load_split(name, split)


def forget() -> None:
    """Let go of all images; the next who asks reads them anew."""
    _read.cache_clear()


def _plain(name: str, split: str) -> np.ndarray | None:
    """All images of a split (N, C, H, W); None where they do not lie as plain bytes, or are drawn from such."""
    info, (folder, files) = dataset_info(name), files_of(name, split)
    if info.pairing or not files[0].path.endswith(PLAIN):
        return None
    return _read(name, files, folder, info.shape)


@lru_cache(maxsize=4)
def _read(name: str, files: tuple[DataFile, ...], folder: Path, shape: Shape) -> np.ndarray:
    check_files(name, files, folder)
    return np.fromfile(folder / files[0].path, np.uint8, offset=HEADER).reshape(-1, *shape)
