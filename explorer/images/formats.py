"""The formats of the registry's data sets, each read by torchvision's own class, or else as that class reads it."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explorer.images.lazy_torchvision import torchvision_class
from explorer.images.registry import DatasetInfo
from explorer.language.saying import say

IMAGES_HEADER, LABELS_HEADER = 16, 8  # bytes before the first value, in MNIST's format


def read_official(info: DatasetInfo, split: str, root: Path) -> tuple[Tensor, Tensor]:
    """A split's images, uint8 (N, C, H, W), and labels, int64 (N,), from official files that have been checked.

    Raises RuntimeError where torchvision's class misses another file.
    """
    return READERS.get(info.reader, _by_its_class)(info, split, root)


def _by_its_class(info: DatasetInfo, split: str, root: Path) -> tuple[Tensor, Tensor]:
    dataset = torchvision_class(info)(root, train=split == "train", download=False)
    images = torch.as_tensor(dataset.data)  # (N, H, W), or (N, H, W, C) where there is colour
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return images.contiguous(), torch.as_tensor(dataset.targets, dtype=torch.int64)


def _kmnist(info: DatasetInfo, split: str, root: Path) -> tuple[Tensor, Tensor]:
    """MNIST's format, packed: torchvision's class reads what is unpacked, which has no official MD5."""
    images, labels = (gzip.decompress((root / file.path).read_bytes()) for file in info.files[split])
    return _from_idx(info, images, labels)


def _emnist(info: DatasetInfo, split: str, root: Path) -> tuple[Tensor, Tensor]:
    """Likewise, of one archive for all; as torchvision gives them, the images lie on their side."""
    (file,) = info.files[split]
    with zipfile.ZipFile(root / file.path) as archive:
        packed = [archive.read(f"gzip/{info.name}-{split}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")]
    images, labels = map(gzip.decompress, packed)
    return _from_idx(info, images, labels)


def _from_idx(info: DatasetInfo, images: bytes, labels: bytes) -> tuple[Tensor, Tensor]:
    pixels, answers = (np.frombuffer(content, np.uint8) for content in (images, labels))
    shaped = pixels[IMAGES_HEADER:].reshape(-1, *info.shape).copy()  # of its own, as what is read cannot be written to
    return torch.from_numpy(shaped), torch.from_numpy(answers[LABELS_HEADER:].astype(np.int64))


def _stl10(info: DatasetInfo, split: str, root: Path) -> tuple[Tensor, Tensor]:
    """Column after column, and classes from 1: torchvision's class wants all unlabelled images, too."""
    images, labels = (np.fromfile(root / file.path, np.uint8) for file in info.files[split])
    upright = images.reshape(-1, *info.shape).swapaxes(2, 3)
    return torch.from_numpy(np.ascontiguousarray(upright)), torch.from_numpy(labels.astype(np.int64) - 1)


def _svhn(info: DatasetInfo, split: str, root: Path) -> tuple[Tensor, Tensor]:
    """MATLAB's format, which torchvision's class reads with an optional package; ValueError where that is missing."""
    try:
        dataset = torchvision_class(info)(root, split=split)
    except ImportError:
        raise ValueError(
            say("scipy, which reads SVHN's .mat files, is not installed; run: pip install scipy")
        ) from None
    images = torch.from_numpy(np.ascontiguousarray(dataset.data))
    return images, torch.as_tensor(dataset.labels, dtype=torch.int64)


READERS: dict[str, Callable[[DatasetInfo, str, Path], tuple[Tensor, Tensor]]] = {
    "KMNIST": _kmnist,
    "EMNIST": _emnist,
    "STL10": _stl10,
    "SVHN": _svhn,
}
