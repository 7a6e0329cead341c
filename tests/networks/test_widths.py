"""Networks narrower than their architecture: against ones that are built so narrow."""

import json
from dataclasses import replace

import pytest
import torch
from nets import warm_up
from torch import nn
from torchvision import models as tv

import explorer as ex
from explorer.images.datasets import dataset_info
from explorer.networks import checkpoints, widths
from explorer.networks.cards import card_from_json, card_text
from explorer.networks.evaluation import forward
from explorer.networks.flow import ContradictionError, check
from explorer.networks.registry import build


class Mixed(nn.Module):
    """A residual stream, a concatenation, groups, a norm of groups, a scale a channel, and weights that two share."""

    def __init__(self, stream=8, side=6, groups=4):
        super().__init__()
        self.stem = nn.Conv2d(3, stream, 3, padding=1)
        self.inner = nn.Conv2d(stream, side, 3, padding=1)
        self.prelu = nn.PReLU(side)
        self.outer = nn.Conv2d(side, stream, 3, padding=1)
        self.norm = nn.GroupNorm(2, stream)
        self.scale = nn.Parameter(torch.rand(stream, 1, 1))
        self.grouped = nn.Conv2d(stream, 2 * stream, 3, padding=1, groups=groups)
        self.fc1 = nn.Linear(2 * stream + side, 5)
        self.fc2 = nn.Linear(2 * stream + side, 5)
        self.fc2.weight = self.fc1.weight

    def forward(self, x):
        x = self.stem(x)
        side = self.prelu(self.inner(x))
        x = self.norm(x + self.scale * self.outer(side))
        both = torch.cat([self.grouped(x), side], 1).mean((2, 3))
        return self.fc1(both) - self.fc2(both).relu()


def seeded(make, **options):
    torch.manual_seed(0)
    return warm_up(make(**options))


def resnext(**options):
    return tv.resnet.ResNet(tv.resnet.Bottleneck, [1, 1, 1, 1], num_classes=5, groups=8, **options)


IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
# By setting: the architecture, and the same built narrower
SETTINGS = {
    "a stream, groups, a concatenation": (lambda: seeded(Mixed), lambda: seeded(Mixed, stream=4, side=3)),
    "fewer groups": (lambda: seeded(Mixed), lambda: seeded(Mixed, stream=4, groups=2)),
    "one group left": (lambda: seeded(Mixed), lambda: seeded(Mixed, stream=2, groups=1)),
    "depthwise": (lambda: seeded(tv.mobilenet_v2), lambda: seeded(tv.mobilenet_v2, width_mult=0.4)),
    "smaller groups": (lambda: seeded(resnext, width_per_group=8), lambda: seeded(resnext, width_per_group=4)),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_network_takes_on_the_widths_of_weights(setting):
    full, narrow = (make() for make in SETTINGS[setting])
    adopted = widths.adopt(full, narrow.state_dict(), IMAGES)
    full.load_state_dict(narrow.state_dict())
    assert torch.equal(forward(full, IMAGES), forward(narrow, IMAGES))
    again = SETTINGS[setting][0]()
    assert adopted == widths.differing(narrow, again) == widths.differing(full, again)
    widths.resize(again, adopted)
    again.load_state_dict(narrow.state_dict())
    assert torch.equal(forward(again, IMAGES), forward(narrow, IMAGES))


def test_widths_by_hand():
    full = seeded(Mixed)
    adopted = widths.adopt(full, seeded(Mixed, stream=4, side=3, groups=2).state_dict(), IMAGES)
    assert adopted == {
        "stem": (3, 4), "inner": (4, 3), "prelu.weight": (3,), "outer": (3, 4), "norm": (4,), "scale": (4,),
        "grouped": (4, 8, 2), "fc1": (11, 5), "fc2": (11, 5),
    }  # fmt: skip
    assert full.fc1.weight is full.fc2.weight and full.scale.shape == (4, 1, 1) and full.norm.num_groups == 2
    whole = widths.widths_of(Mixed())
    assert widths.in_words(full, whole) == "stem has 4 of 8 channels, inner 3 of 6, outer 4 of 8, grouped 8 of 16"


def test_a_narrow_network_has_gradients_and_trains():
    net = seeded(Mixed)
    widths.adopt(net, seeded(Mixed, stream=4).state_dict(), IMAGES)
    net(IMAGES).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def changed(**shapes):
    """The weights of the mixed network with other sizes of some."""
    state = Mixed().state_dict()
    return state | {key.replace("__", "."): torch.rand(shape) for key, shape in shapes.items()}


@pytest.mark.parametrize(
    "state",
    [
        changed(),
        changed(stem__weight=(16, 3, 3, 3), stem__bias=(16,)),
        changed(stem__weight=(8, 1, 3, 3)),
        changed(inner__weight=(6, 8, 1, 1)),
        changed(inner__bias=(3,)),
        changed(fc2__bias=(3,), fc2__weight=(3, 22)),
        changed(scale=(4,)),
        changed(norm__weight=(4,)),
        changed(inner__weight=(0, 8, 3, 3), inner__bias=(0,)),
    ],
)
def test_weights_that_are_no_narrower_network_change_nothing(state):
    net = Mixed()
    before = widths.widths_of(net)
    assert widths.adopt(net, state, IMAGES) == {} and widths.widths_of(net) == before


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (changed(stem__weight=(4, 3, 3, 3), stem__bias=(4,)), "inner reads 8 channels in the file, but stem writes 4"),
        (changed(inner__weight=(6, 4, 3, 3)), "inner reads 4 channels in the file, but stem writes 8"),
        (
            changed(outer__weight=(4, 6, 3, 3), outer__bias=(4,), scale=(4, 1, 1)),
            "stem writes 8 channels in the file, but outer, to which they are added, writes 4",
        ),
        (changed(scale=(4, 1, 1)), "mul does not take what is written in the file by outer .*must match the size"),
        (
            changed(grouped__weight=(15, 2, 3, 3), grouped__bias=(15,)),
            "grouped reads 2 channels in groups of 2 in the file, but outer writes 8",
        ),
        (changed(fc1__weight=(5, 20)), "fc1 reads 20 numbers in the file, but is given 22, which inner writes"),
        (changed(norm__weight=(6,), norm__bias=(6,)), "group_norm does not take"),
    ],
)
def test_the_first_layer_that_contradicts_is_named(state, words):
    with pytest.raises(ContradictionError, match=words):
        widths.adopt(Mixed(), state, IMAGES)


