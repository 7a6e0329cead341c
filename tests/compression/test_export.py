"""What is exported loads where neither this package nor its sources are, and gives the same predictions."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from nets import warm_up
from torch import nn
from torchvision import models as tv

import explorer as ex
from explorer.compression import export as exports
from explorer.compression import saving, source
from explorer.compression.export import FORMATS, OPSET, export
from explorer.compression.plans import Plan
from explorer.images.batches import Batches
from explorer.images.reading import load_split
from explorer.networks import checkpoints, widths
from explorer.networks.cards import Parent, Score
from explorer.networks.evaluation import forward, predict
from explorer.networks.sources import blank, network_of

NAME = "simple-cnn_fashion-mnist"
WIDTHS = {"conv1": (1, 12), "conv2": (12, 20), "fc1": (980, 256)}
PLAN = Plan.of({"conv1": 4, "conv2": 12}, "l1")


def narrowed(point, told):
    """The first channels of a checkpoint's network, which is a smaller network."""
    net = network_of(point.card, point.path)
    net.load_state_dict(point.model.state_dict())
    widths.resize(net, told)
    return net.eval()


@pytest.fixture(scope="module")
def small():
    """A smaller SimpleCNN: the checkpoint that it was made from, itself, its card, and real images."""
    point = checkpoints.load(NAME)
    net = narrowed(point, WIDTHS)
    images, _ = next(iter(Batches(load_split("fashion-mnist", "test").take(24), point.card.mean, point.card.std)))
    return point, net, saving.card_of(net, point, PLAN, Score(500, 1000)), images


