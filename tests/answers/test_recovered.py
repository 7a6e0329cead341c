"""Networks that were pruned from a checkpoint's and fine-tuned: what their cards tell, and how they are queued."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from explorer.answers import queueing, recovered
from explorer.background.processes import Queue
from explorer.cli import main
from explorer.compression.plans import Plan
from explorer.images.reading import load_split
from explorer.networks import checkpoints
from explorer.networks.cards import Parent, Score
from explorer.networks.intervals import wilson
from explorer.training import loop, trainings

NET = "simple-cnn_fashion-mnist"


@pytest.fixture
def folder(tmp_path):
    for end in (".safetensors", ".json"):
        shutil.copy(checkpoints.weights_path(NET).with_suffix(end), tmp_path)
    return tmp_path


def test_what_was_pruned_from_it_and_fine_tuned_is_found_with_its_accuracies(folder):
    point = checkpoints.load(NET, folder)
    made = Parent(NET, point.sha256, "conv1:4", "l1", epochs=3, steps=2, pruned=Score(70, 100))
    others = {
        "tuned": made,
        "only-pruned": replace(made, epochs=0, pruned=None),
        "only-tuned": replace(made, plan=""),
        "of-another": replace(made, sha256="0" * 64),
    }
    for name, parent in others.items():
        card = replace(point.card, parent=parent, accuracy={**point.card.accuracy, "test": Score(90, 100)})
        checkpoints.save(name, point.model, card, folder)
    cards = recovered.made_from(point, folder)
    assert list(cards) == ["tuned"] and cards["tuned"].parent == made, "a card is read as it was written"
    table = recovered.accuracies(point, cards, {NET: 200, "tuned": 90})
    assert table["state"].tolist() == list(recovered.STATES)
    assert table["correct"].tolist() == [point.card.accuracy["test"].correct, 70, 90]
    assert table["n"].tolist() == [10_000, 100, 100] and table["steps"].tolist() == [2, 2, 2]
    assert table["macs"].tolist() == [200, 90, 90]
    assert (table["low"][1], table["high"][1]) == wilson(70, 100)


@pytest.mark.slow
def test_a_plan_is_carried_out_and_fine_tuned_by_what_is_queued(folder, monkeypatch):
    """The command line that the queue runs, in the folder where it does."""
    asked = []
    monkeypatch.setattr(trainings, "enqueue", lambda *given: asked.append(given))
    point = checkpoints.load(NET, folder)
    queueing.queue(point, Plan.of({"conv1": 4, "conv2": 8}), "mine", epochs=1, steps=2, limit=200, out=folder)
    ((name, arguments, about, out),) = asked
    assert (name, out, about["start"], about["recipe"]["epochs"]) == ("mine", folder, NET, 2)
    (folder / "trainings" / "mine").mkdir(parents=True)
    monkeypatch.chdir(folder / "trainings" / "mine")
    monkeypatch.setattr(loop, "load_split", lambda *asked: load_split(*asked).take(2000))
    assert main.main(arguments) == 0
    card = checkpoints.read_card("mine", folder)
    assert (card.parent.name, card.parent.plan, card.parent.steps) == (NET, "conv1:4,conv2:8", 2)
    assert trainings.history("mine", folder)["epoch"].tolist() == [1, 2]
    assert (folder / "trainings" / "mine" / "progress.json").is_file() and not list(folder.glob("accuracy.csv"))
    assert list(recovered.made_from(point, folder)) == ["mine"]


@pytest.mark.slow
def test_what_is_queued_is_fine_tuned_by_the_queues_own_worker(folder, monkeypatch):
    few = Path(__file__).parent.parent / "few.py"
    monkeypatch.setattr(trainings, "Queue", lambda at: Queue(at, (str(few),)))
    point = checkpoints.load(NET, folder)
    queueing.queue(point, Plan.of({"conv1": 4, "conv2": 28}), "mine", epochs=1, limit=200, out=folder)
    while trainings.list_trainings(folder)[0].state in ("queued", "running"):
        time.sleep(0.2)
    assert trainings.list_trainings(folder)[0].state == "done", (folder / "trainings" / "mine" / "log.txt").read_text()
    made, cards = checkpoints.load("mine", folder), recovered.made_from(point, folder)
    assert list(cards) == ["mine"] and made.model.conv2.weight.shape == (4, 12, 3, 3)
    table = recovered.accuracies(point, cards, {NET: 2, "mine": 1}).set_index("state")
    won, before, after = table.loc["fine-tuned"], table.loc["before pruning"], table.loc["after pruning"]
    assert (won["n"], after["n"]) == (10_000, 200) and after["accuracy"] < won["accuracy"] < before["accuracy"]


def test_what_cannot_be_queued_is_one_sentence(folder):
    point = checkpoints.load(NET, folder)
    for name, epochs, said in (
        (NET, 1, "comes with the app"),
        ("a/b", 1, "a/b"),
        ("mine", 0, "epochs 0 is not a whole"),
    ):
        with pytest.raises(ValueError, match=said):
            queueing.queue(point, Plan.of({"conv1": 4}), name, epochs, out=folder)
    assert not trainings.list_trainings(folder)
