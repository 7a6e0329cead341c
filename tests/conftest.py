"""Fixtures that several test files share."""

import os
from dataclasses import replace

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as `python -m explorer` does; torch reads it when first imported

import pytest
import torch

from explorer import data, training
from explorer.data import DATASETS, Split


@pytest.fixture
def real_cifar10():
    """The official CIFAR-10 test split, where this machine has it."""
    if data.availability("cifar10") != "full":
        pytest.skip("CIFAR-10 is not under the data root")
    return data.load_split("cifar10", "test")


@pytest.fixture
def tiny(monkeypatch):
    """A data set "tiny" that can be learnt: 80 + 40 images of 1×8×8, bright above or below the middle."""

    def load(name, split, root=None):
        generator = torch.Generator().manual_seed({"train": 1, "test": 2}[split])
        n = {"train": 80, "test": 40}[split]
        labels = torch.randint(0, 2, (n,), generator=generator)
        images = torch.randint(0, 100, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 4 * int(label) : 4 * int(label) + 4] += 100
        return Split(name, split, (images,), labels, ("top", "bottom"), "full")

    info = replace(DATASETS["mnist"], name="tiny", title="Tiny", shape=(1, 8, 8), classes=("top", "bottom"))
    monkeypatch.setitem(DATASETS, "tiny", info)
    monkeypatch.setattr(training, "load_split", load)
    return info
