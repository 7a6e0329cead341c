"""Every plan gives the logits of `prune`, the slow truth, for every K."""

import operator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Dense, Fickle, Inverted, PrunedShortcut, Residual, assert_equals_prune, warm_up
from torch import nn

from explorer.engine.cut_network import CutNetwork
from explorer.engine.masked_copies import MaskedCopies
from explorer.engine.plan import make_plan
from explorer.engine.steps import in_order
from explorer.networks.evaluation import forward
from explorer.networks.fitting import fits
from explorer.networks.registry import build
from explorer.networks.tracing import sizes_in, taking
from explorer.pruning.prune import prune
from explorer.pruning.zeroing import check_mode

ANYWHERE = ["filter", "weights"]  # the modes that fit every convolution


@pytest.mark.parametrize("mode", [*ANYWHERE, "channel"])
@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_simple_cnn(mode, layer, shape):
    torch.manual_seed(0)
    plan = assert_equals_prune(build("simple-cnn", shape), layer, torch.randn(3, *shape), mode)
    assert isinstance(plan, CutNetwork) and bool(plan.linears) == (layer == "conv2")


def test_a_single_image_and_a_few_k():
    assert_equals_prune(build("simple-cnn"), "conv2", torch.randn(1, 3, 32, 32), ks=[3, 4, 31])


@pytest.mark.parametrize("mode", [*ANYWHERE, "inputs", "channel"])
@pytest.mark.parametrize("head", ["linear", "conv", "both"])
def test_residual_stream_with_batch_norm(head, mode):
    torch.manual_seed(0)
    plan = assert_equals_prune(warm_up(Residual(head)), "conv", torch.randn(3, 3, 6, 6), mode)
    assert bool(plan.linears) == (head == "linear" and mode in ANYWHERE)  # `conv` reads the stream, too


@pytest.mark.parametrize("mode", [*ANYWHERE, "filter+shortcut", "channel"])
def test_pruned_shortcut(mode):
    torch.manual_seed(0)
    plan = assert_equals_prune(warm_up(PrunedShortcut()), "feature.0", torch.randn(3, 4, 3, 3), mode)
    assert plan.linears


class Siamese(nn.Module):
    """A shared encoder that runs once on each of two inputs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.fc = nn.Linear(8 * 16, 6)
        self.head = nn.Linear(12, 1)

    def encode(self, x):
        return F.relu(self.fc(F.relu(self.conv(x)).flatten(1)))

    def forward(self, a, b):
        a, b = self.encode(a), self.encode(b)
        return self.head(torch.cat([(a - b).abs(), a * b], dim=1))


@pytest.mark.parametrize("mode", [*ANYWHERE, "channel"])
def test_shared_weights(mode):
    torch.manual_seed(0)
    plan = assert_equals_prune(Siamese(), "conv", (torch.randn(4, 1, 4, 4), torch.randn(4, 1, 4, 4)), mode)
    assert len(plan.linears) == 2 and plan.stacks


@pytest.mark.parametrize(("layer", "linear"), [("stem", False), ("one", False), ("two", True)])
def test_channels_removed_from_a_concatenation(layer, linear):
    torch.manual_seed(0)
    assert bool(assert_equals_prune(warm_up(Dense()), layer, torch.randn(3, 3, 6, 6), "channel").linears) == linear


@pytest.mark.parametrize("layer", ["stem", "wide", "depth", "squeeze", "gate", "narrow"])
def test_channels_removed_from_a_stream_with_depthwise_convolutions_and_gates(layer):
    torch.manual_seed(0)
    name = layer if layer == "stem" else f"blocks.1.{layer}"
    plan = assert_equals_prune(warm_up(Inverted()), name, torch.randn(3, 3, 6, 6), "channel")
    assert isinstance(plan, CutNetwork) and not plan.linears


class Recurrent(nn.Module):
    """A layer that reads its own output."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.conv(self.conv(x).relu()).mean((2, 3)))


@pytest.mark.parametrize("mode", [*ANYWHERE, "inputs"])
def test_a_layer_that_reads_what_it_wrote(mode):
    torch.manual_seed(0)
    assert_equals_prune(Recurrent(), "conv", torch.randn(2, 3, 4, 4), mode)


