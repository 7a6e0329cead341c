"""A training that goes on from a checkpoint, which may be narrower than its architecture."""

from dataclasses import replace

import pytest
import tiny as tiny_data
import torch

from explorer.images.batches import Batches
from explorer.networks import checkpoints
from explorer.networks.cards import Parent, Score
from explorer.networks.evaluation import logits, predict
from explorer.training import loop
from explorer.training.finetuning import finetuning_recipe
from explorer.training.loop import train, tuned
from explorer.training.recipes import RECIPES, Recipe

RECIPE = Recipe(epochs=4, batch_size=16, lr=5e-3, seed=3, validation=0.3)
WIDTHS = tiny_data.WIDTHS


@pytest.fixture
def start(tiny, tmp_path):
    """A checkpoint "small", as compression leaves it: narrower, and half trained."""
    return tiny_data.small(tmp_path)


def run(folder, start, recipe=RECIPE, epochs=None, **options):
    """The records of a training that goes on from a checkpoint, stopped after so many epochs."""
    records = []
    for record in train("simple-cnn", "tiny", recipe, folder, device="cpu", name="tuned", start=start, **options):
        records.append(record)
        if len(records) == epochs:
            break
    return records


def test_a_narrow_network_is_trained_on_and_stays_narrow(start, tmp_path):
    before = {key: value.clone() for key, value in start.model.state_dict().items()}
    run(tmp_path, start)
    found = checkpoints.load("tuned", tmp_path)
    card = found.card
    assert card.widths == WIDTHS and found.model.conv2.weight.shape == (20, 9, 3, 3)
    made = Parent("simple-cnn_tiny", start.card.parent.sha256, "conv1:7,conv2:12", "l1", 4, pruned=Score(20, 40))
    assert card.parent == made, "what it was before it was pruned, and how good after"
    assert card.recipe["lr"] == 5e-3 and card.epochs == 4
    assert set(card.accuracy) == {"train", "validation", "test"} and card.accuracy["test"].accuracy > 0.9
    assert all(torch.equal(before[key], value) for key, value in start.model.state_dict().items()), "it is shared"
    assert not start.model.training


def test_it_begins_with_the_weights_of_the_checkpoint_and_keeps_them_where_none_are_better(start, tmp_path):
    run(tmp_path, start, replace(RECIPE, lr=1e-8))
    card = checkpoints.read_card("tuned", tmp_path)
    assert card.kept_epoch == 0 and card.epochs == 4
    kept, there = checkpoints.load("tuned", tmp_path).model.state_dict(), start.model.state_dict()
    assert all(torch.equal(kept[key], there[key]) for key in there)


def test_stopped_and_resumed_it_ends_with_the_same_weights(start, tmp_path):
    run(tmp_path / "whole", start)
    run(tmp_path / "parts", start, epochs=2)
    run(tmp_path / "parts", start, resume=True)
    one, other = (checkpoints.load("tuned", tmp_path / each) for each in ("whole", "parts"))
    assert one.sha256 == other.sha256 and one.card == other.card


def test_what_began_elsewhere_is_not_gone_on_with(start, tmp_path):
    run(tmp_path, start, epochs=1)
    with pytest.raises(ValueError, match=r"tuned.resume.pt is from another training \(start \w+, not \)"):
        run(tmp_path, None, resume=True)
    (tmp_path / "tuned.resume.pt").unlink()
    run(tmp_path, None, epochs=1)
    with pytest.raises(ValueError, match=r"another training \(.*\); repeat that one's options"):
        run(tmp_path, start, resume=True)


@pytest.mark.parametrize(
    ("model", "dataset", "recipe", "words"),
    [
        ("block-net", "tiny", RECIPE, "the network to start from is a simple-cnn for tiny, not a block-net for tiny"),
        ("simple-cnn", "mnist", RECIPE, "is a simple-cnn for tiny, not a simple-cnn for mnist; choose those"),
        ("simple-cnn", "tiny", replace(RECIPE, mean=(0.1,)), "sees images that are normalised otherwise; take its own"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(start, tmp_path, model, dataset, recipe, words):
    with pytest.raises(ValueError, match=words):
        list(train(model, dataset, recipe, tmp_path, name="tuned", start=start))
    assert not list(tmp_path.glob("tuned*"))


def test_the_recipe_is_the_networks_own_with_smaller_steps(start):
    card = checkpoints.read_card("resnet18_cifar10")
    recipe, own = finetuning_recipe(card), RECIPES["resnet18"]
    assert recipe == replace(own, lr=own.lr / 10, epochs=6, schedule="cosine", small=0.0)
    again = replace(card, recipe=card.recipe | {"lr": 0.01}, parent=Parent("x", "y", epochs=6))
    assert finetuning_recipe(again).lr == 0.01, "not a hundredth"
    unknown = finetuning_recipe(replace(card, recipe={}))
    assert unknown == replace(Recipe(), lr=1e-4, epochs=2, schedule="cosine", mean=card.mean, std=card.std)
    old = finetuning_recipe(replace(card, recipe={"flip": True, "crop": False, "no longer": 3}))
    assert (old.flip, old.crop) == (0.5, 0)


@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_every_network_that_ships_can_be_fine_tuned(name):
    card = checkpoints.read_card(name)
    loop.check(card.model, card.dataset, finetuning_recipe(card))


def test_in_memory_a_network_recovers_and_the_given_one_stays(start):
    before = {key: value.clone() for key, value in start.model.state_dict().items()}
    seen = []
    better = tuned(start.model, "tiny", RECIPE, "cpu", progress=lambda *each: seen.append(each))
    split = loop.load_split("tiny", "test")
    batches = Batches(split, RECIPE.mean, RECIPE.std)
    right = [int((predict(logits(net, batches)) == split.labels).sum()) for net in (start.model, better)]
    assert right[1] > right[0] and right[1] >= 36 and not better.training
    assert better.conv1.weight.shape == (9, 1, 3, 3) and seen[-1] == (4 * 56, 4 * 56)
    assert all(torch.equal(before[key], value) for key, value in start.model.state_dict().items())
