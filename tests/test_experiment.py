"""The labs' numbers on real data: a sweep of a shipped checkpoint equals a plain evaluation of pruned copies."""

import numpy as np
import pytest

from explorer import checkpoints
from explorer.evaluation import logits, predict
from explorer.experiment import (
    Experiment,
    batches_of,
    check,
    default_layer,
    examples_of,
    ranking_of,
    statistics_of,
    sweep_of,
)
from explorer.pruning import prune
from explorer.report import ACCURACY_COLUMNS, accuracy_table

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


@pytest.mark.parametrize("mode", ["filter", "weights"])
def test_real_cifar10_in_full(real_cifar10, mode):
    experiment = Experiment("simple-cnn_cifar10", "conv2", mode=mode)
    checkpoint, result = assert_equals_plain_evaluation(experiment, [0, 1, 8, 16, 24, 31, 32])
    assert result.done == 10_000
    assert result.correct[0] == checkpoint.card.accuracy["test"].correct
    assert result.accuracy[0] > 0.68


def test_lab_a_as_scripted_on_real_cifar10(real_cifar10):
    experiment = Experiment("simple-cnn_cifar10", "conv2", mode="weights", ks=tuple(range(0, 31, 2)), schedule="rerank")
    _, result = assert_equals_plain_evaluation(experiment, [0, 2, 10, 20, 30])
    assert all(gone >= k for k, gone in zip(result.ks, result.gone, strict=True)) and result.gone[-1] > 30
    table = accuracy_table(result)
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
    statistics = statistics_of(checkpoint, "conv2", "test", 500)
    ranking = ranking_of(Experiment(FASHION, "conv2", limit=500), checkpoint)
    assert np.array_equal(ranking.order, np.argsort(statistics.mean, kind="stable"))
    assert default_layer(checkpoint) == "conv2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "conv3"}, "unknown layer 'conv3'"),
        ({"layer": "fc1"}, "not a Conv2d"),
        ({"criterion": "best"}, "unknown criterion 'best'"),
        ({"criterion": "block-mean"}, "'conv2' does not end in a residual addition"),
        ({"schedule": "daily"}, "unknown schedule 'daily'"),
        ({"mode": "best"}, "unknown mode 'best'"),
        ({"ranked_on": "validation"}, "unknown split 'validation'; choose one of: test, train"),
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
