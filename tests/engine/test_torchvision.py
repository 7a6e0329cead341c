"""The engine gives what `prune` gives on torchvision's networks: any architecture, layer and mode."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from nets import warm_up_on
from torch import nn
from torchvision import models

from explorer.engine.cut_network import CutNetwork
from explorer.engine.plan import make_plan
from explorer.engine.steps import in_order
from explorer.networks.evaluation import forward, predict
from explorer.networks.graph import module_of
from explorer.networks.layers import conv_layer
from explorer.networks.neighbours import addition_node
from explorer.networks.tracing import trace
from explorer.pruning.modes import MODES
from explorer.pruning.prune import prune

IMAGES = 3
SIZES = {"alexnet": 64, "squeezenet1_1": 64}  # 32 × 32 elsewhere
SMALLER = {"alexnet": 256 * 6 * 6, "vgg11_bn": 512 * 7 * 7}  # one linear layer of so many features for a head of 100 MB

# By network, what is worth a look: the first and the last layer, ones in the middle, depthwise and grouped ones, ones
# before a concatenation, in a residual stream, on a shortcut, in a gate.
LAYERS = {
    "alexnet": ["features.0", "features.6", "features.10"],
    "vgg11_bn": ["features.0", "features.11", "features.25"],
    "resnet18": [
        "conv1", "layer2.0.downsample.0", "layer2.1.conv1", "layer2.1.conv2", "layer3.0.conv2", "layer4.1.conv2",
    ],
    "regnet_y_400mf": [
        "stem.0", "trunk_output.block2.block2-1.f.b.0", "trunk_output.block3.block3-1.f.se.fc2",
        "trunk_output.block4.block4-5.f.c.0",
    ],
    "densenet121": [
        "features.conv0", "features.denseblock1.denselayer1.conv2", "features.denseblock3.denselayer9.conv1",
        "features.transition2.conv", "features.denseblock4.denselayer16.conv2",
    ],
    "googlenet": [
        "conv1.conv", "conv2.conv", "inception3a.branch2.1.conv", "inception4d.branch3.0.conv",
        "inception5b.branch4.1.conv",
    ],
    "mobilenet_v2": [
        "features.0.0", "features.9.conv.1.0", "features.9.conv.2", "features.17.conv.1.0", "features.18.0",
    ],
    "mobilenet_v3_small": [
        "features.0.0", "features.4.block.1.0", "features.4.block.2.fc1", "features.4.block.2.fc2",
        "features.5.block.3.0", "features.12.0",
    ],
    "efficientnet_b0": ["features.1.0.block.0.0", "features.3.1.block.2.fc2", "features.5.1.block.3.0", "features.8.0"],
    "mnasnet0_5": ["layers.3", "layers.10.1.layers.6", "layers.14"],
    "shufflenet_v2_x0_5": ["conv1.0", "stage2.0.branch1.2", "stage3.3.branch2.3", "stage3.3.branch2.5", "conv5.0"],
    "squeezenet1_1": ["features.0", "features.6.squeeze", "features.12.expand3x3", "classifier.1"],
    "convnext_tiny": ["features.0.0", "features.3.1.block.0", "features.4.1", "features.7.2.block.0"],
}  # fmt: skip


@lru_cache(maxsize=1)  # the layers of a network come one after the other
def network(name: str) -> nn.Module:
    """A torchvision network with random weights and warm batch norm, in eval mode."""
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    if name in SMALLER:
        with torch.device("meta"):
            model = getattr(models, name)()
            model.classifier = nn.Linear(SMALLER[name], 10)
    else:
        model = getattr(models, name)(num_classes=10, **options)
    return warm_up_on(model.to_empty(device="cpu"), images(name, 8))


def images(name: str, count: int) -> torch.Tensor:
    size = SIZES.get(name, 32)
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


ROUNDING = 2e-4  # of the largest logit: float32 copies of regnet's random weights are 6e-5 from float64 ones themselves
SHORTCUTS = ["layer3.0.conv2"]  # the layers whose block has a convolution as its shortcut

MIXED = {  # the layers of which something mixes the channels, so that none can be removed
    "regnet_y_400mf": ["trunk_output.block2.block2-1.f.b.0", "trunk_output.block3.block3-1.f.se.fc2"],
    "shufflenet_v2_x0_5": ["stage2.0.branch1.2", "stage3.3.branch2.5"],
    "squeezenet1_1": ["classifier.1"],
    "convnext_tiny": LAYERS["convnext_tiny"],
}


def modes(name: str, layer: str) -> list[str]:
    """The modes that fit the layer, known without a trace; `weights` is `filter` where there is no bias."""
    conv = conv_layer(network(name), layer)
    fits = {
        "filter": True,
        "weights": conv.bias is not None,
        "inputs": conv.groups == 1 and conv.in_channels == conv.out_channels,
        "filter+shortcut": layer in SHORTCUTS,
        "channel": layer not in MIXED.get(name, ()),
    }
    assert fits.keys() == MODES.keys()
    return [mode for mode, fit in fits.items() if fit]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), [(name, layer) for name, layers in LAYERS.items() for layer in layers])
def test_every_mode_gives_the_logits_and_predictions_of_pruned_copies(name, layer):
    model, inputs = network(name), images(name, IMAGES)
    size = conv_layer(model, layer).out_channels
    ks = [0, 1, size // 2, size - 1, size]
    order = np.random.default_rng(0).permutation(size)
    for mode in modes(name, layer):
        plan = make_plan(model, layer, mode, inputs)
        got = in_order(plan.logits(inputs, order, ks))
        want = torch.stack([forward(prune(model, layer, order[:k].tolist(), mode), inputs) for k in ks])
        assert isinstance(plan, CutNetwork)
        assert predict(got).tolist() == predict(want).tolist(), mode
        assert (got - want).abs().max() <= ROUNDING * want.abs().max(), mode
        assert (want[0] - want[2]).abs().max() > 1e-3 * want.abs().max(), "pruning must change something"


@pytest.mark.parametrize(("name", "blocks"), [("efficientnet_b0", 9), ("convnext_tiny", 0), ("mobilenet_v2", 10)])
def test_branches_that_training_drops_at_random_are_branches_of_residual_blocks(name, blocks):
    traced = trace(network(name))
    assert all("stochastic_depth" not in str(node.target) for node in traced.graph.nodes)
    convs = [node for node in traced.graph.nodes if isinstance(module_of(node), nn.Conv2d)]
    assert sum(addition_node(conv) is not None for conv in convs) == blocks
