"""Nothing is read from tensors K by K: each time, a graphics card would be waited for."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from explorer.engine.greedy import greedy
from explorer.engine.sweep import sweep
from explorer.networks import checkpoints
from explorer.networks.registry import build

READING = {"cpu", "numpy", "item", "tolist", "nonzero", "equal", "masked_select", "__bool__", "__int__", "__float__"}


class Reading(TorchFunctionMode):
    """Counts the calls that hand over values to Python, or whose result has a size that depends on them."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        masked = name in ("__getitem__", "__setitem__") and "torch.bool" in str(getattr(args[1], "dtype", args[1]))
        if name in READING or masked:
            self.found[name] += 1
        return function(*args, **(kwargs or {}))


def readings(work) -> int:
    with Reading() as counting:
        work()
    return sum(counting.found.values())


def test_what_reads_values_is_counted():
    x = torch.arange(3.0)
    assert readings(lambda: float(x.sum())) == 1 and readings(lambda: bool(x[0] > 1)) == 1
    assert readings(lambda: x[x > 1]) == 1 and readings(lambda: x.nonzero()) == 1 and readings(lambda: x.cpu()) == 1
    assert readings(lambda: x[torch.tensor([0, 2])] + x.argmax()) == 0


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_more_k_are_no_more_readings(layer, dtype):
    torch.manual_seed(0)
    model = build("simple-cnn").eval()
    batches = [(torch.randn(20, 3, 32, 32), torch.arange(20) % 10)]
    order = np.arange(model.get_submodule(layer).out_channels)
    few, many = (
        readings(lambda ks=ks: sweep(model, layer, batches, order, ks, dtype=dtype, device="cpu"))
        for ks in ([0, 5, 9, 16], range(17))
    )
    assert few == many


def test_an_audit_reads_once_for_several_k(monkeypatch):
    monkeypatch.setattr("explorer.engine.audit.is_card", lambda device: True)
    monkeypatch.setattr("explorer.engine.audit.TOGETHER", 8)
    point = checkpoints.load("simple-cnn_fashion-mnist")
    batches = [(torch.randn(60, 1, 28, 28), torch.arange(60) % 10)]

    def audited(ks):
        return readings(lambda: sweep(point.model, "conv1", batches, range(16), ks, dtype="audited", device="cpu"))

    few, many = audited(range(8)), audited(range(16))
    assert many - few <= 5, "one more look at which images are in doubt, and what running those again has to find"


@pytest.mark.parametrize("oracle", ["oracle-accuracy", "oracle-loss"])
def test_the_oracle_reads_once_a_step(oracle):
    torch.manual_seed(0)
    model = build("simple-cnn").eval()
    batches = [(torch.randn(20, 3, 32, 32), torch.arange(20) % 10)] * 2
    one, two = (
        readings(lambda part=part: greedy(model, "conv2", part, oracle, device="cpu"))
        for part in (batches[:1], batches)
    )
    steps = model.conv2.out_channels
    assert steps <= one < 2 * steps and two - one < 5, "once a step, however many batches there are"
