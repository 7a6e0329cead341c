"""Convolutions that read the zone are running sums, as channels come back."""

import numpy as np
import pytest
import torch
from nets import Inverted, Residual, assert_equals_prune, warm_up
from torch import nn

from explorer.engine import cut_network
from explorer.engine.plan import make_plan
from explorer.engine.returning import adds_up
from explorer.engine.steps import in_order
from explorer.networks.registry import build


class Strided(nn.Module):
    """What reads the pruned layer: a strided, dilated convolution, a shortcut, and one in groups, which is no sum."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.wide = nn.Conv2d(6, 4, 3, stride=2, padding=2, dilation=2)
        self.shortcut = nn.Conv2d(6, 4, 1, stride=2, bias=False)
        self.grouped = nn.Conv2d(6, 4, 1, stride=2, groups=2)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.bn(self.conv(x)).relu()
        return self.fc((self.wide(x) + self.shortcut(x) - self.grouped(x)).relu().mean((2, 3)))


@pytest.mark.parametrize("mode", ["filter", "weights", "channel"])
def test_strides_dilation_groups_and_a_shortcut(mode):
    torch.manual_seed(0)
    model, x = warm_up(Strided()), torch.randn(3, 3, 8, 8)
    plan = assert_equals_prune(model, "conv", x, mode)
    assert [str(node.target) for node in plan.convolutions] == ["wide", "shortcut"]


@pytest.mark.parametrize("layer", ["stem", "blocks.0.wide", "blocks.0.depth"])
def test_what_reads_a_stream_or_stands_behind_a_gate(layer):
    torch.manual_seed(0)
    assert_equals_prune(warm_up(Inverted()), layer, torch.randn(3, 3, 6, 6), "channel")


def test_the_sums_are_what_the_convolutions_would_have_put_out(monkeypatch):
    torch.manual_seed(0)
    plan = make_plan(build("simple-cnn").eval(), "conv1", "filter", x := torch.randn(3, 3, 32, 32))
    assert plan.convolutions and all(map(adds_up, plan.convolutions))
    order = np.random.default_rng(0).permutation(16)
    sums = in_order(plan.logits(x, order, range(17)))
    monkeypatch.setattr(cut_network, "FEW", 17)
    runs = in_order(plan.logits(x, order, range(17)))
    torch.testing.assert_close(sums, runs, rtol=1e-5, atol=1e-6)
    assert torch.equal(sums[0], runs[0]), "with nothing pruned the network is run as it is"
    assert not torch.equal(sums[8], runs[8]), "else these were no sums"


def test_a_channel_that_is_gone_leaves_no_rounding_however_large_it_was():
    torch.manual_seed(0)
    model, x = Residual("conv").eval(), torch.randn(3, 3, 6, 6)
    model.conv.weight.data[2] *= 1e9
    assert_equals_prune(model, "conv", x, ks=range(7))
    plan, order = make_plan(model, "conv", "filter", x), np.array([2, 0, 1, 3, 4, 5])
    found = in_order(plan.logits(x, order, [1, 2, 3, 4]))
    model.conv.weight.data[2] = 0
    wanted = in_order(make_plan(model, "conv", "filter", x).logits(x, order, [1, 2, 3, 4]))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gone", [[0, 3, 3, 6], [6, 6, 6, 6], [0, 0, 0, 0]])
def test_k_that_repeat(gone):
    torch.manual_seed(0)
    model, x = warm_up(Strided()), torch.randn(2, 3, 8, 8)
    plan, order = make_plan(model, "conv", "filter", x), np.arange(6)
    every = in_order(plan.logits(x, order, range(7)))
    torch.testing.assert_close(in_order(plan.logits(x, order, gone)), every[gone], rtol=1e-5, atol=1e-6)


def test_channels_of_linear_layers_add_up_in_one_batched_product_as_they_do_one_by_one():
    sums, changes, weights = torch.randn(3, 2), torch.randn(6, 3, 4), torch.randn(6, 4, 2)
    order = [4, 0, 5, 1]
    parts = [changes[channel] @ weights[channel] for channel in order]
    wanted = torch.stack([sums - sum(parts[: count + 1]) for count in range(4)])
    for add_up in (cut_network._one_by_one, cut_network._batched):
        torch.testing.assert_close(add_up(sums, changes, weights, order), wanted, rtol=1e-5, atol=1e-5)


def test_logits_from_batched_products_are_those_of_pruned_copies(monkeypatch):
    monkeypatch.setattr(cut_network, "_one_by_one", cut_network._batched)
    torch.manual_seed(0)
    assert assert_equals_prune(build("simple-cnn"), "conv2", torch.randn(5, 3, 32, 32)).linears
