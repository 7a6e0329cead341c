"""With a layer pruned whole, what is left to run gives the logits of `prune`, the slow truth."""

import re

import pytest
import torch
import torch.nn.functional as F
from nets import Dense, Inverted, Untraceable, warm_up
from torch import nn

from explorer.engine import remainder
from explorer.engine.remainder import PrunedCopies, SharedPass, plan_layers
from explorer.networks.evaluation import forward
from explorer.networks.layers import conv_layer, conv_layers
from explorer.networks.registry import build
from explorer.networks.tracing import taking
from explorer.pruning.modes import MODES
from explorer.pruning.prune import prune
from explorer.pruning.zeroing import check_mode


def truth(model, layer, inputs, mode="filter"):
    return forward(prune(model, layer, range(conv_layer(model, layer).out_channels), mode), inputs)


def assert_equals_prune(model, inputs, mode="filter", layers=None, every=1):
    """Compare the logits of every (n-th) layer with those of a pruned copy; returns the plan."""
    model = model.eval()
    plan = plan_layers(model, layers or conv_layers(model), mode, inputs)
    unpruned, *pruned = plan.logits(inputs)
    assert len(pruned) == len(plan.layers)
    pairs = [(unpruned, forward(model, inputs))]
    pairs += [(pruned[i], truth(model, plan.layers[i], inputs, mode)) for i in range(0, len(pruned), every)]
    for got, want in pairs:
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4 * float(want.abs().max()))
    return plan


def images(shape, n=3, seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


LABS = [("simple-cnn", 32), ("block-net", 32), ("lab-resnet", 32), ("resnet18", 16)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "size"), LABS)
def test_every_layer_of_the_labs_networks(name, size, mode):
    torch.manual_seed(0)
    model = warm_up(build(name, (3, size, size)))
    if mode not in remainder.fitting_modes(model, conv_layers(model)):
        with pytest.raises(ValueError, match="there is no layer to scan: .*conv1"):
            plan_layers(model, conv_layers(model), mode, images((3, size, size)))
        return
    plan = assert_equals_prune(model, images((3, size, size)), mode)
    assert set(plan.layers) | set(plan.left_out) == set(conv_layers(model)) and not plan.slow
    for layer, why in list(plan.left_out.items())[:2]:
        with pytest.raises(ValueError, match=re.escape(why)):
            check_mode(model, layer, mode)


@pytest.mark.parametrize("mode", ["filter", "weights", "channel"])
def test_pairs_go_through_one_encoder(mode):
    torch.manual_seed(0)
    pair = images((1, 28, 28), 2), images((1, 28, 28), 2, seed=1)
    plan = assert_equals_prune(build("siamese", (1, 28, 28), 2), pair, mode)
    assert not any(each.program.nodes for each in plan.remainders), "both branches end in the same constant"


@pytest.mark.parametrize("model", [Dense, Inverted])
def test_layers_whose_channels_share_what_is_read_with_others(model):
    torch.manual_seed(0)
    plan = assert_equals_prune(warm_up(model()), images((3, 6, 6)), "channel")
    assert isinstance(plan, SharedPass) and not plan.left_out


