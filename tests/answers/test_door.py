"""Kept results: found only by everything that decides their numbers, checked, and the same as computed ones."""

import ast
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from explorer.answers import computing, door, here, images, keeping
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of
from explorer.answers.store import Store
from explorer.engine.curves import Band, Sweep
from explorer.engine.oracle import Search
from explorer.networks import checkpoints
from explorer.pruning.activations import collect
from explorer.pruning.statistics import ChannelStatistics

FASHION = "simple-cnn_fashion-mnist"
EXPERIMENT = Experiment(FASHION, "conv2", limit=300, ks=(0, 7, 32))


@pytest.fixture(scope="module")
def point():
    return checkpoints.load(FASHION)


def last(stream):
    return [step for step in stream if not isinstance(step, str)][-1]


def refuse(*args, **options):
    raise AssertionError("it should have been found in the store")


def without_computing(monkeypatch):
    for name in ("sweep_of", "along_seeds", "greedy_stream"):
        monkeypatch.setattr(here, name, refuse)
    monkeypatch.setattr(here, "collect_stream", refuse)


def assert_same(one, other):
    for field in fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if field.name == "agreement" and left is not None:
            assert left.images == right.images and np.array_equal(left.shares, right.shares)
        elif isinstance(left, np.ndarray):
            assert left.dtype == right.dtype and np.array_equal(left, right), field.name
        else:
            assert left == right, field.name


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"criterion": "l1"},
        {"mode": "weights", "schedule": "rerank"},
        {"dtype": "bfloat16", "limit": 50},
        {"dtype": "audited", "limit": 120},
        {"criterion": "taylor-reversed", "ranked_on": "held-out"},
        {"criterion": "oracle-loss", "limit": 60},
        {"ranked_on": "train", "split": "train", "ks": None},
    ],
)
def test_a_sweep_is_found_again_as_it_was_computed(point, monkeypatch, change):
    asked = replace(EXPERIMENT, **change)
    steps = list(door.curve(asked, point))
    without_computing(monkeypatch)
    again = list(door.curve(asked, point))
    assert_same(again[-1], steps[-1])
    assert_same(again[-1], last(computing.sweep_of(asked, point)))
    looked = Search if asked.criterion.startswith("oracle") else ChannelStatistics
    assert [type(step) for step in again] == [looked, Sweep][asked.criterion == "l1" :]


def test_what_was_audited_is_never_taken_for_what_was_not(point, monkeypatch):
    asked = replace(EXPERIMENT, criterion="l1", limit=120)
    for dtype, other in (("audited", "float32"), ("float32", "audited"), ("bfloat16", "audited")):
        one, two = (identities(monkeypatch, point, replace(asked, dtype=each))[-1] for each in (dtype, other))
        assert one != two

    def save(self, identity, arrays, right=Store.save):
        right(self, identity, {name: array for name, array in arrays.items() if name != "audit"})

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", save)
        first = last(door.curve(replace(asked, dtype="audited"), point))
    note, *_, again = door.curve(replace(asked, dtype="audited"), point)
    assert "does not say what its audit found" in note
    assert again.audit == first.audit and np.array_equal(again.predictions, first.predictions)


def test_an_oracles_search_is_found_again_and_is_that_of_its_images_and_mode(point, monkeypatch):
    asked = replace(EXPERIMENT, criterion="oracle-accuracy", limit=60)
    computed = last(door.measure(asked, point))
    without_computing(monkeypatch)
    again = last(door.measure(asked, point))
    assert (again.order, again.cost) == (computed.order, computed.cost) and again.done == again.total
    assert np.array_equal(again.ranking.importance, computed.ranking.importance)
    for change in ({"limit": 59}, {"mode": "weights"}, {"criterion": "oracle-loss"}, {"ranked_on": "train"}):
        with pytest.raises(AssertionError, match="should have been found"):
            last(door.measure(replace(asked, **change), point))


def test_a_band_is_kept_as_the_sweeps_of_its_seeds(point, monkeypatch):
    asked = replace(EXPERIMENT, criterion="random", limit=50)
    last(door.curve(replace(asked, seed=3), point))
    computed = last(door.band(asked, point, 20))
    without_computing(monkeypatch)
    again = last(door.band(asked, point, 20))
    assert len(again.sweeps) == 20
    for one, other in zip(again.sweeps, computed.sweeps, strict=True):
        assert_same(one, other)
    assert_same(last(door.curve(replace(asked, seed=7), point)), computed.sweeps[7])
    with pytest.raises(AssertionError, match="should have been found"):
        last(door.band(asked, point, 21))


