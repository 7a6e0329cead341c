"""What runs on a graphics card, run on the processor: the same answers, from fewer and larger operations."""

import numpy as np
import pytest
import torch
from nets import Residual, warm_up

from explorer.engine import cards
from explorer.engine.cut_network import CutNetwork
from explorer.engine.greedy import greedy
from explorer.engine.sweep import sweep
from explorer.networks.registry import build
from explorer.pruning.ranking import rank


@pytest.fixture
def card(monkeypatch):
    """Calls every device a graphics card with so many bytes free; the sizes of the batches that a network prepares."""
    prepared = []
    prepare = CutNetwork.prepare

    def counted(self, inputs):
        prepared.append(len(inputs if isinstance(inputs, torch.Tensor) else inputs[0]))
        return prepare(self, inputs)

    monkeypatch.setattr(CutNetwork, "prepare", counted)

    def start(free=10**9):
        monkeypatch.setattr(cards, "is_card", lambda device: True)
        monkeypatch.setattr(cards, "free_memory", lambda device: free)
        prepared.clear()
        return prepared

    return start


def batches_of(size=(3, 32, 32), n=50, at_once=20, classes=10):
    torch.manual_seed(0)
    images, labels = torch.randn(n, *size), torch.randint(0, classes, (n,))
    return [(images[i : i + at_once], labels[i : i + at_once]) for i in range(0, n, at_once)]


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_a_sweep_predicts_the_same_and_goes_over_all_images_that_fit_at_once(layer, card):
    model, batches = build("simple-cnn").eval(), batches_of()
    order = rank(model, layer, criterion="l1").order
    usual = sweep(model, layer, batches, order, device="cpu")
    prepared = card()
    found = sweep(model, layer, batches, order, device="cpu")
    assert np.array_equal(found.predictions, usual.predictions) and np.array_equal(found.labels, usual.labels)
    assert prepared[-1] == 50, "all in one"
    card(free=1)
    assert np.array_equal(sweep(model, layer, batches, order, device="cpu").predictions, usual.predictions)
    assert prepared[-50:] == [1] * 50, "one after the other, where nothing else fits"


def test_a_residual_network_pairs_and_rounds_predict_the_same(card, monkeypatch):
    torch.manual_seed(0)
    pairs, net = build("siamese", (1, 28, 28), 2).eval(), warm_up(Residual("both"))
    inputs, labels = torch.randn(2, 30, 1, 28, 28).unbind(), torch.arange(30) % 2
    two = [(tuple(part[half] for part in inputs), labels[half]) for half in (slice(0, 20), slice(20, 30))]
    small = batches_of((3, 6, 6), classes=3)
    asked = [(pairs, "encoder.features.3", two), (net, "conv", small), (net, "stem", small)]
    usual = [sweep(*each, range(each[0].get_submodule(each[1]).out_channels), device="cpu") for each in asked]
    prepared = card()
    monkeypatch.setattr("explorer.engine.sweep.COARSE", 1)
    for rounds in (False, True):
        for each, wanted in zip(asked, usual, strict=True):
            found = sweep(*each, wanted.order, device="cpu", coarse_first=rounds)
            assert np.array_equal(found.predictions, wanted.predictions) and np.array_equal(found.labels, wanted.labels)
    assert 30 in prepared and 50 in prepared


@pytest.mark.parametrize("floats", [1, 5 * 50 * 256, cards.CARD_FLOATS])
@pytest.mark.parametrize("oracle", ["oracle-accuracy", "oracle-loss"])
def test_the_oracle_finds_the_same_order_from_one_batch(oracle, floats, card, monkeypatch):
    torch.manual_seed(1)
    model, batches = build("simple-cnn").eval(), batches_of()
    usual = greedy(model, "conv2", batches, oracle, device="cpu").order
    prepared = card()
    monkeypatch.setattr(cards, "CARD_FLOATS", floats)
    assert greedy(model, "conv2", batches, oracle, device="cpu").order.tolist() == usual.tolist()
    assert prepared[-1] == 50


def test_more_k_are_together_on_a_card(monkeypatch):
    sums = [torch.zeros(250, 256), torch.zeros(250, 10)]
    assert cards.at_once(sums) == 2**21 // (250 * 266)
    monkeypatch.setattr(cards, "is_card", lambda device: True)
    assert cards.at_once(sums) == 2**26 // (250 * 266)
    assert cards.at_once([torch.zeros(1).expand(2**27)]) == 1
    assert cards.free_memory(torch.device("cpu")) is None
