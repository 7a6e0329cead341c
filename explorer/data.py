"""Datasets as tensors: CIFAR-10, MNIST, pairs of MNIST images and Fashion-MNIST, read by torchvision's own classes.

The data root is the environment variable `EXPLORER_DATA`, else `data/` in the project. Fashion-MNIST's test split and
its first 10,000 training images are bundled; a full copy under the data root takes precedence. Nothing is downloaded
unless `download` is called. A data set of one's own, called NAME, lies in the folder NAME of the root, as `own_images`
wrote it: images.json says what it is, and each split is a safetensors file.
"""

import contextlib
import http.client
import importlib
import json
import math
import os
import re
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

# torchvision is imported by `_torchvision_datasets`, when data is first read.
DYNAMO = ("torch._dynamo", "torch._dynamo.utils")

PROJECT = Path(__file__).resolve().parent.parent
BUNDLED = Path(__file__).resolve().parent / "bundled"
CHUNK = 1 << 18  # bytes per step of a download
SPLITS = ("train", "test")
PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")  # of what one names oneself: a file name on any system
OWN_INFO = "images.json"  # what a data set of one's own is

Progress = Callable[[int, int], None]
Inputs = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class DataFile:
    """One file of a dataset on disk: its path under the root, its size in bytes and its official MD5.

    A file of one's own data set has its SHA-256 instead.
    """

    path: str
    size: int
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Pairing:
    """How to make a split of pairs: draw so many images from the split of a dataset, and so many pairs from those."""

    images: int
    pairs: int


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset of the registry, or one's own: what its images are, and which files hold it."""

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # (C, H, W)
    reader: str  # the class in torchvision.datasets; empty for a data set of one's own
    folder: str  # under the data root
    files: dict[str, tuple[DataFile, ...]]  # by split
    download_bytes: int
    pairing: dict[str, Pairing] | None = None  # by split, where an example is a pair of images

    @property
    def inputs(self) -> int:
        """How many images make an example: 2 where the dataset holds pairs, else 1."""
        return 2 if self.pairing else 1

    @property
    def examples(self) -> str:
        """What the dataset holds, in the plural: "images" or "pairs"."""
        return "pairs" if self.pairing else "images"

    @property
    def own(self) -> bool:
        """Whether it was imported from a folder of images."""
        return not self.reader


def _idx_files(folder: str, md5s: dict[str, str], train_images: int = 60_000) -> dict[str, tuple[DataFile, ...]]:
    """The four files of the MNIST format: 784 bytes an image after a header of 16, one a label after a header of 8."""

    def pair(prefix: str, images: int) -> tuple[DataFile, ...]:
        sizes = {f"{prefix}-images-idx3-ubyte": 16 + 784 * images, f"{prefix}-labels-idx1-ubyte": 8 + images}
        return tuple(DataFile(f"{folder}/raw/{file}", size, md5s[file]) for file, size in sizes.items())

    return {"train": pair("train", train_images), "test": pair("t10k", 10_000)}


