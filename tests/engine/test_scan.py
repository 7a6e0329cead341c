"""The block scan: what is derived by hand, which layers are scanned, and predictions against pruned copies."""

import numpy as np
import pytest
import torch
from by_hand import scan_by_hand
from nets import Untraceable, warm_up
from torch import nn

from explorer.answers import door
from explorer.answers.images import batches_of
from explorer.engine import remainder
from explorer.engine.scan import block_ends, convolutions, samples, scan, scan_stream
from explorer.engine.scans import Layer, Scan
from explorer.networks import checkpoints
from explorer.networks.evaluation import logits, predict
from explorer.networks.intervals import change_interval, mcnemar, wilson
from explorer.networks.layers import conv_layer
from explorer.networks.registry import build
from explorer.pruning.prune import prune

FASHION = "simple-cnn_fashion-mnist"


def test_what_is_derived_by_hand():
    result = scan_by_hand()
    assert (result.done, result.names, result.correct_before) == (6, ("a", "b", "c"), 4)
    assert result.correct.tolist() == [4, 0, 5]
    assert result.accuracy.tolist() == pytest.approx([4 / 6, 0, 5 / 6])
    assert result.change.tolist() == pytest.approx([0, -400 / 6, 100 / 6])
    broken, repaired = result.flipped
    assert (broken.tolist(), repaired.tolist()) == ([1, 4, 0], [1, 0, 1])
    assert result.p_values.tolist() == [mcnemar(1, 1), mcnemar(4, 0), mcnemar(0, 1)] == [1, 0.125, 1]
    assert np.array_equal(result.intervals, wilson(np.array([4, 0, 5]), 6))
    assert np.array_equal(result.change_intervals, 100 * np.array(change_interval(broken, repaired, 6)))


def test_fewer_layers_of_the_same_scan():
    fewer = scan_by_hand().only(["c", "a", "d"])
    assert fewer.names == ("a", "c") and fewer.correct.tolist() == [4, 5]
    assert fewer.left_out == {"d": "it does not fit"} and scan_by_hand().only(["b"]).left_out == {}
    with pytest.raises(ValueError, match="layer 'x' is not in this scan; choose from: a, c"):
        fewer.only(["x"])


# Which layers


def test_a_block_of_lab_c_ends_in_its_second_convolution():
    model = build("resnet18")
    assert block_ends(model) == tuple(f"layer{stage}.{block}.conv2" for stage in (1, 2, 3, 4) for block in (0, 1))
    order = convolutions(model)
    assert len(order) == 20 and order[0] == "conv1" and order[-1] == "layer4.1.conv2"
    assert order[5:8] == ("layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0")


def test_a_shortcut_is_not_the_end_of_a_block():
    assert block_ends(build("lab-resnet")) == ("res1.feature2.0", "res2.feature2.0")


@pytest.mark.parametrize(
    ("name", "ends", "first"),
    [
        ("resnet50", 16, "layer1.0.conv3"),
        ("mobilenet_v2", 10, "features.3.conv.2"),
        ("squeezenet1_1", 26, "features.0"),
    ],
)
def test_blocks_of_torchvisions_networks(name, ends, first):
    model = getattr(pytest.importorskip("torchvision.models"), name)(num_classes=5)
    found = block_ends(model)
    assert len(found) == ends and found[0] == first


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        (build("simple-cnn"), ("conv1", "conv2")),
        (build("siamese", (1, 28, 28), 2), ("encoder.features.0", "encoder.features.3")),
        (Untraceable(), ("conv", "wide")),
    ],
)
def test_without_residual_additions_every_convolution_is_a_block(model, layers):
    assert block_ends(model) == convolutions(model) == layers


class Backwards(nn.Module):
    """Declares its convolutions in another order than it runs them, and never runs one."""

    def __init__(self):
        super().__init__()
        self.last, self.never, self.first = (nn.Conv2d(2, 2, 1) for _ in range(3))

    def forward(self, x):
        return self.last(self.first(x)).mean((2, 3))


def test_network_order_is_the_order_of_running():
    model = Backwards().eval()
    assert convolutions(model) == ("first", "last", "never")
    result = scan(model, [(torch.randn(2, 2, 3, 3), torch.zeros(2, dtype=torch.int64))], ["never", "last"])
    assert result.layers == (Layer("last", 2, 2, 6),)
    assert list(result.left_out) == ["never"] and "never called" in result.left_out["never"]


def test_large_networks_are_looked_at_in_samples():
    assert samples(build("simple-cnn"), 10_000) == () and samples(build("resnet18"), 10_000) == (500, 2000)


@pytest.mark.parametrize(("images", "some"), [(8, ()), (500, ()), (501, (500,)), (2001, (500, 2000))])
def test_samples_are_smaller_than_the_data_set(images, some):
    assert samples(build("resnet18"), images) == some


# The scan


def data(n: int = 25, shape=(3, 16, 16)):
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.randn(n, *shape, generator=generator), torch.randint(0, 10, (n,), generator=generator)
    return [(images[i : i + 10], labels[i : i + 10]) for i in range(0, n, 10)]