def test_a_search_of_other_channels_is_set_aside(point, monkeypatch):
    asked = replace(EXPERIMENT, criterion="oracle-accuracy", limit=20)

    def save(self, identity, arrays, right=Store.save):
        right(self, identity, {**arrays, "order": np.zeros(32, np.int64)})

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", save)
        computed = last(door.measure(asked, point))
    note, *_, again = door.measure(asked, point)
    assert "does not name each of 32 channels once" in note and again.order == computed.order


def test_a_network_that_cannot_be_traced_is_found_again_as_slow(fickle, monkeypatch):
    point = checkpoints.load(fickle)
    asked = Experiment(fickle, "conv", limit=20)
    computed = last(door.curve(asked, point))
    without_computing(monkeypatch)
    assert computed.slow and last(door.curve(asked, point)).slow


def test_statistics_are_found_again_and_are_those_of_one_point_and_split(point, monkeypatch):
    computed = last(door.statistics(point, "conv2", "test", limit=300))
    last(door.statistics(point, "conv2", "test", "activation", limit=300))
    without_computing(monkeypatch)
    assert_same(last(door.statistics(point, "conv2", "test", limit=300)), computed)
    for other in (("conv1", "test"), ("conv2", "train")):
        with pytest.raises(AssertionError, match="should have been found"):
            last(door.statistics(point, *other, limit=300))


def test_statistics_that_are_given_are_not_looked_for(point, results):
    averages = collect(point.model, "conv2", batches_of(point, "test", 300))
    found = last(kept(point, measured=averages))
    assert [path.name.split("-")[0] for path in results.iterdir()] == ["sweep"]
    assert_same(found, last(computing.sweep_of(EXPERIMENT, point)))


def kept(point, asked=EXPERIMENT, **options):
    return door.curve(asked, point, **options)


def identities(monkeypatch, point, asked):
    """The identities that a sweep looks for."""
    seen = []

    def note(self, identity, check):
        seen.append(Store._path(self, identity).name)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "find", note)
        patch.setattr(Store, "save", lambda *args: None)
        last(kept(point, asked))
    return seen


OTHER = {
    "layer": "conv1", "criterion": "l1", "mode": "weights", "ranked_on": "train", "split": "train", "seed": 1,
    "ks": (0, 7), "limit": 299, "schedule": "rerank", "dtype": "bfloat16", "checkpoint": "of the same weights",
}  # fmt: skip


@pytest.mark.parametrize("field", [field.name for field in fields(Experiment)])
def test_every_field_of_an_experiment_is_part_of_its_identity(point, monkeypatch, field):
    asked = replace(EXPERIMENT, limit=20, ks=(0, 7, 16))
    changed = replace(asked, **{field: 19 if field == "limit" else OTHER[field]})
    assert identities(monkeypatch, point, asked)[-1] != identities(monkeypatch, point, changed)[-1]


def test_the_weights_the_images_the_normalisation_and_the_code_are_part_of_it(point, monkeypatch):
    asked = replace(EXPERIMENT, criterion="l1", limit=20)
    (usual,) = identities(monkeypatch, point, asked)
    assert identities(monkeypatch, point, replace(asked, ks=(7, 0, 32))) == [usual]
    others = [
        replace(point, sha256="0" * 64),
        replace(point, card=replace(point.card, mean=(0.4,))),
        replace(point, card=replace(point.card, std=(0.4,))),
    ]
    found = [identities(monkeypatch, other, asked)[0] for other in others]
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "code_version", lambda: "another")
        found += identities(monkeypatch, point, asked)
    with monkeypatch.context() as patch:
        patch.setattr(images, "load_split", lambda name, split: darker(name, split))
        found += identities(monkeypatch, point, asked)
    assert len({usual, *found}) == 6


def darker(name, split):
    """The images of a split, one pixel of the first changed."""
    from explorer.images.reading import load_split

    whole = load_split(name, split)
    images = whole.inputs[0].clone()
    images[0, 0, 0, 0] += 1
    return replace(whole, inputs=(images,))


PACKAGE = Path(door.__file__).parent.parent


