"""A compressed network computes what its masked twin does, whichever way channels go through it."""

import pytest
import torch
import torch.nn.functional as F
from nets import Residual, Untraceable, warm_up, warm_up_on
from students import NET, text, write
from torch import nn

import explorer as ex
from explorer.compression.counting import count
from explorer.compression.plans import Plan
from explorer.compression.removal import TOLERANCE, chosen, compress, groups, masked, remove
from explorer.engine.sensitivity import sensitivity_stream
from explorer.networks import checkpoints
from explorer.networks.code import build_own
from explorer.networks.evaluation import forward, predict
from explorer.networks.registry import build
from explorer.own.extracting import extract
from explorer.pruning.ranking import rank


class Plain(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(6 * 16, 4)
        )


class Normed(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1),
            nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
        )  # fmt: skip


class Depthwise(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8),
            nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(4 * 144, 3),
        )  # fmt: skip


class Grouped(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, groups=2), nn.ReLU(),
            nn.Conv2d(12, 4, 1), nn.Flatten(), nn.Linear(4 * 100, 3),
        )  # fmt: skip


class Concatenated(nn.Module):
    """What two branches give lies side by side, and one of the branches once more."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 6, 3)
        self.norm, self.last, self.fc = nn.BatchNorm2d(14), nn.Conv2d(14, 5, 1), nn.Linear(5, 3)

    def forward(self, x):
        left = self.left(x)
        both = self.norm(torch.cat([left, F.relu(self.right(x)), left], 1))
        return self.fc(self.last(both).mean((2, 3)))


class Twins(nn.Module):
    """One encoder sees two images."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3))
        self.fc = nn.Linear(8, 1)

    def forward(self, one, other):
        one, other = self.encoder(one).mean((2, 3)), self.encoder(other).mean((2, 3))
        return self.fc(torch.cat([(one - other).abs(), one * other], 1))


class Shuffled(nn.Module):
    """Channels change places between two groups, as in ShuffleNet."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 1), nn.Linear(8, 3)

    def forward(self, x):
        n, _, h, w = x.shape
        y = self.conv(x).view(n, 2, 4, h, w).transpose(1, 2).reshape(n, 8, h, w)
        return self.fc(y.mean((2, 3)))


def images(model, size=14, channels=3, n=8):
    generator = torch.Generator().manual_seed(3)
    one, other = (torch.randn(n, channels, size, size, generator=generator) for _ in range(2))
    return (one, other) if isinstance(model, Twins) else one


def assert_equals_twin(model, example, plan):
    smaller = compress(model, plan, example)
    found = groups(model, example)
    gone = chosen(plan, found, lambda layer: rank(model, layer, criterion=plan.criterion).order)
    twin = masked(model, gone)
    wanted, got = forward(twin, example), forward(smaller, example)
    apart = (wanted - got).abs().max()
    assert apart <= TOLERANCE * wanted.abs().max()
    differ = predict(wanted) != predict(got)
    best = wanted.topk(min(2, wanted.shape[1])).values
    assert not (differ & (best[:, 0] - best[:, -1] > 2 * apart)).any() or wanted.shape[1] == 1
    for layer, k in plan.layers:
        conv = smaller.get_submodule(layer)
        assert conv.out_channels == len(conv.weight) == model.get_submodule(layer).out_channels - k
    assert sum(each.numel() for each in smaller.parameters()) < sum(each.numel() for each in model.parameters())


NETS = {net.__name__: net for net in (Plain, Normed, Depthwise, Grouped, Concatenated, Twins)}


@pytest.mark.parametrize("name", NETS)
def test_it_equals_the_masked_twin(name):
    """Each group alone at K = 1, P / 2 and P − 1 (of a grouped convolution in twos), and all of them at once."""
    torch.manual_seed(0)
    model = warm_up(NETS[name]())
    example = images(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = [group for group in groups(model, example) if not group.fixed]
    for group in found:
        for k in {group.sections, group.channels // 2, group.most()}:
            for layer in group.layers:
                assert_equals_twin(model, example, Plan.of({layer: k}))
    for share in (1, 2):
        ks = {group.name: group.most() // share // group.sections * group.sections for group in found}
        assert_equals_twin(model, example, Plan.of(ks, "l2"))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("head", ["conv", "both"])
def test_a_residual_stream_goes_as_one(head):
    torch.manual_seed(0)
    model = warm_up(Residual(head))
    example = images(model)
    stream = next(group for group in groups(model, example) if "conv" in group.layers)
    assert stream.layers == ("stem", "conv")
    for layer in stream.layers:
        for k in (1, 3, 5):
            assert_equals_twin(model, example, Plan.of({layer: k}))


def test_widths_of_resnet18s_groups_by_hand():
    """16 of the 128 channels of layer2's stream leave three convolutions, five batch norms and four readers."""
    model = build("resnet18").eval()
    smaller = remove(model, {"layer2.1.conv2": range(16)}, images(model, 32, n=2))
    shapes = {name: tuple(value.shape) for name, value in smaller.state_dict().items()}
    before = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    changed = {name: shape for name, shape in shapes.items() if shape != before[name]}
    norms = [f"layer2.{each}" for each in ("0.bn2", "0.downsample.1", "1.bn2")]
    assert changed == {
        "layer2.0.conv2.weight": (112, 128, 3, 3),
        "layer2.0.downsample.0.weight": (112, 64, 1, 1),
        "layer2.1.conv1.weight": (128, 112, 3, 3),
        "layer2.1.conv2.weight": (112, 128, 3, 3),
        "layer3.0.conv1.weight": (256, 112, 3, 3),
        "layer3.0.downsample.0.weight": (256, 112, 1, 1),
    } | {f"{norm}.{part}": (112,) for norm in norms for part in ("weight", "bias", "running_mean", "running_var")}


