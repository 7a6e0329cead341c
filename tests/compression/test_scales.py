import copy

import numpy as np
import pytest
import torch
import torch_pruning as tp
from torch import nn

from explorer.compression.counting import count
from explorer.compression.groups import Dependencies
from explorer.compression.scales import weigh
from explorer.compression.timing import Machine, Timing, measure_machine
from explorer.networks.registry import build

IMAGES = torch.zeros(2, 3, 32, 32)


@pytest.fixture(scope="module")
def pair():
    """SimpleCNN, and the same without 7 of conv1's 16 channels and 9 of conv2's 32."""
    model = build("simple-cnn").eval()
    smaller = copy.deepcopy(model)
    dependencies = Dependencies(smaller, IMAGES)
    dependencies.remove("conv1", range(7))
    dependencies.remove("conv2", range(9))
    return model, smaller


def test_simple_cnn_counted_by_hand(pair):
    """conv1 gives 32 × 32 pixels, conv2 16 × 16, fc1 reads 8 × 8 of them; every convolution is 3 × 3."""
    before, after = (count(each, IMAGES) for each in pair)
    assert {each.layer: each.macs for each in before.layers if each.macs} == {
        "conv1": 32 * 32 * 16 * 3 * 9, "conv2": 16 * 16 * 32 * 16 * 9, "fc1": 32 * 64 * 256, "fc2": 256 * 10,
    }  # fmt: skip
    assert {each.layer: (each.channels, each.macs, each.parameters) for each in after.layers if each.parameters} == {
        "conv1": (9, 32 * 32 * 9 * 3 * 9, 9 * 27 + 9),
        "conv2": (23, 16 * 16 * 23 * 9 * 9, 23 * 81 + 23),
        "fc1": (256, 23 * 64 * 256, 23 * 64 * 256 + 256),
        "fc2": (10, 2560, 2570),
    }
    assert before.macs == 442_368 + 1_179_648 + 524_288 + 2_560
    assert before.parameters == 448 + 4_640 + 524_544 + 2_570
    assert 4 * after.parameters < after.file_bytes < 4 * after.parameters + 2000  # float32, and a header
    # conv1's output and its ReLU's are held at once, 4 bytes each of 32 × 32 pixels
    assert (before.peak_bytes, after.peak_bytes) == (2 * 16 * 32 * 32 * 4, 2 * 9 * 32 * 32 * 4)
    conv2 = next(each for each in after.layers if each.layer == "conv2")
    assert conv2.traffic == 4 * (9 * 16 * 16 + 23 * 16 * 16 + 23 * 81 + 23)


def test_a_siamese_encoder_counts_twice():
    """By hand, for a pair: both images pass the encoder; |z1 − z2| and z1 · z2 are no multiply-adds of a layer."""
    image = torch.zeros(1, 1, 28, 28)
    counted = count(build("siamese", (1, 28, 28), 2).eval(), (image, image))
    once = 28 * 28 * 16 * 9 + 14 * 14 * 32 * 16 * 9 + 1568 * 128 + 128 * 64
    assert counted.macs == 2 * once + 128 * 32 + 32


def test_resnet18_as_an_independent_counter_has_it():
    """Torch-Pruning's counter, which takes operations of batch norm, ReLU and biases for MACs, too."""
    model = build("resnet18").eval()
    counted = count(model, IMAGES)
    _, parameters, macs, _ = tp.utils.count_ops_and_params(model, IMAGES[:1], layer_wise=True)
    other = {name: macs[module] for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    assert {each.layer: each.macs for each in counted.layers if each.kind == "Conv2d"} == other
    assert counted.macs == sum(other.values()) + 512 * 10  # the linear layer
    assert counted.parameters == parameters


def test_everything_is_weighed_and_timed(pair):
    *steps, scales = weigh(*pair, IMAGES)
    assert [each.done for each in steps] == [1, 2]
    assert (scales.done, scales.total) == (3, 3)
    totals = scales.totals().set_index(["quantity", "batch"])
    assert totals.loc[("parameters", None), "after"].item() == 381_796
    flops, macs = totals.loc[("FLOPs", None)], totals.loc[("MACs", None)]
    assert flops["before"].item() == 2 * macs["before"].item() == 2 * 2_148_864
    for batch in (1, 64):
        row = totals.loc[("latency", batch)]
        assert 0 < row["before_low"] <= row["before"] <= row["before_high"]
        assert totals.loc[("throughput", batch), "after"] == pytest.approx(1000 * batch / row["after"])
        assert 0 < row["share_low"] <= row["share"] <= row["share_high"], "of single turns"
        assert totals.loc[("throughput", batch), "share_low"] == pytest.approx(1 / row["share_high"])
    assert macs["share"].item() == macs["after"].item() / macs["before"].item() and np.isnan(macs["share_low"])
    frame = scales.frame().set_index("layer")
    assert list(frame.index) == ["conv1", "relu", "pool", "conv2", "fc1", "fc2"]
    assert frame.loc["conv1", ["channels_before", "channels_after"]].tolist() == [16, 9]
    assert (frame[["ms_b1_before", "ms_b64_after"]] > 0).all(axis=None)


def test_the_reason_why_a_layer_is_no_faster(pair):
    """The same measured time says another thing on another machine."""
    from explorer.compression.scales import _reason

    _, smaller = pair
    conv2 = next(each for each in count(smaller, IMAGES).layers if each.layer == "conv2")
    timing = Timing(64, (), (), "CPU", 1)
    assert _reason(conv2, 1e-5, timing, Machine(call=8e-6, bandwidth=1e9), smaller).startswith("calling any layer")
    moved = 64 * conv2.traffic
    waits = _reason(conv2, 1e-3, timing, Machine(call=1e-6, bandwidth=moved / 1e-3), smaller)
    assert waits.startswith("it waits for data: 12 multiply-adds a byte")


def test_the_machine_is_measured():
    machine = measure_machine()
    assert 1e-7 < machine.call < 1
    assert 1e6 < machine.bandwidth < 1e14