def imports_of(module):
    """The modules of the package, as "room/module", that a module imports."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    named = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    paths = [f"{node.module}.{alias.name}".split(".")[1:] for node in named for alias in node.names]
    found = {"/".join(path[:length]) for path in paths for length in (2, 3)}
    return {module for module in found if (PACKAGE / f"{module}.py").is_file()}


def test_the_code_that_counts_is_all_that_an_experiment_imports():
    needed, waiting = set(), ["answers/computing", "answers/ordering"]
    while waiting:
        module = waiting.pop()
        needed.add(module)
        waiting += imports_of(module) - needed
    rooms = {module.split("/")[0] for module in needed} - {
        "answers",
        "show",
        "language",
    }  # charts and words decide no number
    assert rooms <= set(keeping.ROOMS)
    assert {module for module in needed if module.startswith("answers/")} == {
        f"answers/{each}" for each in keeping.MODULES
    }


def spoil(point, monkeypatch, **changes):
    """Save a sweep under its right identity with these arrays in place of its own."""

    def save(self, identity, arrays, right=Store.save):
        right(self, identity, {**arrays, **changes} if identity["kind"] == "sweep" else arrays)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", save)
        return last(kept(point))


PREDICTIONS = np.zeros((3, 300), np.uint8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"predictions": PREDICTIONS + 10}, "holds a prediction outside the 10 classes"),
        ({"predictions": PREDICTIONS[:, 1:]}, "does not hold predictions of shape (3, 300) in uint8"),
        ({"predictions": PREDICTIONS[1:]}, "does not hold predictions"),
        ({"predictions": PREDICTIONS.astype(np.int64)}, "does not hold predictions"),
        ({"slow": np.array([0.0])}, "does not hold slow"),
        ({"agreement": np.array([0.5, 2, 1]), "compared": np.array([5])}, "holds a number out of its range"),
        ({"agreement": np.array([0.5, np.nan, 1]), "compared": np.array([5])}, "holds a number out of its range"),
        ({"agreement": np.array([0.5, 1, 1]), "compared": np.array([301])}, "holds a number out of its range"),
    ],
)
def test_a_saved_sweep_that_cannot_be_right_is_computed_anew_with_a_note(point, monkeypatch, results, changes, words):
    right = spoil(point, monkeypatch, **changes)
    steps = list(kept(point))
    (note,) = [step for step in steps if isinstance(step, str)]
    assert words in note and note.endswith("the file now ends in .bad.")
    assert_same(last(steps), right)
    assert len(list(results.glob("sweep-*.bad"))) == 1
    assert not [step for step in kept(point) if isinstance(step, str)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", np.full(32, np.nan)), ("mean", np.full(32, 1e9)), ("positive", np.full(32, 1.5)),
        ("std", np.zeros(31)), ("maps", np.zeros((32, 2))), ("maps", np.full((32, 2, 2), np.inf)),
        ("more", np.zeros(3)),
    ],
)  # fmt: skip
def test_saved_statistics_that_cannot_be_right_are_computed_anew_with_a_note(point, monkeypatch, name, value):
    right = last(door.statistics(point, "conv2", "test", limit=300))
    spoilt = {field: getattr(right, field) for field in keeping._STATISTICS} | {name: value}
    with monkeypatch.context() as patch:
        patch.setattr(Store, "find", lambda *args: None)
        patch.setattr(keeping, "arrays_of_statistics", lambda result: spoilt)
        last(door.statistics(point, "conv2", "test", limit=300))
    steps = list(door.statistics(point, "conv2", "test", limit=300))
    assert isinstance(steps[0], str) and "computed anew" in steps[0]
    assert_same(last(steps), right)


def test_a_folder_that_cannot_be_written_costs_a_note_and_nothing_else(point, tmp_path):
    (tmp_path / "file").write_text("")
    steps = list(kept(point, store=Store(tmp_path / "file")))
    notes = [step for step in steps if isinstance(step, str)]
    assert any("could not be saved" in note for note in notes)
    assert_same(last(steps), last(computing.sweep_of(EXPERIMENT, point)))


def test_a_sweep_that_is_cancelled_is_not_kept(point, results):
    stream = kept(point, replace(EXPERIMENT, criterion="l1"))
    next(stream)
    stream.close()
    assert not list(results.iterdir())


def test_of_a_band_only_what_is_missing_is_computed(point, results, monkeypatch):
    asked = replace(EXPERIMENT, criterion="random", limit=50)
    computed = last(door.band(asked, point, 20))
    damaged, gone = sorted(results.iterdir())[:2]
    damaged.write_bytes(b"damaged")
    gone.unlink()
    groups = []

    def along_seeds(seeds, *args, really=here.along_seeds):
        groups.append(len(seeds))
        return really(seeds, *args)

    monkeypatch.setattr(here, "along_seeds", along_seeds)
    steps = list(door.band(asked, point, 20))
    assert groups == [2] and [step for step in steps if isinstance(step, str)], "with a note on the damaged one"
    for one, other in zip(steps[-1].sweeps, computed.sweeps, strict=True):
        assert_same(one, other)


def test_the_orders_of_a_dear_band_are_kept_one_by_one(fickle, results):
    point = checkpoints.load(fickle)
    asked = Experiment(fickle, "conv", criterion="random", limit=20)
    for step in door.band(asked, point, 20):
        if isinstance(step, Band) and step.progress and step.progress > 0.3:
            break  # and is cut off
    kept = len(list(results.iterdir()))
    assert 5 <= kept < 20 and len(step.sweeps) == kept
    assert len(last(door.band(asked, point, 20)).sweeps) == 20
