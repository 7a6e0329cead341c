"""Train a network: a recipe in, epoch records out, and at the end a checkpoint.

Everything random in epoch e derives from (seed, e) alone, so a training that was stopped after any epoch and resumed
ends with the same weights, bit for bit, as one that ran through (on the same machine, packages and number of threads).
"""

import io
import math
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import checkpoints
from explorer.checkpoints import Card, Score
from explorer.data import Batches, Split, dataset_info, load_split, normalise
from explorer.evaluation import logits, predict, resolve_device
from explorer.models import build, model_info

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine", "one-cycle")
WARM_UP = 0.3  # the share of a one-cycle schedule in which the learning rate rises
MAX_EPOCHS = 1_000

Progress = Callable[[int, int], None]


def _whole(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} {value!r} is not a whole number in {low}…{high}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # refuses NaN, too
        raise ValueError(f"{name} {value!r} is outside {low:g}…{high:g}")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"unknown {name} {value!r}; choose one of: {', '.join(choices)}")


@dataclass(frozen=True)
class Recipe:
    """How to train: absurd values raise a ValueError that names the value and its range."""

    epochs: int = 10
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9  # SGD's; Adam has its own
    schedule: str = "constant"
    seed: int = 0
    validation: float = 0.1  # the share of the training images held out to choose the epoch by
    mean: tuple[float, ...] = (0.5,)  # normalisation of images in 0…1: one value, or one a channel
    std: tuple[float, ...] = (0.5,)
    flip: bool = False  # mirror half of the images, left to right
    crop: int = 0  # pad by so many pixels, then crop back at random

    def __post_init__(self) -> None:
        _whole("epochs", self.epochs, 1, MAX_EPOCHS)
        _whole("batch size", self.batch_size, 1, 65_536)
        _whole("seed", self.seed, 0, 2**31 - 1)
        _whole("crop", self.crop, 0, 16)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _within("learning rate", self.lr, 1e-8, 100)
        _within("weight decay", self.weight_decay, 0, 1)
        _within("momentum", self.momentum, 0, 0.9999)
        _within("validation share", self.validation, 0.001, 0.9)
        for mean in self.mean:
            _within("mean", mean, 0, 1)
        for std in self.std:
            _within("std", std, 0.001, 10)


RECIPES: dict[str, Recipe] = {
    "simple-cnn": Recipe(),  # lab A
}


@dataclass(frozen=True)
class Epoch:
    """What one epoch brought: loss is the mean cross-entropy; the training figures are running ones."""

    epoch: int  # 1…epochs
    epochs: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@dataclass
class _Run:
    """A training under way: all that its state file keeps."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0  # finished
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)


def train(
    model_name: str,
    dataset_name: str,
    recipe: Recipe,
    out: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Epoch]:
    """Train, yielding a record after each epoch, and at the end write the checkpoint "MODEL_DATASET" into `out`.

    The weights kept are those of the epoch that did best on images held out of the training split. Before each record
    is yielded, a state file lies in `out`; with `resume` a training goes on from it, and starts afresh where there is
    none. `progress(images done, images in all)` is called after every batch.

    Raises ValueError for a network, data set, recipe or state that does not fit, and where the loss is no longer finite
    (the state of the last good epoch stays), or where `out` cannot be written.
    """
    path = state_path(model_name, dataset_name, out)
    _check_writable(path.parent)
    chosen = resolve_device(device)
    info = dataset_info(dataset_name)
    model = _new_model(model_name, info.shape, len(info.classes), recipe.seed).to(chosen)
    fit, held_out = hold_out(load_split(dataset_name, "train", root), recipe)
    identity = _identity(model_name, fit, recipe)
    run = _Run(model, _optimizer(model, recipe))
    if resume and path.exists():
        _restore(run, path, identity)
    while run.epoch < recipe.epochs:
        record = _epoch(run, fit, held_out, recipe, chosen, progress)
        _save_state(run, path, identity)
        yield record
    _finish(run, model_name, fit, held_out, load_split(dataset_name, "test", root), recipe, out)
    path.unlink(missing_ok=True)


def checkpoint_name(model_name: str, dataset_name: str) -> str:
    """The name under which a training of this network on this data set is saved."""
    return f"{model_info(model_name).name}_{dataset_info(dataset_name).name}"


def state_path(model_name: str, dataset_name: str, out: Path | None = None) -> Path:
    """Where the resumable state of an unfinished training lies."""
    return checkpoints.weights_path(checkpoint_name(model_name, dataset_name), out).with_suffix(".resume.pt")


def recipe_for(model_name: str) -> Recipe:
    """The network's own recipe, that of its lab."""
    return RECIPES[model_info(model_name).name]


