import pytest
import torch

from explorer import models


@pytest.mark.parametrize(("shape", "features"), [((3, 32, 32), 2048), ((1, 28, 28), 1568)])
def test_simple_cnn_is_the_network_of_lab_a(shape, features):
    model = models.build("simple-cnn", shape, 10)
    assert [name for name, _ in model.named_children() if name.startswith(("conv", "fc"))] == [
        "conv1",
        "conv2",
        "fc1",
        "fc2",
    ]
    assert model.fc1.in_features == features and model.fc1.out_features == 256
    assert model(torch.zeros(2, *shape)).shape == (2, 10)
    assert models.conv_layer(model, models.MODELS["simple-cnn"].layer).out_channels == 32


def test_unknown_names_are_told_what_there_is():
    with pytest.raises(ValueError, match="unknown model 'vgg'; choose one of: .*simple-cnn"):
        models.build("vgg")
    model = models.build("simple-cnn")
    with pytest.raises(ValueError, match="unknown layer 'conv3'; choose one of: conv1, conv2"):
        models.conv_layer(model, "conv3")
    with pytest.raises(ValueError, match="'fc1' is a Linear, not a Conv2d"):
        models.conv_layer(model, "fc1")


def test_simple_cnn_refuses_images_it_cannot_halve_twice():
    with pytest.raises(ValueError, match="30 × 30"):
        models.build("simple-cnn", (3, 30, 30))
