"""The greedy oracle against brute force: pruned copies, one for every channel left at every step."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer.engine import greedy as search
from explorer.engine import oracle
from explorer.engine.greedy import cost_of, greedy, greedy_stream
from explorer.engine.oracle import ORACLES
from explorer.networks.evaluation import logits, predict
from explorer.pruning.prune import prune


class Net(nn.Module):
    """Two convolutions of five channels; what follows the second ends in a linear layer, what follows the first not."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.last = nn.Conv2d(5, 5, 3, padding=1)
        self.hidden = nn.Linear(5 * 9, 7)
        self.fc = nn.Linear(7, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.max_pool2d(F.relu(self.last(x)), 2)
        return self.fc(F.relu(self.hidden(x.flatten(1))))


class Pair(Net):
    """The same network on two images, with one logit."""

    def forward(self, a, b):
        one, other = super().forward(a), super().forward(b)
        return torch.cat([(one - other).abs(), one * other], 1).sum(1, keepdim=True)


class Fickle(Net):
    """Cannot be traced."""

    def forward(self, x):
        return super().forward(x if x.sum() > -1e9 else -x)


def images(n, seed=1, classes=3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, 6, 6, generator=generator)
    return x, torch.randint(0, classes, (n,), generator=generator)


def batches_of(net):
    """90 images in batches of 40, 40 and 10."""
    (x, labels), (y, _) = images(90, classes=2 if isinstance(net, Pair) else 3), images(90, seed=2)
    whole = (x, y) if isinstance(net, Pair) else x
    cut = (lambda part: tuple(z[part] for z in whole)) if isinstance(net, Pair) else whole.__getitem__
    return [(cut(slice(i, i + 40)), labels[i : i + 40]) for i in (0, 40, 80)]


def score(net, batches, name):
    outputs, labels = logits(net, batches), torch.cat([labels for _, labels in batches])
    if name == "oracle-accuracy":
        return int((predict(outputs) == labels).sum())
    if outputs.shape[1] == 1:
        return -float(F.binary_cross_entropy_with_logits(outputs[:, 0].double(), labels.double(), reduction="sum"))
    return -float(F.cross_entropy(outputs.double(), labels, reduction="sum"))


def brute_force(net, layer, batches, name, mode):
    order = []
    while len(order) < 5:
        left = [channel for channel in range(5) if channel not in order]
        scores = [score(prune(net, layer, [*order, channel], mode), batches, name) for channel in left]
        order.append(left[scores.index(max(scores))])  # the first of equals has the lowest index
    return order


@pytest.mark.parametrize("name", list(ORACLES))
@pytest.mark.parametrize("layer", ["first", "last"])
@pytest.mark.parametrize(
    ("kind", "mode"),
    [*((kind, mode) for kind in (Net, Pair, Fickle) for mode in ("filter", "weights")), (Net, "channel")],
)
def test_the_oracle_equals_brute_force(kind, layer, name, mode):
    torch.manual_seed(1)
    net = kind().eval()
    net.norm.bias.data.uniform_(-1, 1)
    batches = batches_of(net)
    found = greedy(net, layer, batches, name, mode)
    assert found.order.tolist() == brute_force(net, layer, batches, name, mode)
    assert found.importance[found.order].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("layer", ["first", "last"])
def test_ties_go_by_the_lowest_channel(layer):
    net = Net().eval()
    nn.init.zeros_(net.fc.weight)  # no channel matters
    assert greedy(net, layer, batches_of(net)).order.tolist() == [0, 1, 2, 3, 4]


def test_progress_counts_images_then_networks_and_the_order_grows():
    net = Net().eval()
    steps = list(greedy_stream(net, "last", iter(batches_of(net))))
    assert [(step.done, step.total) for step in steps[:3]] == [(40, 90), (80, 90), (90, 90)]
    assert [(step.done, step.total) for step in steps[3:]] == [(5, 15), (9, 15), (12, 15), (14, 15), (15, 15), (15, 15)]
    assert [len(step.order) for step in steps[3:]] == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="has removed 2 of 5 channels so far"):
        steps[5].ranking  # noqa: B018
    slow = [step for step in greedy_stream(net, "first", batches_of(net)) if step.total == 15]
    assert [step.done for step in slow] == [*range(1, 16), 15], "a step for each network, so that a cancel is quick"


def test_the_sample_is_stated_and_is_the_first_images(monkeypatch):
    torch.manual_seed(0)
    net, batches = Net().eval(), batches_of(Net())
    assert cost_of(net, "last", batches[0][0], 90) == oracle.Cost(networks=15, images=90, linear=True)
    assert cost_of(net, "last", batches[0][0], 10**6).images == 10_000
    assert cost_of(net, "first", batches[0][0], 10**6) == oracle.Cost(networks=15, images=1_000, linear=False)
    monkeypatch.setattr(search, "SLOW_IMAGES", (10, 50))
    monkeypatch.setattr(search, "MOST_FLOATS", 60 * 5 * 7)
    for layer, taken in (("first", 50), ("last", 60)):
        assert cost_of(net, layer, batches[0][0], 90).images == taken
        (x, labels) = images(90)
        *_, last = greedy_stream(net, layer, batches, "oracle-loss")
        assert last.cost.images == taken
        expected = brute_force(net, layer, [(x[:taken], labels[:taken])], "oracle-loss", "filter")
        assert last.ranking.order.tolist() == expected


def test_a_hundred_networks_or_more_look_at_a_hundred_images_at_least():
    wide = nn.Sequential(nn.Conv2d(1, 512, 1), nn.Conv2d(512, 2, 1), nn.Flatten(), nn.Linear(8, 2)).eval()
    assert cost_of(wide, "0", torch.zeros(2, 1, 2, 2), 10_000) == oracle.Cost(512 * 513 // 2, 100, False)
    far = nn.Sequential(nn.Conv2d(1, 512, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 4096)).eval()
    assert cost_of(far, "0", torch.zeros(2, 1, 2, 2), 10_000) == oracle.Cost(512 * 513 // 2, 100, True)


def test_large_images_are_no_more_than_memory_holds():
    deep = nn.Sequential(nn.Conv2d(1, 64, 1), nn.Conv2d(64, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    each = 2 * 4 * 64 * 224 * 224  # bytes: kept and pruned, float32
    cost = cost_of(deep, "0", torch.zeros(2, 1, 224, 224), 10_000)
    assert cost.images == search.SLOW_BYTES // each < 100 and not cost.linear


def test_bad_requests_are_named():
    net = Net().eval()
    with pytest.raises(ValueError, match="unknown oracle 'best'; choose one of: oracle-accuracy, oracle-loss"):
        greedy(net, "last", batches_of(net), "best")
    with pytest.raises(ValueError, match="no images to look at"):
        greedy(net, "last", [])
    with pytest.raises(ValueError, match="not a Conv2d"):
        greedy(net, "fc", batches_of(net))


def test_the_model_is_left_alone():
    net = Net().eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    greedy(net, "last", batches_of(net))
    assert all(np.array_equal(value, before[key]) for key, value in net.state_dict().items())