class FullyConvolutional(nn.Module):
    """Its logits are the pruned layer's own channels, as in SqueezeNet."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)

    def forward(self, x):
        return F.relu(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize(
    ("model", "why"),
    [(Fickle(), "Fickle cannot be traced"), (FullyConvolutional(), "they are what the network returns")],
)
def test_where_no_channel_can_be_removed_the_plan_says_why(model, why):
    with pytest.raises(ValueError, match=why):
        make_plan(model, "conv", "channel", torch.randn(2, 3, 4, 4))


def test_logits_in_the_zone():
    assert_equals_prune(FullyConvolutional(), "conv", torch.randn(2, 3, 4, 4))


@pytest.mark.parametrize("mode", ANYWHERE)
def test_untraceable_networks_run_as_masked_copies(mode):
    torch.manual_seed(0)
    model = Fickle()
    before = model.conv.weight.clone()
    assert isinstance(assert_equals_prune(model, "conv", torch.randn(2, 3, 4, 4), mode), MaskedCopies)
    assert torch.equal(model.conv.weight, before)


def test_a_network_that_mixes_the_images_of_a_batch_is_not_stacked():
    class Softmaxed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 1)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            z = self.fc(self.conv(x).mean((2, 3)))
            return z - z.mean(0, keepdim=True)  # mixes the images of a batch

    plan = assert_equals_prune(Softmaxed(), "conv", torch.randn(5, 1, 3, 3))
    assert plan.linears and not plan.stacks


@pytest.mark.parametrize(
    ("head", "stacks"),
    [
        (lambda net, z: z * (net.scale * 2), False),  # one row for all images
        (lambda net, z: z + net.scale, False),
        (lambda net, z: z * net.gate(net.seen), True),  # a row an image, which no pruning changes
    ],
)
def test_what_a_linear_tail_is_combined_with(head, stacks):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc, self.gate = nn.Conv2d(1, 6, 1), nn.Linear(6, 6), nn.Linear(9, 6)
            self.scale = nn.Parameter(torch.randn(1, 6))

        def forward(self, x):
            self.seen = x.flatten(1)
            return head(self, self.fc(self.conv(x).mean((2, 3))))

    torch.manual_seed(0)
    for images in (2, 5):
        plan = assert_equals_prune(Scaled(), "conv", torch.randn(images, 1, 3, 3))
        assert plan.linears and plan.stacks == stacks


class Straight(nn.Module):
    """A convolution, batch norm, an average and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))


@pytest.mark.parametrize("place", range(6))
def test_a_channel_that_is_far_larger_than_the_others_leaves_no_rounding_error_behind(place):
    torch.manual_seed(0)
    model = warm_up(Straight())
    model.conv.weight.data[np.random.default_rng(0).permutation(6)[place]] *= 1e6
    assert assert_equals_prune(model, "conv", torch.randn(50, 3, 6, 6)).linears


@pytest.mark.parametrize("name", ["", "conv", "bn", "fc"])
def test_what_forward_hooks_do_is_done(name):
    torch.manual_seed(0)
    for register in ("register_forward_hook", "register_forward_pre_hook"):
        model = warm_up(Straight())
        getattr(model.get_submodule(name), register)(lambda module, values, output=None: twice(values, output))
        assert isinstance(assert_equals_prune(model, "conv", torch.randn(4, 3, 6, 6)), MaskedCopies)


def twice(values, output):
    """What a hook makes of a module's inputs, or of its output where there is one."""
    return 2 * output + 1 if output is not None else tuple(2 * value + 1 for value in values)


class Odd(nn.Module):
    """A network whose trace is not what it does, or that is none."""

    def __init__(self, body):
        super().__init__()
        self.conv, self.fc, self.same, self.relu = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 4), nn.Identity(), Own()
        self.padded, self.back, self.body = Padded(3, 6, 3), nn.Linear(6, 3), body

    def forward(self, *inputs, scale=None, **unused):
        return self.body(self, *inputs, scale)


class Plain(Odd):
    """The same with one input and no more."""

    def forward(self, x):
        return self.fc(self.body(self, x).mean((2, 3)))


class Own(nn.Module):
    """An activation in place, of one's own."""

    inplace = True

    def forward(self, x):
        return F.relu(x, inplace=self.inplace)


