"""The answers that ship: found as what was asked and as nothing else, and true of the networks as they are today."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.answers import door, outline, outlining, shipped, shipping
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.labs import LABS
from explorer.engine.scan import scan
from explorer.engine.sweep import sweep
from explorer.files.places import answers_root
from explorer.networks import checkpoints
from explorer.networks.evaluation import logits
from explorer.networks.layers import conv_layer
from explorer.pruning.prune import prune
from explorer.pruning.rankings import order_of

FASHION = Experiment("simple-cnn_fashion-mnist", "conv2")
SMALL = [name for name in checkpoints.SHIPPED if not name.startswith("resnet18")]  # whose whole answers come in seconds
IMAGES = 500  # of a sample


def returned(steps):
    """What a look-up gives in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture
def point(shipped_answers):
    return checkpoints.load(FASHION.checkpoint)


# Found


def test_an_answer_that_ships_needs_no_images(point, monkeypatch):
    monkeypatch.setattr("explorer.answers.here.batches_of", None)
    monkeypatch.setattr("explorer.answers.keeping.batches_of", None)
    (curve,) = door.curve(FASHION, point)
    assert curve.ks == tuple(range(33)) and curve.done == curve.total == 10_000 and curve.made
    (band,) = door.band(replace(FASHION, criterion="random"), point, 20)
    assert len(band.sweeps) == 20 and [each.run.seed for each in band.sweeps] == list(range(20))
    (statistics,) = door.statistics(point, "conv2", "test")
    assert statistics.done == 10_000 and statistics.maps.dtype == float
    (result,) = door.scan(point)
    assert result.names == ("conv1", "conv2") and result.made
    (search,) = door.measure(replace(FASHION, criterion="oracle-loss"), point)
    assert shipped.search_cost(replace(FASHION, criterion="oracle-loss"), point) == search.cost


def test_a_curve_at_some_of_its_k(point):
    whole = returned(shipped.curve(FASHION, point))
    some = returned(shipped.curve(replace(FASHION, ks=(0, 7, 32)), point))
    assert some.ks == (0, 7, 32) and np.array_equal(some.predictions, whole.predictions[[0, 7, 32]])


@pytest.mark.parametrize(
    "change",
    [
        {"split": "train"},
        {"ranked_on": "train"},
        {"limit": 500},
        {"dtype": "bfloat16"},
        {"seed": 1},
        {"criterion": "apoz"},
        {"layer": "conv1"},
        {"mode": "weights"},
    ],
)
def test_nothing_else_is_taken_for_it(point, change):
    asked = replace(FASHION, **change)
    assert not shipped.has_curve(asked, point) and returned(shipped.curve(asked, point)) is None


def test_where_channels_are_ranked_again_all_k_must_be_the_same(shipped_answers):
    lab, point = LABS["A"], checkpoints.load(LABS["A"].checkpoint)
    again = lab.experiment(lab.variants[1])
    assert shipped.has_curve(again, point)
    assert not shipped.has_curve(replace(again, ks=again.ks[:-1]), point), "its last step may rank otherwise"


def test_statistics_scans_and_bands_of_another_kind_do_not_ship(point):
    assert not shipped.has_statistics(point, "conv2", "train", "raw")
    assert not shipped.has_scan(point, "blocks", "weights") and not shipped.has_scan(point, "blocks", "filter", 100)
    random = replace(FASHION, criterion="random")
    assert not shipped.has_band(random, point, 30) and not shipped.has_band(replace(random, seed=3), point, 20)
    assert returned(shipped.band(replace(random, split="train"), point, 20)) is None


def test_another_network_of_the_same_name_has_no_answers(point):
    other = replace(point, sha256="0" * 64)
    assert not shipped.has_curve(FASHION, other) and returned(shipped.scan(other, "blocks", "filter")) is None


def test_a_fresh_curve_is_computed(point):
    *_, fresh = door.curve(replace(FASHION, ks=(0, 16)), point, fresh=True)
    assert not fresh.made and fresh.predictions.shape == (2, 10_000)


