"""Images and networks of one's own: imported on the Model page, and then on every page."""

import re
import shlex

import archives
import pytest
import students
import torch
from app_test import BUNDLED, fill, import_form, metrics, percent, settle, visit

from explorer.app import own
from explorer.files.places import data_root
from explorer.images import datasets
from explorer.networks import checkpoints
from explorer.own import images as own_images
from explorer.own import networks as own_networks


@pytest.mark.slow
def test_images_and_a_network_of_ones_own_are_on_every_page(own_things):
    at = import_form(visit("model"), "Import images", size=32, title="Our pets")
    assert not at.error and datasets.dataset_info("pets").title == "Our pets"
    assert any("**Our pets** (pets), 3 × 32 × 32" in text.value for text in at.markdown)
    at = import_form(at, "Import network", arch="squeezenet1_1", mean="0.5", std="0.25, 0.25, 0.25")
    assert not at.error and not at.warning
    assert at.selectbox(key="checkpoint").value == "squeezenet1_1_pets"
    assert at.get("vega_lite_chart"), "the page is Prune"
    at.switch_page("explorer/app/pages/model.py")
    settle(at)
    card = checkpoints.read_card("squeezenet1_1_pets")
    assert (card.mean, card.std) == ((0.5,), (0.25, 0.25, 0.25))
    assert metrics(at) == {"Test accuracy": percent(card.accuracy["test"].accuracy)}
    table = at.get("table")[0].value
    assert "short side to 32 pixels" in str(table)
    assert "Imported" in str(table) and not any(row in str(table) for row in ("Trained on", "Recipe", "Seed"))
    for page in ("prune", "activations", "sweep", "scan"):
        at.switch_page(f"explorer/app/pages/{page}.py")
        settle(at)
        assert not [*at.error, *at.warning], [page, *(each.value for each in (*at.error, *at.warning))]
        assert at.get("vega_lite_chart")
        assert at.selectbox(key="checkpoint").value == "squeezenet1_1_pets"


def test_how_images_were_made_and_what_was_skipped_is_said(own_things):
    (own_things / "pets" / "test" / "cat" / "._0.png").touch()
    fields = {"resize": "exact", "images_mean": "0.5", "images_std": "0.2, 0.3, 0.4"}
    at = import_form(visit("model"), "Import images", size=32, **fields)
    info = datasets.dataset_info("pets")
    assert not at.error and (info.mean, info.std) == ((0.5,), (0.2, 0.3, 0.4))
    assert info.transform.startswith("both sides to 32") and set(own.RESIZES) == set(datasets.RESIZES)
    assert any("train images; skipped: 1 hidden file" in text.value for text in at.markdown)


def test_what_torchvision_put_there_is_shown_and_nothing_else_of_that_kind(own_things):
    def said():
        return [text.value for text in visit("model").markdown if "**KMNIST**" in text.value or "STL-10" in text.value]

    assert said() == []
    archives.write_all(data_root(), {"KMNIST/raw/t10k-labels-idx1-ubyte.gz": b"damaged"})
    assert len(said()) == 1 and "KMNIST" in said()[0]


def test_images_are_deleted_once_nothing_needs_them(own_things):
    own_images.import_images(own_things / "pets", "pets", 32)
    own_networks.import_network("squeezenet1_1", own_things / "net.pth", "pets", "net")
    at = visit("model")
    assert at.button(key="delete data pets").disabled
    assert any("Needed by net." in text.value for text in at.markdown)
    checkpoints.delete("net")
    settle(at)
    at.button(key="delete data pets").click()
    settle(at)
    assert datasets.own_datasets() == [] and not at.error