def hold_out(split: Split, recipe: Recipe) -> tuple[Split, Split]:
    """The training images to fit and those held out for validation, drawn by the recipe's seed."""
    order = torch.randperm(len(split), generator=_generator(recipe.seed, 0))
    held_out = max(1, round(len(split) * recipe.validation))
    if len(split) - held_out < recipe.batch_size:
        raise ValueError(f"a batch of {recipe.batch_size} is more than the {len(split) - held_out} images to train on")
    return split.take(order[held_out:].sort().values), split.take(order[:held_out].sort().values)


def learning_rate(recipe: Recipe, done: float) -> float:
    """The learning rate when the share `done` (0…1) of the training is over."""
    if recipe.schedule == "constant":
        return recipe.lr
    if recipe.schedule == "one-cycle":
        if done < WARM_UP:
            return recipe.lr * (0.04 + 0.96 * done / WARM_UP)
        done = (done - WARM_UP) / (1 - WARM_UP)
    return recipe.lr * (1 + math.cos(math.pi * done)) / 2


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W), each mirrored left to right with probability ½."""
    flipped = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Images (N, C, H, W), each padded with zeros on all sides and cropped back to H × W at random."""
    n, channels, height, width = images.shape
    padded = F.pad(images, [padding] * 4)
    tops, lefts = torch.randint(0, 2 * padding + 1, (2, n, 1), generator=generator)
    rows = (tops + torch.arange(height))[:, None, :, None]  # (N, 1, H, 1)
    columns = (lefts + torch.arange(width))[:, None, None, :]  # (N, 1, 1, W)
    image = torch.arange(n)[:, None, None, None]
    channel = torch.arange(channels)[None, :, None, None]
    return padded[image, channel, rows, columns]


def _epoch(
    run: _Run, fit: Split, held_out: Split, recipe: Recipe, device: torch.device, progress: Progress | None
) -> Epoch:
    """Train for one epoch and validate; updates `run`."""
    started, epoch = time.perf_counter(), run.epoch + 1
    with _seeded(recipe.seed, epoch):
        train_loss, train_accuracy = _train_pass(run, fit, recipe, epoch, device, progress)
    loss, score = _evaluate(run.model.eval(), held_out, recipe, device)
    if not math.isfinite(loss):
        raise _diverged(epoch, recipe)
    run.epoch = epoch
    if score.accuracy > run.best_accuracy:
        run.best_epoch, run.best_accuracy = epoch, score.accuracy
        run.best_weights = {key: value.detach().cpu().clone() for key, value in run.model.state_dict().items()}
    seconds = time.perf_counter() - started
    return Epoch(epoch, recipe.epochs, train_loss, train_accuracy, loss, score.accuracy, seconds)


def _train_pass(
    run: _Run, fit: Split, recipe: Recipe, epoch: int, device: torch.device, progress: Progress | None
) -> tuple[float, float]:
    """Once over the training images in random order; returns mean loss and accuracy on the way."""
    generator = _generator(recipe.seed, epoch)
    n, done, total_loss, correct = len(fit), 0, 0.0, 0
    run.model.train()
    for chosen in torch.randperm(n, generator=generator).split(recipe.batch_size):
        inputs = tuple(_prepare(x[chosen], recipe, generator).to(device) for x in fit.inputs)
        labels = fit.labels[chosen].to(device)
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, (epoch - 1 + done / n) / recipe.epochs)
        outputs = run.model(*inputs)  # (b, classes)
        loss = F.cross_entropy(outputs, labels)
        if not math.isfinite(loss.item()):
            raise _diverged(epoch, recipe)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        done += len(chosen)
        total_loss += loss.item() * len(chosen)
        correct += int((predict(outputs) == labels).sum())
        if progress:
            progress((epoch - 1) * n + done, recipe.epochs * n)
    return total_loss / n, correct / n


