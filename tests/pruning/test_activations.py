import gc

import numpy as np
import pytest
import torch
from conftest import Fickle
from torch import nn

from explorer.networks.registry import build
from explorer.pruning import activations


class Blocks:
    """Images in batches, with their number, as explorer.data.Batches gives them."""

    def __init__(self, images, size=4):
        self.images, self.size, self.n = images, size, len(images)

    def __iter__(self):
        for part in self.images.split(self.size):
            yield part, torch.zeros(len(part), dtype=torch.int64)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build("simple-cnn").eval()


@pytest.mark.parametrize("point", ["raw", "activation"])
def test_statistics_equal_those_of_all_outputs_at_once(model, point):
    images = torch.randn(130, 3, 32, 32)
    with torch.no_grad():
        y = model.conv2(model.pool(model.relu(model.conv1(images)))).double()
    if point == "activation":
        y = y.relu()
    got = activations.collect(model, "conv2", Blocks(images, 60), point)
    assert got.done == got.total == 130
    assert got.maps.dtype == np.float64 and got.maps.shape == (32, 16, 16)
    space = (0, 2, 3)
    for name, expected in {
        "maps": y.mean(0),
        "mean": y.mean(space),
        "std": y.var(space, correction=0).sqrt(),
        "minimum": y.amin(space),
        "maximum": y.amax(space),
        "mean_absolute": y.abs().mean(space),
        "mean_positive": y.relu().mean(space),
        "positive": (y > 0).double().mean(space),
    }.items():
        np.testing.assert_allclose(getattr(got, name), expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_by_hand():
    """A 1 × 1 convolution that doubles: images of 1 and −3 give maps 2 and −6."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    net[0].weight.data.fill_(2)
    images = torch.tensor([1.0, -3.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    got = activations.collect(net, "0", Blocks(images, 1))
    assert (got.mean, got.std, got.minimum, got.maximum) == ([-2], [4], [-6], [2])
    assert (got.mean_absolute, got.mean_positive, got.positive) == ([4], [1], [0.5])


def test_what_is_constant_has_exactly_no_variance():
    net = nn.Sequential(nn.Conv2d(1, 3, 1))
    net[0].weight.data = torch.tensor([0.0, 0.0, 1e-3]).view(3, 1, 1, 1)
    net[0].bias.data = torch.tensor([1.9, -1 / 3, 100.0])
    images = torch.randn(300, 1, 7, 7)
    got = activations.collect(net, "0", Blocks(images, 70))
    assert got.std[:2].tolist() == [0, 0]
    with torch.no_grad():
        expected = net(images).double().std((0, 2, 3), correction=0)[2].item()
    assert got.std[2] == pytest.approx(expected, rel=1e-3), "far from zero, a small one is not lost either"


def test_a_layer_that_runs_twice_counts_both_calls():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, a, b):
            return self.conv(a) - self.conv(b)

    net, a, b = Twice().eval(), torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2)
    got = activations.collect(net, "conv", [((a, b), torch.zeros(3, dtype=torch.int64))])
    with torch.no_grad():
        expected = net.conv(torch.cat([a, b])).mean(0)
    np.testing.assert_allclose(got.maps, expected.numpy(), rtol=1e-6)


def test_the_stream_counts_images_and_leaves_the_model_alone(model):
    images = torch.randn(10, 3, 32, 32)
    counts = [part.done for part in activations.collect_stream(model, "conv1", Blocks(images))]
    assert counts == [4, 8, 10]
    assert not model._forward_hooks and not model.conv1._forward_hooks


def test_block_output_is_after_the_addition_and_its_activation(model):
    from nets import PrunedShortcut

    torch.manual_seed(0)
    net, x = PrunedShortcut().eval(), torch.randn(3, 4, 3, 3)
    with torch.no_grad():
        expected = (net.feature(x) + net.down_sample(x)).relu().mean(0)
    got = activations.collect(net, "feature.0", [(x, torch.zeros(3, dtype=torch.int64))], "block")
    np.testing.assert_allclose(got.maps, expected.numpy(), rtol=1e-5, atol=1e-6)
    assert activations.fitting_points(net, "feature.0") == ["raw", "activation", "block"]
    assert activations.fitting_points(model, "conv2") == ["raw", "activation"]
    with pytest.raises(ValueError, match="'conv2' does not end in a residual addition"):
        activations.collect(model, "conv2", [(torch.randn(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64))], "block")


def test_a_network_that_cannot_be_traced_shows_its_raw_output_through_a_private_copy():
    net, images = Fickle().eval(), torch.randn(10, 1, 28, 28)
    with torch.no_grad():
        expected = net.conv(images)  # which the network then changes in place
    got = activations.collect(net, "conv", [(images, torch.zeros(10, dtype=torch.int64))])
    np.testing.assert_allclose(got.maps, expected.mean(0).numpy(), rtol=1e-5, atol=1e-6)
    assert got.minimum.min() == pytest.approx(float(expected.min())) and got.minimum.min() < 0
    assert torch.equal(activations.outputs(net, "conv", images), expected)
    assert not net.conv._forward_hooks
    assert activations.fitting_points(net, "conv") == ["raw"]
    for point in ("activation", "block"):
        with pytest.raises(ValueError, match=f"point '{point}' is found in a traced network only.*choose the point"):
            activations.collect(net, "conv", [(images, torch.zeros(10, dtype=torch.int64))], point)
    with pytest.raises(ValueError, match="point 'block' is found in a traced network only"):
        activations.check_point(net, "conv", "block")


def test_a_layer_that_a_network_does_not_call_is_named():
    net = Fickle()
    net.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="layer 'spare' was not called"):
        activations.collect(net, "spare", [(torch.randn(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64))])


def test_bad_requests_are_named(model):
    with pytest.raises(ValueError, match="unknown point 'after'"):
        activations.collect(model, "conv1", [], "after")
    with pytest.raises(ValueError, match="unknown layer 'conv'"):
        activations.collect(model, "conv", [])
    with pytest.raises(ValueError, match="no images"):
        activations.collect(model, "conv1", [])


def test_statistics_that_wait_for_their_turn_hold_no_output(model):
    seen = activations.collect_stream(model, "conv1", Blocks(torch.randn(8, 3, 32, 32)))
    next(seen)
    gc.collect()
    outputs = [each for each in gc.get_objects() if type(each) is torch.Tensor and each.shape == (4, 16, 32, 32)]
    assert not outputs
    seen.close()
