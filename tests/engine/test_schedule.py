"""Ranking again after each step, against a loop that really prunes and measures the same network on and on."""

import numpy as np
import pytest
import torch
from torch import nn

from explorer.engine.reranking import check_schedule, rerank
from explorer.networks.architectures import SimpleCNN
from explorer.networks.layers import conv_layer
from explorer.pruning.activations import collect
from explorer.pruning.criteria import CRITERIA
from explorer.pruning.ranking import rank
from explorer.pruning.zeroing import ZEROING

KS = (0, 2, 4, 5, 9, 16)
OWN = [name for name, known in CRITERIA.items() if known.point == "raw" and not known.looks_at_norm]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(5)
    return SimpleCNN(1, 8, 10).eval()


@pytest.fixture(scope="module")
def batches():
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(20, 1, 8, 8, generator=generator), torch.zeros(20, dtype=torch.int64)) for _ in range(2)]


def as_scripted(model, layer, batches, criterion, mode, ks):
    """Lab A's loop: rank what is left of the same network, prune its K lowest, and again. Sets of channels gone."""
    script = SimpleCNN(1, 8, 10).eval()
    script.load_state_dict(model.state_dict())
    gone, sets = set(), []
    for k in ks:
        lowest = rank(script, layer, batches, criterion).order[:k].tolist()
        ZEROING[mode].zero(script, layer, torch.tensor(lowest, dtype=torch.int64))
        gone |= set(lowest)
        sets.append(set(gone))
    return sets


@pytest.mark.parametrize("mode", ["weights", "filter"])
@pytest.mark.parametrize("criterion", ["mean-reversed", *OWN])
def test_the_same_channels_are_gone_as_in_the_labs_loop(model, batches, criterion, mode):
    statistics = collect(model, "conv1", batches)
    ranking, gone = rerank(model, "conv1", criterion, statistics, KS, mode)
    expected = as_scripted(model, "conv1", batches, criterion, mode, KS)
    assert [set(ranking.order[:count].tolist()) for count in gone] == expected
    assert sorted(ranking.order.tolist()) == list(range(16))
    assert np.array_equal(ranking.importance, rank(model, "conv1", batches, criterion).importance)


def test_more_than_k_channels_go_where_a_pruned_one_is_no_longer_the_lowest(batches):
    model = SimpleCNN(1, 8, 10).eval()
    with torch.no_grad():
        model.conv1.weight.copy_(torch.full_like(model.conv1.weight, -1.0) * torch.arange(1, 17).view(-1, 1, 1, 1))
        model.conv1.bias.copy_(torch.arange(16.0))  # what a pruned channel emits
    ones = [(inputs.abs() + 1, labels) for inputs, labels in batches]
    statistics = collect(model, "conv1", ones)
    ranking, gone = rerank(model, "conv1", "mean", statistics, (1, 2, 3), "weights")
    assert gone == (1, 3, 6)  # by hand: the pruned ones emit their bias, above all that is left
    assert ranking.order[:6].tolist() == [15, 14, 13, 12, 11, 10]


def test_a_weight_norm_ranks_the_same_again(model):
    _, gone = rerank(model, "conv2", "l1", None, range(33), "filter")
    assert gone == tuple(range(33))


class Twice(nn.Module):
    """One convolution that reads its own output."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schedule": "daily"}, "unknown schedule 'daily'; choose one of: once, rerank"),
        ({"mode": "inputs"}, "mode 'inputs' does not fit; choose one of: filter, weights"),
        ({"criterion": "block-mean"}, "criterion 'block-mean' does not fit"),
        ({"criterion": "taylor"}, "criterion 'taylor' does not fit"),
        ({"criterion": "bn-scale-reversed"}, "criterion 'bn-scale-reversed' does not fit"),
        ({"model": Twice(), "layer": "conv"}, "does not fit conv, which reads what another call of it wrote"),
    ],
)
def test_what_cannot_be_known_is_refused(model, change, words):
    request = {"model": model, "layer": "conv2", "schedule": "rerank", "criterion": "mean", "mode": "weights"}
    with pytest.raises(ValueError, match=words):
        check_schedule(**{**request, **change})
    assert conv_layer(model, "conv2").weight.abs().sum() > 0