def _prepare(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Augmented and normalised: uint8 (b, C, H, W) to float32."""
    if recipe.flip:
        images = random_flip(images, generator)
    if recipe.crop:
        images = random_crop(images, recipe.crop, generator)
    return normalise(images, recipe.mean, recipe.std)


def _evaluate(model: nn.Module, split: Split, recipe: Recipe, device: torch.device) -> tuple[float, Score]:
    """Mean loss and score of the model, in eval mode, on a split."""
    outputs = logits(model, Batches(split, recipe.mean, recipe.std), device)  # (N, classes)
    correct = int((predict(outputs) == split.labels).sum())
    return F.cross_entropy(outputs, split.labels).item(), Score(correct, len(split))


def _finish(
    run: _Run, model_name: str, fit: Split, held_out: Split, test: Split, recipe: Recipe, out: Path | None
) -> None:
    """Measure the kept weights and write the checkpoint."""
    run.model.load_state_dict(run.best_weights)
    device = next(run.model.parameters()).device
    parts = {"train": fit, "validation": held_out, "test": test}
    scores = {part: _evaluate(run.model.eval(), split, recipe, device)[1] for part, split in parts.items()}
    info = dataset_info(fit.name)
    card = Card(
        model=model_name,
        dataset=fit.name,
        shape=info.shape,
        classes=info.classes,
        mean=recipe.mean,
        std=recipe.std,
        split="train",
        train_images=len(fit),
        validation_images=len(held_out),
        origin=fit.origin,
        recipe=asdict(recipe),
        seed=recipe.seed,
        epochs=run.epoch,
        kept_epoch=run.best_epoch,
        accuracy=scores,
        versions=checkpoints.versions(),
        sha256="",  # `save` fills it in
    )
    checkpoints.save(checkpoint_name(model_name, fit.name), run.model, card, out)


def _save_state(run: _Run, path: Path, identity: dict[str, Any]) -> None:
    """Write the state whole or not at all."""
    state = {
        "identity": identity,
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "epoch": run.epoch,
        "best_epoch": run.best_epoch,
        "best_accuracy": run.best_accuracy,
        "best_weights": run.best_weights,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    checkpoints.write_part(path, buffer.getvalue())
    os.replace(checkpoints.part_of(path), path)


def _restore(run: _Run, path: Path, identity: dict[str, Any]) -> None:
    """Continue from a state file; ValueError where it is corrupt or belongs to another training."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        theirs = dict(state["identity"])
        for key in identity:
            if theirs.get(key) != identity[key]:
                raise _OtherTrainingError(f"{key.replace('_', ' ')} {theirs.get(key)}, not {identity[key]}")
        run.model.load_state_dict(state["model"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.epoch, run.best_epoch = int(state["epoch"]), int(state["best_epoch"])
        run.best_accuracy, run.best_weights = float(state["best_accuracy"]), dict(state["best_weights"])
    except _OtherTrainingError as error:
        raise ValueError(
            f"{path.name} is from another training ({error}); repeat that one's options, or train without --resume"
        ) from error
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path.name} is corrupt; train without --resume to start from scratch") from error


class _OtherTrainingError(Exception):
    """A state file's identity is not that of this training."""


def _identity(model_name: str, fit: Split, recipe: Recipe) -> dict[str, Any]:
    """What must be equal for a state to be continued: network, data and every field of the recipe."""
    return {"model": model_name, "data set": fit.name, "origin": fit.origin, "images": len(fit)} | asdict(recipe)


def _new_model(name: str, shape: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    with _seeded(seed, 0):
        return build(name, shape=shape, classes=classes)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, in its fused form, which is the fastest for small networks."""
    weights, decay = model.parameters(), recipe.weight_decay
    if recipe.optimizer == "adam":
        return torch.optim.Adam(weights, lr=recipe.lr, weight_decay=decay, fused=True)
    return torch.optim.SGD(weights, lr=recipe.lr, momentum=recipe.momentum, weight_decay=decay, fused=True)


def _epoch_seed(seed: int, epoch: int) -> int:
    return seed * (MAX_EPOCHS + 1) + epoch


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(_epoch_seed(seed, epoch))


@contextmanager
def _seeded(seed: int, epoch: int) -> Iterator[None]:
    """Global randomness (weights at the start, dropout) from (seed, epoch); the caller's is given back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(_epoch_seed(seed, epoch))
        yield


def _check_writable(folder: Path) -> None:
    """Complain now rather than after an hour of training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write to {folder} ({error.strerror}); choose another folder") from error


def _diverged(epoch: int, recipe: Recipe) -> ValueError:
    kept = f" (the state of epoch {epoch - 1} is kept)" if epoch > 1 else ""
    return ValueError(
        f"the loss is no longer finite in epoch {epoch}; try a learning rate smaller than {recipe.lr:g}{kept}"
    )
