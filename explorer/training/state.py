"""A training under way on disk: its resumable state and its records of epochs."""

import csv
import io
import os
import pickle
import struct
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explorer.files.whole import part_of, write_part
from explorer.images.split import Split
from explorer.language.saying import say
from explorer.networks import checkpoints
from explorer.training.recipes import Recipe


@dataclass(frozen=True)
class Epoch:
    """What one epoch brought: losses are mean cross-entropies, the training figures running ones, with augmentation."""

    epoch: int  # 1…epochs
    epochs: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass
class State:
    """A training under way: all that its state file keeps."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0  # finished
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)


def state_path(name: str, out: Path | None = None) -> Path:
    """Where the resumable state of an unfinished training of the checkpoint `name` lies."""
    return checkpoints.weights_path(name, out).with_suffix(".resume.pt")


def history_path(name: str, out: Path | None = None) -> Path:
    """Where the records of all epochs lie, as CSV, a column for each field of Epoch; it stays beside the checkpoint."""
    return checkpoints.weights_path(name, out).with_suffix(".csv")


def asked_path(name: str, out: Path | None = None) -> Path:
    """Where it lies what was asked of a fine-tuning after removals that makes the checkpoint `name`."""
    return checkpoints.weights_path(name, out).with_suffix(".compress.json")


def unfinished_files(name: str, out: Path | None = None) -> list[Path]:
    """What lies there of a fine-tuning after removals that makes the checkpoint `name`."""
    path = asked_path(name, out)
    return [*path.parent.glob(f"{name}.step*.resume.pt*"), *([path] if path.is_file() else [])]


def save_state(run: State, path: Path, identity: dict[str, Any]) -> None:
    """Write the state whole or not at all."""
    state = {
        "identity": identity,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "epoch": run.epoch,
        "best_epoch": run.best_epoch,
        "best_accuracy": run.best_accuracy,
        "best_weights": run.best_weights,
        "history": [asdict(record) for record in run.history],
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_part(path, buffer.getvalue())
    os.replace(part_of(path), path)


def save_history(history: Sequence[Epoch], path: Path) -> None:
    """Write the records of all epochs, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(each.name for each in fields(Epoch))
    writer.writerows(astuple(record) for record in history)
    write_part(path, text.getvalue().encode())
    os.replace(part_of(path), path)


def restore(run: State, path: Path, identity: dict[str, Any]) -> None:
    """Continue from a state file; ValueError where it is corrupt or belongs to another training."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        theirs = {"start": "", **state["identity"]}
        for key in identity:
            if theirs.get(key) != identity[key]:
                words = "{field} {theirs}, not {ours}"
                told = {"theirs": str(theirs.get(key)), "ours": str(identity[key])}
                raise _OtherTrainingError(say(words, field=key.replace("_", " "), **told))
        run.model.load_state_dict(state["model"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.epoch, run.best_epoch = int(state["epoch"]), int(state["best_epoch"])
        run.best_accuracy, run.best_weights = float(state["best_accuracy"]), dict(state["best_weights"])
        run.history = [Epoch(**record) for record in state["history"]]
    except _OtherTrainingError as error:
        words = "{file} is from another training ({why}); repeat that one's options, or train without --resume"
        raise ValueError(say(words, file=path.name, why=str(error))) from error
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError, struct.error) as error:
        words = "{file} is corrupt; train without --resume to start from scratch"
        raise ValueError(say(words, file=path.name)) from error


class _OtherTrainingError(Exception):
    """A state file's identity is not that of this training."""


def identity_of(model_name: str, fit: Split, recipe: Recipe, start: str = "") -> dict[str, Any]:
    """What must be equal for a state to be continued: network, data, every field of the recipe, and the first weights.

    `start` is the SHA-256 of those; it is empty where they were drawn at random.
    """
    told = {"model": model_name, "data set": fit.name, "origin": fit.origin, "images": len(fit), "start": start}
    return told | asdict(recipe)
