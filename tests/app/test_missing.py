"""What is missing or broken gets one sentence, and the rest goes on."""

import pytest
from app_test import BUNDLED, PAGES, settle, visit, without_data

from explorer.images import downloads, reading


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
    assert "trained on CIFAR-10, which is not on this machine" in at.warning[0].value
    assert "`python -m explorer data cifar10`" in at.warning[0].value
    assert at.button(key="download cifar10").label == "Download CIFAR-10 (170 MB)"


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
    assert "simple-cnn_cifar10" in at.selectbox(key="checkpoint").options


def test_corrupt_data_is_one_sentence(monkeypatch, tmp_path):
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for source in (reading.BUNDLED / "FashionMNIST" / "raw").iterdir():
        (folder / source.name).write_bytes(source.read_bytes()[:100])
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    at = visit()
    assert len(at.error) == 1 and at.error[0].value.startswith("Fashion-MNIST cannot be read: ")
