import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer.networks.registry import build
from explorer.pruning import criteria, ranking
from explorer.pruning.prune import prune


@pytest.fixture
def net():
    """Two filters of two weights each, on one-pixel images; channel 1 is the smaller by weight, channel 0 by output."""
    net = nn.Sequential(nn.Conv2d(2, 2, 1))
    net[0].weight.data = torch.tensor([[-3.0, 1.0], [1.0, 1.0]]).view(2, 2, 1, 1)
    net[0].bias.data.zero_()
    return net.eval()


BATCHES = [(torch.ones(3, 2, 1, 1), torch.zeros(3, dtype=torch.int64))]


def test_criteria_equal_hand_computations(net):
    assert ranking.rank(net, "0", BATCHES, "mean").importance.tolist() == [-2.0, 2.0]
    assert ranking.rank(net, "0", criterion="l1").importance.tolist() == [4.0, 2.0]
    assert ranking.rank(net, "0", BATCHES, "mean").order.tolist() == [0, 1]
    assert ranking.rank(net, "0", criterion="l1").order.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        # outputs of channel 0 are −2 and 4, of channel 1 both 2 and −2: see `mixed`
        ("mean", [1, 0]),
        ("mean-abs", [3, 2]),
        ("relu", [2, 1]),
        ("apoz", [0.5, 0.5]),
        ("variance", [9, 4]),
        ("l1", [4, 2]),
        ("l2", [10**0.5, 2**0.5]),
        ("fpgm", [4, 4]),  # the distance of (−3, 1) and (1, 1)
    ],
)
def test_every_criterion_by_hand(net, criterion, expected):
    mixed = torch.tensor([[1.0, 1.0], [-1.5, -0.5]]).view(2, 2, 1, 1)
    importance = ranking.rank(net, "0", [(mixed, torch.zeros(2, dtype=torch.int64))], criterion).importance
    np.testing.assert_allclose(importance, expected, rtol=1e-6)


class WithNorms(nn.Module):
    """A convolution with a batch norm right behind it, and one without."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.bare = nn.Conv2d(3, 4, 1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        return self.fc(F.relu(self.bare(y)).mean((2, 3)))


def with_norms():
    torch.manual_seed(3)
    net = WithNorms().eval()
    net.norm.weight.data = torch.tensor([-2.0, 0.5, 1.0])
    return net


LABELLED = [
    (torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(n)), torch.tensor([0, 2, 1, n])) for n in (1, 2)
]


def test_batch_norm_scale_is_the_size_of_gamma():
    ranked = ranking.rank(with_norms(), "conv", criterion="bn-scale")
    assert ranked.importance.tolist() == [2.0, 0.5, 1.0] and ranked.order.tolist() == [1, 2, 0]


@pytest.mark.parametrize("layer", ["conv", "bare"])
def test_what_a_relu_passes_on_is_counted_behind_the_batch_norm(layer):
    net, seen = with_norms(), []
    reader = net.norm if layer == "conv" else net.bare
    hook = reader.register_forward_hook(lambda module, inputs, output: seen.append(output.relu().double()))
    with torch.no_grad(), hook:
        for images, _ in LABELLED:
            net(images)
    passed = torch.cat(seen)
    found = {name: ranking.rank(net, layer, LABELLED, name).importance for name in ("relu", "apoz")}
    np.testing.assert_allclose(found["relu"], passed.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found["apoz"], (passed > 0).double().mean((0, 2, 3)), rtol=1e-6)


def taylor_by_hand(net, layer, batches):
    """|mean over positions of output × gradient| of each image alone, averaged: with a hook, one image at a time."""
    twin, seen, effects = copy.deepcopy(net), [], []
    twin.get_submodule(layer).register_forward_hook(lambda module, inputs, output: seen.append(output))
    for image, label in ((i[None], n[None]) for images, labels in batches for i, n in zip(images, labels, strict=True)):
        loss = F.cross_entropy(twin(image), label)
        (slope,) = torch.autograd.grad(loss, seen[-1])
        effects.append((seen[-1] * slope).mean((2, 3)).abs()[0].detach())
    return torch.stack(effects).mean(0).numpy()


@pytest.mark.parametrize("layer", ["conv", "bare"])
def test_taylor_by_hand_and_the_model_is_left_alone(layer):
    net = with_norms()
    before = copy.deepcopy(net.state_dict())
    found = ranking.rank(net, layer, LABELLED, "taylor").importance
    np.testing.assert_allclose(found, taylor_by_hand(net, layer, LABELLED), rtol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(each.requires_grad and each.grad is None for each in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_taylor_is_what_the_loss_changes_by_where_the_network_is_linear():
    """One image and a small last layer: the loss is close to linear, so removal changes it by output × gradient."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    net[3].weight.data *= 1e-3
    image, label = torch.randn(1, 1, 3, 3), torch.tensor([1])
    found = ranking.rank(net, "0", [(image, label)], "taylor").importance
    with torch.no_grad():
        whole = F.cross_entropy(net(image).double(), label)
        changes = [F.cross_entropy(prune(net, "0", [c])(image).double(), label) - whole for c in range(4)]
    np.testing.assert_allclose(found, [abs(float(change)) for change in changes], rtol=2e-2)