OURS = {"simple-cnn": 32, "siamese": 28, "resnet18": 32, "lab-resnet": 32, "block-net": 32}


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_our_networks(name):
    shape = (1, 28, 28) if name == "siamese" else (3, 32, 32)
    torch.manual_seed(0)
    model = warm_up(build(name, shape, 2 if name == "siamese" else 10))
    one, other = (torch.randn(4, *shape) for _ in range(2))
    example = (one, other) if name == "siamese" else one
    found = [group for group in groups(model, example) if not group.fixed]
    for ks in ({g.name: 1 for g in found}, {g.name: g.channels // 2 for g in found}, {g.name: g.most() for g in found}):
        assert_equals_twin(model, example, Plan.of(ks))


TORCHVISION = ["resnet18", "vgg11_bn", "mobilenet_v2", "squeezenet1_1", "densenet121", "googlenet", "efficientnet_b0",
               "mnasnet0_5", "regnet_y_400mf", "resnext50_32x4d"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks(name):
    model = build(f"torchvision/{name}", (3, 64, 64), 10)
    example = images(model, 64, n=4)
    model = warm_up_on(model, example)
    found = [group for group in groups(model, example) if not group.fixed]
    assert found
    for most in (lambda group: group.sections, lambda group: group.channels // 2, lambda group: group.most()):
        ks = {group.name: most(group) // group.sections * group.sections for group in found}
        assert_equals_twin(model, example, Plan.of(ks))


RESIDUAL = """
    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

        def forward(self, x):
            return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.blocks = nn.Sequential(Block(8), Block(8))
            self.fc = nn.Linear(8, 5)

        def forward(self, x):
            return self.fc(F.adaptive_avg_pool2d(self.blocks(F.relu(self.stem(x))), 1).flatten(1))
"""
BRANCHES = """
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(3, 6, 1)
            self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
            self.last, self.fc = nn.Conv2d(12, 6, 1), nn.Linear(6, 3)

        def forward(self, x):
            x = torch.cat((F.relu(self.one(x)), torch.tanh(self.other(x))), 1)
            return self.fc(self.last(F.relu(self.depthwise(x))).mean((2, 3)))
"""
BROUGHT = {"Net": (NET,), "Deep": (NET, RESIDUAL), "Branches": (NET, BRANCHES)}


@pytest.mark.parametrize("name", BROUGHT)
def test_networks_brought_from_a_file(tmp_path, name):
    file = write(tmp_path, {"mine.py": text(*BROUGHT[name])})
    model = warm_up(build_own(extract(file).code, name, {}))
    example = images(model)
    found = [group for group in groups(model, example) if not group.fixed]
    assert found
    for k in (lambda group: 1, lambda group: group.channels // 2, lambda group: group.most()):
        assert_equals_twin(model, example, Plan.of({group.name: k(group) for group in found}))


@pytest.mark.parametrize("share", [20, 50, 80])
def test_sensitivity_of_a_residual_stream_is_a_real_removals_accuracy(share):
    model = warm_up(Residual("both"))
    inputs = images(model, n=40)
    labels = predict(forward(model, inputs))
    labels[::3] = 0
    order = rank(model, "conv", criterion="l1").order
    *_, found = sensitivity_stream(model, [(inputs, labels)], {"conv": order}, "channel", (0, share))
    place = found.shares.index(share)
    assert found.rows[0].layers == ("conv", "stem"), "the layer that is ranked comes first"
    smaller = compress(model, Plan.of({"conv": int(found.ks[0, place])}), inputs)
    assert found.correct[0, place] == int((predict(forward(smaller, inputs)) == labels).sum())


@pytest.mark.parametrize(
    ("plan", "minimum", "said"),
    [
        ("0:8", 1, "K = 8 leaves layer '0' empty; it has 8, so K is in 0…7"),
        ("0:3", 6, "below the minimum of 6 channels; it has 8, so K is in 0…2"),
        ("5:1", 1, "'5', which is no convolution here; choose of: 0, 3"),
        ("nowhere:1", 1, "'nowhere', which is no convolution"),
    ],
)
def test_bad_plans_are_one_sentence(plan, minimum, said):
    with pytest.raises(ValueError, match=said):
        compress(Plain().eval(), Plan.parse(plan), torch.zeros(1, 3, 14, 14), minimum=minimum)


def test_two_plans_for_one_group():
    model = warm_up(Residual("linear"))
    with pytest.raises(ValueError, match="layers 'stem' and 'conv' lose the same channels; name one of the two"):
        compress(model, Plan.parse("stem:1,conv:1"), images(model))


def test_what_gives_the_classes_stays():
    model = nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    with pytest.raises(ValueError, match="no channel of layer '2' can go: it gives the network's answer"):
        compress(model, Plan.parse("2:1"), images(model))


def test_a_network_that_cannot_be_followed_is_named_with_its_operation():
    with pytest.raises(ValueError, match="conv.*(view|reshape|transpose)"):
        compress(Shuffled().eval(), Plan.parse("conv:2"), images(Shuffled()))
    with pytest.raises(ValueError, match="Untraceable cannot be traced"):
        compress(Untraceable().eval(), Plan.parse("conv:2"), images(Untraceable()))


def test_a_branch_that_leads_nowhere_is_named():
    """The convolution `next` reads the stream, but nothing reads what it gives."""
    model = warm_up(Residual("linear"))
    with pytest.raises(ValueError, match="Residual cannot be narrowed: 'next' does not follow"):
        remove(model, {"conv": [0]}, images(model))


def test_frozen_weights_stay_frozen():
    model = Normed().eval()
    model[0].weight.requires_grad_(False)
    smaller = ex.compress(model, ex.Plan.of({"0": 4}), images(model))
    assert {name for name, each in smaller.named_parameters() if not each.requires_grad} == {"0.weight"}
    assert not smaller.training


def test_the_compressed_network_that_ships_is_its_plan_at_half_the_macs():
    half = checkpoints.load("resnet18-half_cifar10")
    parent = half.card.parent
    whole, images = checkpoints.load(parent.name), torch.zeros(2, 3, 32, 32)
    plan = Plan.parse(parent.plan, parent.criterion)
    assert parent.sha256 == whole.sha256
    assert count(half.model, images).macs <= count(whole.model, images).macs / 2
    cut = compress(whole.model, plan, images)
    assert {name: each.shape for name, each in cut.state_dict().items()} == {
        name: each.shape for name, each in half.model.state_dict().items()
    }
    assert half.path.stat().st_size < 8e6
