"""However a network is written, what can be cut is: functions for modules, sizes asked for, weights of other types."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nets import Fickle, Residual, assert_equals_prune, warm_up
from torch import nn

from explorer.engine.cut_network import CutNetwork
from explorer.engine.greedy import greedy
from explorer.engine.masked_copies import MaskedCopies
from explorer.engine.plan import make_plan
from explorer.engine.remainder import PrunedCopies, SharedPass, plan_layers
from explorer.engine.scan import scan
from explorer.engine.steps import in_order
from explorer.engine.sweep import sweep
from explorer.networks.evaluation import forward, logits
from explorer.networks.layers import conv_layers
from explorer.pruning.activations import collect
from explorer.pruning.prune import prune
from explorer.pruning.ranking import rank

MODES = ["filter", "weights", "inputs"]


class Norm(nn.BatchNorm2d):
    """Batch norm and activation in one, in place, as timm writes them."""

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        return F.relu(F.batch_norm(x, mean, var, self.weight, self.bias, self.training, 0.1, self.eps), inplace=True)


class Same(nn.Conv2d):
    """A convolution that pads by the size of its input, as TensorFlow does and timm after it."""

    def forward(self, x):
        height, width = (max((-(-size // 2) - 1) * 2 + 3 - size, 0) for size in x.size()[-2:])
        x = F.pad(x, [width // 2, width - width // 2, height // 2, height - height // 2])
        return F.conv2d(x, self.weight, self.bias, (2, 2), (0, 0), self.dilation, self.groups)


class Functional(nn.Module):
    """A pre-activation block, and a head of functions."""

    def __init__(self, conv):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), Norm(6)
        self.one, self.between, self.last, self.end = nn.Conv2d(6, 6, 1), Norm(6), conv, Norm(6)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.one(self.norm(x))
        x = self.end(self.last(self.between(x)))
        x = F.dropout(F.silu(x).mean([-1, -2]), 0.2, self.training)
        return F.linear(x, self.fc.weight, self.fc.bias)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("conv", [nn.Conv2d, Same])
def test_functions_are_as_good_as_modules(conv, mode):
    torch.manual_seed(0)
    model, x = warm_up(Functional(conv(6, 6, 3, 2, 1))), torch.randn(3, 3, 7, 6)
    for layer in ("stem", "one", "last"):
        if mode == "inputs" and layer == "stem":
            continue
        plan = assert_equals_prune(model, layer, x, mode)
        assert isinstance(plan, CutNetwork) and bool(plan.linears) == (layer == "last" and mode != "inputs")


class Pooled(nn.Module):
    """A head of 1 × 1 convolutions of single positions, and a gate of such within."""

    def __init__(self, end, side=8):
        super().__init__()
        self.stem, self.squeeze, self.excite = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1), nn.Conv2d(4, 6, 1)
        self.last, self.norm = nn.Conv2d(6, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.hidden, self.head, self.end = nn.Conv2d(6, 5, 1), nn.Conv2d(5, 4, 1), end
        self.pool = nn.AvgPool2d(side - 4)

    def forward(self, x):
        x = self.stem(x)
        x = x * self.excite(self.squeeze(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        x = self.hidden(self.pool(self.norm(self.last(x)).relu()))
        return self.end(self.head(F.hardswish(x)))


@pytest.mark.parametrize("mode", ["filter", "weights"])
@pytest.mark.parametrize(
    ("end", "stacks"),
    [
        (nn.Flatten(), True),
        (lambda y: torch.flatten(y, 1), True),
        (lambda y: y.view(y.size(0), -1), False),
        (lambda y: y.mean((2, 3)), False),
    ],
)
def test_convolutions_of_single_positions_are_linear_layers(end, stacks, mode):
    torch.manual_seed(0)
    model, x = warm_up(Pooled(end)), torch.randn(3, 3, 8, 8)
    plan = assert_equals_prune(model, "last", x, mode)
    assert plan.linears and plan.stacks == stacks
    plan = assert_equals_prune(model, "hidden", x, mode)
    assert plan.linears and plan.stacks == stacks
    for layer in ("stem", "squeeze", "excite"):  # behind which maps follow
        plan = assert_equals_prune(model, layer, x, mode)
        assert isinstance(plan, CutNetwork) and plan.one_by_one


def test_positions_that_are_single_in_small_images_alone():
    torch.manual_seed(0)
    model = warm_up(Pooled(lambda y: y.mean((2, 3))))
    plan = make_plan(model, "last", "filter", torch.randn(2, 3, 8, 8))
    for side in (8, 13):
        x = torch.randn(3, 3, side, side)
        want = torch.stack([forward(prune(model, "last", range(k)), x) for k in (0, 3, 6)])
        torch.testing.assert_close(in_order(plan.logits(x, np.arange(6), [0, 3, 6])), want, rtol=1e-4, atol=1e-5)


class Shuffle(nn.Module):
    """ShuffleNetV2's block as published implementations have it: sizes asked for, halves taken, channels shuffled."""

    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, groups=half), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x):
        half = int(x.size(1) * 0.5)
        assert x.size(1) == 2 * half
        images, channels, height, width = x.size()
        x = torch.cat([x[:, :half], self.branch(x[:, half:])], 1)
        x = x.view(images, 2, int(channels // 2), height, width).transpose(1, 2).contiguous()
        return x.view(images, -1, height, width)


class Cell(nn.Module):
    """A cell of NASNet: it fits the output of the cell before the last to the last one's, by their sizes."""

    def __init__(self, before, channels):
        super().__init__()
        self.fit = nn.Conv2d(before, channels, 1)
        self.one, self.two = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 1)

    def forward(self, both):
        x, before = both
        if before.size(2) != x.size(2):
            before = torch.cat([before[:, :, ::2, ::2], F.pad(before, (0, 1, 0, 1))[:, :, 1::2, 1::2]], 1)
        if before.size(1) != x.size(1):
            before = self.fit(before.relu())
        return torch.cat([self.one(x) + before, self.two(x) + F.avg_pool2d(x, 3, 1, 1)], 1), x


class Asking(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.shuffles = nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(Shuffle(4), Shuffle(4))
        self.cells = nn.ModuleList([Cell(3, 4), Cell(8, 8)])
        self.last, self.fc = Same(16, 5, 3), nn.Linear(5, 4)

    def forward(self, images):
        x = self.shuffles(self.stem(images))
        x, before = self.cells[0]((x, images))
        x, before = self.cells[1]((F.max_pool2d(x, 2), before))
        return self.fc(F.adaptive_avg_pool2d(self.last(x), 1).squeeze(-1).squeeze(-1))


def asking():
    torch.manual_seed(0)
    return warm_up(Asking())


@pytest.mark.parametrize(("mode", "every"), [("filter", 1), ("weights", 4)])
def test_networks_that_ask_for_sizes_are_cut(mode, every):
    model, x = asking(), torch.randn(3, 3, 8, 8)
    ran = [name for name in conv_layers(model) if name != "cells.1.fit"]  # which sizes leave out
    for layer in ran[::every]:
        plan = assert_equals_prune(model, layer, x, mode)
        assert isinstance(plan, CutNetwork) and bool(plan.linears) == (layer == "last")


def test_images_of_another_size_run_as_copies_where_sizes_decide():
    model, small = asking(), torch.randn(2, 3, 8, 8)
    plan = make_plan(model, "stem", "filter", small)
    shared = plan_layers(model, ["stem", "last"], "filter", small)
    assert isinstance(plan, CutNetwork) and isinstance(shared, SharedPass)
    for x in (torch.randn(3, 3, 10, 10), torch.randn(1, 3, 8, 8)):
        want = torch.stack([forward(prune(model, "stem", range(k)), x) for k in (0, 2, 4)])
        torch.testing.assert_close(in_order(plan.logits(x, np.arange(4), [0, 2, 4])), want, rtol=1e-4, atol=1e-5)
        unpruned, pruned, last = shared.logits(x)
        torch.testing.assert_close(torch.stack([unpruned, pruned]), want[[0, 2]], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(last, forward(prune(model, "last", range(5)), x), rtol=1e-4, atol=1e-5)
    mixed = [(x, torch.zeros(len(x), dtype=torch.int64)) for x in (small, torch.randn(2, 3, 10, 10))]
    assert sweep(model, "last", mixed, range(5)).predictions.shape == (6, 4)
    with pytest.raises(ValueError, match="depends on the size of the images"):
        greedy(model, "last", mixed)


class Standardised(nn.Conv2d):
    """A convolution whose weights are standardised first, as in NFNets: its module is never called as one."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias)


class Turned(nn.Conv2d):
    """A convolution that takes its filters in another order, so that no filter is a channel's own."""

    def forward(self, x):
        return F.conv2d(x, self.weight.flip(0), self.bias)


def test_layers_that_are_called_as_functions_are_called_are_layers_all_the_same():
    class Misnamed(nn.Module):
        def __init__(self):
            super().__init__()
            self.abs, self.add, self.view = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)
            self.relu, self.chunk = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return self.view(self.chunk(self.relu(self.add(self.abs(x)))).mean((2, 3)))

    torch.manual_seed(0)
    for layer in ("abs", "add", "relu", "chunk"):
        plan = assert_equals_prune(Misnamed(), layer, torch.randn(3, 3, 6, 6))
        assert isinstance(plan, CutNetwork) and bool(plan.linears) == (layer == "chunk")


class SkipInit(nn.Module):
    """A branch behind a gain, which starts from zero."""

    def __init__(self, gain, conv=nn.Conv2d):
        super().__init__()
        self.stem, self.branch, self.spare = nn.Conv2d(3, 4, 3), conv(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.gain, self.fc = nn.Parameter(torch.tensor(gain)), nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.fc((x + self.gain * self.branch(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("conv", "cut"), [(nn.Conv2d, MODES), (Standardised, ["filter", "weights"]), (Turned, [])], ids=str
)
@pytest.mark.parametrize("gain", [0.0, 0.7])
def test_a_layer_behind_a_zero_changes_nothing_but_is_called(conv, cut, gain):
    torch.manual_seed(0)
    model, x = SkipInit(gain, conv).eval(), torch.randn(6, 3, 6, 6)
    for mode in MODES:
        plan = assert_equals_prune(model, "branch", x, mode)
        assert isinstance(plan, CutNetwork if mode in cut else MaskedCopies)
        shared = plan_layers(model, ["stem", "branch"][mode == "inputs" :], mode, x)
        assert isinstance(shared, SharedPass if mode in cut else PrunedCopies)
        truth = forward(prune(model, "branch", range(4), mode), x)
        torch.testing.assert_close(list(shared.logits(x))[-1], truth, rtol=1e-4, atol=1e-5)
    batches = [(x, torch.arange(6) % 3)]
    found = sweep(model, "branch", batches, range(4))
    assert found.changes_nothing == (gain == 0) and ("changes no prediction" in found.summary()) == (gain == 0)
    result = scan(model, batches, ["stem", "branch", "spare"])
    assert result.names == ("stem", "branch") and list(result.left_out) == ["spare"]
    assert "is never called in the forward pass, so pruning it changes nothing" in result.left_out["spare"]
    with pytest.raises(ValueError, match="'spare' is never called in the forward pass, so"):
        sweep(model, "spare", batches, range(4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("make", [lambda: Residual("linear"), lambda: Residual("conv"), Fickle])
def test_other_types_of_weights_run_in_float32_and_it_is_said(make, dtype):
    torch.manual_seed(0)
    model = warm_up(make()).to(dtype)
    same = make().eval()
    same.load_state_dict(model.state_dict())  # the same numbers, in float32
    x, labels = torch.randn(7, 3, 6, 6), torch.arange(7) % 2
    wide = [(x, labels)]
    with pytest.warns(UserWarning, match=f"weights are {str(dtype)[6:]}; a copy of it runs in float32"):
        found = sweep(model, "conv", wide, range(conv_layers(model)["conv"].out_channels))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        want = sweep(same, "conv", wide, range(found.channels))
    assert np.array_equal(found.predictions, want.predictions) and found.slow == want.slow == (make is Fickle)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(scan(model, wide).predictions, scan(same, wide).predictions)
        assert np.allclose(collect(model, "conv", wide).mean, collect(same, "conv", wide).mean)
        assert rank(model, "conv", wide, "mean").order.tolist() == rank(same, "conv", wide, "mean").order.tolist()
        assert greedy(model, "conv", wide).order.tolist() == greedy(same, "conv", wide).order.tolist()
    assert logits(model, wide).shape == logits(same, [(x.to(dtype), labels)]).shape
    narrow = sweep(same, "conv", [(x.to(dtype), labels)], range(found.channels))
    assert narrow.slow == want.slow and narrow.predictions.shape == want.predictions.shape


class Casting(nn.Module):
    """Runs in half precision, by its own words, and ends in float32."""

    def __init__(self, gate):
        super().__init__()
        self.conv, self.fc, self.gate = nn.Conv2d(3, 6, 3), nn.Linear(6, 4), gate

    def forward(self, x):
        x = self.conv(x.half()).relu()
        if self.gate and x.isnan().any():
            return self.fc(x.sum((2, 3)))
        return self.fc(x.to(torch.float16).mean((2, 3))).to(dtype=torch.float32)


@pytest.mark.parametrize("gate", [False, True])
def test_a_network_that_names_its_own_type_runs_in_it(gate):
    torch.manual_seed(0)
    model, x = Casting(gate).eval().half(), torch.randn(4, 3, 6, 6)
    want = torch.stack([forward(prune(model, "conv", range(k)), x) for k in range(7)])
    plan = make_plan(model, "conv", "filter", x)
    assert gate == isinstance(plan, MaskedCopies)
    assert (in_order(plan.logits(x, np.arange(6), range(7))) - want).abs().max() < 1e-3
    unpruned, pruned = plan_layers(model, ["conv"], "filter", x).logits(x)
    assert (torch.stack([unpruned, pruned]) - want[[0, 6]]).abs().max() < 1e-3


def test_a_half_network_runs_where_its_operations_have_no_half():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(3), nn.Flatten()).eval().half()
    x = torch.randn(2, 3, 6, 6)
    want = forward(nn.Sequential(*model).float(), x)
    torch.testing.assert_close(forward(model.half(), x).float(), want, rtol=1e-2, atol=1e-2)
