"""The labs' numbers on real data: a sweep of a shipped checkpoint equals a plain evaluation of pruned copies."""

import numpy as np
import pytest

from explorer.answers.checking import check
from explorer.answers.choices import criterion_named, default_layer, splits_to_rank_on
from explorer.answers.computing import (
    along_seeds,
    measure_stream,
    oracle_cost,
    preview_of,
    ranking_of,
    seeds_of,
    sweep_of,
)
from explorer.answers.experiment import Experiment
from explorer.answers.images import batches_of, examples_of
from explorer.answers.outline import criteria_for
from explorer.engine.curves import ACCURACY_COLUMNS
from explorer.engine.greedy import greedy
from explorer.engine.oracle import Cost
from explorer.images.batches import batch_size_for
from explorer.images.reading import load_split
from explorer.networks import checkpoints
from explorer.networks.evaluation import logits, predict
from explorer.pruning.activations import collect
from explorer.pruning.prune import prune

FASHION = "simple-cnn_fashion-mnist"


def last(stream):
    return list(stream)[-1]


def assert_equals_plain_evaluation(experiment, ks):
    checkpoint = checkpoints.load(experiment.checkpoint)
    result = last(sweep_of(experiment, checkpoint))
    batches = batches_of(checkpoint, experiment.split, experiment.limit)
    for k in ks:
        gone = result.order[: result.gone_at(k)].tolist()
        pruned = prune(checkpoint.model, experiment.layer, gone, experiment.mode)
        expected = predict(logits(pruned, batches)).numpy()
        assert (result.predictions[result.index(k)] != expected).sum() <= 1  # one tie of two logits within 1e-5
    return checkpoint, result


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["filter", "weights"])
def test_real_cifar10_in_full(real_cifar10, mode):
    experiment = Experiment("simple-cnn_cifar10", "conv2", mode=mode)
    checkpoint, result = assert_equals_plain_evaluation(experiment, [0, 1, 8, 16, 24, 31, 32])
    assert result.done == 10_000
    assert result.correct[0] == checkpoint.card.accuracy["test"].correct
    assert result.accuracy[0] > 0.68


@pytest.mark.slow
def test_lab_a_as_scripted_on_real_cifar10(real_cifar10):
    experiment = Experiment("simple-cnn_cifar10", "conv2", mode="weights", ks=tuple(range(0, 31, 2)), schedule="rerank")
    _, result = assert_equals_plain_evaluation(experiment, [0, 2, 10, 20, 30])
    assert all(gone >= k for k, gone in zip(result.ks, result.gone, strict=True)) and result.gone[-1] > 30
    table = result.frame()
    assert list(table.columns) == [*ACCURACY_COLUMNS, "schedule", "gone"]
    assert table["gone"].tolist() == list(result.gone) and set(table["schedule"]) == {"rerank"}
    assert table["pruned_channel"].isna().all()


@pytest.mark.parametrize(("layer", "criterion"), [("conv1", "mean"), ("conv2", "l1"), ("conv2", "random")])
def test_bundled_fashion_mnist(layer, criterion):
    experiment = Experiment(FASHION, layer, criterion, ranked_on="train", limit=600)
    _, result = assert_equals_plain_evaluation(experiment, [0, 1, 5, 16])
    assert result.run.ranked_on == ("train" if criterion == "mean" else "")
    assert result.run.dataset == "fashion-mnist" and len(result.run.checkpoint_sha256) == 64


