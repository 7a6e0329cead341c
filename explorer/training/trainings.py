"""Trainings as processes: each is `python -m explorer train …`, run by the queue in `trainings/` beside checkpoints.

A training has the name of the checkpoint that it makes. Its state after every epoch lies where `training` keeps it, so
that one which was cancelled, failed or killed goes on from its last finished epoch.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from explorer.background.jobs import DONE, QUEUED, RUNNING
from explorer.background.processes import Queue
from explorer.background.records import BROKEN, Job, Request
from explorer.files.names import LONGEST_NAME, check_description, check_plain
from explorer.files.places import checkpoints_root, data_root
from explorer.files.whole import part_of
from explorer.images import datasets
from explorer.images.integrity import remedy
from explorer.language.saying import say
from explorer.networks import checkpoints
from explorer.networks.cards import Score
from explorer.training import loop, recipes
from explorer.training.finetuning import check_start
from explorer.training.recipes import Recipe
from explorer.training.state import Epoch, history_path, state_path, unfinished_files

NO_WORK = ("epochs", "lr", "momentum", "weight_decay", "schedule", "label_smoothing", "seed", "stored")
COLUMNS = tuple(Epoch.__dataclass_fields__)


@dataclass(frozen=True)
class Training:
    """A training as it stood when the queue was read; what is `broken` tells neither network nor recipe."""

    job: Job
    model: str = ""
    dataset: str = ""
    recipe: Recipe | None = None
    description: str = ""
    start: str = ""  # the checkpoint that it goes on from; empty where the first weights are drawn at random

    @property
    def name(self) -> str:
        """The name of the checkpoint that it makes."""
        return self.job.name

    @property
    def state(self) -> str:
        """Queued, running, done, failed, cancelled, interrupted or broken."""
        return BROKEN if self.recipe is None else self.job.state

    @property
    def cancelling(self) -> bool:
        """Whether it was told to stop and has not yet."""
        return self.state == RUNNING and self.job.run is not None and self.job.run.cancelled


def queue(out: Path | None = None) -> Queue:
    """The queue of the trainings whose checkpoints go to `out`, by default the folder of the checkpoints."""
    return Queue((out or checkpoints_root()) / "trainings")


def submit(
    model_name: str,
    dataset_name: str,
    recipe: Recipe,
    name: str | None = None,
    description: str = "",
    out: Path | None = None,
    start: str = "",
) -> str:
    """Queue a training, which starts by itself once those before it have ended; returns the checkpoint's name.

    With the name of a checkpoint to `start` from, that is fine-tuned.

    Raises ValueError where network, data set, recipe or description do not fit, the data is not on this machine, or the
    name is taken or not plain.
    """
    name = name or free_name(model_name, dataset_name, out, start)
    check(model_name, dataset_name, recipe, name, description, out, start)
    if datasets.availability(dataset_name) == "missing":
        title = say(datasets.dataset_info(dataset_name).title)
        raise ValueError(say("{title} is not on this machine; {remedy}", title=title, remedy=remedy(dataset_name)))
    arguments = ["train", model_name, f"--data={dataset_name}", f"--name={name}", f"--description={description}"]
    arguments += [*recipes.command_line(recipe), "--out=../..", "--progress=progress.json", "--resume"]
    arguments += [f"--from={start}"] if start else []
    about = {"model": model_name, "dataset": dataset_name, "recipe": asdict(recipe), "description": description}
    about |= {"start": start}
    enqueue(name, arguments, about, out)
    return name


def enqueue(name: str, arguments: list[str], about: dict[str, Any], out: Path | None = None) -> None:
    """Queue a command line that trains and makes the checkpoint of that name, which is free; `about` tells of it."""
    history_path(name, out).unlink(missing_ok=True)  # of a network that is no longer there
    queue(out).submit(name, Request(arguments, about, f"../../{name}.json", _environment()))


def check(
    model_name: str,
    dataset_name: str,
    recipe: Recipe,
    name: str,
    description: str,
    out: Path | None = None,
    start: str = "",
) -> None:
    """ValueError as `submit` raises it, but for data that is missing."""
    recipes.recipe_for(model_name, dataset_name)
    loop.check(model_name, dataset_name, recipe)
    if start:
        check_start(checkpoints.read_card(start, out), model_name, dataset_name, recipe)
    check_name(name, out)
    check_description(description)


def list_trainings(out: Path | None = None) -> list[Training]:
    """All of them: the running one, those that wait in their order, then the others, the last queued first."""
    trainings = [_training(job) for job in queue(out).jobs()]
    ahead = [each for state in (RUNNING, QUEUED) for each in trainings if each.state == state]
    return ahead + [each for each in reversed(trainings) if each.state not in (RUNNING, QUEUED)]


def remove(name: str, out: Path | None = None) -> None:
    """Forget a training; unless it is done, its unfinished epochs go, too. ValueError while it runs.

    What it has finished, the checkpoint, stays.
    """
    done = {each.name for each in list_trainings(out) if each.state == DONE}
    kept = {history_path(name, out)} if name in done else set()  # which lies beside the network
    queue(out).remove(name, [path for path in leftovers(name, out) if path not in kept])


def leftovers(name: str, out: Path | None = None) -> list[Path]:
    """The files, beside the checkpoints, of a training that is not done."""
    if not checkpoints.PLAIN_NAME.fullmatch(name):
        return []
    path, kept = checkpoints.weights_path(name, out), [state_path(name, out), history_path(name, out)]
    parts = map(part_of, [*kept, path, path.with_suffix(".json")])
    return [each for each in [*kept, *parts] if each.is_file()] + unfinished_files(name, out)


def check_name(name: str, out: Path | None = None) -> None:
    """ValueError unless a new checkpoint can have the name: plain, and neither a network nor a training has it."""
    check_plain(name)
    checkpoints.check_not_shipped(name)
    checkpoints.check_free(name, out)
    for each in list_trainings(out):
        if each.name == name and each.state != DONE:
            words = "a training called {name!r} is {state}; choose another name, or remove it first"
            raise ValueError(say(words, name=name, state=say(each.state)))
    state = state_path(name, out)
    if state.exists():
        raise ValueError(
            say(
                "an unfinished training called {name!r} was started outside this page; choose another name, or delete "
                "{file} in the folder of the checkpoints",
                name=name,
                file=state.name,
            )
        )


def rename(name: str, new: str, out: Path | None = None) -> None:
    """Give one's own finished network another name; ValueError as for `checkpoints.rename` and `check_name`."""
    check_name(new, out)
    checkpoints.rename(name, new, out)
    _forget(name, out)


