"""The labs' presets: each opens on its network, and each of its ways equals a naive evaluation of pruned copies."""

from dataclasses import replace

import numpy as np
import pytest

from explorer import checkpoints
from explorer.evaluation import logits, predict
from explorer.experiment import Experiment, batches_of, check, default_layer, steps_of, sweep_of
from explorer.labs import ASSIGNED, LABS
from explorer.models import conv_layer
from explorer.pruning import prune

NAIVE_LIMIT = {"C": 200, "D": 500, "E": 2000}  # images for the naive way, where all 10,000 would take minutes
WAYS = [(lab, variant) for lab in LABS.values() for variant in lab.variants]


def load(lab):
    if lab.checkpoint not in checkpoints.list_checkpoints():
        pytest.skip(f"{lab.checkpoint} is not trained yet")
    return checkpoints.load(lab.checkpoint)


def channels_of(lab, point):
    return conv_layer(point.model, lab.layer).out_channels


@pytest.mark.parametrize("lab", LABS.values(), ids=LABS)
def test_a_lab_prunes_its_networks_own_layer(lab):
    point = load(lab)
    assert lab.layer == default_layer(point)
    assert lab.variants[0] == ASSIGNED == lab.variant(Experiment(lab.checkpoint, lab.layer))
    for variant in lab.variants:
        check(lab.experiment(variant, channels_of(lab, point)), point)
        assert lab.variant(lab.experiment(variant, channels_of(lab, point))) == variant
    assert lab.variant(Experiment(lab.checkpoint, lab.layer, "random")) is None


@pytest.mark.parametrize(("lab", "variant"), WAYS, ids=[f"{lab.name} {variant.title}" for lab, variant in WAYS])
def test_every_way_equals_a_naive_evaluation(lab, variant, real_cifar10):
    point = load(lab)
    experiment = replace(lab.experiment(variant, channels_of(lab, point)), limit=NAIVE_LIMIT.get(lab.name))
    ranking, gone = steps_of(experiment, point)
    *_, result = sweep_of(experiment, point)
    batches = batches_of(point, "test", experiment.limit)
    for k in np.linspace(0, len(result.ks) - 1, 5).round().astype(int):
        count = gone[k] if gone else result.ks[k]
        pruned = prune(point.model, lab.layer, ranking.order[:count].tolist(), variant.mode)
        right = int((predict(logits(pruned, batches)).numpy() == result.labels).sum())
        assert abs(right - result.correct[k]) <= 1  # one tie of two logits within 1e-5
