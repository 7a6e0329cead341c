"""Fixtures that several test files share."""

import explorer  # isort: skip # noqa: F401 - first, as it sets how torch's threads wait

from dataclasses import replace

import archives
import pytest
import tiny as tiny_data
import torch
import user_files
from hypothesis import HealthCheck, settings
from torch import nn

from explorer.images import datasets, downloads, reading
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints
from explorer.networks.registry import MODELS
from explorer.own import images as own_images
from explorer.training import held_out, loop

settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # a busy machine makes examples slowly, which is no fault of theirs


@pytest.fixture(scope="session", autouse=True)
def no_results_of_the_users(tmp_path_factory):
    """No test, and no server that a test starts, reads or writes the project's own results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_RESULTS", str(tmp_path_factory.mktemp("session-results")))
        patch.setenv("EXPLORER_ANSWERS", str(tmp_path_factory.mktemp("no-answers")))  # so that tests compute
        yield


@pytest.fixture
def shipped_answers(monkeypatch):
    """The answers that come with the app, which other tests do without."""
    monkeypatch.delenv("EXPLORER_ANSWERS")


@pytest.fixture(autouse=True)
def results(tmp_path_factory, monkeypatch):
    """The folder of saved results: an empty one for each test."""
    folder = tmp_path_factory.mktemp("results")
    monkeypatch.setenv("EXPLORER_RESULTS", str(folder))
    return folder


@pytest.fixture
def real_cifar10():
    """The official CIFAR-10 test split, where this machine has it."""
    if datasets.availability("cifar10") != "full":
        pytest.skip("CIFAR-10 is not under the data root")
    return reading.load_split("cifar10", "test")


@pytest.fixture
def web(monkeypatch):
    """A server for small archives, asked again without a pause where the connection is lost."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSES", (0.0, 0.0))
    with archives.serving() as web:
        yield web


@pytest.fixture
def mnist(monkeypatch, web):
    """A two-image MNIST: (its files on disk, the server of its archives, under /first and /second)."""
    return archives.small_mnist(monkeypatch, web), web


@pytest.fixture
def cifar10(monkeypatch, web):
    """A CIFAR-10 of ten training images and two test images: (its files on disk, the server of its archive)."""
    return archives.small_cifar10(monkeypatch, web), web


@pytest.fixture
def tiny(monkeypatch):
    """The data set "tiny" in the registry, and its images where a training looks for them."""
    monkeypatch.setitem(DATASETS, "tiny", tiny_data.INFO)
    for module in (loop, held_out):
        monkeypatch.setattr(module, "load_split", tiny_data.load_split)
    return tiny_data.INFO


class Fickle(nn.Module):
    """A small network whose forward pass depends on the data, so that it cannot be traced."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=4)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        y = self.conv(x)
        y = self.relu(y if y.sum() > 0 else -y)
        return self.fc(y.mean((2, 3)))


@pytest.fixture
def fickle(monkeypatch, tmp_path):
    """The name of a checkpoint of a network that cannot be traced, alone in its folder, on the bundled images."""
    info = MODELS["block-net"]
    info = replace(info, name="fickle", title="Fickle", layer="conv", builder=lambda shape, classes: Fickle(classes))
    monkeypatch.setitem(MODELS, "fickle", info)
    card = replace(checkpoints.read_card("simple-cnn_fashion-mnist"), model="fickle")
    torch.manual_seed(0)
    checkpoints.save("fickle_fashion-mnist", Fickle(), card, tmp_path / "checkpoints")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return "fickle_fashion-mnist"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A data root, a folder of checkpoints and a folder to import from, all empty."""
    for variable, name in (("DATA", "data"), ("CHECKPOINTS", "checkpoints"), ("OWN", "own")):
        monkeypatch.setenv(f"EXPLORER_{variable}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def pets(places):
    """The data set "pets": 6 training images and 4 test images of 2 classes."""
    user_files.paint(places / "own" / "pets" / "train", each=3)
    user_files.paint(places / "own" / "pets" / "test", each=2)
    return own_images.import_images(places / "own" / "pets", "pets", user_files.SIDE, "Our pets")
