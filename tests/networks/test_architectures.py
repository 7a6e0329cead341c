import copy

import pytest
import torch
from nets import assert_equals_prune, warm_up
from torch import nn

from explorer.engine.cut_network import CutNetwork
from explorer.networks.graph import layer_calls
from explorer.networks.layers import conv_layer
from explorer.networks.registry import MODELS, build
from explorer.networks.tracing import trace


@pytest.mark.parametrize(("shape", "features"), [((3, 32, 32), 2048), ((1, 28, 28), 1568)])
def test_simple_cnn_is_the_network_of_lab_a(shape, features):
    model = build("simple-cnn", shape, 10)
    assert [name for name, _ in model.named_children() if name.startswith(("conv", "fc"))] == [
        "conv1",
        "conv2",
        "fc1",
        "fc2",
    ]
    assert model.fc1.in_features == features and model.fc1.out_features == 256
    assert model(torch.zeros(2, *shape)).shape == (2, 10)
    assert conv_layer(model, MODELS["simple-cnn"].layer).out_channels == 32


def test_unknown_names_are_told_what_there_is():
    with pytest.raises(ValueError, match="unknown model 'vgg'; choose one of: .*simple-cnn"):
        build("vgg")
    model = build("simple-cnn")
    with pytest.raises(ValueError, match="unknown layer 'conv3'; choose one of: conv1, conv2"):
        conv_layer(model, "conv3")
    with pytest.raises(ValueError, match="'fc1' is a Linear, not a Conv2d"):
        conv_layer(model, "fc1")


def test_simple_cnn_refuses_images_it_cannot_halve_twice():
    with pytest.raises(ValueError, match="30 × 30"):
        build("simple-cnn", (3, 30, 30))


def shapes_of(model, inputs, *names):
    """Output shapes, without the batch, of the modules called so, in a forward pass."""
    model, seen = copy.deepcopy(model).eval(), {}  # hooks on the model itself would be in the way of tracing it
    for name in names:
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: tuple(output.shape[1:])}))
    model(*inputs)
    return [seen[name] for name in names]


def test_siamese_is_the_network_of_lab_b():
    model = build("siamese", (1, 28, 28), 2)
    pair = torch.randn(2, 3, 1, 28, 28)
    assert shapes_of(model, pair, "encoder.features.3", "encoder", "head.0") == [(32, 14, 14), (64,), (32,)]
    model.eval()
    assert model(*pair).shape == (3, 1)
    linear = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]
    assert linear == [(1568, 128), (128, 64), (128, 32), (32, 1)]
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.2]
    torch.testing.assert_close(model(*pair), model(pair[1], pair[0]))  # whichever comes first
    assert len(layer_calls(trace(model), "encoder.features.3")) == 2


def test_resnet18_is_the_network_of_lab_c():
    model = build("resnet18")
    layers = ["conv1", "maxpool", "layer1", "layer2.1.conv2", "layer4"]
    shapes = [(64, 32, 32), (64, 32, 32), (64, 32, 32), (128, 16, 16), (512, 4, 4)]
    assert shapes_of(model, [torch.zeros(1, 3, 32, 32)], *layers) == shapes
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == 11.17


def test_lab_resnet_is_the_network_of_lab_d():
    model = build("lab-resnet")
    layers = ["stem", "res1", "pool", "res2.feature2.0", "res2.down_sample.0", "res2"]
    shapes = [(64, 16, 16), (128, 18, 18), (128, 9, 9), (256, 11, 11), (256, 11, 11), (256, 11, 11)]
    assert shapes_of(model, [torch.zeros(1, 3, 32, 32)], *layers) == shapes
    last, shortcut = (conv_layer(model, f"res2.{name}.0") for name in ("feature2", "down_sample"))
    assert (last.kernel_size, last.padding, shortcut.kernel_size, shortcut.padding) == ((1, 1), (1, 1), (3, 3), (2, 2))
    ring = last(torch.randn(1, 128, 9, 9))[0, :, [0, 0, -1], [0, 5, -1]]
    assert torch.equal(ring, last.bias[:, None].expand(-1, 3))
    assert shortcut.bias is not None


def test_block_net_is_the_network_of_lab_e():
    model = build("block-net")
    assert shapes_of(model, [torch.zeros(1, 3, 32, 32)], "conv1", "conv2", "fc1") == [
        (64, 32, 32),
        (64, 16, 16),
        (128,),
    ]
    assert (model.fc1.in_features, model.dropout.p) == (64 * 8 * 8, 0.5)


# (network, images, layer): the layer of its lab and another one
LAYERS = [
    ("siamese", (1, 8, 8), "encoder.features.3"),
    ("siamese", (1, 8, 8), "encoder.features.0"),
    ("resnet18", (3, 8, 8), "layer2.1.conv2"),
    ("resnet18", (3, 8, 8), "layer4.1.conv2"),
    ("lab-resnet", (3, 8, 8), "res2.feature2.0"),
    ("lab-resnet", (3, 8, 8), "res1.down_sample.0"),
    ("block-net", (3, 8, 8), "conv2"),
]


@pytest.mark.parametrize(("name", "shape", "layer"), LAYERS)
def test_sweeps_of_every_network_equal_pruned_copies(name, shape, layer):
    torch.manual_seed(0)
    info = MODELS[name]
    model = warm_up(build(name, shape, 2))
    inputs = tuple(torch.randn(info.inputs, 3, *shape))
    size = conv_layer(model, layer).out_channels
    ks = [0, 1, size // 2, size - 1, size]
    plan = assert_equals_prune(model, layer, inputs if len(inputs) > 1 else inputs[0], ks=ks)
    assert isinstance(plan, CutNetwork)
    ends_in_linear = {"encoder.features.3", "layer4.1.conv2", "res2.feature2.0", "conv2"}
    assert bool(plan.linears) == (layer in ends_in_linear)


def test_labs_prune_layers_that_there_are():
    for name, info in MODELS.items():
        shape = (1, 28, 28) if name == "siamese" else (3, 32, 32)
        conv_layer(build(name, shape, 2), info.layer)


@pytest.mark.parametrize("name", ["siamese", "lab-resnet", "block-net"])
def test_images_must_be_square_and_halve_twice(name):
    for side, other in ((30, 30), (32, 28)):
        with pytest.raises(ValueError, match=f"{name} needs square images with a side that 4 divides, not {side} × "):
            build(name, (3, side, other), 2)


def test_siamese_tells_two_classes_apart():
    with pytest.raises(ValueError, match="siamese tells 2 classes apart, different and same, not 10"):
        build("siamese", (1, 28, 28), 10)
