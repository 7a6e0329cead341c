"""Images of one's own: a folder of them becomes a data set like any other."""

import json
import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from explorer.background.jobs import DONE
from explorer.files.errors import as_os_error
from explorer.files.json import printable
from explorer.files.places import PLAIN_NAME, data_root
from explorer.files.staging import staging
from explorer.images.datasets import OWN_INFO, dataset_info, own_datasets
from explorer.images.lazy_torchvision import import_torchvision
from explorer.images.registry import DATASETS, DatasetInfo
from explorer.networks import checkpoints
from explorer.own.folder import SPLIT_FOLDERS, Progress, check_within, no_progress
from explorer.training import trainings

SIZES = (8, 1024)  # of an image's side, in pixels
MAX_BYTES = 4_000_000_000  # of all images of a data set, as they lie in memory
LONGEST_TITLE = 64
ORDER_SEED = 0  # of the order of the images
SQUARE_ENOUGH = 100  # how many times as long as wide an image may be


@dataclass(frozen=True)
class _Found:
    """The images of a split on disk: path and class of each."""

    classes: tuple[str, ...]
    samples: list[tuple[str, int]]


def import_images(
    folder: Path,
    name: str,
    size: int,
    title: str = "",
    root: Path | None = None,
    within: Path | None = None,
    progress: Progress | None = None,
) -> DatasetInfo:
    """Make a folder of images in torchvision's ImageFolder layout the data set `name`, whole or not at all.

    FOLDER/CLASS/*.png, *.jpg … are test images. FOLDER/train/CLASS/… and FOLDER/test/CLASS/… (or val) give both splits.
    Every image becomes RGB, its short side is resized to `size` pixels (bilinear with antialias, as torchvision's usual
    transform for evaluation) and its middle square cut out. Images are shuffled, always in the same way, so that the
    first N are a fair sample; they must lie `within` that folder, symbolic links resolved. `progress(images done,
    images in all)` is called after each; whatever it raises cancels.

    Raises ValueError for a name that is not plain or is taken, a size outside SIZES, a folder of another layout, an
    image that cannot be read, and more than MAX_BYTES of images.
    """
    root = root or data_root()
    check_images_name(name, root)
    if type(size) is not int or not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"image size {size} is outside {SIZES[0]}…{SIZES[1]} pixels")
    if len(title) > LONGEST_TITLE or not title.isprintable():
        raise ValueError(f"title {title[:80]!r} is not one line of at most {LONGEST_TITLE} characters; shorten it")
    splits = _splits(folder)
    total = sum(len(found.samples) for found in splits.values())
    _check_fits(total, size)
    check_within((Path(path) for found in splits.values() for path, _ in found.samples), within)
    tell, done = progress or no_progress, 0
    with staging(root, name) as place:
        made = place / name
        made.mkdir()
        files = {}
        for split, found in splits.items():
            order = torch.randperm(len(found.samples), generator=torch.Generator().manual_seed(ORDER_SEED))
            samples = [found.samples[i] for i in order.tolist()]
            images = torch.empty(len(samples), 3, size, size, dtype=torch.uint8)
            for i, (path, _) in enumerate(samples):
                images[i] = _read_image(Path(path), size)
                done += 1
                tell(done, total)
            labels = torch.tensor([label for _, label in samples])
            files[split] = write_split(made / f"{split}.safetensors", images, labels)
        classes = printable(list(splits["test"].classes))  # the folders' names, which may hold anything
        about = {"title": title or name, "classes": classes, "shape": (3, size, size), "files": files}
        (made / OWN_INFO).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        check_images_name(name, root)  # somebody else may have been faster
        os.replace(made, root / name)
    return dataset_info(name, root)


def delete_images(name: str, root: Path | None = None, out: Path | None = None) -> None:
    """Delete a data set of one's own; ValueError for one that is not, and while a network or a training needs it."""
    root = root or data_root()
    if name not in own_datasets(root):
        raise ValueError(f"{name!r} is no data set of your own; there are: {', '.join(own_datasets(root)) or 'none'}")
    if users := users_of(name, out):
        raise ValueError(f"{name!r} is needed by {', '.join(users)}; delete what needs it first")
    with staging(root, name) as place:
        os.replace(root / name, place / name)


def users_of(dataset: str, out: Path | None = None) -> list[str]:
    """The names of the networks, and of the trainings that are not done, that need a data set."""
    networks = [name for name in checkpoints.list_checkpoints(out) if _dataset_of(name, out) == dataset]
    trained = [each.name for each in trainings.list_trainings(out) if each.dataset == dataset and each.state != DONE]
    return sorted({*networks, *trained})


def _dataset_of(name: str, out: Path | None) -> str:
    """The data set of a checkpoint; empty where its card cannot be read."""
    try:
        return checkpoints.read_card(name, out).dataset
    except (ValueError, OSError):
        return ""


