"""Cutting a traced network: what is found to be channelwise, and which channel each feature belongs to."""

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer.engine.cut import Cut, cut
from explorer.networks.graph import (
    UntraceableError,
    ancestors,
    descendants,
    layer_calls,
    output_of,
    placeholders,
    program_for,
)
from explorer.networks.neighbours import activation_node
from explorer.networks.registry import build
from explorer.networks.tracing import trace
from explorer.pruning.zeroing import ZEROING


def cut_at(model: nn.Module, layer: str, example: torch.Tensor) -> Cut:
    traced = trace(model)
    return cut(traced, ZEROING["filter"].sites(traced, layer), example)


def names(nodes) -> list[str]:
    return [node.name for node in nodes]


class Net(nn.Module):
    """conv, then whatever `body` does with its output and the input."""

    def __init__(self, body, channels=4, groups=1):
        super().__init__()
        self.body = body
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.depthwise = nn.Conv2d(channels, 2 * channels, 3, padding=1, groups=channels)
        self.mix = nn.Conv2d(channels, channels, 1, groups=groups)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        return self.body(self, x, self.conv(x))


def shuffled(y, groups):
    """A channel shuffle, as ShuffleNet has it."""
    images, channels, height, width = y.size()
    y = y.view(images, groups, channels // groups, height, width)
    return torch.transpose(y, 1, 2).contiguous().view(images, channels, height, width)


def owner_of(body, **options):
    """Owner of the last zone value of Net(body)."""
    cut = cut_at(Net(body, **options).eval(), "conv", torch.randn(2, 3, 4, 4))
    last = [node for node in cut.traced.graph.nodes if node in cut.owners][-1]
    return last.name, cut.owners[last].tolist()


def test_zone_of_simple_cnn_ends_before_the_linear_layer():
    cut = cut_at(build("simple-cnn"), "conv2", torch.randn(2, 3, 32, 32))
    assert names(cut.zone.nodes) == ["relu_1", "pool_1", "flatten"]
    assert names(cut.suffix.nodes) == ["fc1", "relu_2", "fc2", "output"]
    assert cut.zone_is_closed
    (flat,) = cut.boundary
    assert cut.owners[flat].tolist() == [channel for channel in range(32) for _ in range(64)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda net, x, y: net.pool(net.relu(net.bn(y))), ("pool", [0, 1, 2, 3])),
        (lambda net, x, y: torch.cat([x, y], 1), ("cat", [-1, -1, -1, 0, 1, 2, 3])),
        (lambda net, x, y: torch.cat([y, x, y], dim=-3), ("cat", [0, 1, 2, 3, -1, -1, -1, 0, 1, 2, 3])),
        (lambda net, x, y: net.depthwise(y), ("depthwise", [0, 0, 1, 1, 2, 2, 3, 3])),
        (lambda net, x, y: y + net.bn(y), ("add", [0, 1, 2, 3])),
        (lambda net, x, y: 2 * y.mean([2, 3]), ("mul", [0, 1, 2, 3])),
        (lambda net, x, y: F.avg_pool2d(y, 4).flatten(1), ("flatten", [0, 1, 2, 3])),
        (lambda net, x, y: y.view(y.size(0), -1), ("view", [c for c in range(4) for _ in range(16)])),
        (lambda net, x, y: y.view(y.size(0), -1)[:, 8:40:8], ("getitem", [0, 1, 1, 2])),
        (lambda net, x, y: y.chunk(2, 1)[1], ("getitem", [2, 3])),
        (lambda net, x, y: y.flip(1), ("flip", [3, 2, 1, 0])),
        (lambda net, x, y: shuffled(y, 2), ("view_1", [0, 2, 1, 3])),
        (lambda net, x, y: F.pad(y[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2)), ("pad", [-1, 0, 1, 2, 3, -1, -1])),
        (lambda net, x, y: F.pad(y, (1, 1, 0, 0), "reflect").amax((-1, -2)), ("amax", [0, 1, 2, 3])),
        (lambda net, x, y: y.mean((2, 3))[:, :, None, None].expand_as(y), ("expand_as", [0, 1, 2, 3])),
        (lambda net, x, y: F.batch_norm(y, net.bn.running_mean, net.bn.running_var), ("batch_norm", [0, 1, 2, 3])),
        (lambda net, x, y: F.dropout(F.silu(y), 0.5, net.training), ("silu", [0, 1, 2, 3])),
    ],
)
def test_owner_of_each_channel(body, expected):
    name, owner = owner_of(body)
    assert (name, owner) == expected


@pytest.mark.parametrize(
    "body",
    [
        lambda net, x, y: net.mix(y),  # mixes channels
        lambda net, x, y: y + y.flip(1),  # channel c meets channel P − 1 − c
        lambda net, x, y: y.mean(1, keepdim=True),
        lambda net, x, y: y * torch.sigmoid(y.mean(1, keepdim=True)),
        lambda net, x, y: torch.cat([y, y], 2).transpose(1, 2),
        lambda net, x, y: y.reshape(-1, 4),
        lambda net, x, y: y[:, :1].transpose(0, 1),  # images where channels were
        lambda net, x, y: y.flip(0),
        lambda net, x, y: y.chunk(2, 1),
        lambda net, x, y: F.softmax(y, dim=1),
    ],
)
def test_what_mixes_channels_is_not_in_the_zone(body):
    cut = cut_at(Net(body).eval(), "conv", torch.randn(2, 3, 4, 4))
    assert cut.traced.graph.output_node().all_input_nodes[0] not in cut.owners


