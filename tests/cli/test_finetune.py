"""`compress --finetune`: stopped and resumed, of networks brought from a file, and what is said before the work."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from explorer.answers import compressing, recovering
from explorer.answers.unfinished import Unfinished
from explorer.cli import main
from explorer.files.places import PROJECT
from explorer.images.reading import load_split
from explorer.networks import checkpoints
from explorer.networks.cards import Score
from explorer.training import loop, trainings
from explorer.training.finetuning import finetuning_recipe

TESTS = Path(__file__).parent.parent
NET = "simple-cnn_fashion-mnist"
PLAN = ["--share", "0.8", "--steps", "2", "--finetune", "2", "--limit", "200", "--device", "cpu", "--name", "small"]


@pytest.fixture
def few_images(monkeypatch):
    monkeypatch.setattr(loop, "load_split", lambda *asked: load_split(*asked).take(2000))


def compress(folder, *options, net=NET):
    return main.main(["compress", net, *PLAN, "--out", str(folder), "--no-tables", *options])


@pytest.fixture
def stopped(few_images, monkeypatch, tmp_path, capsys):
    """A folder with a fine-tuning that was stopped after the first of two epochs after the second of two removals."""
    tell = Unfinished.tell

    def tell_and_stop(self, record, step, steps):
        tell(self, record, step, steps)
        if len(self.epochs) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "tell", tell_and_stop)
        assert compress(tmp_path / "parts") == 130
    assert "--resume goes on from the last finished epoch" in capsys.readouterr().err
    return tmp_path / "parts"


@pytest.mark.slow
def test_stopped_and_resumed_it_ends_with_the_same_weights(stopped, tmp_path):
    left = ["small.compress.json", "small.csv", "small.step1.resume.pt", "small.step2.resume.pt"]
    assert sorted(path.name for path in stopped.iterdir()) == left
    assert {path.name for path in trainings.leftovers("small", stopped)} == set(left)
    epochs = trainings.history("small", stopped)
    assert epochs["epoch"].tolist() == [1, 2, 3] and epochs["epochs"].unique().tolist() == [4]
    assert compress(stopped, "--resume", "--progress", str(tmp_path / "progress.json")) == 0
    seen = json.loads((tmp_path / "progress.json").read_text())
    assert seen["done"] == seen["total"]
    assert sorted(path.name for path in stopped.iterdir()) == ["small.csv", "small.json", "small.safetensors"]
    assert trainings.history("small", stopped)["epoch"].tolist() == [1, 2, 3, 4]
    assert compress(tmp_path / "whole") == 0
    one, other = (checkpoints.load("small", tmp_path / each) for each in ("whole", "parts"))
    assert one.sha256 == other.sha256 and one.card == other.card
    made = one.card.parent
    assert (made.steps, made.epochs, made.plan) == (2, 4, "conv1:12,conv2:25")
    assert made.pruned.n == 200 and made.pruned.accuracy < one.card.accuracy["test"].accuracy


DYING = """
import os, signal, sys
import few
from explorer.answers.unfinished import Unfinished
from explorer.cli import compress, main

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def after_two_epochs_and_a_half(done, total):
    if done > 2.5 / 4 * total:
        die()

def tell_and_die(self, record, step, steps, tell=Unfinished.tell):
    tell(self, record, step, steps)
    if len(self.epochs) == 3:
        die()

few.register()
if sys.argv.pop(1) == "within an epoch":
    compress.reporting = lambda bar, progress: after_two_epochs_and_a_half
else:
    Unfinished.tell = tell_and_die