class Padded(nn.Conv2d):
    """A convolution of one's own, which torch.fx takes apart."""

    def forward(self, x):
        return super().forward(F.pad(x, (1, 1, 1, 1)))


class Named(nn.Module):
    """Has arguments that nobody gives."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)

    def forward(self, x, scale=None, **unused):
        y = self.conv(x) if scale is None else scale * self.conv(x)
        return self.fc((y.relu() if isinstance(x, torch.Tensor) else y).mean((2, 3)))


def after(first, then):
    """The sum of what `first` gives and what `then` does, which overwrites it."""
    return first + then(first)


@pytest.mark.parametrize(
    "body",
    [
        lambda net, y: after(net.same(y), lambda _: net.relu(y)),
        lambda net, y: (v := y.flatten(1), net.relu(y), v.view_as(y))[2],
        lambda net, y: (v := y, operator.ipow(y, 2), v)[2],
        lambda net, y: y * sum(each.abs().sum() for each in net.conv.parameters()),
        lambda net, y: y.as_strided((len(y), 6, 8, 8), (384, 64, 8, 1)),
    ],
)
@pytest.mark.parametrize("mode", ANYWHERE)
def test_what_a_trace_misses_is_found_out(body, mode):
    class Traced(Odd):
        def forward(self, x):
            return self.fc(body(self, self.conv(x)).mean((2, 3)))

    torch.manual_seed(0)
    assert isinstance(assert_equals_prune(Traced(None), "conv", torch.randn(3, 3, 8, 8), mode), MaskedCopies)


@pytest.mark.parametrize("mode", ANYWHERE)
def test_a_layer_that_reads_single_positions_of_its_own_is_no_sum_over_channels(mode):
    class Again(Odd):
        def forward(self, x):
            return self.fc(self.conv(self.back(self.conv(x).relu().mean((2, 3)))[:, :, None, None]).mean((2, 3)))

    torch.manual_seed(0)
    assert isinstance(assert_equals_prune(Again(None), "conv", torch.randn(3, 3, 8, 8), mode), CutNetwork)


@pytest.mark.parametrize(
    ("model", "layer", "kind"),
    [
        (lambda: Plain(lambda net, x: net.padded(x)), "padded", CutNetwork),
        (lambda: Plain(lambda net, x: F.conv2d(x, net.conv.weight, net.conv.bias)), "conv", CutNetwork),
        (lambda: Plain(lambda net, x: F.conv2d(x, -net.conv.weight)), "conv", MaskedCopies),
        (lambda: Odd(lambda net, x, scale: net.fc(net.padded(x).mean((2, 3)))), "padded", MaskedCopies),
        (Named, "conv", MaskedCopies),
    ],
)
def test_layers_that_run_without_being_called_and_arguments_that_nobody_gives(model, layer, kind):
    torch.manual_seed(0)
    assert isinstance(assert_equals_prune(model(), layer, torch.randn(3, 3, 8, 8)), kind)


def test_a_network_without_numbers_has_none_pruned_either():
    torch.manual_seed(0)
    model = warm_up(Straight())
    model.bn.running_var[2] = -1.0  # as a file may have it
    plan = assert_equals_prune(model, "conv", torch.randn(3, 3, 8, 8))
    assert all(logits.isnan().all() for _, logits in plan.logits(torch.randn(3, 3, 8, 8), np.arange(6), [0, 6]))


def test_a_layer_that_never_runs_is_refused():
    model = Straight().eval()
    model.spare = nn.Conv2d(6, 6, 1)
    for mode in ("filter", "weights", "inputs"):
        with pytest.raises(ValueError, match="'spare' is never called"):
            make_plan(model, "spare", mode, torch.randn(2, 3, 8, 8))


def test_a_network_that_changes_its_input_sees_it_anew_at_each_k():
    def body(net, x, scale):
        return net.fc(net.conv(x.sub_(0.5) if x.sum() < 1e9 else x).mean((2, 3)))

    torch.manual_seed(0)
    model, x = Odd(body).eval(), torch.randn(3, 3, 8, 8)
    before = x.clone()
    got = in_order(make_plan(model, "conv", "filter", x).logits(x, np.arange(6), [0, 1, 2]))
    assert torch.equal(x, before)
    for k, found in enumerate(got):
        torch.testing.assert_close(found, forward(prune(model, "conv", range(k)), before.clone()))


def test_batches_of_images_of_different_sizes():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)
            self.depth, self.fc = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Linear(6, 4)

        def forward(self, x):
            return self.fc(self.depth(self.bn(self.conv(x)).relu()).mean((2, 3)))

    torch.manual_seed(0)
    model = warm_up(Sized())
    plan = make_plan(model, "conv", "filter", torch.randn(2, 3, 8, 8))
    for side in (8, 12, 8):
        x = torch.randn(3, 3, side, side)
        want = torch.stack([forward(prune(model, "conv", range(k)), x) for k in (0, 3, 6)])
        torch.testing.assert_close(in_order(plan.logits(x, np.arange(6), [0, 3, 6])), want, rtol=1e-4, atol=1e-5)


class Sharing(nn.Module):
    """Its convolution's weights are used once more, in another place or as another convolution's."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.conv, self.other, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3), nn.Linear(6, 4)
        if how == "tied":
            self.other.weight = self.conv.weight

    def forward(self, x):
        again = F.conv2d(x, self.conv.weight) if self.how == "function" else self.other(x)
        return self.fc((self.conv(x) + again.tanh()).relu().mean((2, 3)))