FASHION_TEST_MD5 = {
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
_CIFAR10 = "cifar-10-batches-py"
_CIFAR10_NAMES = DataFile(f"{_CIFAR10}/batches.meta", 158, "5ff9c542aee3614f3951f8cda6e48888")

DATASETS: dict[str, DatasetInfo] = {
    "cifar10": DatasetInfo(
        name="cifar10",
        title="CIFAR-10",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        shape=(3, 32, 32),
        reader="CIFAR10",
        folder=_CIFAR10,
        files={
            "train": (
                DataFile(f"{_CIFAR10}/data_batch_1", 31_035_704, "c99cafc152244af753f735de768cd75f"),
                DataFile(f"{_CIFAR10}/data_batch_2", 31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
                DataFile(f"{_CIFAR10}/data_batch_3", 31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
                DataFile(f"{_CIFAR10}/data_batch_4", 31_035_696, "634d18415352ddfa80567beed471001a"),
                DataFile(f"{_CIFAR10}/data_batch_5", 31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
                _CIFAR10_NAMES,
            ),
            "test": (
                DataFile(f"{_CIFAR10}/test_batch", 31_035_526, "40351d587109b95175f43aff81a1287e"),
                _CIFAR10_NAMES,
            ),
        },
        download_bytes=170_498_071,
    ),
    "mnist": DatasetInfo(
        name="mnist",
        title="MNIST",
        classes=tuple("0123456789"),
        shape=(1, 28, 28),
        reader="MNIST",
        folder="MNIST",
        files=_idx_files(
            "MNIST",
            {
                "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
                "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
                "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
                "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
            },
        ),
        download_bytes=11_594_722,
    ),
    "fashion-mnist": DatasetInfo(
        name="fashion-mnist",
        title="Fashion-MNIST",
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        shape=(1, 28, 28),
        reader="FashionMNIST",
        folder="FashionMNIST",
        files=_idx_files(
            "FashionMNIST",
            {
                "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
                **FASHION_TEST_MD5,
            },
        ),
        download_bytes=30_878_645,
    ),
}

PAIRS_SEED = 0  # of the pairs of images: it decides which they are
DATASETS["mnist-pairs"] = replace(
    DATASETS["mnist"],
    name="mnist-pairs",
    title="MNIST pairs",
    classes=("different", "same"),
    pairing={"train": Pairing(images=6_000, pairs=10_000), "test": Pairing(images=1_000, pairs=2_000)},
)

BUNDLED_FILES: dict[str, dict[str, tuple[DataFile, ...]]] = {
    "fashion-mnist": _idx_files(
        "FashionMNIST",
        {
            "train-images-idx3-ubyte": "56cb151f02f7a0ea897b87493b6c7586",
            "train-labels-idx1-ubyte": "6017ecad9bfe54bba7fcc9dc44bdedd4",
            **FASHION_TEST_MD5,
        },
        train_images=10_000,
    )
}


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a dataset, whole, as tensors: every entry of `inputs` is uint8 (N, C, H, W), `labels` int64 (N,)."""

    name: str
    split: str
    inputs: tuple[Tensor, ...]
    labels: Tensor
    classes: tuple[str, ...]
    origin: str  # "full" or "bundled"

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sha256(self) -> str:
        """Of the images and labels themselves: no two different splits have the same."""
        content = sha256()
        for tensor in (*self.inputs, self.labels):
            content.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
            content.update(tensor.contiguous().numpy().data)
        return content.hexdigest()

    def take(self, which: int | Sequence[int] | Tensor) -> "Split":
        """The first `which` images, or those at the indices `which`, as a Split of its own."""
        chosen = slice(which) if isinstance(which, int) else torch.as_tensor(which)
        return replace(self, inputs=tuple(x[chosen] for x in self.inputs), labels=self.labels[chosen])


class Batches:
    """A split as normalised batches, in order; iterate as often as you like.

    Yields (inputs, labels): inputs float32 (b, C, H, W), or a tuple of such for a network of several inputs, and labels
    int64 (b,). `mean` and `std` hold one value for all channels or one for each; `limit` keeps the first images only.
    """

    def __init__(
        self,
        split: Split,
        mean: Sequence[float],
        std: Sequence[float],
        batch_size: int = 500,
        limit: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch size {batch_size} is not at least 1")
        if limit is not None and not 1 <= limit <= len(split):
            raise ValueError(f"limit {limit} is outside 1…{len(split)}, the images of the {split.split} split")
        self.split = split if limit is None else split.take(limit)
        self.mean, self.std = tuple(mean), tuple(std)
        self.batch_size = batch_size

    @property
    def n(self) -> int:
        """How many images there are in all."""
        return len(self.split)

    @property
    def labels(self) -> Tensor:
        """All labels, int64 (N,), in the order of the batches."""
        return self.split.labels

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        for start in range(0, self.n, self.batch_size):
            part = slice(start, start + self.batch_size)
            inputs = tuple(normalise(x[part], self.mean, self.std) for x in self.split.inputs)
            yield inputs if len(inputs) > 1 else inputs[0], self.labels[part]


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Images uint8 (N, C, H, W) scaled to 0…1, less `mean`, over `std`: float32, as torchvision's transforms do it."""
    check_normalisation(mean, std, images.shape[1])
    shape = (1, -1, 1, 1)
    centre = torch.tensor(mean, dtype=torch.float32, device=images.device).view(shape)
    spread = torch.tensor(std, dtype=torch.float32, device=images.device).view(shape)
    return images.to(torch.float32).div_(255).sub_(centre).div_(spread)


def check_normalisation(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    """ValueError unless mean and std are one number each, or one a channel, and those of std positive."""
    for what, values, lowest in (("mean", mean, -math.inf), ("std", std, 0)):
        if len(values) not in (1, channels) or not all(lowest < value < math.inf for value in values):
            number = "one number" if what == "mean" else "one positive number"
            each = f", or one for each of {channels} channels" if channels > 1 else ""
            raise ValueError(f"{what} {', '.join(map(str, values))} must be {number}{each}, for values in 0…1")


def data_root() -> Path:
    """Where full datasets lie: the environment variable EXPLORER_DATA, else `data/` in the project."""
    return Path(os.environ.get("EXPLORER_DATA") or PROJECT / "data")


def dataset_info(name: str, root: Path | None = None) -> DatasetInfo:
    """The registry's entry for `name`, or what one's own data set says of itself; ValueError lists the known names."""
    if name in DATASETS:
        return DATASETS[name]
    if name not in own_datasets(root):
        raise ValueError(f"unknown data set {name!r}; choose one of: {', '.join(dataset_names(root))}")
    return _own_info(name, root or data_root())


def dataset_names(root: Path | None = None) -> list[str]:
    """The registry's names, then those of one's own data sets."""
    return [*DATASETS, *own_datasets(root)]


def readable_datasets(root: Path | None = None) -> list[DatasetInfo]:
    """The registry's data sets, then those of one's own whose description is whole."""
    own = []
    for name in own_datasets(root):
        with contextlib.suppress(ValueError):
            own.append(dataset_info(name, root))
    return [*DATASETS.values(), *own]


def own_datasets(root: Path | None = None) -> list[str]:
    """The names, sorted, of the data sets that were imported from folders of images; reads no file."""
    names = sorted(path.parent.name for path in (root or data_root()).glob(f"*/{OWN_INFO}"))
    return [name for name in names if PLAIN_NAME.fullmatch(name) and name not in DATASETS]


def availability(name: str, root: Path | None = None) -> str:
    """ "full" where the root holds a copy (even a damaged one), else "bundled", else "missing"; reads no images."""
    info, root = dataset_info(name, root), root or data_root()
    if info.own or any((root / file.path).exists() for split in info.files.values() for file in split):
        return "full"
    return "bundled" if name in BUNDLED_FILES else "missing"


def version_of(name: str, root: Path | None = None) -> tuple[str, ...]:
    """What tells other images under one name apart: "full", "bundled" or "missing"; of one's own, each split's hash."""
    try:
        own = [file.sha256 for split in dataset_info(name, root).files.values() for file in split if file.sha256]
        return (availability(name, root), *own)
    except ValueError:  # one's own that is no longer there, or damaged
        return ("missing",)


def load_split(name: str, split: str, root: Path | None = None) -> Split:
    """The split "train" or "test" of a dataset, read and checked once a process, whichever thread asks.

    Raises ValueError where the dataset is missing or has no such split, or a file of it is missing, truncated or
    corrupt; it names the file.
    """
    root = root or data_root()
    origin = availability(name, root)
    require_split(name, split, root)
    if origin == "missing":
        raise ValueError(f"{DATASETS[name].title} is not in {root}; {_fix(name)}")
    with _READING:
        if name not in DATASETS:
            info = dataset_info(name, root)
            return _read_own(name, split, root, info.files[split][0], info.shape, info.classes)
        return _read(name, split, root if origin == "full" else BUNDLED, origin)


def require_split(name: str, split: str, root: Path | None = None) -> None:
    """ValueError unless the dataset has such a split; reads no images."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of: {', '.join(SPLITS)}")
    if split not in (info := dataset_info(name, root)).files:
        raise ValueError(f"{info.title} has no {split} split: choose {' or '.join(info.files)}, or import both splits")


def download(name: str, root: Path | None = None, progress: Progress | None = None) -> Path:
    """Download the official archives of a dataset into the root; returns its folder. A good copy there is kept.

    `progress(bytes done, bytes in all)` is called as data arrives; whatever it raises cancels the download. A download
    that fails leaves the root as it was and raises ValueError with the reason.
    """
    info, root = dataset_info(name, root), (root or data_root()).absolute()
    if info.own:
        raise ValueError(f"{name!r} is a data set of your own, not one to download; it is in {root / name}")
    target, files_folder = root / info.folder, (root / info.files["test"][0].path).parent
    if _is_whole(info, root):
        return target
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=f"{name}-", suffix=".part") as folder:
        staging = Path(folder)
        try:
            _fetch_archives(info, staging, progress or _no_progress)
            _extract(info, staging)
        except _DownloadError as error:
            raise ValueError(
                f"the download of {info.title} failed ({error}); try again, or put the official files in {files_folder}"
            ) from error
        if target.exists():
            os.replace(target, staging / "replaced")
        os.replace(staging / info.folder, target)
    return target


_READING = threading.Lock()  # two tabs that ask for the same split read it once


@lru_cache(maxsize=6)
def _read(name: str, split: str, root: Path, origin: str) -> Split:
    info = DATASETS[name]
    files = info.files if origin == "full" else BUNDLED_FILES[name]
    _check(name, files[split], root)
    try:
        dataset = _torchvision_class(info)(root, train=split == "train", download=False)
    except RuntimeError as error:  # torchvision also wants the other split's files
        _check(name, [file for part in files.values() for file in part], root)
        raise ValueError(f"{info.title} in {root} cannot be read ({_one_line(error)}); {_fix(name)}") from error
    images = torch.as_tensor(dataset.data)  # (N, H, W), or (N, H, W, C) where there is colour
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    labels = torch.as_tensor(dataset.targets, dtype=torch.int64)
    if info.pairing:
        return _pairs(Split(name, split, (images,), labels, info.classes, origin), info.pairing[split])
    return Split(name, split, (images.contiguous(),), labels, info.classes, origin)


def _pairs(split: Split, pairing: Pairing) -> Split:
    """Pairs of different images, drawn with replacement: label 1 for the half that shows the same thing, else 0."""
    generator = torch.Generator().manual_seed(PAIRS_SEED)
    images = torch.randperm(len(split), generator=generator)[: pairing.images]
    images = images[split.labels[images].argsort(stable=True)]  # one class after another
    sizes = split.labels[images].bincount()
    starts = sizes.cumsum(0) - sizes  # (classes,) where each class begins

    def draw(below: Tensor) -> Tensor:
        """A whole number in 0…below − 1 for each entry."""
        return (torch.rand(len(below), generator=generator, dtype=torch.float64) * below).long()

    labels = torch.randperm(pairing.pairs, generator=generator) % 2
    first = draw(torch.full((pairing.pairs,), len(images)))  # positions in `images`
    kind = split.labels[images[first]]
    size, start = sizes[kind], starts[kind]
    same = start + (first - start + 1 + draw(size - 1)) % size  # any other of its class, going round
    different = (start + size + draw(len(images) - size)) % len(images)  # any outside its class, going round
    second = torch.where(labels == 1, same, different)
    (pixels,) = split.inputs  # (N, 1, H, W)
    return replace(split, inputs=(pixels[images[first]], pixels[images[second]]), labels=labels)


def _own_info(name: str, root: Path) -> DatasetInfo:
    path = root / name / OWN_INFO
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        files: dict[str, tuple[DataFile, ...]] = {
            split: (DataFile(f"{name}/{split}.safetensors", int(file["size"]), sha256=str(file["sha256"])),)
            for split, file in fields["files"].items()
            if split in SPLITS
        }
        channels, height, width = map(int, fields["shape"])
        classes = tuple(map(str, fields["classes"]))
        title = str(fields["title"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged, so the data set cannot be read; {_fix(name)}") from error
    if "test" not in files or min(channels, height, width) < 1 or len(classes) < 2:
        raise ValueError(f"{path} describes no data set: test images, their shape and their classes; {_fix(name)}")
    return DatasetInfo(name, title, classes, (channels, height, width), "", name, files, 0)


@lru_cache(maxsize=2)  # they may be large
def _read_own(
    name: str, split: str, root: Path, file: DataFile, shape: tuple[int, ...], classes: tuple[str, ...]
) -> Split:
    """The split in `file`, whose digest makes sure that a data set made anew under the same name is read anew."""
    _check(name, [file], root)
    try:
        tensors = safetensors.torch.load_file(root / file.path)
        images, labels = tensors["images"], tensors["labels"]
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{root / file.path} holds no images and labels; {_fix(name)}") from error
    alike = (images.dtype, labels.dtype, images.shape) == (torch.uint8, torch.int64, (*labels.shape, *shape))
    if not alike or not len(labels) or not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise ValueError(f"{root / file.path} does not hold what {OWN_INFO} says of it; {_fix(name)}")
    return Split(name, split, (images,), labels, classes, "full")


def _torchvision_class(info: DatasetInfo) -> Any:
    return getattr(import_torchvision("datasets"), info.reader)


def import_torchvision(part: str) -> Any:
    """The module `torchvision.PART`, imported without torch._dynamo: measured 0.5 s and 150 MB less against 4 s.

    torchvision.ops.roi_align takes one function from torch._dynamo.utils, to ask whether it may compile itself. While
    torchvision is first imported, a stand-in answers no, so that ROI Align (not used here) keeps its ordinary kernel.
    """
    absent = [name for name in DYNAMO if name not in sys.modules]
    if absent == list(DYNAMO) and "torchvision" not in sys.modules:
        package, utils = (ModuleType(name) for name in DYNAMO)
        package.__path__ = []
        utils.is_compile_supported = lambda device_type: False  # type: ignore[attr-defined]
        sys.modules.update(zip(DYNAMO, (package, utils), strict=True))
    else:
        absent = []
    try:
        return importlib.import_module(f"torchvision.{part}")
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def _fix(name: str) -> str:
    if name not in DATASETS:
        return f"delete the folder {name!r} there and import the images again with `python -m explorer import-images`"
    return f"run `python -m explorer data {name}` to download it"


def _check(name: str, files: Sequence[DataFile], root: Path) -> None:
    for file in files:
        trouble = _trouble(file, root)
        if trouble:
            raise ValueError(f"{root / file.path} {trouble}; {_fix(name)}")


def _is_whole(info: DatasetInfo, root: Path) -> bool:
    return not any(_trouble(file, root) for files in info.files.values() for file in files)


def _trouble(file: DataFile, root: Path) -> str | None:
    """What is wrong with a file of a dataset, in words; None where it is the official one."""
    check_integrity = import_torchvision("datasets").utils.check_integrity
    path = root / file.path
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size < file.size:
        return f"is truncated ({size:,} of {file.size:,} bytes)"
    if file.sha256:
        with open(path, "rb") as content:
            same = file_digest(content, "sha256").hexdigest() == file.sha256
        return None if same else "is corrupt (SHA-256 differs)"
    return None if check_integrity(path, file.md5) else "is corrupt (not the official MD5)"


def _archives(info: DatasetInfo) -> list[tuple[str, str, list[str]]]:
    """(file name, MD5, URLs to try) of each archive, as torchvision's class declares them."""
    reader = _torchvision_class(info)
    if info.reader == "CIFAR10":
        return [(reader.filename, reader.tgz_md5, [reader.url])]
    return [(file, md5, [mirror + file for mirror in reader.mirrors]) for file, md5 in reader.resources]


def _archive_folder(info: DatasetInfo, staging: Path) -> Path:
    """Where torchvision's class looks for archives before it downloads them."""
    return staging if info.reader == "CIFAR10" else staging / info.folder / "raw"


def _no_progress(done: int, total: int) -> None:
    """For callers who do not watch."""


class _DownloadError(Exception):
    """The network or the archive failed, as opposed to a caller's `progress` that cancels."""


def _fetch_archives(info: DatasetInfo, staging: Path, progress: Progress) -> None:
    folder = _archive_folder(info, staging)
    folder.mkdir(parents=True, exist_ok=True)
    done = 0
    for file, md5, urls in _archives(info):
        for got in _fetch(folder / file, md5, urls):
            progress(done + got, info.download_bytes)
        done += (folder / file).stat().st_size


def _fetch(path: Path, md5: str, urls: list[str]) -> Iterator[int]:
    """One archive from the first URL that gives the official bytes; yields the bytes so far."""
    failure = _DownloadError(f"no address for {path.name}")
    for url in urls:
        try:
            yield from _stream(url, path, md5)
            return
        except _DownloadError as error:
            failure = error
    raise failure


def _stream(url: str, path: Path, md5: str) -> Iterator[int]:
    from torchvision.datasets.utils import check_integrity

    got = 0
    try:
        with urllib.request.urlopen(url, timeout=30) as response, open(path, "wb") as file:
            expected = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(CHUNK):
                got += file.write(chunk)
                yield got
    except (OSError, http.client.HTTPException) as error:
        raise _DownloadError(f"{url}: {_one_line(error)}") from error
    if got < expected:
        raise _DownloadError(f"{path.name} was cut off after {got:,} of {expected:,} bytes")
    if not check_integrity(path, md5):
        raise _DownloadError(f"{path.name} does not have its official MD5")


def _extract(info: DatasetInfo, staging: Path) -> None:
    """Let torchvision's class extract the archives in `staging`, then drop them."""
    try:
        _torchvision_class(info)(staging, download=True)
    except (OSError, RuntimeError) as error:
        raise _DownloadError(_one_line(error)) from error
    for file, _, _ in _archives(info):
        (_archive_folder(info, staging) / file).unlink()


def _one_line(error: BaseException) -> str:
    """The reason, on one line, without Python's wrapping."""
    if type(error) is urllib.error.URLError and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