main.main()
"""


def compress_elsewhere(folder, *program):
    """The code that a process of its own ends with, where trainings see few images."""
    ask = ["compress", NET, *PLAN, "--out", str(folder), "--no-tables", "--resume"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(PROJECT), str(TESTS)])}
    return subprocess.run([sys.executable, *program, *ask], env=env, capture_output=True, timeout=600).returncode


@pytest.mark.slow
def test_killed_within_an_epoch_and_between_two_it_ends_with_the_same_weights(tmp_path):
    few = str(TESTS / "few.py")
    assert compress_elsewhere(tmp_path / "whole", few) == 0
    for moment, epochs in (("within an epoch", [1, 2]), ("between two", [1, 2, 3])):
        assert compress_elsewhere(tmp_path / "parts", "-c", DYING, moment) == -signal.SIGKILL
        assert trainings.history("small", tmp_path / "parts")["epoch"].tolist() == epochs
    assert compress_elsewhere(tmp_path / "parts", few) == 0
    one, other = (checkpoints.load("small", tmp_path / each) for each in ("whole", "parts"))
    assert one.sha256 == other.sha256 and one.card == other.card
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        "small.csv",
        "small.json",
        "small.safetensors",
    ]


@pytest.mark.slow
def test_what_was_asked_otherwise_is_not_gone_on_with(stopped, capsys):
    assert compress(stopped, "--resume", "--share", "0.7") == 2
    assert "small.compress.json is from another fine-tuning (share 0.8, not 0.7); repeat" in capsys.readouterr().err
    (stopped / "small.compress.json").write_text("{")
    assert compress(stopped, "--resume") == 2
    assert "small.compress.json is corrupt; compress without --resume" in capsys.readouterr().err


def test_resume_needs_something_to_go_on_with(capsys, tmp_path):
    assert main.main(["compress", NET, "--share", "0.5", "--resume", "--out", str(tmp_path)]) == 2
    assert "--resume goes on with a fine-tuning: give --finetune EPOCHS and --out DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("safetensors", "half.safetensors"),
        ("safetensors", "half.json"),
        ("torch", "network.py"),
        ("torch", "network.pt"),
        ("pt2", "network.pt2"),
        ("onnx", "network.onnx"),
    ],
)
def test_a_file_that_is_there_is_said_before_the_work(capsys, tmp_path, monkeypatch, kind, file):
    monkeypatch.setattr(compressing, "groups_of", lambda checkpoint: pytest.fail("work began"))
    (tmp_path / file).touch()
    options = ["--share", "0.5", "--finetune", "1", "--out", str(tmp_path), "--name", "half", "--format", kind]
    assert main.main(["compress", NET, *options]) == 2
    assert f"{file} is there already; choose another folder, or take it away" in capsys.readouterr().err


def test_a_network_is_not_called_as_a_table(capsys, tmp_path):
    options = ["--share", "0.5", "--finetune", "1", "--out", str(tmp_path), "--name", "layers"]
    assert main.main(["compress", NET, *options]) == 2
    assert "layers.csv is the name of a table" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--plan", "conv9:1"], ["--share", "0.5", "--finetune", "0"]])
def test_a_folder_that_was_not_there_is_gone_where_nothing_came(capsys, tmp_path, options):
    assert main.main(["compress", NET, *options, "--out", str(tmp_path / "a" / "b")]) == 2
    assert not (tmp_path / "a").exists() and capsys.readouterr().err.startswith("error: ")


def test_other_images_than_it_was_trained_on_are_said(monkeypatch):
    card = checkpoints.read_card(NET)
    assert card.origin == "bundled"
    assert not recovering.other_images(card)
    monkeypatch.setattr(recovering, "availability", lambda name: "full")
    assert "it was trained on the bundled fashion-mnist, and the one here is full" in recovering.other_images(card)


OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv, self.pool, self.out = nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(4), nn.Linear(8 * 49, 10)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        return self.out(self.pool(x + self.conv(x)).flatten(1))
"""


@pytest.mark.slow
def test_a_network_brought_from_a_file_is_fine_tuned(few_images, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "net.py").write_text(OWN)
    space = {}
    exec(OWN, space)
    torch.manual_seed(0)
    torch.save(space["Net"]().state_dict(), tmp_path / "net.pth")
    own = ["import-network", f"{tmp_path}/net.py:Net", str(tmp_path / "net.pth"), "--data", "fashion-mnist"]
    assert main.main([*own, "--name", "mine"]) == 0
    faster = partial(replace, lr=5e-3)
    monkeypatch.setattr(recovering, "finetuning_recipe", lambda card: faster(finetuning_recipe(card)))
    assert compress(tmp_path / "out", "--format", "safetensors,torch", net="mine") == 0, capsys.readouterr().err
    small = checkpoints.load("small", tmp_path / "out")
    assert small.card.imported and small.card.parent.name == "mine" and small.card.parent.epochs == 4
    assert small.card.accuracy["test"].accuracy > small.card.parent.pruned.accuracy + 0.1
    assert small.model.stem.weight.shape[0] == small.model.conv.weight.shape[0] == 2, "one stream, 6 of 8 gone"
    assert isinstance(small.card.parent.pruned, Score) and (tmp_path / "out" / "network.py").is_file()