def test_a_forward_pass_that_knows_its_sizes_is_one_sentence():
    class Fixed(nn.Module):
        def __init__(self, width=8):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, width, 1), nn.Linear(8, 2)

        def forward(self, x):
            x = self.conv(x).mean((2, 3))
            assert x.shape[1] == 8, "eight it must be"
            return self.fc(x)

    with pytest.raises(ContradictionError, match="its forward pass fails with the widths in the file .eight it must"):
        widths.adopt(Fixed(), Fixed(4).state_dict(), IMAGES)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"conv9": (3, 4)}, "there is no layer 'conv9' in it"),
        ({"stem": (3, 9)}, "stem cannot be 3 × 9 wide, as it is at most 3 × 8"),
        ({"stem": (3, 0)}, "stem cannot be 3 × 0 wide"),
        ({"stem": (3,)}, "stem cannot be 3 wide"),
        ({"grouped": (6, 8, 4)}, "grouped cannot be 6 × 8 × 4 wide, as it is at most 8 × 16 × 4"),
    ],
)
def test_widths_that_cannot_be(asked, words):
    with pytest.raises(ValueError, match=words):
        widths.resize(Mixed(), asked)


def test_a_check_leaves_no_hooks():
    net = seeded(Mixed)
    check(net, IMAGES)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


# On a card


WIDTHS = {"conv1": (1, 12), "conv2": (12, 20), "fc1": (20 * 49, 100), "fc2": (100, 10)}


@pytest.fixture
def narrow(tmp_path):
    """A folder with the checkpoint "narrow", a SimpleCNN of fewer channels."""
    card = replace(checkpoints.read_card("simple-cnn_fashion-mnist"), widths=WIDTHS)
    net = build("simple-cnn", card.shape)
    torch.manual_seed(0)
    widths.resize(net, WIDTHS)
    checkpoints.save("narrow", net.eval(), card, tmp_path)
    return tmp_path


def test_a_narrow_network_is_a_checkpoint_like_any_other(narrow):
    point = checkpoints.load("narrow", narrow)
    assert point.model.conv1.weight.shape == (12, 1, 3, 3) and point.card.widths == WIDTHS
    assert point.card.network != checkpoints.read_card("simple-cnn_fashion-mnist").network
    batches = ex.batches(point, limit=64)
    order = ex.rank(point.model, "conv2", batches).order
    curve = ex.sweep(point.model, "conv2", batches, order)
    assert len(order) == 20 and curve.ks[-1] <= 20
    pruned = forward(ex.prune(point.model, "conv2", order[:7].tolist()), next(iter(batches))[0]).argmax(1)
    assert curve.predictions[list(curve.ks).index(7)].tolist() == pruned.tolist()


def test_a_card_tells_of_widths_only_where_there_are_some():
    card = checkpoints.read_card("simple-cnn_fashion-mnist")
    assert "widths" not in card_text(card) and card.network == "simple-cnn"
    kept = card_from_json(json.loads(card_text(replace(card, widths=WIDTHS))))
    assert kept.widths == WIDTHS


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, r"narrow.safetensors does not fit simple-cnn: \w+.\w+ is"),
        ([], "in the field 'widths', which must be an object with one to three whole numbers for each layer"),
        ({"conv1": 3}, "in the field 'widths'"),
        ({"conv1": [1, -3]}, "in the field 'widths'"),
        ({"conv1": [1, 2, 3, 4]}, "in the field 'widths'"),
        ({"conv1": [1, 17]}, "the card has widths that no simple-cnn can have: conv1 cannot be 1 × 17 wide"),
        ({"nothing": [1, 1]}, "no simple-cnn can have: there is no layer 'nothing' in it; restore it"),
        ({"conv1": [1, 12]}, "no simple-cnn can have: conv2 reads 16 channels in the file, but conv1 writes 12"),
    ],
)
def test_a_card_whose_widths_are_others_is_one_sentence(narrow, told, words):
    path = narrow / "narrow.json"
    fields = json.loads(path.read_text())
    fields.pop("widths") if told is None else fields.update(widths=told)
    path.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=words):
        checkpoints.load("narrow", narrow)


def test_a_network_that_looks_at_pairs_may_be_narrow(tmp_path):
    card, info = checkpoints.read_card("siamese_mnist-pairs"), dataset_info("mnist-pairs")
    told = {"encoder.features.0": (1, 9), "encoder.features.3": (9, 32)}
    net = build("siamese", info.shape, 2)
    widths.resize(net, told)
    checkpoints.save("twins", net.eval(), replace(card, widths=told), tmp_path)
    assert checkpoints.load("twins", tmp_path).model.encoder.features[3].in_channels == 9
