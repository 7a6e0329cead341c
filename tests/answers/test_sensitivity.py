"""The sensitivity analysis as an answer: ranked, kept, found again, and what is not to be trusted set aside."""

import json

import numpy as np
import pytest
import torch

from explorer.answers import door, here, ordering, packing, shipped
from explorer.answers.images import batches_of
from explorer.answers.store import Store
from explorer.background.jobs import Progress
from explorer.engine.sensitivities import Sensitivity
from explorer.engine.sweep import sweep
from explorer.networks import checkpoints
from explorer.pruning.activations import collect, collect_layers
from explorer.pruning.ranking import rank_by

FASHION = "simple-cnn_fashion-mnist"


@pytest.fixture(scope="module")
def point():
    return checkpoints.load(FASHION)


def assert_same(one: Sensitivity, other: Sensitivity) -> None:
    assert np.array_equal(one.broken, other.broken) and np.array_equal(one.repaired, other.repaired)
    for name in ("correct_before", "rows", "shares", "left_out", "run", "done", "total", "slow"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("criterion", ["mean", "l1-reversed", "taylor"])
def test_each_row_is_the_curve_of_its_layer_and_is_found_again(point, monkeypatch, criterion):
    steps = list(door.sensitivity(point, criterion, "weights", limit=60))
    found = steps[-1]
    ranks_on_images = criterion != "l1-reversed"
    assert any(isinstance(step, Progress) for step in steps) == ranks_on_images
    assert (found.run.criterion, found.run.mode, found.run.ranked_on) == (
        criterion,
        "weights",
        "test" * ranks_on_images,
    )
    for place, row in enumerate(found.rows):
        measured = collect(
            point.model, row.layer, batches_of(point, "test", 60), "taylor" if criterion == "taylor" else "raw"
        )
        order = rank_by(point.model, row.layer, criterion, measured).order
        curve = sweep(point.model, row.layer, batches_of(point, "test", 60), order, found.ks[place], "weights")
        assert [curve.correct[curve.index(k)] for k in found.ks[place]] == found.correct[place].tolist()
    monkeypatch.setattr(here, "sensitivity_stream", None)
    (again,) = door.sensitivity(point, criterion, "weights", limit=60)
    assert_same(again, found)


def test_another_question_is_not_taken_for_it(point, monkeypatch):
    list(door.sensitivity(point, "l1", limit=20))
    monkeypatch.setattr(here, "sensitivity_stream", None)
    for change in ({"criterion": "l2"}, {"mode": "weights"}, {"limit": 21}, {"split": "train"}):
        with pytest.raises(TypeError, match="not callable"):
            list(door.sensitivity(point, **{"criterion": "l1", "limit": 20, **change}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"criterion": "best"}, "unknown criterion 'best'"),
        ({"criterion": "oracle-loss"}, "unknown criterion 'oracle-loss'"),
        ({"criterion": "bn-scale"}, "there is no layer to prune: layer 'conv1' has no batch norm with a scale"),
        ({"mode": "best"}, "unknown mode 'best'"),
        ({"mode": "inputs"}, "there is no layer to prune: mode 'inputs'"),
        ({"split": "val"}, "unknown split 'val'"),
        ({"limit": 0}, "limit 0 is outside 1…10000"),
    ],
)
def test_bad_questions_are_named(point, change, message):
    with pytest.raises(ValueError, match=message):
        list(door.sensitivity(point, **{"criterion": "l1", "limit": 20, **change}))


def test_layers_that_cannot_be_ranked_are_left_out():
    point = checkpoints.load("lab-resnet_cifar10")
    batches = batches_of(checkpoints.load(FASHION), "test", 2)  # never looked at
    layers = ["stem.0", "res1.feature2.0", "res2.down_sample.0"]
    steps = ordering.orders_of(point, layers, "block-mean-reversed", batches)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "collect_layers", lambda *asked: iter([(0, {})]))
        with pytest.raises(ValueError, match="there is no layer to prune"):
            list(steps)
    fitting, left_out = ordering._fitting(point, layers, "block-mean")
    assert fitting == layers[1:] and "does not end in a residual addition" in left_out["stem.0"]


