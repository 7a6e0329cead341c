import numpy as np
import pytest
import torch
from torch import nn

from explorer import ranking


@pytest.fixture
def net():
    """Two filters of two weights each, on one-pixel images; channel 1 is the smaller by weight, channel 0 by output."""
    net = nn.Sequential(nn.Conv2d(2, 2, 1))
    net[0].weight.data = torch.tensor([[-3.0, 1.0], [1.0, 1.0]]).view(2, 2, 1, 1)
    net[0].bias.data.zero_()
    return net.eval()


BATCHES = [(torch.ones(3, 2, 1, 1), torch.zeros(3))]


def test_criteria_equal_hand_computations(net):
    assert ranking.rank(net, "0", BATCHES, "mean").importance.tolist() == [-2.0, 2.0]
    assert ranking.rank(net, "0", criterion="l1").importance.tolist() == [4.0, 2.0]
    assert ranking.rank(net, "0", BATCHES, "mean").order.tolist() == [0, 1]
    assert ranking.rank(net, "0", criterion="l1").order.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        # outputs of channel 0 are −2 and 4, of channel 1 both 2 and −2: see `mixed`
        ("mean", [1, 0]),
        ("mean-abs", [3, 2]),
        ("relu", [2, 1]),
        ("apoz", [0.5, 0.5]),
        ("variance", [9, 4]),
        ("l1", [4, 2]),
        ("l2", [10**0.5, 2**0.5]),
        ("fpgm", [4, 4]),  # the distance of (−3, 1) and (1, 1)
    ],
)
def test_every_criterion_by_hand(net, criterion, expected):
    mixed = torch.tensor([[1.0, 1.0], [-1.5, -0.5]]).view(2, 2, 1, 1)
    importance = ranking.rank(net, "0", [(mixed, torch.zeros(2))], criterion).importance
    np.testing.assert_allclose(importance, expected, rtol=1e-6)


def test_ties_go_by_the_lowest_channel():
    assert ranking.order_of(np.array([1.0, 0.0, 1.0, 0.0, -0.0])).tolist() == [1, 3, 4, 0, 2]


def test_random_is_fixed_by_its_seed(net):
    wide = nn.Sequential(nn.Conv2d(1, 64, 1))
    orders = [ranking.rank(wide, "0", criterion="random", seed=seed).order.tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(64))


def test_bad_requests_are_named(net):
    with pytest.raises(ValueError, match="unknown criterion 'l3'; choose one of: mean, l1, random"):
        ranking.rank(net, "0", criterion="l3")
    with pytest.raises(ValueError, match="activations"):
        ranking.rank_by(net, "0", "mean")
    with pytest.raises(ValueError, match="channel 1 has importance nan"):
        ranking.order_of(np.array([0.0, float("nan")]))
