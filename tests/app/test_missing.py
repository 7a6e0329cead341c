"""What is missing or broken gets one sentence, and the rest goes on."""

import json
import threading

import pytest
from app_test import BUNDLED, PAGES, labels, metrics, settle, until, visit, without_data

from explorer.answers.labs import LABS
from explorer.app import guard, work
from explorer.background.board import Jobs
from explorer.images import datasets, downloads
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints


@pytest.mark.parametrize("page", PAGES)
def test_a_network_that_cannot_be_traced_is_on_every_page(page, fickle):
    at = visit(page)
    assert not at.error and not at.warning
    assert at.get("vega_lite_chart")
    said = any("cannot be traced" in caption.value for caption in at.caption)
    assert said == (page != "model")


@pytest.mark.parametrize("page", PAGES)
def test_a_network_without_its_data_says_so_and_offers_the_download(page, monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    at = visit(page, checkpoint="simple-cnn_cifar10")
    assert len(at.warning) == 1 and not at.error
    assert "CIFAR-10, which is not on this machine: download it" in at.warning[0].value
    assert "`python -m explorer data cifar10`" in at.warning[0].value
    assert at.button(key="download cifar10").label == "Download CIFAR-10 (170 MB)"


def test_images_that_are_not_downloaded_here_have_a_way_and_no_button(own_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path / "data"))
    path = own_folder / "mine.json"
    meant = {"dataset": "kmnist", "classes": DATASETS["kmnist"].classes}
    path.write_text(json.dumps(json.loads(path.read_text()) | meant))
    at = visit("prune", checkpoint="mine")
    (said,) = [warning.value for warning in at.warning]
    assert "KMNIST, which is not on this machine: let torchvision.datasets.KMNIST put it into the data folder" in said
    assert not any(label.startswith("Download") for label in labels(at)) and not at.error


TO_SEE = {"prune": "To see them", "activations": "To see what it makes of them"}  # the pages that show images


LIT = [{"lab": name, "checkpoint": each} for name, lab in LABS.items() for each in lab.checkpoints]
FREE = [{"checkpoint": name} for name in checkpoints.SHIPPED]


@pytest.mark.parametrize("page", [*PAGES, "train"])
@pytest.mark.parametrize("asked", [*LIT, *FREE], ids=lambda asked: "-".join(asked.values()))
def test_what_ships_asks_for_images_only_to_show_them(page, asked, shipped_answers, monkeypatch, tmp_path):
    """And nothing is computed."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    work.jobs.clear()
    submit, computed = Jobs.submit, []

    def noted(self, key, start, heavy=True, **how):
        computed.extend([key] * heavy)
        return submit(self, key, start, heavy, **how)

    monkeypatch.setattr(Jobs, "submit", noted)
    at = visit(page, **asked)
    here = "cifar10" not in asked["checkpoint"]
    assert not at.error and not at.exception and (page == "train" or at.get("vega_lite_chart"))
    assert not computed
    why = [warning.value.partition(" takes the images of CIFAR-10")[0] for warning in at.warning]
    assert why == ([] if here or page not in TO_SEE else [TO_SEE[page]])
    offered = [label for label in labels(at) if label.startswith("Download CIFAR-10")]
    assert offered == (["Download CIFAR-10 (170 MB)"] if why or page == "model" else [])


@pytest.fixture
def small(cifar10, monkeypatch, tmp_path):
    """A machine without CIFAR-10, whose download is a small one; nothing of it stays for other tests."""
    without_data(monkeypatch, tmp_path)
    yield
    work.jobs.clear()


@pytest.fixture
def slow(small, monkeypatch):
    """Lets a download that says it has 45 of 170 MB go on, to its end; it is not cancelled until then."""
    go, download = threading.Event(), downloads.download

    def slowly(name, root=None, progress=None):
        progress(45_000_000, 170_000_000)
        assert go.wait(60)
        return download(name, root, progress)

    monkeypatch.setattr(downloads, "download", slowly)
    yield go
    go.set()
    until(lambda: work.jobs().get(("download", "cifar10")).finished)


def test_a_download_shows_in_one_line_and_then_what_it_was_for(slow):
    at = visit("prune", checkpoint="simple-cnn_cifar10")
    at.button(key="download cifar10").click()
    until(lambda: at.run().get("progress") and "45 of" in bar_text(at))
    assert bar_text(at) == ":material/download: Downloading CIFAR-10: 45 of 170 MB"
    assert "Cancel" in labels(at) and not at.metric
    slow.set()
    assert metrics(settle(at))["Channels left"], "it is here"
    assert not at.warning and "Download" not in " ".join(labels(at))


def bar_text(at) -> str:
    (bar,) = at.get("progress")
    return bar.proto.text


def test_a_download_goes_on_when_the_tab_is_closed(slow, monkeypatch):
    at = visit("prune", checkpoint="simple-cnn_cifar10")
    at.button(key="download cifar10").click().run()
    monkeypatch.setattr("explorer.background.jobs.WATCHED", 0.0)
    work.jobs().let_go()  # as after a while without a tab
    slow.set()
    job = work.jobs().get(("download", "cifar10"))
    assert job.wait(60) and job.status == "done"


def test_who_may_not_download_sees_how_far_it_is_but_cannot_cancel(slow, monkeypatch):
    at = visit("prune", checkpoint="simple-cnn_cifar10")
    at.button(key="download cifar10").click().run()
    monkeypatch.setenv(guard.VARIABLE, "secret")
    at.run()
    assert "Downloading CIFAR-10" in bar_text(at) and "Cancel" not in labels(at)


def test_images_that_came_by_another_way_are_found(small):
    """As by the command line; in the browser it is a fragment that looks for them."""
    at = visit("prune", checkpoint="simple-cnn_cifar10")
    assert at.warning
    downloads.download("cifar10")
    assert metrics(settle(at))["Channels left"]


def test_a_failed_download_says_why_and_can_be_tried_again(monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    tries = []

    def fails(name, root=None, progress=None):
        tries.append(name)
        raise ValueError("the download of CIFAR-10 failed (no network); try again")

    monkeypatch.setattr(downloads, "download", fails)
    at = visit("prune", checkpoint="simple-cnn_cifar10")
    at.button(key="download cifar10").click()
    settle(at)
    assert at.error[0].value == "the download of CIFAR-10 failed (no network); try again"
    (again,) = [button for button in at.button if button.label == "Try again"]
    again.click()
    settle(at)
    assert tries == ["cifar10", "cifar10"]


def test_a_folder_without_networks_says_how_to_train_one(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    at = visit()
    assert "python -m explorer train simple-cnn --data fashion-mnist" in at.error[0].value


@pytest.mark.parametrize("page", PAGES)
def test_a_truncated_network_is_one_sentence_and_others_stay_in_reach(page, monkeypatch, tmp_path):
    without_data(monkeypatch, tmp_path)
    weights = tmp_path / "checkpoints" / f"{BUNDLED}.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    at = visit(page)
    assert len(at.error) == 1 and at.error[0].value.startswith(f"{BUNDLED} cannot be opened: ")
    assert "SimpleCNN on CIFAR-10" in at.selectbox(key="checkpoint").options


def test_corrupt_data_is_one_sentence(monkeypatch, tmp_path):
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for source in (datasets.BUNDLED / "FashionMNIST" / "raw").iterdir():
        (folder / source.name).write_bytes(source.read_bytes()[:100])
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    at = visit()
    assert len(at.error) == 1 and at.error[0].value.startswith("Fashion-MNIST cannot be read: ")
