"""Networks in a sketch: boxes in the order they run, and shortcuts around them."""

import pytest

from explorer.networks import checkpoints
from explorer.networks.sketch import sketch


def test_a_sequential_network_is_a_row_of_boxes():
    found = sketch(checkpoints.load("simple-cnn_fashion-mnist"))
    boxes = found.boxes[["layer", "kind", "channels", "side", "place"]].values.tolist()
    assert boxes == [
        ["", "input", 1, 28, 0],
        ["conv1", "convolution", 16, 28, 1],
        ["conv2", "convolution", 32, 14, 2],
        ["fc1", "linear", 256, 1, 3],
        ["fc2", "linear", 10, 1, 4],
    ]
    assert found.shortcuts.empty


def test_an_encoder_that_both_images_go_through_runs_twice():
    boxes = sketch(checkpoints.load("siamese_mnist-pairs")).boxes.set_index("layer")
    assert boxes["runs"].tolist() == [1, 2, 2, 2, 2, 1, 1] and boxes.loc["encoder.features.3", "runs"] == 2


def test_shortcuts_lead_around_blocks_and_carry_their_convolutions():
    found = sketch(checkpoints.load("lab-resnet_cifar10"))
    boxes = found.boxes.set_index("layer")
    assert boxes.index[boxes["on_shortcut"]].tolist() == ["res1.down_sample.0", "res2.down_sample.0"]
    assert found.shortcuts.values.tolist() == [[1, 4], [4, 7]]
    assert boxes.loc["res1.down_sample.0", "place"] == 3 and boxes.loc["res2.feature2.0", "place"] == 7


@pytest.mark.slow
def test_each_block_of_a_resnet_has_its_shortcut():
    found = sketch(checkpoints.load("resnet18_cifar10"))
    assert found.shortcuts.values.tolist() == [[start, start + 2] for start in range(1, 16, 2)]
    assert found.boxes["on_shortcut"].sum() == 3


def test_a_network_that_cannot_be_traced_is_drawn_without_shortcuts(fickle):
    found = sketch(checkpoints.load(fickle))
    assert found.boxes["layer"].tolist() == ["", "conv", "fc"] and found.shortcuts.empty