def check_images_name(name: str, root: Path) -> None:
    """ValueError unless a new data set can have the name."""
    if not PLAIN_NAME.fullmatch(name) or len(name) > LONGEST_TITLE:
        rule = f"use at most {LONGEST_TITLE} of a-z, 0-9, dot, hyphen and underscore"
        raise ValueError(f"data set name {name[:80]!r} is not plain; {rule}")
    if name in {*DATASETS, *(info.folder.lower() for info in DATASETS.values())}:
        raise ValueError(f"{name!r} is the name of a data set that comes with the app; choose another")
    if (root / name).exists():
        raise ValueError(f"there is a data set called {name!r} already in {root}; choose another name, or delete it")


def _check_fits(total: int, size: int) -> None:
    needed = total * 3 * size * size
    if needed > MAX_BYTES:
        side = math.isqrt(MAX_BYTES // (3 * total))
        raise ValueError(
            f"{total:,} images of {size} × {size} are {needed / 1e9:.1f} GB, more than the {MAX_BYTES / 1e9:.0f} GB "
            f"that fit; choose a size of at most {side}, or fewer images"
        )


def _splits(folder: Path) -> dict[str, _Found]:
    """What is found in a folder, by split; ValueError unless it has ImageFolder's layout."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; name one that holds a folder of images for each class")
    folders = {split: _split_folder(folder, names) for split, names in SPLIT_FOLDERS.items()}
    if folders["train"] and not folders["test"]:
        raise ValueError(f"{folder} has a train folder but none called test or val, on which accuracy is measured")
    splits = {split: _find(place) for split, place in folders.items() if place} or {"test": _find(folder)}
    train, test = splits.get("train", splits["test"]).classes, splits["test"].classes
    if train != test:
        only = {"train": set(train) - set(test), "test": set(test) - set(train)}
        differing = "; ".join(f"only in {split}: {', '.join(sorted(some))}" for split, some in only.items() if some)
        raise ValueError(f"the classes of {folder} differ between its splits ({differing}); give both the same folders")
    if len(test) < 2:
        raise ValueError(f"{folder} has the class {test[0]!r} alone; there must be at least 2 to tell apart")
    return splits


def _split_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these folders that holds others; a class may be called test, too, but holds images."""
    places = (folder / name for name in names)
    return next((place for place in places if place.is_dir() and any(each.is_dir() for each in place.iterdir())), None)


def _find(folder: Path) -> _Found:
    """The images of a folder of classes, as torchvision's ImageFolder finds them."""
    try:
        found = import_torchvision("datasets").ImageFolder(folder, allow_empty=True)
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no class folders; give the images of each class one of their own") from error
    filled = {label for _, label in found.samples}
    empty = [name for label, name in enumerate(found.classes) if label not in filled]
    if empty:
        kinds = ", ".join(import_torchvision("datasets.folder").IMG_EXTENSIONS)
        raise ValueError(f"the class folder {folder / empty[0]} holds no images ({kinds}); fill it or delete it")
    return _Found(tuple(found.classes), found.samples)


def _read_image(path: Path, size: int) -> Tensor:
    """One image, uint8 (3, size, size): short side resized, middle cut out."""
    from PIL import Image  # comes with torchvision, and is imported as late

    functional = import_torchvision("transforms.functional")
    try:
        with Image.open(path) as file:
            _check_depth(file.mode)
        image = import_torchvision("datasets.folder").default_loader(path)  # RGB
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the image {path} cannot be read ({reason}); replace it or delete it") from error
    if max(image.size) > SQUARE_ENOUGH * min(image.size):
        width, height = image.size
        raise ValueError(f"the image {path} is {width} × {height}, too long to cut a square from; crop it or delete it")
    return functional.pil_to_tensor(functional.center_crop(functional.resize(image, size, antialias=True), size))


def _check_depth(mode: str) -> None:
    """ValueError for an image of more than 8 bits a channel, which Pillow would cut off at 255 instead of scaling."""
    if mode[0] in "IF":
        raise ValueError(f"its mode is {mode}, more than 8 bits a channel: save it with 8")


def write_split(path: Path, images: Tensor, labels: Tensor) -> dict[str, Any]:
    """Write a split; returns what the data set's description says of the file."""
    try:
        safetensors.torch.save_file({"images": images, "labels": labels}, path)
    except SafetensorError as error:  # a full disk, which it does not tell as one
        raise as_os_error(error, path) from error
    path.chmod(0o644)  # safetensors keeps it from other users, who may share the folder
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        digest = file_digest(file, "sha256").hexdigest()
    return {"images": len(images), "size": path.stat().st_size, "sha256": digest}
