"""A data set "tiny" that can be learnt in no time, and `python -m explorer` with it: run this file."""

import os
import sys
from dataclasses import replace

import torch

from explorer.cli import main
from explorer.images import datasets
from explorer.images.registry import DATASETS
from explorer.images.split import Split
from explorer.networks import checkpoints, widths
from explorer.networks.cards import Parent, Score
from explorer.networks.registry import build
from explorer.training import held_out, loop
from explorer.training.recipes import Recipe

INFO = replace(DATASETS["mnist"], name="tiny", title="Tiny", shape=(1, 8, 8), classes=("top", "bottom"))


def load_split(name, split, root=None):
    """80 + 40 images of 1×8×8, bright above or below the middle."""
    generator = torch.Generator().manual_seed({"train": 1, "test": 2}[split])
    n = {"train": 80, "test": 40}[split]
    labels = torch.randint(0, 2, (n,), generator=generator)
    images = torch.randint(0, 100, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 4 * int(label) : 4 * int(label) + 4] += 100
    return Split(name, split, (images,), labels, ("top", "bottom"), "full")


def register():
    """Put it among the data sets of this process."""
    DATASETS["tiny"] = INFO
    datasets.availability = lambda name, root=None: "full"
    loop.load_split = held_out.load_split = load_split


WIDTHS = {"conv1": (1, 9), "conv2": (9, 20), "fc1": (80, 256)}


def small(folder):
    """A checkpoint "small", as compression leaves one: narrower, and not yet good."""
    recipe = Recipe(epochs=1, batch_size=16, lr=1e-4, seed=3, validation=0.3)
    for _ in loop.train("simple-cnn", "tiny", recipe, folder / "before", device="cpu"):
        pass
    whole = checkpoints.load("simple-cnn_tiny", folder / "before")
    net = build("simple-cnn", INFO.shape, len(INFO.classes))
    net.load_state_dict(whole.model.state_dict())
    widths.resize(net, WIDTHS)
    parent = Parent(whole.name, whole.sha256, "conv1:7,conv2:12", "l1")
    card = replace(whole.card, widths=WIDTHS, parent=parent, accuracy={"test": Score(20, 40)})
    checkpoints.save("small", net.eval(), card, folder)
    return checkpoints.load("small", folder)


if __name__ == "__main__":
    print("started by", os.getppid(), flush=True)
    register()
    sys.exit(main.main())