@pytest.mark.parametrize(
    ("submit", "fields", "words"),
    [
        ("Import images", {"images_name": "cifar10"}, "'cifar10' is the name of a data set that comes with the app"),
        ("Import images", {"images_name": "My pets"}, "data set name 'My pets' is not plain"),
        ("Import images", {"images_mean": "grey"}, "'grey' is not a list of numbers"),
        ("Import images", {"images_name": "x", "grey": True}, "is in colour (mode RGB)"),
        ("Import images", {}, "there is a data set called 'pets' already"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(own_things, submit, fields, words):
    own_images.import_images(own_things / "pets", "pets", 32)
    at = import_form(visit("model"), submit, **fields)
    assert len(at.error) == 1 and words in at.error[0].value.replace("\\", "")
    assert checkpoints.list_checkpoints() == ["mine", BUNDLED] and datasets.own_datasets() == ["pets"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"arch": "resnet18"}, "holds the weights of another network: "),
        ({"arch": "squeezenet1_1", "mean": "grey"}, "'grey' is not a list of numbers"),
        ({"arch": "squeezenet1_1", "arguments": "version=3"}, "cannot be built with version=3"),
        ({}, ""),
    ],
)
def test_what_does_not_fit_says_so_as_it_is_chosen(own_things, fields, words):
    own_images.import_images(own_things / "pets", "pets", 32)
    at = visit("model")
    at.session_state["own"] = True
    settle(at)
    for name, value in fields.items():
        fill(at, name, value)
    settle(at)
    assert [words in error.value.replace("\\", "") for error in at.error] == ([True] if words else [])
    assert at.button(key="import network").disabled
    fill(at, "arguments", "")
    fill(at, "mean", "")
    fill(at, "arch", "squeezenet1_1")
    settle(at)
    assert not at.error and not at.button(key="import network").disabled
    assert "They fit: squeezenet1\\_1, " in at.success[0].value or "They fit: squeezenet1_1" in at.success[0].value


def test_code_is_run_only_where_the_server_was_started_to(own_things, monkeypatch):
    own_images.import_images(own_things / "pets", "pets", 32)
    net = students.net_of(students.text(students.NET))
    (own_things / "lab.py").write_text(students.text(students.NET, students.TRAINS))
    torch.save({"model": net.state_dict()}, own_things / "lab.pt")
    at = visit("model")
    at.session_state["own"] = True
    settle(at)
    fill(at, "weights", "lab.pt")
    settle(at)
    (command,) = at.code
    asked = ["import-network", f"{own_things}/lab.py:Net", f"{own_things}/lab.pt", "--data", "pets"]
    assert command.value == shlex.join(["python", "-m", "explorer", *asked])
    assert "import network" not in [button.key for button in at.button]
    monkeypatch.setenv("EXPLORER_TRUST_OWN", "1")
    settle(at)
    assert not at.code and "They fit: Net, 11 weights" in at.success[0].value
    (own_things / "lab.py").write_text("import parts\n\nclass Net(parts.Net):\n    pass\n")
    net = students.text(students.NET)
    for parts, words in {
        "Net = 3": "metaclass|int",
        net.replace("self.features(x)", "F.dropout(self.features(x))"): "gives other numbers each time",
    }.items():
        (own_things / "parts.py").write_text(parts)
        settle(at)
        assert re.search(words, at.error[0].value), "what changed, or what it imports, is checked again"
    (own_things / "lab.py").write_text(students.text(students.NET, students.TRAINS))
    settle(at)
    at.button(key="import network").click()
    settle(at)
    assert at.selectbox(key="checkpoint").value == "net_pets", "and the page is Prune"
    assert "Accuracy at K = 3" in metrics(at) and not at.error


def test_an_empty_folder_says_what_to_put_there(own_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_OWN", str(tmp_path / "nowhere"))
    at = visit("model")
    assert not any("nowhere" in text.value for text in at.caption), "nobody looks into it while the expander is closed"
    at.session_state["own"] = True
    settle(at)
    said = [text.value for text in at.caption if "nowhere" in text.value]
    assert len(said) == 2 and "a folder of images for each class" in said[1] and ".safetensors, .pt, .pth" in said[0]


def test_a_damaged_data_set_is_one_line_and_can_be_deleted(own_things):
    own_images.import_images(own_things / "pets", "pets", 32)
    (data_root() / "pets" / datasets.OWN_INFO).write_text("{")
    for page in ("train", "model"):
        at = visit(page)
        assert not at.error
    assert any("images.json is damaged" in text.value for text in at.markdown)
    at.button(key="delete data pets").click()
    settle(at)
    assert datasets.own_datasets() == []


def test_ones_own_images_can_be_trained_on(own_things):
    own_images.import_images(own_things / "pets", "pets", 32)
    at = visit("train", network="simple-cnn", data="pets")
    assert at.selectbox(key="data").value == "pets" and not at.error or "a batch of" in at.error[0].value