@pytest.mark.parametrize("mode", ANYWHERE)
@pytest.mark.parametrize(("how", "kind"), [("function", MaskedCopies), ("tied", MaskedCopies), ("no", CutNetwork)])
def test_weights_that_are_used_elsewhere_are_pruned_there_too(how, kind, mode):
    torch.manual_seed(0)
    assert isinstance(assert_equals_prune(Sharing(how), "conv", torch.randn(4, 3, 6, 6), mode), kind)


@pytest.mark.parametrize("name", ["sigmoid_", "neg_", "leaky_relu_", "pow"])
def test_in_place_functions_change_no_other_k(name):
    class Overwriting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.mix, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1), nn.Linear(6, 4)

        def forward(self, x):
            y = self.conv(x)
            z = self.mix(y)
            if name == "pow":
                y **= 2
            else:
                getattr(torch, name, getattr(F, name, None))(y)
            return self.fc((y + z).mean((2, 3)))

    torch.manual_seed(0)
    assert_equals_prune(Overwriting(), "conv", torch.randn(4, 3, 6, 6))


def test_float32_on_a_gpu_is_not_rounded_to_tf32(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    make_plan(build("simple-cnn"), "conv2", "filter", torch.randn(2, 3, 32, 32))
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("head", ["linear", "conv", "both"])
def test_bfloat16_is_close_and_gives_float32_logits(head):
    torch.manual_seed(0)
    model, x = warm_up(Residual(head)), torch.randn(3, 3, 6, 6)
    plan = make_plan(model, "conv", "filter", x, dtype=torch.bfloat16)
    got = in_order(plan.logits(x, np.arange(6), range(7)))
    want = torch.stack([forward(prune(model, "conv", range(k)), x) for k in range(7)])
    assert got.dtype == torch.float32 and bool(plan.linears) == (head == "linear")
    assert 1e-6 < (got - want).abs().max() / want.abs().max() < 0.05


def test_bfloat16_of_a_layer_that_runs_on_both_sides_of_the_last_convolution():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm([4, 4])
            self.conv = nn.Conv2d(3, 5, 3, padding=1)
            self.fc = nn.Linear(5, 2)

        def forward(self, x):
            y = self.norm(self.conv(self.norm(x.view(x.size(0), 3, 4, 4))))
            return self.fc(y.mean((2, 3)) + x.mean())

    torch.manual_seed(0)
    model, x = Both().eval(), torch.randn(3, 3, 4, 4)
    got = in_order(make_plan(model, "conv", "weights", x, dtype=torch.bfloat16).logits(x, np.arange(5), [0, 3]))[1]
    want = forward(prune(model, "conv", range(3), "weights"), x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, want, rtol=0.05, atol=0.05)


def test_bfloat16_masked_copies():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 4)
    plan = make_plan(Fickle().eval(), "conv", "filter", x, dtype=torch.bfloat16)
    logits = in_order(plan.logits(x, np.arange(4), [0, 4]))
    assert isinstance(plan, MaskedCopies) and logits.dtype == torch.float32