ELSEWHERE = """
import importlib.util, sys
import numpy as np
assert importlib.util.find_spec("explorer") is None
images = np.load("images.npy")
"""
RUNS = {
    "torch": """
import torch
sys.path.insert(0, ".")
from network import Network
net = Network().eval()
net.load_state_dict(torch.load("network.pt", weights_only=True))
with torch.no_grad():
    out = net(torch.from_numpy(images)).numpy()
net.train()(torch.from_numpy(images)).sum().backward()
assert not {each.partition(".")[0] for each in sys.modules} & {"explorer", "torchvision", "safetensors"}
""",
    "pt2": """
import torch
with torch.no_grad():
    out = torch.export.load("network.pt2").module()(torch.from_numpy(images)).numpy()
assert "torchvision" not in sys.modules
""",
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession("network.onnx", providers=["CPUExecutionProvider"])
out = session.run(["logits"], {"images": images})[0]
assert "torch" not in sys.modules
""",
}


def predictions_elsewhere(folder: Path, kind: str, images: torch.Tensor) -> np.ndarray:
    """What the exported network predicts in a process that has only what Python has installed."""
    np.save(folder / "images.npy", images.contiguous().numpy())
    code = ELSEWHERE + RUNS[kind] + 'np.save("found.npy", out.argmax(1))\n'
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "found.npy")


@pytest.mark.slow
@pytest.mark.parametrize("kind", RUNS)
def test_an_export_runs_where_this_package_is_not(small, tmp_path, kind):
    point, net, card, images = small
    export("small", net, card, point, tmp_path / "out", [kind], images)
    more = torch.cat([images, images[:7]])  # any number of images
    assert predictions_elsewhere(tmp_path / "out", kind, more).tolist() == predict(forward(net, more)).tolist()


@pytest.mark.slow
def test_exports_of_resnet18_predict_alike_on_a_thousand_images(real_cifar10, tmp_path):
    point = checkpoints.load("resnet18_cifar10")
    told = {"layer2.0.conv1": (64, 70), "layer2.0.bn1": (70,), "layer2.0.conv2": (70, 128)}
    net = narrowed(point, told)
    images = torch.cat([inputs for inputs, _ in Batches(real_cifar10.take(1000), point.card.mean, point.card.std)])
    card = saving.card_of(net, point, Plan.of({"layer2.0.conv1": 58}), Score(1, 2))
    export("small", net, card, point, tmp_path, list(FORMATS), images[:16])
    wanted = predict(torch.cat([forward(net, part) for part in images.split(250)])).tolist()
    again = checkpoints.load(tmp_path / "small.safetensors").model
    assert predict(torch.cat([forward(again, part) for part in images.split(250)])).tolist() == wanted
    for kind in RUNS:
        assert predictions_elsewhere(tmp_path, kind, images).tolist() == wanted, kind


def test_a_compressed_network_is_a_checkpoint_that_says_what_it_was_made_from(small, tmp_path):
    point, net, card, images = small
    paths = export("small", net, card, point, tmp_path / "out", ["safetensors"], images)
    assert [path.name for path in paths] == ["small.json", "small.safetensors"]
    found = ex.load(tmp_path / "out" / "small.safetensors")
    assert torch.equal(forward(found.model, images), forward(net, images))
    assert found.card.widths == WIDTHS and found.card.accuracy == {"test": Score(500, 1000)}
    assert found.card.parent == Parent(NAME, point.sha256, "conv1:4,conv2:12", "l1")
    narrower = narrowed(found, {"conv2": (12, 10), "fc1": (490, 256)})  # and once more
    again = saving.card_of(narrower, found, Plan.of({"conv2": 10}), Score(4, 10))
    assert again.widths == {"conv1": (1, 12), "conv2": (12, 10), "fc1": (490, 256)} and again.parent.name == "small"


def test_source_reads_as_one_writes_it(small, tmp_path):
    point, net, card, images = small
    export("small", net, card, point, tmp_path, ["torch"], images)
    text = (tmp_path / "network.py").read_text()
    assert "self.conv2 = nn.Conv2d(12, 20, 3, padding=1)\n" in text and "x = self.conv2(x)\n" in text
    state = torch.load(tmp_path / "network.pt", weights_only=True)
    assert state.keys() == net.state_dict().keys() and "import explorer" not in text


def test_source_of_a_residual_network_has_its_blocks_and_sequences(small):
    point = checkpoints.load("resnet18-half_cifar10")
    text, state = source.source_of(point.model, point.card, "half", blank(point.card))
    assert state.keys() == point.model.state_dict().keys()
    block = """
        # layer2.0
        y = self.layer2["0"]["conv1"](x)
        y = self.layer2["0"]["bn1"](y)
        y = self.layer2["0"]["relu"](y)
        y = self.layer2["0"]["conv2"](y)
        y = self.layer2["0"]["bn2"](y)
        x = self.layer2["0"]["downsample"](x)
        x = y + x
        x = self.layer2["0"]["relu"](x)
"""
    assert block in text and '"downsample": nn.Sequential(\n' in text
    assert "It takes images x (N, 3, 32, 32), and gives logits (N, 10)." in text
    assert "loss = nn.functional.cross_entropy(net(images), labels)" in text


def test_source_of_a_siamese_network_calls_its_encoder_twice_and_trains(small):
    point = checkpoints.load("siamese_mnist-pairs")
    text, state = source.source_of(point.model, point.card, "pairs", blank(point.card))
    for each in ("first", "second"):
        assert f'{each} = self.encoder["features"]({each})\n        {each} = {each}.flatten(1)\n' in text
    assert "gives logits (N, 1)." in text and "binary_cross_entropy_with_logits(net(first, second)[:, 0]" in text
    again = source.network_from(text)
    again.load_state_dict(state)
    images = tuple(torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    torch.testing.assert_close(forward(again.eval(), images), forward(point.model, images), rtol=1e-4, atol=1e-5)
    again.train()(*images).sum().backward()
    assert again.encoder["features"][0].weight.grad.abs().sum() > 0


class Odd(nn.Module):
    """What source has to say: a parameter of its own, slices, keywords, constants, a layer by number."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(3, 6, (3, 1), padding=(1, 0), groups=3), nn.AvgPool2d(2, ceil_mode=True)]
        )
        self.scale = nn.Parameter(torch.rand(6, 1, 1))
        self.register_buffer("shift", torch.rand(6, 1, 1))
        self.act = nn.LeakyReLU(0.2)
        self.fc = nn.Linear(6, 4, bias=False)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        y = self.act(x * self.scale + self.shift)
        y = torch.cat((y[:, 3:], 1.5 - y[:, :3]), dim=1)
        return self.fc(nn.functional.gelu(y.mean(dim=(2, 3)), approximate="tanh")) ** 2


class Peeking(nn.Module):
    """Reads between the layers of one sequence, calls another twice, and has one within one."""

    def __init__(self):
        super().__init__()
        self.read = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.twice = nn.Sequential(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)), nn.ReLU())
        self.out = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))

    def forward(self, x):
        x = self.read(x) + self.read[0](x)
        return self.out(self.twice(x) - self.twice(-x))


def test_a_sequence_is_called_as_one_unless_something_reads_between(small):
    text, _ = source.source_of(warm_up(Peeking()), small[2], "peeking", IMAGES)
    assert text.count("self.twice(") == 2 and text.count("self.out(") == 1
    assert "self.read(" not in text and text.count('self.read["0"](') == 2


IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
NETWORKS = {
    "odd": Odd,
    "what reads within a sequence": Peeking,
    "residual": lambda: tv.resnet18(num_classes=4),
    "inception": lambda: tv.googlenet(num_classes=4, aux_logits=False, init_weights=False),
    "dense": lambda: tv.densenet121(num_classes=4),
    "a sequence": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)
    ),
    "depthwise": lambda: tv.mobilenet_v2(num_classes=4),
    "a shuffle of channels": lambda: tv.shufflenet_v2_x0_5(num_classes=4),
    "squeezing": lambda: tv.squeezenet1_1(num_classes=4),
    "a scale a channel": lambda: tv.convnext.ConvNeXt([tv.convnext.CNBlockConfig(8, 8, 2)], num_classes=4),
}  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_source_computes_what_the_network_does(small, kind):
    torch.manual_seed(0)
    net = warm_up(NETWORKS[kind]())
    text, state = source.source_of(net, small[2], kind, IMAGES)
    again = source.network_from(text)
    again.load_state_dict(state)
    torch.testing.assert_close(forward(again.eval(), IMAGES), forward(net, IMAGES), rtol=1e-4, atol=1e-5)
    assert state.keys() == net.state_dict().keys()


# What cannot be exported


class Fickle(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x) if x.sum() > 0 else self.net(-x)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("torch", "small cannot be written as torch: Fickle cannot be traced"),
        pytest.param("pt2", "small cannot be written as pt2: torch.export cannot follow it", marks=pytest.mark.slow),
        pytest.param("onnx", "small cannot be written as onnx: torch.export cannot follow", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_followed_is_one_sentence_and_leaves_nothing(small, tmp_path, kind, words):
    point, net, card, images = small
    with pytest.raises(ValueError, match=words) as said:
        export("small", Fickle(net), card, point, tmp_path / "out", [kind], images)
    assert "\n" not in str(said.value) and not (tmp_path / "out").exists()


def test_a_format_that_gives_other_logits_is_not_written(small, tmp_path, monkeypatch):
    point, net, card, images = small
    monkeypatch.setattr(exports.source, "network_from", lambda text: nn.Sequential(net, nn.Softmax(1)))
    monkeypatch.setattr(nn.Sequential, "load_state_dict", lambda *_: None)
    with pytest.raises(ValueError, match=r"its source gives other logits than the network \(by [\d.]+\), so it is not"):
        export("small", net, card, point, tmp_path, ["safetensors", "torch"], images)
    assert not list(tmp_path.iterdir())


def test_an_unknown_format(small, tmp_path):
    point, net, card, images = small
    with pytest.raises(ValueError, match="unknown format 'tflite'; choose some of: safetensors, torch, pt2, onnx"):
        export("small", net, card, point, tmp_path / "out", ["tflite"], images)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(small, tmp_path, monkeypatch):
    point, net, card, images = small
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot make the folder .*file.*; name one where you can write"):
        export("small", net, card, point, tmp_path / "file", ["safetensors"], images)
    with pytest.raises(ValueError, match=r"cannot make the folder .*Not a directory.*; name one where you can write"):
        export("small", net, card, point, tmp_path / "file" / "out", ["safetensors"], images)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ValueError, match="No space left on device; free some space on the disk; choose another folder"):
        export("small", net, card, point, tmp_path / "out", ["safetensors", "torch"], images)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_that_are_there_stay(small, tmp_path):
    point, net, card, images = small
    (tmp_path / "network.py").write_text("mine")
    with pytest.raises(ValueError, match="network.py is there already; choose another folder, or take it away"):
        export("small", net, card, point, tmp_path, ["safetensors", "torch"], images)
    assert [path.name for path in tmp_path.iterdir()] == ["network.py"] and (
        tmp_path / "network.py"
    ).read_text() == "mine"


def test_a_card_that_tells_of_no_parent_as_it_should(small, tmp_path):
    point, net, card, images = small
    export("small", net, card, point, tmp_path, ["safetensors"], images)
    path = tmp_path / "small.json"
    fields = json.loads(path.read_text())
    for told in ({"name": "x"}, fields["parent"] | {"sha256": "x"}, fields["parent"] | {"epochs": -1}, 3):
        path.write_text(json.dumps(fields | {"parent": told}))
        with pytest.raises(ValueError, match="in the field 'parent', which must be an object with name, sha256, plan"):
            checkpoints.load(tmp_path / "small.safetensors")


def test_a_network_that_is_no_narrower_form_of_its_checkpoint(small):
    point, net, _, _ = small
    other = nn.Sequential(net)
    with pytest.raises(ValueError):
        saving.card_of(other, point, PLAN, Score(1, 2))


def test_what_onnx_is_for_names_its_opset():
    assert f"opset {OPSET}," in FORMATS["onnx"].help