def lab_net() -> nn.Module:
    """Lab D's network, batch norm warmed up, and logits without what all images share, so that predictions differ."""
    torch.manual_seed(0)
    model = warm_up(build("lab-resnet", (3, 16, 16)))
    with torch.no_grad():
        shared = torch.cat([model(images) for images, _ in data()])
        model.fc.weight /= shared.std(0)[:, None]
        model.fc.bias.copy_((model.fc.bias - shared.mean(0)) / shared.std(0))
    return model


def assert_equals_pruned_copies(result: Scan, model, batches, mode="filter", ties=0):
    """`ties` is how many images may have two logits within rounding of each other."""
    assert (result.unpruned != predict(logits(model, batches)).numpy()).sum() <= ties
    for row, layer in enumerate(result.layers):
        pruned = prune(model, layer.name, range(conv_layer(model, layer.name).out_channels), mode)
        assert (result.predictions[row] != predict(logits(pruned, batches)).numpy()).sum() <= ties, layer.name


@pytest.mark.parametrize("mode", ["filter", "weights", "inputs", "filter+shortcut"])
def test_predictions_are_those_of_pruned_copies(mode):
    model = lab_net()
    result = scan(model, iter(data()), convolutions(model), mode)
    assert result.predictions.dtype == np.uint8 and result.predictions.shape == (len(result.layers), 25)
    assert len(set(result.unpruned)) > 3 and (result.predictions != result.unpruned).any(1).all()
    assert_equals_pruned_copies(result, model, data(), mode)


def test_the_whole_scan_stands_after_each_batch():
    model = lab_net()
    parts = list(scan_stream(model, data(), block_ends(model)))
    assert [(part.done, part.total) for part in parts] == [(10, 25), (20, 25), (25, 25)]
    assert np.array_equal(parts[0].predictions, parts[-1].predictions[:, :10])


def test_large_batches_come_in_parts(monkeypatch):
    model = lab_net()
    whole = scan(model, data(), convolutions(model))
    monkeypatch.setattr(remainder, "KEPT_BYTES", 1_000_000)
    parts = list(scan_stream(model, data(), convolutions(model)))
    assert len(parts) > 3 and [part.done for part in parts][-1] == 25
    assert np.array_equal(parts[-1].predictions, whole.predictions)
    assert np.array_equal(parts[-1].labels, whole.labels)


def test_pairs_come_in_parts_too(monkeypatch):
    torch.manual_seed(0)
    model = build("siamese", (1, 28, 28), 2).eval()
    pair = (torch.randn(5, 1, 28, 28), torch.randn(5, 1, 28, 28))
    batches = [(pair, torch.tensor([0, 1, 0, 1, 1]))]
    monkeypatch.setattr(remainder, "KEPT_BYTES", 8)  # two logits
    parts = list(scan_stream(model, batches, convolutions(model)))
    assert [part.done for part in parts] == [2, 4, 5]
    assert_equals_pruned_copies(parts[-1], model, batches)


def test_untraceable_networks_say_that_they_are_slow():
    torch.manual_seed(0)
    model = Untraceable().eval()
    result = scan(model, data(), ["wide", "conv"])
    assert result.slow and result.names == ("conv", "wide")
    assert_equals_pruned_copies(result, model, data())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ["conv3"]}, "unknown layer 'conv3'; choose one of: conv1, conv2"),
        ({"layers": ["fc1"]}, "layer 'fc1' is a Linear, not a Conv2d"),
        ({"layers": []}, "there is no layer to scan"),
        ({"mode": "none"}, "unknown mode 'none'"),
        ({"mode": "inputs"}, "there is no layer to scan: mode 'inputs' prunes the input channels"),
        ({"batches": []}, "there are no images"),
        ({"device": "abacus"}, "device 'abacus' is not available"),
    ],
)
def test_bad_requests_are_named(change, message):
    model = build("simple-cnn", (3, 16, 16)).eval()
    with pytest.raises(ValueError, match=message):
        scan(**{"model": model, "batches": data(), "layers": ["conv1", "conv2"], **change})


# Checkpoints on real data


@pytest.mark.slow
def test_real_cifar10_in_full(real_cifar10):
    checkpoint = checkpoints.load("simple-cnn_cifar10")
    *_, result = door.scan(checkpoint, mode="weights")
    assert (result.done, result.total) == (10_000, 10_000)
    assert result.correct_before == checkpoint.card.accuracy["test"].correct
    assert result.run.checkpoint == "simple-cnn_cifar10" and result.run.mode == "weights"
    assert_equals_pruned_copies(result, checkpoint.model, batches_of(checkpoint, "test"), "weights", ties=1)


def test_bundled_fashion_mnist():
    checkpoint = checkpoints.load(FASHION)
    *_, result = door.scan(checkpoint, "all", split="train", limit=300)
    assert result.done == 300 and result.run.split == "train" and len(result.run.checkpoint_sha256) == 64
    assert_equals_pruned_copies(result, checkpoint.model, batches_of(checkpoint, "train", 300), ties=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"which": "some"}, "unknown layers 'some'; choose one of: blocks, all"),
        ({"split": "validation"}, "unknown split 'validation'; choose one of: test, train"),
        ({"limit": 0}, "limit 0 is outside 1…10000"),
        ({"mode": "filter+shortcut"}, "there is no layer to scan: layer 'conv1' has no shortcut convolution"),
    ],
)
def test_bad_requests_for_a_checkpoint_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        next(door.scan(checkpoints.load(FASHION), **change))
