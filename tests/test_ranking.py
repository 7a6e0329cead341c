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
