"""Functional forms in a traced network become the modules that they stand for."""

import pytest
import torch
import torch.nn.functional as F
from nets import warm_up
from torch import nn

from explorer.networks.functional import is_settled
from explorer.networks.graph import UntraceableError, layer_calls, module_of
from explorer.networks.layers import conv_layers
from explorer.networks.neighbours import activation_node, norm_behind
from explorer.networks.tracing import fits_sizes, sizes_of, trace


class NormAct(nn.BatchNorm2d):
    """Batch norm and activation in one, as timm has them."""

    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training, 0.1, self.eps)
        return self.act(y)


class Same(nn.Conv2d):
    """A convolution of one's own, which pads and then computes as a function."""

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class Head(nn.Linear):
    def forward(self, x):
        return F.linear(F.dropout(x, 0.5, self.training), self.weight, self.bias)


class Named(nn.Conv2d):
    """Differs in how it is made alone."""

    def __init__(self, *sizes):
        super().__init__(*sizes, bias=False)


class Forms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = Same(3, 6, 3), NormAct(6)
        self.named, self.head = Named(6, 6, 1), Head(6, 4)

    def forward(self, x):
        x = self.norm(self.conv(x))
        return self.head(self.named(x).mean((2, 3)))


def test_functions_with_a_layers_weights_are_that_layer():
    torch.manual_seed(0)
    model = warm_up(Forms())
    traced, x = trace(model), torch.randn(2, 3, 6, 6)
    calls = {str(node.target): module_of(node) for node in traced.graph.nodes if module_of(node)}
    assert list(calls) == ["conv", "norm", "norm.act", "named", "head"]
    assert type(calls["conv"]) is nn.Conv2d and isinstance(calls["norm"], nn.BatchNorm2d)
    assert type(calls["head"]) is nn.Linear and not any("drop" in node.name for node in traced.graph.nodes)
    with torch.no_grad():
        torch.testing.assert_close(traced(x), model(x))
    (call,) = layer_calls(traced, "conv")
    assert activation_node(call).target == "norm.act" and torch.equal(norm_behind(call).weight, model.norm.weight)
    assert set(conv_layers(traced)) == {"conv", "named"}


class Bare(nn.Module):
    """Weights of its own, which no layer holds."""

    def __init__(self):
        super().__init__()
        self.filters, self.rows = nn.Parameter(torch.randn(6, 1, 3, 3)), nn.Parameter(torch.randn(4, 6))
        self.conv = nn.Conv2d(3, 6, 1)

    def forward(self, x):
        y = F.conv2d(self.conv(x), self.filters, padding="same", groups=6)
        return F.linear(y.mean((2, 3)), weight=self.rows)


def test_weights_of_no_layer_get_a_module_of_their_own():
    torch.manual_seed(0)
    model, x = Bare().eval(), torch.randn(2, 3, 6, 6)
    traced = trace(model)
    assert [str(node.target) for node in traced.graph.nodes if module_of(node)] == [
        "conv",
        "conv2d_module",
        "linear_module",
    ]
    with torch.no_grad():
        torch.testing.assert_close(traced(x), model(x))


@pytest.mark.parametrize(
    "body",
    [
        lambda net, x: F.conv2d(x, net.conv.weight) + net.conv(x),  # without its bias
        lambda net, x: F.conv2d(x, net.conv.weight, net.conv.bias, padding=1)[:, :, 1:-1, 1:-1] + net.conv(x),
    ],
)
def test_a_layer_that_also_runs_another_way_is_no_single_layer(body):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3)

        def forward(self, x):
            return body(self, x)

    with pytest.raises(UntraceableError, match="the weights of 'conv' are read by"):
        trace(Twice())


@pytest.mark.parametrize(
    ("filters", "settled"),
    [
        (lambda conv: conv.weight - conv.weight.mean((1, 2, 3), keepdim=True), True),
        (
            lambda conv: F.batch_norm(conv.weight.reshape(1, 6, -1), None, None, training=True).reshape_as(conv.weight),
            True,
        ),
        (lambda conv: conv.weight * conv.gain, True),
        (lambda conv: conv.weight.flip(0), False),  # of another channel
        (lambda conv: conv.weight - conv.weight.mean(), False),  # of all channels
        (lambda conv: conv.weight + conv.gain, False),  # which is not zero where the weights are
        (lambda conv: conv.weight * conv.bias.view(-1, 1, 1, 1), False),  # pruning changes that as well
    ],
)
def test_filters_that_are_computed_each_from_its_own_are_the_layers(filters, settled):
    class Computed(nn.Conv2d):
        def __init__(self):
            super().__init__(3, 6, 3)
            self.gain = nn.Parameter(torch.rand(6, 1, 1, 1) + 0.5)

        def forward(self, x):
            return F.conv2d(x, filters(self), self.bias)

    torch.manual_seed(0)
    model, x = nn.Sequential(Computed(), nn.Flatten()).eval(), torch.randn(2, 3, 6, 6)
    traced = trace(model)
    assert [is_settled(module_of(node)) for node in traced.graph.nodes if module_of(node)] == [*[True] * settled, False]
    assert all(node.users or node.op == "output" for node in traced.graph.nodes)
    with torch.no_grad():
        torch.testing.assert_close(traced(x), model(x))


def test_dropout_that_never_ends_and_batch_norm_of_the_batch_stay_functions():
    class Restless(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)

        def forward(self, x):
            return F.batch_norm(F.dropout(self.conv(x)), None, None, self.norm.weight, self.norm.bias, training=True)

    targets = [node.target for node in trace(Restless()).graph.nodes]
    assert F.dropout in targets and F.batch_norm in targets


class Asking(nn.Module):
    """Asks for sizes in every way there is."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)

    def forward(self, x):
        y = self.conv(x)
        assert y.ndim == y.dim() == 4 and y.shape[1] == 6 and len(y.chunk(3, 1)) == 3
        if y.size(-1) > 4 and y.shape[2:] == y.shape[-2:] and y.shape == self.conv(x).shape:
            y = y[:, : int(y.size(1) * 0.5)].repeat(1, 2, 1, 1)
        y = torch.cat([part * index for index, part in enumerate(y.split(2, 1))], 1)
        return self.fc(y.view(y.shape[0], y.size(1), -1).mean(2))


def test_a_forward_pass_may_ask_for_sizes_where_there_is_an_example():
    torch.manual_seed(0)
    model = Asking().eval()
    with pytest.raises(UntraceableError, match="Asking cannot be traced"):
        trace(model)
    traced = trace(model, torch.randn(1, 3, 8, 8))
    assert sizes_of(traced) == ((3, 8, 8),)
    for images, side in ((1, 8), (2, 8), (5, 8), (2, 9), (2, 5)):
        x = torch.randn(images, 3, side, side)
        assert fits_sizes(traced, x) == (side == 8)
        if side == 8:
            with torch.no_grad():
                torch.testing.assert_close(traced(x), model(x))
    assert sizes_of(trace(warm_up(Forms()), torch.randn(2, 3, 6, 6))) is None


@pytest.mark.parametrize(
    "body",
    [
        lambda y: y if y.size(0) > 1 else -y,  # another network for a single image
        lambda y: y * int(y.transpose(0, 1).size(1)),  # the number of images as a number
        lambda y: y if y.sum() > 0 else -y,
    ],
)
def test_what_depends_on_how_many_images_there_are_cannot_be_traced_either(body):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3)

        def forward(self, x):
            return body(self.conv(x)).mean((2, 3)) if x.shape[1] == 3 else x

    with pytest.raises(UntraceableError):
        trace(Counting().eval(), torch.randn(2, 3, 8, 8))
