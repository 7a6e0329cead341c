"""ex.open: from a notebook's network and DataLoader to the app."""

import importlib.util
import sys
import types

import pytest
import torch
from students import NET, net_of, text
from torch.utils.data import DataLoader, TensorDataset
from torchvision import models as tv
from user_files import SIDE

import explorer as ex
from explorer.images import datasets, reading
from explorer.networks import checkpoints
from explorer.networks.evaluation import logits
from explorer.own import building, trial
from explorer.own.building import first_look
from explorer.own.tensors import gathered, levels_of

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


@pytest.fixture
def at_once(monkeypatch):
    """First looks within this process."""
    monkeypatch.setattr(building, "try_out", lambda *asked: trial.as_told(first_look(*asked)))


def loader(n=6, channels=3, darkest=0, classes=2, normalise=True):
    """Images of 8 bits, normalised in float32 as torchvision's transforms do it."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(darkest, 256, (n, channels, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    mean, std = (torch.tensor(each[:channels]).view(-1, 1, 1) for each in (MEAN, STD))
    images = levels.float().div(255)
    images = (images - mean) / std if normalise else images
    return DataLoader(TensorDataset(images, torch.arange(n) % classes), batch_size=4), levels


def module_of(folder, code, name="students_net"):
    """A module of a file, as a notebook imports it."""
    (folder / f"{name}.py").write_text(code)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_opens(link, model, batches):
    """The link leads to a checkpoint that gives the network's logits on the loader's images."""
    name = link.partition("checkpoint=")[2].partition("&")[0]
    point = checkpoints.load(name)
    wanted = logits(model, [(images, labels) for images, labels in batches])
    torch.testing.assert_close(logits(point.model, ex.batches(point)), wanted, rtol=1e-3, atol=1e-4)
    curve = ex.sweep(point.model, "conv2", ex.batches(point), ex.rank(point.model, "conv2", ex.batches(point)).order)
    order = ex.rank(model, "conv2", batches).order
    assert (ex.sweep(model, "conv2", batches, order).predictions == curve.predictions).all()
    return point


def test_a_network_of_a_module_and_its_images(places, at_once, capsys):
    module = module_of(places / "own", text(NET))
    torch.manual_seed(5)
    net, (batches, levels) = module.Net(width=8).eval(), loader()
    link = ex.open(net, batches, layer="conv2", width=8)
    point = assert_opens(link, net, batches)
    assert link == f"http://localhost:8501/?checkpoint={point.name}&layer=conv2"
    out = capsys.readouterr().out
    assert link in out and "start the app with `streamlit run streamlit_app.py`" in out
    assert point.card.mean == pytest.approx(MEAN, abs=1e-5) and point.card.std == pytest.approx(STD, abs=1e-5)
    assert torch.equal(reading.load_split(point.card.dataset, "test").inputs[0], levels)


def test_a_network_of_the_notebooks_cells(places, at_once, monkeypatch):
    cells = ["", "get_ipython().run_line_magic('matplotlib', 'inline')", text(NET), "net = Net()", "%%time\nnet"]
    shell = types.SimpleNamespace(user_ns={"In": cells})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    net = net_of(text(NET))
    type(net).__module__ = "__main__"
    batches, _ = loader()
    assert_opens(ex.open(net, batches, name="mine"), net, batches)


def test_the_same_images_are_kept_once(places, at_once):
    module, (batches, _) = module_of(places / "own", text(NET)), loader()
    for _ in range(2):
        ex.open(module.Net().eval(), batches)
    other, _ = loader(n=8)
    ex.open(module.Net().eval(), other)
    changed = module.Net().eval()
    changed.bn.eps = 1.0
    with pytest.raises(ValueError, match="gives other numbers"):
        ex.open(changed, other)
    assert datasets.own_datasets() == ["tensordataset", "tensordataset-2"] and len(checkpoints.list_checkpoints()) == 3


def test_torchvisions_networks_are_known_by_their_weights(places):
    torch.manual_seed(0)
    net, (batches, _) = tv.squeezenet1_1(num_classes=2).eval(), loader()
    link = ex.open(net, batches)
    assert "checkpoint=squeezenet1_1_tensordataset" in link
    point = checkpoints.load("squeezenet1_1_tensordataset")
    torch.testing.assert_close(logits(point.model, ex.batches(point)), logits(net, list(batches)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("darkest", [0, 40])
@pytest.mark.parametrize("channels", [1, 3])
def test_levels_are_found_from_values(channels, darkest):
    batches, levels = loader(channels=channels, darkest=darkest)
    images, _ = gathered(batches)
    found = levels_of(images)
    assert torch.equal(found.of(images), levels - darkest), "whatever is darkest is taken for black"
    again = (found.of(images).float() / 255 - torch.tensor(found.mean).view(-1, 1, 1)) / torch.tensor(found.std).view(
        -1, 1, 1
    )
    torch.testing.assert_close(again, images, rtol=1e-5, atol=1e-5)


def test_one_flat_channel_has_no_steps():
    images = torch.zeros(2, 1, 4, 4)
    assert levels_of(images).of(images).max() == 0


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ([(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]))], "the loader's images are not of 8 bits"),
        ([], "the loader gives no images"),
        ([torch.zeros(2, 3, 8, 8)], r"the loader must give pairs of images \(N, C, H, W\) and labels"),
        (3, "the loader is a int, not a DataLoader"),
        ([(torch.zeros(0, 3, 8, 8), torch.zeros(0).long())], "the loader gives no images"),
        ([(torch.zeros(2, 3, s, s), torch.tensor([0, 1])) for s in (8, 9)], "the loader's images differ in size"),
        ([(torch.full((2, 3, 8, 8), torch.nan), torch.tensor([0, 1]))], "the loader's images hold NaN"),
        ([(torch.zeros(2, 3, 8, 8), torch.tensor([0.0, 1.0]))], "labels must be a tensor of 2 whole numbers"),
    ],
)
def test_what_a_loader_should_not_give(places, batches, words):
    with pytest.raises(ValueError, match=words):
        ex.open(net_of(text(NET)), batches)
    assert not datasets.own_datasets()


def hooked(net):
    net.fc.register_forward_hook(lambda module, given, found: found * 3)


def replaced(net):
    net.bn.eps = 1.0


def bound(net):
    net.forward = lambda x: 3 * net.fc(net.features(x))


@pytest.mark.parametrize("change", [hooked, replaced, bound])
def test_a_network_that_was_changed_since_is_refused(places, at_once, change):
    net = module_of(places / "own", text(NET)).Net().train()
    change(net)
    with pytest.raises(ValueError, match="Net gives other numbers when it is built from its code"):
        ex.open(net, loader()[0])
    assert net.training and net.conv1.training and not checkpoints.list_checkpoints()
    assert not datasets.own_datasets()


def test_arguments_that_change_no_shape_are_missed(places, at_once):
    code = (
        text(NET)
        .replace("width=4)", "width=4, scale=1)")
        .replace("super().__init__()", "super().__init__(); self.scale = scale")
    )
    net = module_of(places / "own", code.replace("return self.fc(", "return self.scale * self.fc(")).Net(scale=3).eval()
    batches, _ = loader()
    with pytest.raises(ValueError, match="give the arguments that it was built with"):
        ex.open(net, batches)
    assert_opens(ex.open(net, batches, scale=3), net, batches)


CELLS = {
    "its first line is magic": ["get_ipython().run_line_magic('matplotlib', 'inline')\n" + text(NET)],
    "timed": [text(NET).replace("F.relu(", "abs("), f"get_ipython().run_cell_magic('time', '', {text(NET)!r})"],
    "one that never ran": ["class X(:\n", text(NET)],
}


@pytest.mark.parametrize("kind", CELLS)
def test_cells_as_they_ran(places, at_once, monkeypatch, kind):
    shell = types.SimpleNamespace(user_ns={"In": CELLS[kind]})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    net = net_of(text(NET))
    type(net).__module__ = "__main__"
    batches, _ = loader()
    assert_opens(ex.open(net, batches), net, batches)


def test_what_is_wrapped_or_of_a_library(places, at_once):
    net, (batches, _) = module_of(places / "own", text(NET)).Net().eval(), loader()
    assert_opens(ex.open(torch.nn.DataParallel(net), batches), net, batches)
    with pytest.raises(ValueError, match="an nn.Sequential has no code of its own; write a function"):
        ex.open(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1)), batches)


def test_a_layer_or_a_network_that_is_none(places):
    with pytest.raises(ValueError, match="unknown layer 'conv9'"):
        ex.open(net_of(text(NET)), loader()[0], layer="conv9")
    net = net_of(text(NET))
    type(net).__module__ = "nowhere"
    with pytest.raises(ValueError, match="the code of Net is in no file; name the one that defines it as `network`"):
        ex.open(net, loader()[0])
