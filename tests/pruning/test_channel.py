"""Mode `channel` leaves what removal leaves, by Torch-Pruning, which finds out by itself what to remove."""

import copy
import re

import pytest
import torch
import torch_pruning as tp
from nets import warm_up
from torch import nn
from torchvision import models

from explorer.networks.coupling import coupling_of
from explorer.networks.evaluation import forward
from explorer.networks.layers import conv_layer
from explorer.networks.registry import build
from explorer.pruning.prune import prune

LABS = {
    "simple-cnn": ["conv1", "conv2"],
    "block-net": ["conv1", "conv2"],
    "lab-resnet": ["stem.0", "res1.down_sample.0", "res2.feature1.3", "res2.feature2.0"],
    "resnet18": ["conv1", "layer1.0.conv1", "layer2.0.downsample.0", "layer2.1.conv2", "layer4.1.conv2"],
    "siamese": ["encoder.features.0", "encoder.features.3"],
}
TORCHVISION = {  # without ShuffleNet, at which Torch-Pruning fails
    "vgg11_bn": ["features.0", "features.25"],
    "resnet18": ["conv1", "layer2.1.conv2", "layer4.0.conv1"],
    "mobilenet_v2": ["features.0.0", "features.9.conv.1.0", "features.9.conv.2", "features.18.0"],
    "mobilenet_v3_small": ["features.4.block.1.0", "features.4.block.2.fc1", "features.5.block.3.0"],
    "efficientnet_b0": ["features.1.0.block.0.0", "features.3.1.block.2.fc2", "features.5.1.block.3.0"],
    "densenet121": ["features.conv0", "features.denseblock3.denselayer9.conv2", "features.transition2.conv"],
    "googlenet": ["conv2.conv", "inception3a.branch2.1.conv", "inception5b.branch4.1.conv"],
    "squeezenet1_1": ["features.6.squeeze", "features.12.expand3x3"],
    "mnasnet0_5": ["layers.3", "layers.10.1.layers.6"],
    "regnet_y_400mf": ["stem.0", "trunk_output.block4.block4-5.f.c.0"],
}


def removed(model: nn.Module, layer: str, channels: list[int], inputs) -> tuple[nn.Module, set[str]]:
    """A copy without these channels, made by Torch-Pruning, and the convolutions that lost output channels."""
    twin = copy.deepcopy(model)
    graph = tp.DependencyGraph().build_dependency(twin, inputs)
    graph.get_pruning_group(twin.get_submodule(layer), tp.prune_conv_out_channels, channels).prune()
    narrower = {
        name
        for name, module in twin.named_modules()
        if isinstance(module, nn.Conv2d) and module.out_channels < model.get_submodule(name).out_channels
    }
    return twin, narrower


def assert_is_removal(model: nn.Module, layer: str, inputs) -> None:
    """Compare groups and logits, at K = 1, P/2 and P − 1."""
    size = conv_layer(model, layer).out_channels
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist()
    for k in {1, size // 2, size - 1}:
        smaller, narrower = removed(model, layer, order[:k], inputs)
        assert {name for name in coupling_of(model, layer).layers if name in dict(convolutions(model))} == narrower
        got, want = forward(prune(model, layer, order[:k], "channel"), inputs), forward(smaller, inputs)
        assert (got - want).abs().max() <= 1e-4 * want.abs().max()
        assert got.argmax(1).tolist() == want.argmax(1).tolist()


def convolutions(model: nn.Module):
    return [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), [(name, layer) for name, layers in LABS.items() for layer in layers])
def test_the_labs_networks(name, layer):
    torch.manual_seed(0)
    shape = {"siamese": (1, 28, 28), "resnet18": (3, 16, 16)}.get(name, (3, 32, 32))
    model = warm_up(build(name, shape, 2 if name == "siamese" else 10))
    inputs = torch.randn(2, *shape)
    assert_is_removal(model, layer, (inputs, torch.randn(2, *shape)) if name == "siamese" else inputs)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), [(name, layer) for name, layers in TORCHVISION.items() for layer in layers])
def test_networks_of_torchvision(name, layer):
    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = warm_up(getattr(models, name)(num_classes=10, **options))
    assert_is_removal(model, layer, torch.randn(2, 3, 64, 64))


class Norm(nn.Module):
    """Two convolutions with a batch norm between them, all of one channel."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0), nn.Linear(2, 1)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))


def test_batch_norm_leaks_nothing_by_hand():
    """Channel 1 is β − γ μ / σ = 4 where its filter is zeroed, which fc reads with 10; removed, it is nothing."""
    net = Norm().eval()
    net.conv.weight.data[:] = torch.tensor([1.0, 1.0]).view(2, 1, 1, 1)
    net.bn.load_state_dict({
        "weight": torch.tensor([1.0, 2.0]), "bias": torch.tensor([0.0, 7.0]), "running_mean": torch.tensor([0.0, 3.0]),
        "running_var": torch.tensor([1.0, 4.0]), "num_batches_tracked": torch.tensor(1),
    })  # fmt: skip
    net.fc.weight.data[:], net.fc.bias.data[:] = torch.tensor([[1.0, 10.0]]), 0.5
    x = torch.full((1, 1, 2, 2), 5.0)
    assert forward(net, x).item() == 5 + 10 * (7 + 2 * (5 - 3) / 2) + 0.5
    assert forward(prune(net, "conv", [1], "filter"), x).item() == 5 + 10 * 4 + 0.5
    assert forward(prune(net, "conv", [1], "channel"), x).item() == 5 + 0.5


def test_any_layer_of_a_group_stands_for_it_and_nothing_but_what_reads_it_changes():
    torch.manual_seed(0)
    model = build("resnet18", (3, 16, 16)).eval()
    pruned = [prune(model, layer, [3, 60], "channel").state_dict() for layer in ("conv1", "layer1.1.conv2")]
    before = model.state_dict()
    changed = {name for name, value in pruned[0].items() if not torch.equal(value, before[name])}
    assert changed == {f"layer1.{block}.conv1.weight" for block in (0, 1)} | {
        "layer2.0.conv1.weight",
        "layer2.0.downsample.0.weight",
    }
    for name in changed:
        assert torch.equal(pruned[0][name], pruned[1][name])
        assert not pruned[0][name][:, [3, 60]].any() and pruned[0][name][:, [2, 4]].any()


@pytest.mark.parametrize("norm", [torch.nn.utils.parametrizations.weight_norm, torch.nn.utils.spectral_norm])
def test_a_reader_that_computes_its_weights_is_refused(norm):
    model = build("simple-cnn")
    norm(model.fc1)
    with pytest.raises(ValueError, match="the channels of 'conv2' cannot be removed|cannot be traced|forward hooks"):
        prune(model, "conv2", [1], "channel")


def test_a_network_that_cannot_be_traced_says_so():
    from nets import Fickle

    with pytest.raises(
        ValueError,
        match=re.escape("who reads a channel is found in a traced network alone, and Fickle cannot be traced"),
    ):
        prune(Fickle(), "conv", [1], "channel")
