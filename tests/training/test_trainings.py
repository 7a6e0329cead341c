"""Trainings as processes: what may be asked, and that no kill -9 costs more than the running epoch."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import tiny as tiny_data
import torch

from explorer.background import processes
from explorer.background.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from explorer.background.processes import Queue
from explorer.background.records import BROKEN, INTERRUPTED, Request
from explorer.images import datasets
from explorer.networks import checkpoints
from explorer.training import loop, trainings
from explorer.training.recipes import RECIPES, Recipe
from explorer.training.state import Epoch, history_path, state_path
from explorer.training.trainings import Training

TESTS = Path(__file__).parent.parent
TINY = (str(TESTS / "tiny.py"),)
PATIENCE = 300  # seconds, for a busy machine
RECIPE = Recipe(epochs=30, batch_size=8, lr=1e-5, seed=3, validation=0.4, flip=0.5, noise=0.3)  # learns slowly
NAME = "simple-cnn_tiny"
ABOUT = {"model": "simple-cnn", "dataset": "tiny", "recipe": asdict(RECIPE), "description": "mine"}


@pytest.fixture
def out(tiny, tmp_path, monkeypatch):
    """A folder for checkpoints, whose trainings know the data set "tiny"."""
    monkeypatch.setattr(trainings, "Queue", lambda folder: Queue(folder, TINY))
    monkeypatch.setattr(datasets, "availability", lambda name, root=None: "full")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # of the processes, too: small images only wait for a second one
    yield tmp_path
    torch.set_num_threads(threads)
    for each in trainings.list_trainings(tmp_path):
        trainings.queue(tmp_path).cancel(each.name)
    until(lambda: {each.state for each in trainings.list_trainings(tmp_path)}.isdisjoint({RUNNING, QUEUED}))


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def submit(out: Path, recipe: Recipe = RECIPE, **options) -> str:
    return trainings.submit("simple-cnn", "tiny", recipe, out=out, **options)


def known(out: Path, name: str = NAME) -> Training:
    return next(each for each in trainings.list_trainings(out) if each.name == name)


def wait_for(out: Path, state: str, name: str = NAME) -> Training:
    until(lambda: known(out, name).state == state)
    return known(out, name)


def epochs_done(out: Path) -> int:
    return len(trainings.history(NAME, out))


def pretend(out: Path, name: str, about: object = ABOUT, **run) -> None:
    """A training that ended as `run` says, without any process."""
    folder = out / "trainings" / name
    folder.mkdir(parents=True)
    run = {"queued": time.time(), "started": 2.0, "ended": 3.0, **run}
    for file, content in (("request", {"arguments": [], "about": about, "result": "x"}), ("run", run)):
        (folder / f"{file}.json").write_text(json.dumps(content))


def pretend_epochs(out: Path, name: str, seconds: tuple[float, ...]) -> None:
    records = [Epoch(i, 30, 0.5, 0.8, 0.6, 0.7, each) for i, each in enumerate(seconds, start=1)]
    pd.DataFrame(records).to_csv(history_path(name, out), index=False)


# kill -9


@pytest.fixture
def whole(out, tmp_path_factory) -> Path:
    """The folder of a training that ran through."""
    folder = tmp_path_factory.mktemp("whole")
    for _ in loop.train("simple-cnn", "tiny", RECIPE, folder):
        pass
    return folder


def assert_same(out: Path, whole: Path) -> None:
    """The same weights bit for bit, the same card, and the same losses and accuracies after every epoch."""
    one, other = checkpoints.load(NAME, out), checkpoints.load(NAME, whole)
    assert one.sha256 == other.sha256 and one.card == other.card
    assert one.card.kept_epoch > 15, "weights that were kept before the first kill would prove nothing"
    histories = [trainings.history(NAME, folder).drop(columns="seconds") for folder in (out, whole)]
    assert histories[0].equals(histories[1]) and len(histories[0]) == RECIPE.epochs
    assert not state_path(NAME, out).exists()


SERVER = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
import tiny
from explorer.background.processes import Queue
from explorer.training import trainings
from explorer.training.recipes import Recipe
tiny.register()
tiny.torch.set_num_threads(1)
trainings.Queue = lambda folder: Queue(folder, {TINY})
trainings.submit("simple-cnn", "tiny", {RECIPE}, out=Path(sys.argv[1]))
print("submitted", flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_weights(out, whole):
    """First the job; then all that ran it, and who asked for it; then its worker alone, which it can do without."""
    command = [sys.executable, "-c", SERVER, str(out)]
    server = subprocess.Popen(command, cwd=processes.PROJECT, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"submitted\n"
    log = out / "trainings" / NAME / "log.txt"
    for all_of_them in (False, True):
        target = epochs_done(out) + random.randint(1, 6)
        until(lambda target=target: epochs_done(out) >= target)
        time.sleep(random.random() / 20)
        job, before = known(out).job, epochs_done(out)
        assert job.state == RUNNING, "a quicker machine needs more epochs"
        for pid in [server.pid, worker_of(log), job.run.pid] if all_of_them else [job.run.pid]:
            os.kill(pid, signal.SIGKILL)
        wait_for(out, INTERRUPTED)
        past = len(epochs_in(log.read_text()))
        kept = torch.load(state_path(NAME, out), weights_only=True)["epoch"]
        assert kept >= before, "no finished epoch is lost"
        trainings.queue(out).resume(NAME)
        until(lambda past=past: trainings.queue(out).wake() or len(epochs_in(log.read_text())) > past)
        assert epochs_in(log.read_text())[past] == kept + 1, "only the running epoch is repeated"
    server.communicate()
    os.kill(worker_of(log), signal.SIGKILL)
    wait_for(out, DONE)
    assert_same(out, whole)


def epochs_in(log: str) -> list[int]:
    """The epochs that a log speaks of."""
    return [int(epoch) for epoch in re.findall(r"^epoch +(\d+)/", log, re.MULTILINE)]


def worker_of(log: Path) -> int:
    """The process that started the latest run."""
    return int(re.findall(r"started by (\d+)", log.read_text())[-1])


@pytest.mark.slow
def test_a_diverging_training_fails_with_its_last_words_and_can_be_resumed_or_removed(out):
    submit(out, replace(RECIPE, optimizer="sgd", lr=100.0), name="wild")
    failed = wait_for(out, FAILED, "wild")
    assert failed.job.last_words().startswith("error: the loss is no longer finite in epoch")
    (out / "trainings" / "wild" / "lock").touch()
    trainings.remove("wild", out)
    assert trainings.list_trainings(out) == []
    assert [path.name for path in out.iterdir()] == ["trainings"], "its state and history are gone, too"


@pytest.mark.slow
def test_a_training_keeps_what_was_asked_and_ends_in_the_list_of_checkpoints(out):
    submit(out, replace(RECIPE, epochs=1, stored="float16"), description='for $5 -- "mine" ünd yours')
    asked = known(out)
    assert (asked.model, asked.dataset, asked.recipe.stored) == ("simple-cnn", "tiny", "float16")
    assert wait_for(out, DONE).recipe == replace(RECIPE, epochs=1, stored="float16")
    assert checkpoints.list_checkpoints(out) == [NAME]
    card = checkpoints.read_card(NAME, out)
    assert card.description == asked.description == 'for $5 -- "mine" ünd yours'
    assert trainings.score_of(NAME, out) == card.accuracy["test"]
    assert known(out).job.progress().fraction == 1
    trainings.remove(NAME, out)
    assert trainings.list_trainings(out) == [] and checkpoints.list_checkpoints(out) == [NAME]
    assert epochs_done(out) == 1, "what is done keeps its records"


@pytest.mark.slow
def test_fine_tuning_waits_in_the_queue_and_survives_kill_9(out):
    start = tiny_data.small(out)
    name = submit(out, start="small")
    assert name == "small-tuned" and known(out, name).start == "small"
    until(lambda: len(trainings.history(name, out)) >= 2)
    assert known(out, name).job.state == RUNNING, "a quicker machine needs more epochs"
    os.kill(known(out, name).job.run.pid, signal.SIGKILL)
    wait_for(out, INTERRUPTED, name)
    trainings.queue(out).resume(name)
    wait_for(out, DONE, name)
    for _ in loop.train("simple-cnn", "tiny", RECIPE, out / "whole", name=name, start=start):
        pass
    one, other = checkpoints.load(name, out), checkpoints.load(name, out / "whole")
    assert one.sha256 == other.sha256 and one.card == other.card and one.card.widths == tiny_data.WIDTHS


# What may be asked


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "My net"}, "checkpoint name 'My net' is not plain"),
        ({"name": "../x"}, "checkpoint name '../x' is not plain"),
        ({"name": "x" * 65}, "is longer than 64 characters; choose a shorter one"),
        ({"name": "resnet18_cifar10"}, "'resnet18_cifar10' is the name of a network that comes with the app and stays"),
        ({"name": "there"}, "there is a network called 'there' already; choose another name, or delete that one first"),
        ({"name": "begun"}, "a training called 'begun' is cancelled; choose another name, or remove it first"),
        ({"name": "other"}, "an unfinished training called 'other' was started outside this page; choose another name"),
        ({"description": "two\nlines"}, "a description is one line of at most 500 characters; shorten it"),
        ({"description": "x" * 501}, "a description is one line"),
        ({"description": "\x00"}, "a description is one line"),
        ({"description": "\ud800"}, "a description is one line"),
        ({"recipe": replace(RECIPE, small=0.5)}, "simple-cnn takes images of one size only"),
        ({"dataset_name": "mnist-pairs"}, "simple-cnn looks at single images, but mnist-pairs holds pairs of images"),
        ({"dataset_name": "imagenet"}, "unknown data set 'imagenet'"),
        ({"model_name": "vgg"}, "unknown model 'vgg'"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(out, options, words):
    (out / "there.safetensors").touch()
    (out / "other.resume.pt").touch()
    pretend(out, "begun", cancelled=True)
    asked = {"model_name": "simple-cnn", "dataset_name": "tiny", "recipe": RECIPE} | options
    with pytest.raises(ValueError, match=re.escape(words)):
        trainings.submit(**asked, out=out)
    assert [each.name for each in trainings.list_trainings(out)] == ["begun"]


def test_missing_data_is_refused_with_the_way_out(out, monkeypatch):
    monkeypatch.setattr(datasets, "availability", lambda name, root=None: "missing")
    with pytest.raises(ValueError, match="MNIST is not on this machine; run `python -m explorer data mnist`"):
        trainings.submit("simple-cnn", "mnist", RECIPE, out=out)


def test_a_free_name_is_one_that_nobody_has(out):
    assert trainings.free_name("simple-cnn", "tiny", out) == NAME
    pretend(out, NAME)
    assert trainings.free_name("simple-cnn", "tiny", out) == f"{NAME}-2"
    (out / f"{NAME}-2.safetensors").touch()
    assert trainings.free_name("simple-cnn", "tiny", out) == f"{NAME}-3"
    assert trainings.free_name("simple-cnn", "fashion-mnist", out) == "simple-cnn_fashion-mnist-2", "one is shipped"


def test_the_name_of_a_training_that_is_done_is_its_checkpoints(out):
    pretend(out, NAME, code=0)
    trainings.check_name(NAME, out)  # its network was deleted or renamed since
    (out / f"{NAME}.safetensors").touch()
    with pytest.raises(ValueError, match="there is a network called"):
        trainings.check_name(NAME, out)


@pytest.mark.parametrize("model", ["simple-cnn", "siamese", "resnet18", "lab-resnet", "block-net"])
def test_every_recipe_survives_the_queue(model):
    recipe = RECIPES[model]
    assert trainings._recipe(json.loads(json.dumps(asdict(recipe)))) == recipe


def test_as_many_threads_and_the_same_data_whoever_resumes(out, monkeypatch):
    monkeypatch.setenv("EXPLORER_DATA", "somewhere")
    assert trainings._environment() == {"OMP_NUM_THREADS": "1", "EXPLORER_DATA": str(Path("somewhere").absolute())}


# What the page reads


def test_the_list_has_the_running_one_first_then_the_queue_then_the_latest(out):
    for name, run in (("old", {"code": 0}), ("new", {"code": 2}), ("gone", {"cancelled": True})):
        pretend(out, name, **run)
    waiting = Queue(trainings.queue(out).folder, ("-c",))
    for name in ("first", "second"):
        waiting.submit(name, Request(["import time; time.sleep(600)"], ABOUT, "x"))
    wait_for(out, RUNNING, "first")
    assert [(each.name, each.state) for each in trainings.list_trainings(out)] == [
        ("first", RUNNING),
        ("second", QUEUED),
        ("gone", CANCELLED),
        ("new", FAILED),
        ("old", DONE),
    ]
    trainings.queue(out).cancel("second")


@pytest.mark.parametrize(
    "about",
    [{}, ABOUT | {"model": "vgg"}, ABOUT | {"dataset": "mnist-pairs"}, ABOUT | {"recipe": {}}, ABOUT | {"recipe": 5}]
    + [ABOUT | {"recipe": {**asdict(RECIPE), **wrong}} for wrong in ({"lr": -1}, {"mean": 5}, {"colour": "red"})],
)
def test_jobs_that_are_no_trainings_are_broken_and_can_be_removed(out, about):
    pretend(out, "Strange One!", about)
    (broken,) = trainings.list_trainings(out)
    assert broken.state == BROKEN and not broken.cancelling
    trainings.remove("Strange One!", out)
    assert trainings.list_trainings(out) == []


def test_history_is_empty_where_it_cannot_be_read(out):
    assert trainings.history("none", out).empty
    pretend_epochs(out, "some", (2.0, 4.0))
    assert trainings.history("some", out)["epoch"].tolist() == [1, 2]
    for text in ("", "epoch\n1\n", "a,b\n1,2\n", history_path("some", out).read_text().replace("0.5", "x")):
        history_path("some", out).write_text(text)
        assert trainings.history("some", out).empty


def test_the_pace_is_that_of_the_latest_training_of_its_kind(out):
    assert trainings.pace("simple-cnn", "tiny", RECIPE, [], out) is None
    for name, seconds in (("old", (9.0,)), ("new", (2.0, 4.0)), ("begun", ())):
        pretend(out, name, code=0)
        pretend_epochs(out, name, seconds)
    found = trainings.list_trainings(out)
    assert trainings.pace("simple-cnn", "tiny", RECIPE, found, out) == 3.0
    assert trainings.pace("simple-cnn", "tiny", replace(RECIPE, epochs=5, lr=0.1, seed=1), found, out) == 3.0
    assert trainings.pace("simple-cnn", "tiny", replace(RECIPE, validation=0.5), found, out) is None
    assert trainings.pace("siamese", "tiny", RECIPE, found, out) is None


def test_a_history_of_an_earlier_network_of_the_name_is_not_the_new_ones(out):
    pretend_epochs(out, NAME, (1.0, 1.0))
    submit(out)
    assert epochs_done(out) == 0 or known(out).state == RUNNING
    trainings.queue(out).cancel(NAME)
    assert epochs_done(out) < 2


def test_the_accuracy_of_a_network_that_is_gone_is_unknown(out):
    assert trainings.score_of("gone", out) is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"start": "nobody"}, "unknown checkpoint 'nobody'; there are: small"),
        ({"start": "small", "dataset_name": "mnist"}, "is a simple-cnn for tiny, not a simple-cnn for mnist"),
    ],
)
def test_what_cannot_be_fine_tuned_is_refused_before_it_is_queued(out, asked, words):
    tiny_data.small(out)
    with pytest.raises(ValueError, match=words):
        trainings.submit(**{"model_name": "simple-cnn", "dataset_name": "tiny", "recipe": RECIPE, "out": out} | asked)
    assert trainings.list_trainings(out) == []
