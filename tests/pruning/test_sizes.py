"""Networks that ask for sizes in their forward pass are ranked and pruned as others are."""

import pytest
import torch
import torch.nn.functional as F
from nets import assert_equals_prune, warm_up
from torch import nn

from explorer.engine.sensitivity import rows_of
from explorer.networks.coupling import coupling_of
from explorer.networks.graph import UntraceableError
from explorer.networks.tracing import TAKES, taking
from explorer.pruning.activations import collect, collect_layers, fitting_points, outputs
from explorer.pruning.prune import prune
from explorer.pruning.ranking import fitting_criteria, rank
from explorer.pruning.zeroing import fitting_modes


class Asking(nn.Module):
    """A residual block that is another one for small images; it remembers what it did, for the tests."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.one, self.norm1 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.two, self.norm2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.skip, self.fc = nn.Conv2d(6, 6, 1), nn.Linear(6, 4)
        self.act, self.end = nn.ReLU(inplace=True), nn.ReLU()

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        y = self.norm1(self.one(x))
        y = self.act(y) if x.shape[2] > 4 else F.silu(y)
        x = self.end(self.norm2(self.two(y)) + (self.skip(x) if x.size(-1) > 4 else 2 * x))
        images, channels, height, width = x.shape
        x = x.view(images, channels, height * width)
        return self.fc(x.mean(2) if height * width > 16 else x.amax(2))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return warm_up(Asking())


def seen(model, name, x):
    """What a module puts out, by a hook by hand."""
    kept = []
    handle = model.get_submodule(name).register_forward_hook(lambda module, given, out: kept.append(out.clone()))
    with torch.no_grad():
        model(x)
    handle.remove()
    return kept[0]


@pytest.mark.parametrize("side", [8, 4])
def test_points_are_what_hooks_see(model, side):
    x = torch.randn(3, 3, side, side)
    behind = F.relu if side > 4 else F.silu
    torch.testing.assert_close(outputs(model, "one", x), seen(model, "one", x))
    torch.testing.assert_close(outputs(model, "one", x, "activation"), behind(seen(model, "norm1", x)))
    torch.testing.assert_close(outputs(model, "two", x, "block"), seen(model, "end", x))
    wanted = seen(model, "end", x).mean((0, 2, 3))
    found = rank(model, "two", [(x[:2], torch.zeros(2).long()), (x[2:], torch.zeros(1).long())], "block-mean")
    torch.testing.assert_close(torch.tensor(found.importance).float(), wanted)
    assert not hasattr(model, TAKES)


def test_images_of_several_sizes(model):
    """Where maps have one size all the same, each image goes through the network as it is for its size."""
    labels = torch.zeros(2).long()
    batches = [(torch.randn(2, 3, 8, 8), labels), (torch.randn(2, 3, 4, 4), labels)]
    for look in (lambda: collect(model, "one", batches), lambda: collect(model, "one", batches, "activation")):
        with pytest.raises(ValueError, match=r"\(6, 8, 8\) for some images and \(6, 4, 4\) for others: .* one size"):
            look()
    whole = Whole(model)
    wanted = torch.cat([F.relu(seen(whole, "model.norm1", x)) for x, _ in batches]).mean((0, 2, 3))
    found = collect(whole, "model.one", batches, "activation")
    torch.testing.assert_close(torch.tensor(found.mean).float(), wanted)
    *_, (_, together) = collect_layers(whole, ["model.one"], batches, "activation")
    assert together["model.one"].mean.tolist() == found.mean.tolist()


class Whole(nn.Module):
    """Brings every image to one size, as it asks for it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(F.interpolate(x, size=8) if x.shape[2] < 8 else x)


def test_what_fits_a_network_that_is_known_to_take_a_size(model):
    with pytest.raises(UntraceableError):
        coupling_of(model, "two")
    known = taking(model, [(3, 8, 8)])
    assert fitting_points(known, "two") == ["raw", "activation", "block"]
    assert "filter+shortcut" in fitting_modes(known, "two") and "channel" in fitting_modes(known, "two")
    assert {"block-mean", "bn-scale", "taylor"} <= set(fitting_criteria(known, "two"))
    assert coupling_of(known, "two").layers == ("two", "skip")
    small = taking(model, [(3, 4, 4)])
    assert "filter+shortcut" not in fitting_modes(small, "two")
    assert coupling_of(small, "two").layers == ("stem", "two")
    assert rows_of(known, ["two", "skip"], "channel")[0].layers == ("two", "skip")


@pytest.mark.parametrize("mode", ["filter+shortcut", "channel"])
def test_modes_that_look_at_other_layers(model, mode):
    x = torch.randn(3, 3, 8, 8)
    known = taking(model, [(3, 8, 8)])
    assert_equals_prune(known, "two", x, mode)
    pruned, twin = prune(known, "two", [1, 4], mode), warm_up(Asking())
    twin.load_state_dict(model.state_dict())
    with torch.no_grad():
        if mode == "channel":
            twin.fc.weight[:, [1, 4]] = 0
        else:
            for layer in (twin.two, twin.skip):
                layer.weight[[1, 4]], layer.bias[[1, 4]] = 0, 0
        torch.testing.assert_close(pruned(x), twin.eval()(x))
