"""Fixtures that several test files share."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as `python -m explorer` does; torch reads it when first imported

import pytest
import tiny as tiny_data

from explorer import data, training
from explorer.data import DATASETS


@pytest.fixture
def real_cifar10():
    """The official CIFAR-10 test split, where this machine has it."""
    if data.availability("cifar10") != "full":
        pytest.skip("CIFAR-10 is not under the data root")
    return data.load_split("cifar10", "test")


@pytest.fixture
def tiny(monkeypatch):
    """The data set "tiny" in the registry, and its images where a training looks for them."""
    monkeypatch.setitem(DATASETS, "tiny", tiny_data.INFO)
    monkeypatch.setattr(training, "load_split", tiny_data.load_split)
    return tiny_data.INFO
