"""Images that come as tensors, as a DataLoader gives them: brought back to the 8 bits that they were made of."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from explorer.files.json import printable
from explorer.files.places import data_root
from explorer.files.staging import staging
from explorer.images.datasets import OWN_INFO, dataset_info, own_datasets
from explorer.language.saying import say
from explorer.networks.evaluation import check_labels
from explorer.own.images import MAX_BYTES, check_images_name, write_split

STEPS = 255  # from black to white in 8 bits
NEAR = 0.05  # of a step, by which a value may lie beside it


@dataclass(frozen=True)
class Levels:
    """How 8-bit images were normalised, a number a channel: a value is (level / 255 − mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def of(self, images: Tensor) -> Tensor:
        """The levels, uint8, of normalised images (N, C, H, W); ValueError for values between two of them."""
        shape = (1, -1, 1, 1)
        mean, std = (torch.tensor(each, dtype=torch.float64).view(shape) for each in (self.mean, self.std))
        exact = (images.double() * std + mean) * STEPS
        levels = exact.round()
        if float((exact - levels).abs().max()) > NEAR or levels.min() < 0 or levels.max() > STEPS:
            raise ValueError(
                say(
                    "the loader's images are not of 8 bits; take a transform that resizes before ToTensor, and for "
                    "testing one that changes nothing at random"
                )
            )
        return levels.to(torch.uint8)


def levels_of(images: Tensor) -> Levels:
    """How images (N, C, H, W) of 8 bits were normalised, found from the steps between their values."""
    found = [_step_and_least(images[:, channel]) for channel in range(images.shape[1])]
    std = tuple(1 / (STEPS * step) for step, _ in found)
    return Levels(tuple(-least * each for (_, least), each in zip(found, std, strict=True)), std)


def _step_and_least(values: Tensor) -> tuple[float, float]:
    """The difference between neighbouring levels of a channel, and its least value, which is taken for black.

    Where no image is black, the pictures look darker than they are; what the network sees is the same.
    """
    known = values.double().unique()
    steps = known.diff()
    steps = steps[steps > 1e-6 * max(float(known[-1] - known[0]), 1e-6)]  # what float32 rounds apart is one level
    if not len(steps):
        return 1 / STEPS, float(known[0])
    rough = float(steps.min())
    whole = (steps / rough).round()
    return float(steps.sum() / whole.sum()), float(known[0])  # over all of them, as each is rounded


def gathered(loader: Iterable[Any]) -> tuple[Tensor, Tensor]:
    """All images (N, C, H, W) and labels (N,) of a loader; ValueError where it gives something else, or too much."""
    images: list[Tensor] = []
    labels, size = [], 0
    if not isinstance(loader, Iterable):
        raise ValueError(say("the loader is a {kind}, not a DataLoader", kind=type(loader).__name__))
    for batch in loader:
        if not isinstance(batch, Sequence) or len(batch) != 2 or not isinstance(batch[0], Tensor) or batch[0].ndim != 4:
            raise ValueError(say("the loader must give pairs of images (N, C, H, W) and labels (N,)"))
        check_labels(batch[0], batch[1])
        if images and batch[0].shape[1:] != images[0].shape[1:]:
            raise ValueError(
                say(
                    "the loader's images differ in size; take a transform that resizes and crops them alike",
                )
            )
        size += batch[0].numel()
        if size > MAX_BYTES:
            raise ValueError(
                say(
                    "the loader gives more than {max_bytes:.0f} GB of images; give the test images alone",
                    max_bytes=MAX_BYTES / 1e9,
                )
            )
        images.append(batch[0].detach().cpu())
        labels.append(batch[1].cpu().long())
    if not sum(map(len, images)):
        raise ValueError(say("the loader gives no images"))
    whole = torch.cat(images)
    if not torch.isfinite(whole).all():
        raise ValueError(say("the loader's images hold NaN or infinite values; look at what normalises them"))
    return whole, torch.cat(labels)


def keep_tensors(
    name: str, title: str, levels: Tensor, labels: Tensor, classes: Sequence[str], root: Path | None = None
) -> str:
    """Make images (N, C, H, W) of 8 bits a data set of one's own with test images alone; returns its name.

    That is `name`, with a number where another has it already; the same images under that name are not kept twice.
    """
    root = root or data_root()
    with staging(root, name) as place:
        made = place / name
        made.mkdir()
        about = {
            "title": title,
            "classes": printable(list(classes)),
            "shape": tuple(levels.shape[1:]),
            "files": {"test": write_split(made / "test.safetensors", levels.contiguous(), labels)},
        }
        (made / OWN_INFO).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        number, free = 1, name
        while free in own_datasets(root):
            (there,) = dataset_info(free, root).files["test"]
            if there.sha256 == about["files"]["test"]["sha256"] and dataset_info(free, root).classes == tuple(classes):
                return free
            number, free = number + 1, f"{name}-{number + 1}"
        check_images_name(free, root)
        os.replace(made, root / free)
    return free