def test_a_damaged_answer_is_told_of_and_computed_anew(point, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_ANSWERS", str(tmp_path))
    asked = replace(FASHION, criterion="l1", ks=(0, 16))
    question = shipped.curve_question(asked, point)
    *_, answer = door.curve(asked, point)
    shipped.ship_curve(question, answer)
    assert shipped.has_curve(asked, point)
    question.path.write_bytes(question.path.read_bytes()[:500])
    note, *_, last = door.curve(asked, point)
    assert "is damaged: restore it" in note and not last.made
    assert np.array_equal(last.predictions, answer.predictions)


# What ships


@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_all_that_its_lab_and_the_pages_open_with_ships(shipped_answers, name):
    point = checkpoints.load(name)
    missing = [piece.question.path.name for piece in shipping.pieces(point) if not piece.is_there]
    assert not missing, f"run `python -m explorer ship {name}`"
    ways = [lab.experiment(way) for lab in LABS.values() for way in lab.variants]
    assert all(shipped.has_curve(way, point) for way in ways if way.checkpoint == name)


@pytest.mark.parametrize("name", LABS["C"].checkpoints)
def test_lab_c_opens_with_its_curve(shipped_answers, name):
    lab, point = LABS["C"], checkpoints.look_up(name)
    assert shipped.has_curve(lab.assigned(name), point)
    assert shipped.has_statistics(point, lab.layer, "test", "raw") and shipped.has_scan(point, "blocks", "filter")


def test_what_ships_is_not_large(shipped_answers):
    files = [path for path in answers_root().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= shipping.MOST_BYTES
    assert {path.parent.name for path in files} <= set(checkpoints.SHIPPED)


# True


def curves_of(name):
    """The experiments whose curves ship of a checkpoint, at the K that ship, and these K themselves."""
    found = []
    for path in sorted((answers_root() / name).glob("curve-*.npz")):
        about = shipped_about(path)
        asked = about["identity"]["asked"]
        found.append((Experiment(name, **asked, ks=tuple(about["facts"]["ks"])), about["facts"]))
    return found


def shipped_about(path):
    from explorer.answers.archive import _read_about

    return _read_about(path, path.stat().st_mtime_ns)


def check_sample(point, curve, ks):
    """At five K at least, over the first images: the very predictions, but for images between two classes."""
    batches = batches_of(point, "test", IMAGES)
    gone = [curve.gone_at(k) for k in ks]
    now = sweep(point.model, curve.run.layer, batches, curve.order, gone, curve.run.mode)
    for k, row in zip(ks, (now.ks.index(each) for each in gone), strict=True):
        differ = np.flatnonzero(now.predictions[row] != curve.predictions[curve.index(k), :IMAGES])
        if len(differ):
            pruned = prune(point.model, curve.run.layer, curve.order[: curve.gone_at(k)], curve.run.mode)
            best = logits(pruned, batches)[torch.from_numpy(differ)].topk(2).values
            assert (best[:, 0] - best[:, 1]).max() < 1e-4, f"K = {k}"


@pytest.mark.slow
@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_every_outline_is_what_the_network_gives_today(shipped_answers, name):
    point = checkpoints.look_up(name)
    today = outlining.outline_of(point.model)
    assert outline.shipped(point) == today, f"run `python -m explorer ship {name}`"
    assert list(outline.shipped(point)) == list(today)


def test_a_layer_that_is_none_is_told_of_as_elsewhere(point):
    with pytest.raises(ValueError, match="unknown layer 'conv9'; choose one of: conv1, conv2"):
        outline.layer_of(point, "conv9")


@pytest.mark.slow
@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_every_curve_is_what_the_network_gives_today(shipped_answers, real_cifar10, name):
    point = checkpoints.load(name)
    for asked, facts in curves_of(name):
        curve = returned(shipped.curve(asked, point))
        assert curve.done in (facts["n"], 10_000, 2_000)
        ks = sorted({curve.ks[i] for i in np.linspace(0, len(curve.ks) - 1, 5).astype(int)})
        assert len(set(ks)) == 5
        check_sample(point, curve, ks)
        labels = batches_of(point, "test", IMAGES).labels.numpy()
        assert np.array_equal(curve.labels[:IMAGES], labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_every_order_is_the_rankings(shipped_answers, real_cifar10, name):
    point = checkpoints.load(name)
    for asked, _ in curves_of(name):
        curve = returned(shipped.curve(asked, point))
        assert sorted(curve.order.tolist()) == list(range(conv_layer(point.model, asked.layer).out_channels))
        if asked.criterion.startswith("oracle"):
            assert curve.order.tolist() == list(returned(shipped.search(asked, point)).order)
        elif asked.schedule == "once":
            *_, today = door.curve(replace(asked, ks=(0,)), point, fresh=True)
            assert np.allclose(today.importance, curve.importance, rtol=1e-4, atol=1e-6)
            assert np.array_equal(order_of(curve.importance), curve.order)


@pytest.mark.slow
@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_every_band_is_of_random_orders_that_give_these_curves(shipped_answers, real_cifar10, name):
    point = checkpoints.load(name)
    for path in sorted((answers_root() / name).glob("band-*.npz")):
        about = shipped_about(path)
        ks, layer = tuple(about["facts"]["ks"]), about["identity"]["asked"]["layer"]
        asked = Experiment(name, layer, "random", ks=ks)
        band = returned(shipped.band(asked, point, 20))
        assert Counter(len(set(each.order.tolist())) for each in band.sweeps) == {len(band.sweeps[0].order): 20}
        for each in (band.sweeps[0], band.sweeps[-1]):
            *_, today = door.curve(replace(asked, seed=each.run.seed, ks=(0,), limit=1), point, fresh=True)
            assert np.array_equal(today.order, each.order)
            check_sample(point, each, [ks[i] for i in np.linspace(0, len(ks) - 1, 5).astype(int)])


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_statistics_and_scans_are_what_the_network_gives_today(shipped_answers, real_cifar10, name):
    point = checkpoints.load(name)
    files = sorted((answers_root() / name).glob("statistics-*.npz"))
    assert files
    for path in files:
        asked = shipped_about(path)["identity"]["asked"]
        kept = returned(shipped.statistics(point, asked["layer"], "test", asked["point"]))
        *_, today = door.statistics(point, asked["layer"], "test", asked["point"], fresh=True)
        for field in shipped.STATISTICS:
            assert np.allclose(getattr(today, field), getattr(kept, field), rtol=1e-4, atol=1e-5), field
    kept = returned(shipped.scan(point, "blocks", "filter"))
    today = scan(point.model, batches_of(point, "test", IMAGES))
    assert today.names == kept.names
    assert (today.predictions != kept.predictions[:, :IMAGES]).sum() <= 1, "but for a tie"


@pytest.mark.slow
@pytest.mark.parametrize("name", [FASHION.checkpoint, "siamese_mnist-pairs"])
def test_sensitivities_are_what_the_network_gives_today(shipped_answers, name):
    point = checkpoints.load(name)
    for criterion, mode in shipping.SENSITIVITIES:
        kept = returned(shipped.sensitivity(point, criterion, mode))
        *_, today = door.sensitivity(point, criterion, mode, fresh=True)
        assert (kept.rows, kept.shares, kept.done) == (today.rows, today.shares, today.done)
        for counted in ("broken", "repaired"):
            apart = np.abs(getattr(kept, counted) - getattr(today, counted))
            assert apart.max() <= 1, "but for a tie"


@pytest.mark.slow
@pytest.mark.parametrize("name", checkpoints.SHIPPED)
def test_every_sensitivity_is_what_pruning_half_of_a_layer_gives_today(shipped_answers, real_cifar10, name):
    point = checkpoints.load(name)
    for criterion, mode in shipping.SENSITIVITIES:
        kept = returned(shipped.sensitivity(point, criterion, mode))
        row, half = len(kept.rows) - 1, kept.shares.index(50)
        k = int(kept.ks[row, half])
        asked = Experiment(name, kept.rows[row].layer, criterion, mode, ks=(0, k), limit=kept.done)
        *_, curve = door.curve(asked, point, fresh=True)
        today = [int(len(images)) for images in curve.flipped(k)]
        apart = np.abs(np.array(today) - [kept.broken[row, half], kept.repaired[row, half]])
        assert apart.max() <= 1, "but for a tie"