def test_grouped_convolution_over_several_channels_ends_the_zone():
    assert owner_of(lambda net, x, y: net.mix(y), groups=2) == ("conv", [0, 1, 2, 3])
    assert owner_of(lambda net, x, y: net.mix(y), groups=4) == ("mix", [0, 1, 2, 3])


def test_trace_leaves_the_model_alone_and_has_no_in_place_operations():
    def body(net, x, y):
        y = net.relu(y)
        y += 1
        return F.relu(y.add_(1), inplace=True)

    model = Net(body)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    traced = trace(model)
    assert model.training and model.relu.inplace
    assert not any(getattr(module, "inplace", False) for module in traced.modules())
    x = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(traced(x), model.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "body",
    [
        lambda net, x, y: net.relu(y) + y,  # the same tensor twice
        lambda net, x, y: F.relu(y, True) * y.mean(),
        lambda net, x, y: (y.add_(1), y * 2)[1],
        lambda net, x, y: net.pool(net.relu(net.bn(y))) + net.pool(y),  # y itself is not changed
    ],
)
def test_what_reads_a_tensor_after_it_was_changed_in_place_reads_the_change(body):
    model = Net(body).eval()
    traced, x = trace(model), torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(traced(x), model(x))


@pytest.mark.parametrize(
    "body",
    [
        lambda net, x, y: y if y.sum() > 0 else -y,
        lambda net, x, y: net.relu(y.flatten(1)).sum() + y,  # changes y through a view of it
        lambda net, x, y: y.index_fill_(1, torch.tensor([0]), 0.0),
        lambda net, x, y: torch.sigmoid_(y),
        lambda net, x, y: F.leaky_relu_(y, 0.1),
        lambda net, x, y: F.conv2d(x, net.conv.weight) + y,
    ],
)
def test_what_cannot_be_traced_says_so(body):
    with pytest.raises(UntraceableError):
        trace(Net(body))


def test_a_layer_that_never_runs_is_named():
    traced = trace(Net(lambda net, x, y: y))
    with pytest.raises(ValueError, match="'mix' is never called"):
        layer_calls(traced, "mix")


def test_program_forgets_what_nobody_reads_again():
    traced = trace(build("simple-cnn"))
    (call,) = layer_calls(traced, "conv1")
    program = program_for(traced, [call])
    env = program.run(placeholders(traced, torch.randn(2, 3, 32, 32)))
    assert names(program.nodes) == ["conv1"]
    assert set(env) == {call}


def test_how_much_a_program_holds_at_the_same_time_is_counted():
    traced = trace(Net(lambda net, x, y: y.sigmoid() + y))
    named = {node.name: node for node in traced.graph.nodes}
    x, conv, sigmoid, add = (named[name] for name in ("x", "conv", "sigmoid", "add"))
    sizes = {x: 1, conv: 10, sigmoid: 100, add: 1000}
    assert program_for(traced, [add]).most_at_once(sizes) == 1110, "the image is let go of, what is added is not"
    assert program_for(traced, [conv]).most_at_once(sizes) == 11
    assert program_for(traced, [conv, sigmoid]).most_at_once(sizes) == 110
    assert program_for(traced, [x, add]).most_at_once(sizes) == 1111, "which is kept"


def test_what_depends_on_a_node_and_what_it_depends_on():
    traced = trace(Net(lambda net, x, y: net.pool(net.relu(y)) + net.pool(x[:, :1])))
    (call,) = layer_calls(traced, "conv")
    output = output_of(traced)
    after = descendants([call])
    assert {node.name for node in after} == {"conv", "relu", "pool", "add", "output"}
    assert {node.name for node in ancestors([output]) - after} == {"x", "getitem", "pool_1"}
    (relu,) = (node for node in after if node.name == "relu")
    assert ancestors([output], stop=[relu]) == ancestors([output]) - {call}


def test_activation_node_follows_batch_norm_to_the_activation():
    traced = trace(Net(lambda net, x, y: net.pool(net.relu(net.bn(y)))))
    (call,) = layer_calls(traced, "conv")
    assert activation_node(call).name == "relu"
    traced = trace(Net(lambda net, x, y: net.bn(y) + net.mix(x @ x)))
    (call,) = layer_calls(traced, "conv")
    assert activation_node(call).name == "bn"


def test_tracing_does_not_disturb_forward_passes_in_other_threads():
    model, x = build("simple-cnn").eval(), torch.randn(4, 3, 32, 32)
    from explorer.networks.evaluation import forward

    expected, wrong, stop = forward(model, x), [], threading.Event()

    def keep_running():
        while not stop.is_set():
            try:
                if not torch.equal(forward(model, x), expected):
                    wrong.append("other logits")
            except Exception as error:  # noqa: BLE001 - reported below
                wrong.append(repr(error))
                return

    threads = [threading.Thread(target=keep_running) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        trace(model)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