def test_ranking_by_hand_from_the_statistics_of_the_split():
    checkpoint = checkpoints.load(FASHION)
    statistics = collect(checkpoint.model, "conv2", batches_of(checkpoint, "test", 500))
    ranking = ranking_of(Experiment(FASHION, "conv2", limit=500), checkpoint)
    assert np.array_equal(ranking.order, np.argsort(statistics.mean, kind="stable"))
    assert default_layer(checkpoint) == "conv2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "conv3"}, "unknown layer 'conv3'"),
        ({"layer": "fc1"}, "not a Conv2d"),
        (
            {"criterion": "best"},
            "unknown criterion 'best'; choose one of: mean, .*, oracle-loss; a criterion may end in",
        ),
        ({"criterion": "oracle-loss-reversed"}, "unknown criterion 'oracle-loss-reversed'"),
        ({"criterion": "bn-scale"}, "'conv2' has no batch norm with a scale right behind it"),
        ({"criterion": "bn-scale-reversed"}, "'conv2' has no batch norm with a scale right behind it"),
        ({"criterion": "oracle-loss", "schedule": "rerank"}, "schedule 'rerank' must be once"),
        ({"criterion": "block-mean"}, "'conv2' does not end in a residual addition"),
        ({"schedule": "daily"}, "unknown schedule 'daily'"),
        ({"mode": "best"}, "unknown mode 'best'"),
        ({"ranked_on": "validation"}, "unknown split 'validation'; choose one of: test, train, held-out"),
        ({"split": "held-out"}, "unknown split 'held-out'; choose one of: test, train"),
        ({"split": "all"}, "unknown split 'all'"),
        ({"ks": (0, 33)}, r"K = 33 is outside 0…32"),
    ],
)
def test_bad_requests_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        check(Experiment(**{"checkpoint": FASHION, "layer": "conv2", **change}), checkpoints.load(FASHION))


def test_a_network_that_cannot_be_traced_is_ranked_and_swept(fickle):
    experiment = Experiment(fickle, "conv", limit=100)
    _, result = assert_equals_plain_evaluation(experiment, range(5))
    assert result.slow


def test_examples_are_one_of_each_class_with_the_layers_output():
    checkpoint = checkpoints.load(FASHION)
    shown = examples_of(checkpoint, "conv2", "raw", 3)
    assert shown.labels == list(checkpoint.card.classes[:3])
    assert [part.shape for part in shown.images] == [(3, 1, 28, 28)]
    assert [part.shape for part in shown.outputs] == [(3, 32, 14, 14)]


def test_held_out_images_are_those_that_the_card_was_validated_on(monkeypatch, tmp_path):
    checkpoint = checkpoints.load(FASHION)
    assert splits_to_rank_on(checkpoint) == ["test", "train", "held-out"]
    held_out = batches_of(checkpoint, "held-out")
    right = predict(logits(checkpoint.model, held_out)) == held_out.labels
    score = checkpoint.card.accuracy["validation"]
    assert (int(right.sum()), held_out.n) == (score.correct, score.n)
    full = tmp_path / "FashionMNIST" / "raw"
    full.mkdir(parents=True)
    (full / "train-images-idx3-ubyte").touch()
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    assert splits_to_rank_on(checkpoint) == ["test", "train"]
    with pytest.raises(ValueError, match="trained on the bundled fashion-mnist, but the one here is full"):
        check(Experiment(FASHION, "conv2", ranked_on="held-out"), checkpoint)


def test_held_out_images_of_real_cifar10(real_cifar10):
    checkpoint = checkpoints.load("simple-cnn_cifar10")
    held_out, train = batches_of(checkpoint, "held-out"), load_split("cifar10", "train")
    assert (held_out.n, len(train)) == (checkpoint.card.validation_images, 50_000)
    right = predict(logits(checkpoint.model, held_out)) == held_out.labels
    assert int(right.sum()) == checkpoint.card.accuracy["validation"].correct


def test_ranking_on_held_out_images_looks_at_those_alone():
    checkpoint = checkpoints.load(FASHION)
    experiment = Experiment(FASHION, "conv2", ranked_on="held-out", ks=(0, 16), limit=300)
    result = last(sweep_of(experiment, checkpoint))
    assert np.array_equal(
        result.importance, collect(checkpoint.model, "conv2", batches_of(checkpoint, "held-out", 300)).mean
    )
    assert (result.run.ranked_on, result.run.split, result.done) == ("held-out", "test", 300)


