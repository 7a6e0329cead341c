"""Splits read from disk, and checked.

Bundled are Fashion-MNIST's test split, its first 10,000 training images, and the 1,000 test images of MNIST that its
pairs are drawn from; a full copy under the data root takes precedence. Nothing is downloaded here.
"""

import threading
from functools import lru_cache
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from explorer.images.datasets import OWN_INFO, availability, dataset_info, files_of
from explorer.images.downloads import one_line
from explorer.images.formats import read_official
from explorer.images.integrity import check_files, remedy
from explorer.images.pairs import draw_pairs
from explorer.images.registry import BUNDLED_FILES, DATASETS, DataFile
from explorer.images.split import Split
from explorer.language.saying import say


def load_split(name: str, split: str, root: Path | None = None) -> Split:
    """The split "train" or "test" of a dataset, read and checked once a process, whichever thread asks.

    Raises ValueError where the dataset is missing or has no such split, or a file of it is missing, truncated or
    corrupt; it names the file.
    """
    folder, (file, *_) = files_of(name, split, root)
    with _READING:
        if name not in DATASETS:
            info = dataset_info(name, root)
            return _read_own(name, split, folder, file, info.shape, info.classes)
        return _read(name, split, folder, availability(name, root))


def forget() -> None:
    """Let go of all splits; the next who asks reads them anew."""
    _read.cache_clear()
    _read_own.cache_clear()


_READING = threading.Lock()  # two tabs that ask for the same split read it once


@lru_cache(maxsize=6)
def _read(name: str, split: str, root: Path, origin: str) -> Split:
    info = DATASETS[name]
    files = info.files if origin == "full" else BUNDLED_FILES[name]
    if info.pairing and origin == "bundled":
        images, labels = _read_tensors(name, root, files[split][0], info.shape, len(DATASETS["mnist"].classes))
        return draw_pairs(Split(name, split, (images,), labels, info.classes, origin), info.pairing[split])
    check_files(name, files[split], root)
    try:
        images, labels = read_official(info, split, root)
    except RuntimeError as error:  # torchvision also wants the other split's files
        check_files(name, [file for part in files.values() for file in part], root)
        words = "{title} in {root} cannot be read ({why}); {remedy}"
        told = {"title": say(info.title), "root": root, "why": one_line(error), "remedy": remedy(name)}
        raise ValueError(say(words, **told)) from error
    if info.pairing:
        return draw_pairs(Split(name, split, (images,), labels, info.classes, origin), info.pairing[split])
    return Split(name, split, (images,), labels, info.classes, origin)


@lru_cache(maxsize=2)  # they may be large
def _read_own(
    name: str, split: str, root: Path, file: DataFile, shape: tuple[int, ...], classes: tuple[str, ...]
) -> Split:
    """The split in `file`, whose digest makes sure that a data set made anew under the same name is read anew."""
    images, labels = _read_tensors(name, root, file, shape, len(classes))
    return Split(name, split, (images,), labels, classes, "full")


def _read_tensors(
    name: str, root: Path, file: DataFile, shape: tuple[int, ...], classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The images (N, C, H, W) and labels (N,) in a safetensors file; ValueError where it holds something else."""
    check_files(name, [file], root)
    try:
        tensors = safetensors.torch.load_file(root / file.path)
        images, labels = tensors["images"], tensors["labels"]
    except (SafetensorError, KeyError) as error:
        words = "{path} holds no images and labels; {remedy}"
        raise ValueError(say(words, path=root / file.path, remedy=remedy(name))) from error
    alike = (images.dtype, labels.dtype, images.shape) == (torch.uint8, torch.int64, (*labels.shape, *shape))
    if not alike or not len(labels) or not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        words = "{path} does not hold what {info} says of it; {remedy}"
        raise ValueError(say(words, path=root / file.path, info=OWN_INFO, remedy=remedy(name)))
    return images, labels
