"""Which layers lose a channel together: by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer.networks.coupling import Coupling, coupling_in, coupling_of
from explorer.networks.registry import build
from explorer.networks.tracing import trace


def readers(coupling: Coupling) -> list[str]:
    return [reader.layer for reader in coupling.readers]


@pytest.fixture(scope="module")
def resnet():
    return trace(build("resnet18"))


def stream(number: int) -> list[str]:
    """The convolutions that write to the residual stream of `layerN` of ResNet-18."""
    begins = ["conv1", "layer1.0.conv2"] if number == 1 else [f"layer{number}.0.conv2", f"layer{number}.0.downsample.0"]
    return [*begins, f"layer{number}.1.conv2"]


def reading(number: int) -> list[str]:
    first = ["layer1.0.conv1"] if number == 1 else []
    after = ["fc"] if number == 4 else [f"layer{number + 1}.0.conv1", f"layer{number + 1}.0.downsample.0"]
    return [*first, f"layer{number}.1.conv1", *after]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_streams_of_resnet18(resnet, number):
    for layer in stream(number):
        coupling = coupling_in(resnet, layer)
        assert list(coupling.layers) == stream(number)
        assert readers(coupling) == reading(number)
        size = 32 * 2**number
        assert all(part.owner == tuple(range(size)) for part in (*coupling.writers, *coupling.norms, *coupling.readers))
        norms = [layer.replace("conv", "bn").replace("downsample.0", "downsample.1") for layer in stream(number)]
        assert [part.layer for part in coupling.norms] == norms
        *others, last = stream(number)
        assert coupling.why == f"{', '.join(others)} and {last} are added to the same stream"


@pytest.mark.parametrize("block", ["layer1.0", "layer2.0", "layer4.1"])
def test_within_a_block_of_resnet18_a_layer_goes_alone(resnet, block):
    coupling = coupling_in(resnet, f"{block}.conv1")
    assert coupling.layers == (f"{block}.conv1",) and readers(coupling) == [f"{block}.conv2"] and not coupling.why


def test_the_features_of_a_channel_that_is_flattened():
    coupling = coupling_of(build("simple-cnn"), "conv2")  # 32 maps of 8 × 8
    (reader,) = coupling.readers
    assert reader.layer == "fc1" and reader.owner == tuple(channel for channel in range(32) for _ in range(64))


def test_an_encoder_that_runs_twice_and_a_shortcut():
    assert readers(coupling_of(build("siamese", (1, 28, 28), 2), "encoder.features.3")) == ["encoder.code.0"]
    coupling = coupling_of(build("lab-resnet"), "res2.down_sample.0")
    assert coupling.layers == ("res2.feature2.0", "res2.down_sample.0") and readers(coupling) == ["fc"]


class Net(nn.Module):
    """`conv`, and what `body` does with its output and the input; its logits are of `fc`."""

    def __init__(self, body, width=4):
        super().__init__()
        self.body = body
        self.conv, self.other, self.wide = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Conv2d(3, 8, 3)
        self.depth, self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 4, 1, groups=2)
        self.mix, self.squeeze, self.gate = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)
        self.narrow, self.bn, self.norm = nn.Conv2d(4, 1, 1), nn.BatchNorm2d(4), nn.LayerNorm([4, 6, 6])
        self.down, self.up = nn.Linear(4, 2), nn.Linear(2, 4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.fc = nn.Linear(width, 3)

    def forward(self, x):
        return self.fc(self.body(self, x, self.conv(x)).mean((2, 3)))


def gated(net, y):
    return y * torch.sigmoid(net.gate(F.relu(net.squeeze(F.adaptive_avg_pool2d(y, 1)))))


def gated_by_linear_layers(net, y):
    pooled = F.adaptive_avg_pool2d(y, 1).view(y.size(0), y.size(1))
    return y * torch.sigmoid(net.up(F.relu(net.down(pooled)))).view(y.size(0), y.size(1), 1, 1)


@pytest.mark.parametrize(
    ("body", "layers", "reading", "why"),
    [
        (lambda net, x, y: F.max_pool2d(net.bn(y).relu(), 2), ["conv"], ["fc"], ""),
        (lambda net, x, y: net.scale * y[:, :, 1:, ::2] + 1, ["conv"], ["fc"], ""),
        (lambda net, x, y: net.mix(y), ["conv"], ["mix"], ""),
        (lambda net, x, y: y + net.other(x), ["conv", "other"], ["fc"], "conv and other are added to the same stream"),
        (lambda net, x, y: torch.maximum(y, net.other(x)), ["conv", "other"], ["fc"],
         "conv and other are combined channel by channel"),
        (lambda net, x, y: net.depth(y), ["conv", "depth"], ["fc"], "depth filters each channel of conv by itself"),
        (lambda net, x, y: gated(net, y), ["conv", "gate"], ["squeeze", "fc"], "gate scales each channel of conv"),
        (lambda net, x, y: gated_by_linear_layers(net, y), ["conv", "up"], ["down", "fc"],
         "up scales each channel of conv"),
        (lambda net, x, y: net.mix(y) + net.mix(net.other(x)), ["conv", "other"], ["mix"],
         "conv and other are read by the same layer"),
        (lambda net, x, y: net.mix(net.bn(y)) + net.squeeze(net.bn(net.other(x))).sum(1, True), ["conv", "other"],
         ["mix", "squeeze"], "conv and other go through the same batch norm"),
        (lambda net, x, y: net.mix(net.mix(y)), ["conv", "mix"], ["mix", "fc"],
         "conv and mix are read by the same layer"),
    ],
)  # fmt: skip
def test_what_ties_layers_together(body, layers, reading, why):
    coupling = coupling_of(Net(body), "conv")
    assert (list(coupling.layers), readers(coupling), coupling.why) == (layers, reading, why)


def test_places_in_a_concatenation():
    def body(net, x, y):
        return torch.cat([net.wide(x), y, -y], 1)

    (reader,) = coupling_of(Net(body, 16), "conv").readers
    assert reader.owner == (*[-1] * 8, 0, 1, 2, 3, 0, 1, 2, 3)
    (reader,) = coupling_of(Net(body, 16), "wide").readers
    assert reader.owner == (*range(8), *[-1] * 8)


@pytest.mark.parametrize(
    ("body", "width", "why"),
    [
        (lambda net, x, y: net.norm(y), 4, r"norm \(LayerNorm\) may mix them"),
        (lambda net, x, y: y.softmax(1), 4, "softmax may mix them"),
        (lambda net, x, y: y + x[:, :1, 1:-1, 1:-1], 4, "add combines them with what is no layer's output"),
        (lambda net, x, y: y * net.narrow(y), 4, "mul combines them with another number of channels"),
        (lambda net, x, y: torch.cat([y, x[..., 1:-1, 1:-1]], 1), 7, "cat puts them beside what is no layer's output"),
        (lambda net, x, y: y.chunk(2, 1)[0], 2, "chunk may mix them"),
        (lambda net, x, y: y.mean(1, keepdim=True), 1, "mean may mix them"),
        (lambda net, x, y: y[:, 1:], 3, "getitem may mix them"),
        (lambda net, x, y: F.channel_shuffle(y, 2), 4, "channel_shuffle may mix them"),
        (lambda net, x, y: F.pad(y, (0, 0, 0, 0, 2, 2)), 8, "pad may mix them"),
        (lambda net, x, y: F.conv2d(y, net.scale[None]), 1, "conv2d may mix them"),
        (lambda net, x, y: net.wide(x) + torch.cat([y, y], 1), 8, None),
    ],
)
def test_channels_that_cannot_go_say_why(body, width, why):
    net = Net(body, width)
    if why is None:
        assert coupling_of(net, "conv").layers == ("conv", "wide")
        with pytest.raises(ValueError, match="'wide' cannot be removed one by one: some of them are tied"):
            coupling_of(net, "wide")
    else:
        with pytest.raises(ValueError, match=f"the channels of 'conv' cannot be removed: {why}"):
            coupling_of(net, "conv")


def test_the_network_s_own_output_cannot_go():
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match="they are what the network returns"):
        coupling_of(net, "0")


def test_a_grouped_layer_reads_and_writes_channels_of_its_own():
    net = Net(lambda net, x, y: net.mix(net.grouped(y)))
    assert coupling_of(net, "conv").layers == ("conv",) and readers(coupling_of(net, "conv")) == ["grouped"]
    assert coupling_of(net, "grouped").layers == ("grouped",) and readers(coupling_of(net, "grouped")) == ["mix"]


def test_a_layer_that_reads_the_image_again_cannot_go():

    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 3, 1), nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(self.conv(self.conv(x)).mean((2, 3)))

    with pytest.raises(ValueError, match="conv reads what is no layer's output alone"):
        coupling_of(Again(), "conv")


def test_many_layers_are_counted():
    class Long(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.fc = nn.ModuleList(nn.Conv2d(3, 4, 1) for _ in range(9)), nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(sum(layer(x) for layer in self.layers).mean((2, 3)))

    why = "layers.0, layers.1, layers.2, layers.3, layers.4 and 4 more are added to the same stream"
    assert coupling_of(Long(), "layers.3").why == why