def test_a_network_that_asks_for_sizes_loses_channels_as_others_do():
    class Asking(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            y = self.conv(x)
            return self.fc((y if y.shape[2] < 9 else F.max_pool2d(y, 2)).mean((2, 3)))

    known = taking(Asking(), [(3, 8, 8)])
    for mode in ("filter", "channel"):
        assert isinstance(assert_equals_prune(known, images((3, 8, 8)), mode), SharedPass)
    assert isinstance(plan_layers(Asking(), ["conv"], "channel", images((3, 8, 8))), SharedPass)


TORCHVISION = ["mobilenet_v3_small", "densenet121", "googlenet", "shufflenet_v2_x0_5", "regnet_y_400mf"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    options = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
    model = warm_up(getattr(models, name)(num_classes=5, **options))
    plan = assert_equals_prune(model, images((3, 64, 64), 2), every=16)
    assert isinstance(plan, SharedPass)
    assert set(plan.left_out) == {layer for layer in conv_layers(model) if layer.startswith("aux")}


def test_nothing_is_run_twice():
    """A chain is run once, a residual network from the next addition on."""
    torch.manual_seed(0)
    chain = plan_layers(build("simple-cnn").eval(), ["conv1", "conv2"], "filter", images((3, 32, 32)))
    assert [len(each.program.nodes) for each in chain.remainders] == [0, 0]
    model = warm_up(build("resnet18", (3, 16, 16)))
    first, last = plan_layers(model, ["layer1.0.conv1", "layer4.1.conv2"], "filter", images((3, 16, 16))).remainders
    assert [node.name for node in last.program.nodes] == [
        "add_7",
        "layer4_1_relu_1",
        "avgpool",
        "flatten",
        "fc",
        "output",
    ]
    assert "layer1_0_conv2" not in {node.name for node in first.program.nodes}, "it reads a constant, too"
    assert [node.name for node in first.reads] == ["maxpool"]


class Body(nn.Module):
    """Two convolutions, then whatever `body` does with them."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.other = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.tensor([0.5, 2.0, -1.0, 3.0]).view(1, 4, 1, 1))

    def forward(self, x):
        return self.fc(self.body(self, x).mean((2, 3)))


def folded(net, x):
    """Rows of the batch and channels share a dimension for a while."""
    y = net.conv(x).flatten(0, 1)
    return F.relu(y.unflatten(0, (-1, 4)) + x[:, :1])


def by_size(net, x):
    """The number of images stands in the graph, read from what is constant."""
    y = F.relu(net.conv(x))
    return (y.view(y.size(0), -1) + x.new_ones(1)).view(y.size(0), 4, 4, 4) * x[:, :1]


@pytest.mark.parametrize(
    "body",
    [
        folded,
        by_size,
        lambda net, x: net.other(net.other(net.conv(x))) + x[:, :1],  # a layer that reads its own output
        lambda net, x: net.other(net.conv(x) * net.scale) + net.scale * x[:, :1],  # a constant of the network
        lambda net, x: net.conv(x) - net.conv(x).mean(0, keepdim=True) + x[:, 1:2],  # mixes images
        lambda net, x: torch.cat([net.conv(x), x[:, :1]], 1)[:, 1:] + net.other(net.conv(x).cumsum(0)),
        lambda net, x: x[:, :1].expand(-1, 4, -1, -1) + 0 * net.scale,  # no convolution at all
    ],
)
@pytest.mark.parametrize("mode", ["filter", "weights"])
def test_whatever_follows(body, mode):
    torch.manual_seed(0)
    model = Body(body)
    ran = [
        name for name in conv_layers(model) if name in {str(node.target) for node in remainder.trace(model).graph.nodes}
    ]
    if not ran:
        with pytest.raises(ValueError, match="there is no layer to scan: layer 'conv' is never called"):
            plan_layers(model, ["conv", "other"], mode, images((3, 4, 4)))
        return
    for n in (1, 5):
        assert assert_equals_prune(model, images((3, 4, 4), n), mode).layers == tuple(ran)


@pytest.mark.parametrize(
    "body",
    [
        lambda net, y: (v := y.flatten(1), net.relu(y), v.view_as(y))[2].mean((2, 3)),  # a view from before
        lambda net, y: (y.relu().mean((2, 3)) + 1) / len(y),  # which two images do not tell apart
        lambda net, y: (y.relu().mean((2, 3)) + 1).softmax(0),
    ],
)
def test_what_a_trace_misses_and_what_mixes_images(body):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu, self.fc = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(body(self, self.conv(x)))

    torch.manual_seed(0)
    assert_equals_prune(Odd(), images((3, 6, 6), 5), every=1)


@pytest.mark.parametrize("mode", ["filter", "inputs"])
def test_untraceable_networks_run_pruned_copies(mode):
    torch.manual_seed(0)
    plan = assert_equals_prune(Untraceable(), images((3, 8, 8)), mode)
    assert isinstance(plan, PrunedCopies) and plan.slow
    assert set(plan.left_out) == ({"conv"} if mode == "inputs" else set())


def test_modes_that_fit_some_layer():
    assert remainder.fitting_modes(build("resnet18"), ["conv1", "layer2.0.conv2"]) == list(MODES)
    assert remainder.fitting_modes(build("simple-cnn"), ["conv1", "conv2"]) == ["filter", "weights", "channel"]
    assert remainder.fitting_modes(Untraceable(), ["conv", "wide"]) == ["filter", "weights", "inputs"]


def test_less_fits_into_less_memory(monkeypatch):
    model, x = warm_up(build("resnet18", (3, 16, 16))), images((3, 16, 16))
    plan = plan_layers(model, ["layer1.0.conv2"], "filter", x)
    per_image = 4 * (64 * 16 * 16 + 10)  # float32: what the block adds to, and the logits
    assert plan.at_once == remainder.KEPT_BYTES // per_image
    monkeypatch.setattr(remainder, "KEPT_BYTES", 1)
    assert plan_layers(model, ["layer1.0.conv2"], "filter", x).at_once == 1


def test_a_network_without_logits_is_named():
    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(x)

    plan = plan_layers(Maps().eval(), ["conv"], "filter", images((3, 8, 8)))
    with pytest.raises(ValueError, match=r"output is \(3, 4, 6, 6\)"):
        list(plan.logits(images((3, 8, 8))))