class RandomNet(nn.Module):
    """A small network of random layers after the pruned one; its logits come from a linear layer.

    It asks how many channels a value has, or knows it, and can then be traced as it is.
    """

    def __init__(self, steps: list[str], channels: int, knows: bool = False):
        super().__init__()
        self.steps, self.knows, self.widths = steps, knows, []
        self.stem = nn.Conv2d(2, channels, 3, padding=1)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.layers = nn.ModuleDict()
        width = channels
        for i, step in enumerate(steps):
            self.widths.append(width)
            if step == "bn":
                self.layers[str(i)] = nn.BatchNorm2d(width)
            elif step == "conv":
                self.layers[str(i)] = nn.Conv2d(width, channels, 3, padding=1)
                width = channels
            elif step == "depthwise":
                self.layers[str(i)] = nn.Conv2d(width, 2 * width, 3, padding=1, groups=width)
                width *= 2
            elif step == "grouped":
                self.layers[str(i)] = nn.Conv2d(width, width, 3, padding=1, groups=2 if width % 2 == 0 else 1)
            elif step in ("twice", "append"):
                width += {"twice": width, "append": channels}[step]
        self.fc = nn.Linear(width, 3)

    def forward(self, x):
        stem = F.relu(self.stem(x))
        y = first = self.conv(stem)
        for i, step in enumerate(self.steps):
            width, narrow = (self.widths[i], self.widths[0]) if self.knows else (y.shape[1], stem.shape[1])
            fits, even = width == narrow, width % 2 == 0
            if str(i) in self.layers:
                y = self.layers[str(i)](y)
            elif step == "relu":
                y = F.relu(y, inplace=True)
            elif step == "gate":
                y = y * torch.sigmoid(y.mean((2, 3), keepdim=True))
            elif step == "double":
                y = y + y
            elif step == "twice":
                y = torch.cat([y, -y], 1)
            elif step == "append":
                y = torch.cat([stem, y], 1)
            elif step == "shuffle":
                y = y.reshape(y.size(0), 2, -1, *y.shape[2:]).transpose(1, 2).flatten(1, 2) if even else y
            elif step == "halves" and even:
                left, right = y.chunk(2, 1)
                y = torch.cat([right.tanh(), left], 1)
            elif step == "positions":
                y = F.pad(y[..., 1:], (0, 1)) * y.amax((2, 3), keepdim=True)
            elif step == "tail":
                y = y - first.mean()
            elif fits and step == "residual":
                y = y + stem
            elif fits and step == "mixed":  # one layer for all such steps
                y = self.mix(y)
            elif fits and step == "again":  # the pruned layer itself
                y = self.conv(y)
        return self.fc(y.mean((2, 3)))


STEPS = st.sampled_from([
    "bn", "conv", "depthwise", "grouped", "relu", "gate", "double", "twice", "append", "tail", "residual", "mixed",
    "again", "shuffle", "halves", "positions",
])  # fmt: skip


@settings(max_examples=60)
@given(
    steps=st.lists(STEPS, max_size=6),
    channels=st.integers(1, 5),
    mode=st.sampled_from([*ANYWHERE, "inputs", "channel", "channel"]),
    seed=st.integers(0, 99),
)
def test_random_networks(steps, channels, mode, seed):
    torch.manual_seed(seed)
    model, inputs = warm_up(RandomNet(steps, channels, knows=mode == "channel")), torch.randn(2, 2, 4, 4)
    model = taking(model, sizes_in(inputs))
    if fits(check_mode, model, "conv", mode):
        assert_equals_prune(model, "conv", inputs, mode, seed=seed)
    else:
        with pytest.raises(ValueError, match="cannot be removed|cannot be traced"):
            make_plan(model, "conv", mode, inputs)


@pytest.mark.parametrize("layer", ["0", "2", "4"])
def test_a_grouped_convolution_reads_and_writes_channels(layer):
    torch.manual_seed(0)
    model = warm_up(nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 3, groups=2), nn.ReLU(), nn.Conv2d(6, 4, 1),
        nn.Flatten(), nn.Linear(64, 3),
    ))  # fmt: skip
    assert_equals_prune(model, layer, torch.randn(2, 3, 8, 8), "channel")