def describe(name: str, description: str, out: Path | None = None) -> None:
    """Put words of one's own on the card of one's own network; ValueError as for its card and `check_description`."""
    check_description(description)
    checkpoints.describe(name, description, out)


def delete(name: str, out: Path | None = None) -> None:
    """Delete one's own finished network; ValueError for one that comes with the app, or an unknown one."""
    checkpoints.delete(name, out)
    _forget(name, out)


def _forget(name: str, out: Path | None) -> None:
    """Drop the training that made a network which is no longer there under this name."""
    if any(each.name == name and each.state == DONE for each in list_trainings(out)):
        queue(out).remove(name, leftovers(name, out))


def free_name(model_name: str, dataset_name: str, out: Path | None = None, start: str = "") -> str:
    """MODEL_DATASET, or START-tuned, or with the first number from 2 that makes it a name nobody has."""
    return first_free(f"{start}-tuned" if start else loop.checkpoint_name(model_name, dataset_name), out)


def first_free(base: str, out: Path | None = None) -> str:
    """The plain name `base`, cut to what fits, or with the first number from 2 that makes it a name nobody has."""
    base, number = base[: LONGEST_NAME - 4], 1
    check_plain(base)
    while True:
        name = base if number == 1 else f"{base}-{number}"
        try:
            check_name(name, out)
            return name
        except ValueError:
            number += 1


def history(name: str, out: Path | None = None) -> pd.DataFrame:
    """The finished epochs of a training, a row each with the fields of Epoch; none where there is nothing to read."""
    try:
        table = pd.read_csv(history_path(name, out))
        numbers = table[list(COLUMNS)].astype(float)
        if not np.isfinite(numbers.to_numpy()).all():
            raise ValueError("holds what is no number")
        return numbers.astype({"epoch": int, "epochs": int})
    except (OSError, ValueError, KeyError):
        return pd.DataFrame(columns=list(COLUMNS), dtype=float)


def pace(
    model_name: str, dataset_name: str, recipe: Recipe, trainings: Sequence[Training], out: Path | None = None
) -> float | None:
    """Seconds an epoch took in the first of these trainings that did as much work in one; None where there is none."""
    for each in trainings:
        if each.recipe and (each.model, each.dataset, work_of(each.recipe)) == (
            model_name,
            dataset_name,
            work_of(recipe),
        ):
            seconds = history(each.name, out)["seconds"]
            if len(seconds):
                return float(seconds.mean())
    return None


def work_of(recipe: Recipe) -> dict[str, Any]:
    """What decides how long an epoch takes, of a recipe."""
    return {name: value for name, value in asdict(recipe).items() if name not in NO_WORK}


def score_of(name: str, out: Path | None = None) -> Score | None:
    """How good the network of that name is on the test images; None where it is no longer there."""
    try:
        return checkpoints.read_card(name, out).accuracy["test"]
    except (ValueError, OSError):
        return None


def _training(job: Job) -> Training:
    """The training that a job is; broken where the job does not say what was asked."""
    try:
        about = job.request.about if job.request else {}
        model, dataset, description = (str(about[key]) for key in ("model", "dataset", "description"))
        loop.check_fit(model, dataset)
        return Training(job, model, dataset, _recipe(about["recipe"]), description, str(about.get("start", "")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return Training(job)


def _recipe(fields: Mapping[str, Any]) -> Recipe:
    """A recipe after a round trip through JSON, which knows no tuples."""
    return Recipe(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})


def _environment() -> dict[str, str]:
    """What must stay as it is now, whoever starts or resumes the training: as many threads give the same weights."""
    kept = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    if os.environ.get("EXPLORER_DATA"):
        kept["EXPLORER_DATA"] = str(data_root().absolute())
    return kept