@pytest.mark.parametrize("criterion", ["taylor", "mean-reversed", "oracle-accuracy", "oracle-loss"])
@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_every_order_gives_the_curve_of_pruned_copies(layer, criterion):
    experiment = Experiment(FASHION, layer, criterion, limit=150)
    _, result = assert_equals_plain_evaluation(experiment, [0, 1, 5, 16])
    assert (result.run.criterion, result.run.ranked_on) == (criterion, "test")


def test_the_oracle_as_an_experiment():
    checkpoint = checkpoints.load(FASHION)
    experiment = Experiment(FASHION, "conv2", "oracle-accuracy", limit=400)
    assert oracle_cost(experiment, checkpoint) == Cost(networks=528, images=400, linear=True)
    found = ranking_of(experiment, checkpoint)
    expected = greedy(checkpoint.model, "conv2", batches_of(checkpoint, "test", 400))
    assert found.order.tolist() == expected.order.tolist()
    best, mean = (last(sweep_of(Experiment(FASHION, "conv2", name, limit=400), checkpoint)) for name in (
        "oracle-accuracy", "mean",
    ))  # fmt: skip
    assert best.area > mean.area and (best.correct[1:] >= mean.correct[1:]).mean() > 0.8


def test_a_band_is_the_sweeps_of_its_seeds(monkeypatch):
    checkpoint = checkpoints.load(FASHION)
    experiment = Experiment(FASHION, "conv2", "random", seed=5, limit=100, ks=(0, 8, 20))
    band = last(along_seeds(seeds_of(experiment, checkpoint, 20), checkpoint))
    assert [each.run.seed for each in band] == list(range(5, 25))
    alone = last(sweep_of(Experiment(FASHION, "conv2", "random", seed=7, limit=100, ks=(0, 8, 20)), checkpoint))
    assert np.array_equal(band[2].predictions, alone.predictions) and band[2].run == alone.run
    with pytest.raises(ValueError, match="19 orders are outside 20…200"):
        seeds_of(experiment, checkpoint, 19)
    monkeypatch.setattr("explorer.answers.computing.BAND_BYTES", 3 * 100 * 25)
    with pytest.raises(
        ValueError, match="26 orders of 3 K on 100 images are too much to keep; choose at most 25 orders"
    ):
        seeds_of(experiment, checkpoint, 26)
    with pytest.raises(ValueError, match="several orders need the criterion random, not 'mean'"):
        seeds_of(Experiment(FASHION, "conv2"), checkpoint, 20)


def test_names_of_what_fits_a_layer():
    names = criteria_for(checkpoints.load(FASHION), "conv2")
    assert {"mean", "mean-reversed", "taylor", "oracle-loss"} <= set(names) and "bn-scale-reversed" not in names
    for name in names:
        assert criterion_named(name).name == name and criterion_named(name).title


@pytest.mark.parametrize(
    ("shape", "images"), [((1, 28, 28), 250), ((3, 64, 64), 250), ((3, 224, 224), 20), ((3, 2048, 2048), 1)]
)
def test_batches_of_large_images_are_smaller(shape, images):
    assert batch_size_for(shape) == images


def test_a_preview_is_the_curve_of_the_ranking_so_far():
    point, asked = checkpoints.load(FASHION), Experiment(FASHION, "conv2", limit=1_000)
    early = next(measure_stream(asked, point))
    preview = preview_of(asked, point, early)
    order = ranking_of(Experiment(FASHION, "conv2", limit=early.done), point).order
    assert (preview.preview, preview.done, preview.total) == (early.done, 50, 1_000) and early.done < 1_000
    assert preview.order.tolist() == order.tolist() and preview.run.ranked_on == f"first {early.done} of test"
    assert preview.ks[0] == 0 and preview.ks[-1] == 32 and len(preview.ks) == 9
    batches = batches_of(point, "test", 50)
    for row, k in enumerate(preview.ks):
        expected = predict(logits(prune(point.model, "conv2", order[:k].tolist()), batches))
        assert preview.predictions[row].tolist() == expected.tolist()
