"""Images of one's own: a folder of them becomes a data set like any other."""

import itertools
import json
import math
import os
from collections.abc import Callable, Sequence
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
from explorer.images.batches import check_normalisation
from explorer.images.datasets import OWN_INFO, dataset_info, own_datasets
from explorer.images.registry import DATASETS, DatasetInfo, Shape
from explorer.language.saying import listed, say
from explorer.networks import checkpoints
from explorer.own.folder import Progress, check_within, no_progress
from explorer.own.layout import Found, look_into
from explorer.own.pictures import Form, read_picture
from explorer.training import trainings

MAX_BYTES = 4_000_000_000  # of all images of a data set, as they lie in memory
LONGEST_TITLE = 64
ORDER_SEED = 0  # of the order of the images


@dataclass(frozen=True)
class _Made:
    """The images of a split as tensors, and how many of them had to be turned upright."""

    images: Tensor
    labels: Tensor
    turned: int


def import_images(
    folder: Path,
    name: str,
    size: int,
    title: str = "",
    root: Path | None = None,
    within: Path | None = None,
    progress: Progress | None = None,
    *,
    resize: str = "short",
    grey: bool = False,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> DatasetInfo:
    """Make a folder of images in torchvision's ImageFolder layout the data set `name`, whole or not at all.

    FOLDER/CLASS/*.png, *.jpg … are test images. FOLDER/train/CLASS/… and FOLDER/test/CLASS/… (or val …) give both
    splits; what else lies there is skipped, and the data set's notes say so. Every image is turned upright as its EXIF
    data say, becomes RGB, or grey where all are and `grey` asks for it, and a square of `size` pixels. To `resize` it
    "short" takes its short side to that (bilinear with antialias, as torchvision's usual transform for evaluation) and
    cuts its middle square out, "exact" takes both sides to it, and "none" wants images of that size. Images are
    shuffled, always in the same way, so that the first N are a fair sample; they must lie `within` that folder,
    symbolic links resolved. `mean` and `std` are the data set's usual normalisation, for whoever imports a network.
    `progress(images done, images in all)` is called after each; whatever it raises cancels.

    Raises ValueError for a name that is not plain or is taken, a size outside pictures.SIZES, another resize, a folder
    of another layout, an image that cannot be read or had so, a normalisation that does not fit, and more than
    MAX_BYTES of images.
    """
    root, form = root or data_root(), Form(size, resize, grey)
    check_images_name(name, root)
    form.check()
    _check_title(title)
    _check_usual(mean, std, form.shape[0])
    layout = look_into(folder)
    paths = layout.paths
    _check_fits(len(paths), form.shape)
    check_within(paths, within)
    told, files, turned = _one_by_one(progress or no_progress, len(paths)), {}, 0
    with staging(root, name) as place:
        made = place / name
        made.mkdir()
        for split, found in layout.splits.items():
            read = _read(found, form, told)
            files[split] = write_split(made / f"{split}.safetensors", read.images, read.labels)
            turned += read.turned
        about = {
            "title": title or name,
            "classes": printable(list(layout.splits["test"].classes)),  # the folders' names, which may hold anything
            "shape": form.shape,
            "files": files,
            "resize": resize,
            "mean": list(mean),
            "std": list(std),
            "notes": printable([*layout.notes, *_note_of_turned(turned)]),
        }
        (made / OWN_INFO).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        check_images_name(name, root)  # somebody else may have been faster
        os.replace(made, root / name)
    return dataset_info(name, root)


def delete_images(name: str, root: Path | None = None, out: Path | None = None) -> None:
    """Delete a data set of one's own; ValueError for one that is not, and while a network or a training needs it."""
    root = root or data_root()
    if name not in own_datasets(root):
        known = listed(own_datasets(root)) or say("none")
        raise ValueError(say("{name!r} is no data set of your own; there are: {known}", name=name, known=known))
    if users := users_of(name, out):
        words = "{name!r} is needed by {users}; delete what needs it first"
        raise ValueError(say(words, name=name, users=listed(users)))
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
        words = "data set name {name!r} is not plain; use at most {most} of a-z, 0-9, dot, hyphen and underscore"
        raise ValueError(say(words, name=name[:80], most=LONGEST_TITLE))
    if name in {*DATASETS, *(info.folder.lower() for info in DATASETS.values())}:
        words = "{name!r} is the name of a data set that comes with the app; choose another"
        raise ValueError(say(words, name=name))
    if (root / name).exists():
        words = "there is a data set called {name!r} already in {root}; choose another name, or delete it"
        raise ValueError(say(words, name=name, root=root))


def _check_title(title: str) -> None:
    if len(title) > LONGEST_TITLE or not title.isprintable():
        words = "title {title!r} is not one line of at most {most} characters; shorten it"
        raise ValueError(say(words, title=title[:80], most=LONGEST_TITLE))


def _check_usual(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    """ValueError for a normalisation that is there by half, or does not fit the channels."""
    if bool(mean) != bool(std):
        words = "a {what} alone is no normalisation; give both mean and std, or neither"
        raise ValueError(say(words, what=say("mean" if mean else "std")))
    if mean:
        check_normalisation(mean, std, channels)


def _check_fits(total: int, shape: Shape) -> None:
    channels, size, _ = shape
    needed = total * math.prod(shape)
    if needed > MAX_BYTES:
        side = math.isqrt(MAX_BYTES // (channels * total))
        raise ValueError(
            say(
                "{n:,} images of {size} × {size} are {needed:.1f} GB, more than the {most:.0f} GB that fit; choose a "
                "size of at most {side}, or fewer images",
                n=total,
                size=size,
                needed=needed / 1e9,
                most=MAX_BYTES / 1e9,
                side=side,
            )
        )


def _one_by_one(tell: Progress, total: int) -> Callable[[], None]:
    """What to call after each image, for `tell` to know how many are done."""
    done = itertools.count(1)
    return lambda: tell(next(done), total)


def _read(found: Found, form: Form, told: Callable[[], None]) -> _Made:
    """The images of a split in their order for good; calls `told` after each."""
    order = torch.randperm(len(found.samples), generator=torch.Generator().manual_seed(ORDER_SEED))
    samples = [found.samples[i] for i in order.tolist()]
    images, turned = torch.empty(len(samples), *form.shape, dtype=torch.uint8), 0
    for i, (path, _) in enumerate(samples):
        images[i], was_turned = read_picture(path, form)
        turned += was_turned
        told()
    return _Made(images, torch.tensor([label for _, label in samples]), turned)


def _note_of_turned(turned: int) -> list[str]:
    """How many images did not lie upright."""
    return [f"turned upright by their EXIF data: {turned:,} image{'s'[: turned != 1]}"] if turned else []


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
