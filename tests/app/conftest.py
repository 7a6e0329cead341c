"""Fixtures of the pages: the truth from the core alone, folders of one's own, and a browser."""

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from app_test import BUNDLED, until
from browsing import CHROMIUM, PATIENCE, QUIET, is_foreign, serving
from PIL import Image

from explorer.answers.computing import sweep_of
from explorer.answers.experiment import Experiment
from explorer.app import work
from explorer.engine import scan
from explorer.files.places import checkpoints_root
from explorer.networks import checkpoints
from explorer.networks.registry import build
from explorer.training import trainings


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """The accuracies of the default view, from the core alone."""
    point = checkpoints.load(BUNDLED)
    *_, whole = sweep_of(Experiment(BUNDLED, "conv2"), point)
    return whole.frame()


@pytest.fixture
def large(monkeypatch, tmp_path) -> str:
    """A network so large that its scan begins with a sample, on the bundled data; untrained."""
    card = checkpoints.read_card(BUNDLED)
    torch.manual_seed(0)
    model = build("lab-resnet", card.shape, len(card.classes)).eval()
    checkpoints.save("large", model, replace(card, model="lab-resnet"), tmp_path)
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(scan, "SAMPLES", (20, 40))
    return "large"


@pytest.fixture
def own_folder(monkeypatch, tmp_path) -> Iterator[Path]:
    """A folder of checkpoints with the bundled network and a copy that is one's own; nothing trains there any more."""
    for name in (BUNDLED, "mine"):
        for suffix in (".safetensors", ".json"):
            shutil.copy(checkpoints_root() / f"{BUNDLED}{suffix}", tmp_path / f"{name}{suffix}")
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    yield tmp_path
    for each in trainings.list_trainings():
        trainings.queue().cancel(each.name)
    until(lambda: not any(each.state in ("running", "queued") for each in trainings.list_trainings()))


@pytest.fixture
def own_things(own_folder, monkeypatch, tmp_path) -> Path:
    """A folder to import from, with images of two classes and the weights of a small network for them."""
    own = tmp_path / "to import"
    for split, name, i in itertools.product(("train", "test"), ("cat", "dog"), range(4)):
        path = own / "pets" / split / name / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 36), (60 * i, 20, 200 if name == "cat" else 90)).save(path)
    torch.manual_seed(0)
    torch.save(build("torchvision/squeezenet1_1", (3, 32, 32), 2).state_dict(), own / "net.pth")
    for variable, folder in (("OWN", own), ("DATA", tmp_path / "data")):
        monkeypatch.setenv(f"EXPLORER_{variable}", str(folder))
    work.jobs.clear()  # whose failed downloads, of other tests, the Model page would show
    return own


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[str]:
    """The app, served to the tests in a browser alone."""
    with serving(tmp_path_factory.mktemp("server"), "-m", "streamlit") as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator:
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium here: install it with `apt-get install chromium`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def page(browser) -> Iterator:
    """A fresh tab; what it cannot load from the app, and what it asks of any other host, fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE * 1000)
    opened = context.new_page()
    strangers: list[str] = []
    opened.on("request", lambda request: strangers.append(request.url) if is_foreign(request.url) else None)
    yield opened
    context.close()
    assert not strangers, "the app must need no other host"