# Statistics of several layers from one pass


@pytest.mark.parametrize("at", ["raw", "activation", "taylor"])
def test_statistics_of_several_layers_are_those_of_each(point, at):
    batches = batches_of(point, "test", 300)
    *counts, (last, found) = collect_layers(point.model, ["conv2", "conv1"], batches, at)
    assert [count for count, _ in counts] == [250, 50] and last == 0 and list(found) == ["conv2", "conv1"]
    for layer, statistics in found.items():
        alone = collect(point.model, layer, batches, at)
        assert np.allclose(statistics.mean, alone.mean, rtol=1e-6) and statistics.done == 300
        assert np.allclose(statistics.maps, alone.maps, rtol=1e-6) and np.allclose(statistics.std, alone.std, rtol=1e-6)


def test_two_layers_that_end_in_one_addition_are_both_averaged_there():
    model = checkpoints.load("lab-resnet_cifar10").model
    data = [(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]))]
    layers = ["res2.feature2.0", "res2.down_sample.0"]
    *_, (_, found) = collect_layers(model, layers, data, "block")
    assert np.array_equal(found[layers[0]].mean, found[layers[1]].mean)


def test_a_network_that_cannot_be_traced_is_averaged_layer_by_layer(fickle):
    point = checkpoints.load(fickle)
    batches = batches_of(point, "test", 20)
    *_, (_, found) = collect_layers(point.model, ["conv"], batches)
    assert np.array_equal(found["conv"].mean, collect(point.model, "conv", batches).mean)


# What is not to be trusted


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"broken": np.full((2, 11), 999, np.int32)}, "holds a number out of its range"),
        ({"repaired": np.full((2, 11), -1, np.int32)}, "holds a number out of its range"),
        ({"broken": np.zeros((2, 10), np.int32)}, r"does not hold counts of shape \(2, 11\)"),
        ({"facts": np.frombuffer(b"[1]", np.uint8)}, "does not hold the facts of an analysis"),
        ({"facts": np.frombuffer(b"{}", np.uint8)}, "does not hold what an analysis of layers does"),
        ({"n": 7}, "is an analysis of other layers, shares or images"),
        ({"shares": [0, 100]}, "is an analysis of other layers, shares or images"),
        (
            {"rows": [{"layers": ["x"], "position": 1, "channels": 4, "parameters": 1}]},
            "is an analysis of other layers",
        ),
    ],
)
def test_what_cannot_be_an_answer_is_set_aside_and_computed_anew(point, monkeypatch, change, why):
    def save(self, identity, arrays, right=Store.save):
        facts = packing.facts_in(arrays)
        facts |= {name: value for name, value in change.items() if name in facts}
        arrays |= {name: value for name, value in change.items() if name in arrays}
        if "facts" not in change:
            arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        right(self, identity, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", save)
        *_, computed = door.sensitivity(point, "l1", limit=20)
    note, *_, again = door.sensitivity(point, "l1", limit=20)
    assert why.replace("\\", "") in note
    assert_same(again, computed)


# What ships


def test_an_answer_ships_whole_and_is_that_of_its_question(point, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_ANSWERS", str(tmp_path))
    assert not shipped.has_sensitivity(point, "l1", "filter")
    *_, answer = door.sensitivity(point, "l1", limit=30)
    shipped.ship_sensitivity(shipped.sensitivity_question(point, "l1", "filter", "test", None), answer)
    assert shipped.has_sensitivity(point, "l1", "filter") and not shipped.has_sensitivity(point, "l2", "filter")
    assert not shipped.has_sensitivity(point, "l1", "filter", 30), "it is for whoever asks for all images"
    (found,) = door.sensitivity(point, "l1")
    assert_same(found, answer)
    assert found.made and sum(path.stat().st_size for path in tmp_path.rglob("*.npz")) < 4000
    assert shipped.sensitivity_question(point, "l1", "filter", "train", None) is None