def test_taylor_of_a_pair_adds_both_calls_of_the_layer():
    torch.manual_seed(0)
    net = build("siamese", (1, 28, 28), 2).eval()
    pair = (torch.randn(2, 1, 28, 28), torch.randn(2, 1, 28, 28))
    labels = torch.tensor([1, 0])
    outs = [net.encoder.features[:4](images).detach().requires_grad_() for images in pair]
    one, other = (net.encoder.code(net.encoder.features[4:](out).flatten(1)) for out in outs)
    logits = net.head(torch.cat([(one - other).abs(), one * other], dim=1))[:, 0]
    loss = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="sum")
    slopes = torch.autograd.grad(loss, outs)
    both = sum((out * slope).mean((2, 3)) for out, slope in zip(outs, slopes, strict=True)) / 2
    found = ranking.rank(net, "encoder.features.3", [(pair, labels)], "taylor").importance
    np.testing.assert_allclose(found, both.abs().mean(0).detach().numpy(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("criterion", ["mean", "l1", "apoz", "taylor", "bn-scale", "random"])
def test_reversed_negates_and_breaks_ties_by_the_lowest_channel(criterion):
    net = with_norms()
    plain = ranking.rank(net, "conv", LABELLED, criterion, seed=4)
    turned = ranking.rank(net, "conv", LABELLED, f"{criterion}-reversed", seed=4)
    assert np.array_equal(turned.importance, -plain.importance)
    assert turned.order.tolist() == plain.order.tolist()[::-1]  # no two are equal here
    net.conv.weight.data[:] = net.conv.weight.data[:1]
    assert ranking.rank(net, "conv", criterion="l1-reversed").order.tolist() == [0, 1, 2]


def test_reversed_names_are_made_not_registered():
    assert not any(name.endswith("-reversed") for name in criteria.CRITERIA)
    turned = criteria.criterion_info("taylor-reversed")
    assert (turned.name, turned.title) == ("taylor-reversed", "First-order Taylor, reversed")
    assert turned.needs_data and turned.point == "taylor"
    with pytest.raises(ValueError, match="unknown criterion 'mean-reversed-reversed'"):
        criteria.criterion_info("mean-reversed-reversed")


def test_what_fits_a_layer():
    net, everywhere = with_norms(), [name for name in criteria.CRITERIA if name not in ("block-mean", "bn-scale")]
    assert ranking.fitting_criteria(net, "bare") == everywhere
    assert set(ranking.fitting_criteria(net, "conv")) == {*everywhere, "bn-scale"}
    resnet = build("lab-resnet").eval()
    assert ranking.fitting_criteria(resnet, "res2.feature2.0") == list(criteria.CRITERIA)
    assert "bn-scale" not in ranking.fitting_criteria(resnet, "stem.0"), "a pooling stands between"


class TwoNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.one, self.other = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2, affine=False)

    def forward(self, x, y):
        return (self.one(self.conv(x)) + self.other(self.conv(y))).mean((2, 3))


def test_what_does_not_fit_says_why():
    with pytest.raises(ValueError, match="layer 'bare' has no batch norm with a scale right behind it"):
        ranking.check_criterion(with_norms(), "bare", "bn-scale")
    with pytest.raises(ValueError, match="layer 'conv' has no batch norm with a scale"):
        ranking.rank(TwoNorms().eval(), "conv", criterion="bn-scale-reversed")
    both = TwoNorms().eval()
    both.other = nn.BatchNorm2d(2)
    with pytest.raises(ValueError, match="a different batch norm behind each of its 2 calls"):
        ranking.check_criterion(both, "conv", "bn-scale")
    with pytest.raises(ValueError, match="unknown layer 'fc2'"):
        ranking.fitting_criteria(with_norms(), "fc2")


def test_ties_go_by_the_lowest_channel():
    assert ranking.order_of(np.array([1.0, 0.0, 1.0, 0.0, -0.0])).tolist() == [1, 3, 4, 0, 2]


def test_random_is_fixed_by_its_seed(net):
    wide = nn.Sequential(nn.Conv2d(1, 64, 1))
    orders = [ranking.rank(wide, "0", criterion="random", seed=seed).order.tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(64))


def test_bad_requests_are_named(net):
    with pytest.raises(ValueError, match="unknown criterion 'l3'; choose one of: mean, l1, random"):
        ranking.rank(net, "0", criterion="l3")
    with pytest.raises(ValueError, match="activations"):
        ranking.rank_by(net, "0", "mean")
    with pytest.raises(ValueError, match="channel 1 has importance nan"):
        ranking.order_of(np.array([0.0, float("nan")]))
