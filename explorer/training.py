"""Train a network: a recipe in, epoch records out, and at the end a checkpoint.

Everything random in epoch e derives from (seed, e) alone, so a training that was stopped after any epoch and resumed
ends with the same weights, bit for bit, as one that ran through (on the same machine, packages and number of threads).
"""

import csv
import io
import math
import os
import pickle
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import checkpoints
from explorer.augmentation import augment
from explorer.checkpoints import Card, Score
from explorer.data import (
    DATASETS,
    Batches,
    Split,
    availability,
    check_normalisation,
    dataset_info,
    load_split,
    normalise,
)
from explorer.evaluation import has_bfloat16, logits, predict, resolve_device
from explorer.models import build, model_info
from explorer.recipes import MAX_EPOCHS, Recipe

Progress = Callable[[int, int], None]

MOST_SCORED = 10_000  # images of each part that a card's accuracy is measured on; it says how many they were


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
class _Run:
    """A training under way: all that its state file keeps."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0  # finished
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)


def train(
    model_name: str,
    dataset_name: str,
    recipe: Recipe,
    out: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
    progress: Progress | None = None,
    name: str | None = None,
    description: str = "",
) -> Iterator[Epoch]:
    """Train, yielding a record after each epoch, and at the end write the checkpoint into `out`.

    The checkpoint is called `name`, or else "MODEL_DATASET". The weights kept are those of the epoch that did best on
    images held out of the training split. Before each record is yielded, two files lie in `out`: NAME.csv has a row for
    every epoch so far, and NAME.resume.pt the state, from which a training with `resume` goes on; where there is none
    it starts afresh. `progress(images done, images in all)` is called after every batch.

    Raises ValueError for a network, data set, recipe or state that does not fit, and where the loss is no longer finite
    (the state of the last good epoch stays), or where `out` cannot be written.
    """
    check(model_name, dataset_name, recipe)
    name = name or checkpoint_name(model_name, dataset_name)
    path = state_path(name, out)
    _check_writable(path.parent)
    chosen = resolve_device(device)
    fit, held_out = hold_out(load_split(dataset_name, "train", root), recipe)
    model = _new_model(model_name, dataset_name, recipe).to(chosen)
    identity = _identity(model_name, fit, recipe)
    run = _Run(model, _optimizer(model, recipe))
    if resume and path.exists():
        _restore(run, path, identity)
        _save_history(run, history_path(name, out))  # it lacks an epoch after a kill between the files
    on_device = replace(fit, inputs=tuple(x.to(chosen) for x in fit.inputs), labels=fit.labels.to(chosen))
    while run.epoch < recipe.epochs:
        record = _epoch(run, on_device, held_out, recipe, chosen, progress)
        _save_state(run, path, identity)
        _save_history(run, history_path(name, out))
        yield record
    test = load_split(dataset_name, "test", root)
    card = _card(run, model_name, {"train": fit, "validation": held_out, "test": test}, recipe, description)
    checkpoints.save(name, run.model, card, out, dtype=getattr(torch, recipe.stored))
    path.unlink(missing_ok=True)


def check(model_name: str, dataset_name: str, recipe: Recipe) -> None:
    """ValueError unless network, data set and recipe fit each other."""
    check_fit(model_name, dataset_name)
    if recipe.small and not model_info(model_name).any_size:
        raise ValueError(f"{model_name} takes images of one size only, so small share {recipe.small:g} must be 0")
    check_normalisation(recipe.mean, recipe.std, dataset_info(dataset_name).shape[0])


def check_fit(model_name: str, dataset_name: str) -> None:
    """ValueError unless the network looks at as many images at a time as the data set has in an example."""
    model, info = model_info(model_name), dataset_info(dataset_name)
    if model.inputs != info.inputs:
        kinds = {1: "single images", 2: "pairs of images"}
        fitting = [each.name for each in DATASETS.values() if each.inputs == model.inputs]
        raise ValueError(
            f"{model.name} looks at {kinds[model.inputs]}, but {info.name} holds {kinds[info.inputs]}; "
            f"choose one of: {', '.join(fitting)}"
        )


def checkpoint_name(model_name: str, dataset_name: str) -> str:
    """The name under which a training of this network on this data set is saved."""
    return f"{model_info(model_name).name}_{dataset_info(dataset_name).name}"


def state_path(name: str, out: Path | None = None) -> Path:
    """Where the resumable state of an unfinished training of the checkpoint `name` lies."""
    return checkpoints.weights_path(name, out).with_suffix(".resume.pt")


def history_path(name: str, out: Path | None = None) -> Path:
    """Where the records of all epochs lie, as CSV, a column for each field of Epoch; it stays beside the checkpoint."""
    return checkpoints.weights_path(name, out).with_suffix(".csv")


def hold_out(split: Split, recipe: Recipe) -> tuple[Split, Split]:
    """The training images to fit and those held out for validation, drawn by the recipe's seed."""
    order = torch.randperm(len(split), generator=_generator(recipe.seed, 0))
    held_out = max(1, round(len(split) * recipe.validation))
    if len(split) - held_out < recipe.batch_size:
        left = len(split) - held_out
        raise ValueError(f"a batch of {recipe.batch_size} is more than the {left} images to train on; choose 1…{left}")
    return split.take(order[held_out:].sort().values), split.take(order[:held_out].sort().values)


def held_out_of(card: Card, root: Path | None = None) -> Split:
    """The images that the card's network was validated on: held out of its training images, by its seed.

    Raises ValueError where the training images here are not those it was trained on.
    """
    check_held_out(card, root)
    whole, known = load_split(card.dataset, card.split, root), card.train_images + card.validation_images
    if len(whole) != known:
        raise ValueError(
            f"{card.model} was trained and validated on {known:,} images of {card.dataset}, but {len(whole):,} are "
            "here, so its held-out images are not known: rank on test or train instead"
        )
    _, held_out = hold_out(whole, Recipe(batch_size=1, seed=card.seed, validation=card.validation_images / known))
    return held_out


def check_held_out(card: Card, root: Path | None = None) -> None:
    """ValueError where the data here cannot give the card's held-out images; reads no images."""
    if card.imported:
        raise ValueError(
            f"{card.model} was imported, so the images it was validated on are not known: rank on test or train instead"
        )
    here = availability(card.dataset, root)
    if here != card.origin:
        raise ValueError(
            f"{card.model} was trained on the {card.origin} {card.dataset}, but the one here is {here}, so its "
            "held-out images are not known: rank on test or train instead"
        )


def loss_of(outputs: Tensor, labels: Tensor, smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """Cross-entropy of logits (N, classes), or binary cross-entropy of single logits (N, 1), at labels (N,).

    Its mean or its sum over the examples, or with `reduction` "none" that of each (N,).
    """
    if outputs.shape[1] == 1:
        targets = labels * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype), reduction=reduction)
    return F.cross_entropy(outputs, labels, label_smoothing=smoothing, reduction=reduction)


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
    run.history.append(Epoch(epoch, recipe.epochs, train_loss, train_accuracy, loss, score.accuracy, seconds))
    return run.history[-1]


def _train_pass(
    run: _Run, fit: Split, recipe: Recipe, epoch: int, device: torch.device, progress: Progress | None
) -> tuple[float, float]:
    """Once over the training images in random order; returns mean loss and accuracy on the way."""
    generator = _generator(recipe.seed, epoch)
    n, done, total_loss, correct = len(fit), 0, 0.0, 0
    batches = torch.randperm(n, generator=generator).split(recipe.batch_size)
    run.model.train()
    for step, chosen in enumerate(batches, start=1):
        chosen = chosen.to(device)
        inputs = tuple(_prepare(x[chosen], recipe, epoch, generator) for x in fit.inputs)  # each (b, C, H, W)
        labels = fit.labels[chosen]
        with _precision(recipe, device):
            outputs = run.model(*inputs)  # (b, classes)
        loss = loss_of(outputs.float(), labels, recipe.label_smoothing)
        if not math.isfinite(loss.item()):
            raise _diverged(epoch, recipe)
        (loss / recipe.accumulate).backward()
        if step % recipe.accumulate == 0 or step == len(batches):
            _step(run, recipe, recipe.learning_rate((epoch - 1 + done / n) / recipe.epochs))
        done += len(chosen)
        total_loss += loss.item() * len(chosen)
        correct += int((predict(outputs) == labels).sum())
        if progress:
            progress((epoch - 1) * n + done, recipe.epochs * n)
    return total_loss / n, correct / n


def _step(run: _Run, recipe: Recipe, lr: float) -> None:
    """One step of the optimiser by the gradients gathered so far, within the limits that the recipe sets."""
    parameters = [p for p in run.model.parameters() if p.grad is not None]
    before = [p.detach().clone() for p in parameters] if recipe.skip_below else []
    for group in run.optimizer.param_groups:
        group["lr"] = lr
    run.optimizer.step()
    with torch.no_grad():
        for parameter, old in zip(parameters, before, strict=False):
            assert parameter.grad is not None
            parameter.copy_(torch.where(parameter.grad.abs() < recipe.skip_below, old, parameter))
        for parameter in parameters if recipe.clamp else []:
            parameter.clamp_(-recipe.clamp, recipe.clamp)
    run.optimizer.zero_grad()


def _prepare(images: Tensor, recipe: Recipe, epoch: int, generator: torch.Generator) -> Tensor:
    """Augmented and normalised: uint8 (b, C, H, W) to float32, in a small epoch cut to three quarters of the side."""
    images = normalise(augment(images, recipe.augmentations, generator), recipe.mean, recipe.std)
    images = _cut_out(images, generator) if recipe.is_small(epoch) else images
    return images.contiguous(memory_format=_memory_format(recipe))


def _cut_out(images: Tensor, generator: torch.Generator) -> Tensor:
    """The same random square of three quarters of the side of every image: (b, C, S, S) to (b, C, ¾S, ¾S)."""
    side = images.shape[-1] * 3 // 4
    top, left = torch.randint(images.shape[-1] - side + 1, (2,), generator=generator).tolist()
    return images[..., top : top + side, left : left + side]


def _memory_format(recipe: Recipe) -> torch.memory_format:
    return torch.channels_last if recipe.layout == "channels-last" else torch.contiguous_format


def _precision(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The context in which a forward pass computes in the recipe's precision."""
    half = recipe.precision == "bfloat16" or (recipe.precision == "auto" and has_bfloat16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=half)


def _evaluate(model: nn.Module, split: Split, recipe: Recipe, device: torch.device) -> tuple[float, Score]:
    """Mean loss and score of the model, in eval mode, on a split."""
    outputs = logits(model, Batches(split, recipe.mean, recipe.std), device)  # (N, classes)
    correct = int((predict(outputs) == split.labels).sum())
    return loss_of(outputs, split.labels).item(), Score(correct, len(split))


def _card(run: _Run, model_name: str, parts: dict[str, Split], recipe: Recipe, description: str) -> Card:
    """The card of the kept weights, which the model then holds, as exactly as they will be stored."""
    dtype = getattr(torch, recipe.stored)
    run.model.load_state_dict({key: checkpoints.rounded(value, dtype) for key, value in run.best_weights.items()})
    device = next(run.model.parameters()).device
    scores = {
        part: _evaluate(run.model.eval(), split.take(MOST_SCORED), recipe, device)[1] for part, split in parts.items()
    }
    fit, info = parts["train"], dataset_info(parts["train"].name)
    return Card(
        model=model_name,
        dataset=fit.name,
        shape=info.shape,
        classes=info.classes,
        mean=recipe.mean,
        std=recipe.std,
        split="train",
        train_images=len(fit),
        validation_images=len(parts["validation"]),
        origin=fit.origin,
        recipe=asdict(recipe),
        seed=recipe.seed,
        epochs=run.epoch,
        kept_epoch=run.best_epoch,
        accuracy=scores,
        versions=checkpoints.versions(),
        sha256="",  # `save` fills it in
        description=description,
    )


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
        "history": [asdict(record) for record in run.history],
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    checkpoints.write_part(path, buffer.getvalue())
    os.replace(checkpoints.part_of(path), path)


def _save_history(run: _Run, path: Path) -> None:
    """Write the records of all epochs, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(each.name for each in fields(Epoch))
    writer.writerows(astuple(record) for record in run.history)
    checkpoints.write_part(path, text.getvalue().encode())
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
        run.history = [Epoch(**record) for record in state["history"]]
    except _OtherTrainingError as error:
        raise ValueError(
            f"{path.name} is from another training ({error}); repeat that one's options, or train without --resume"
        ) from error
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError, struct.error) as error:
        raise ValueError(f"{path.name} is corrupt; train without --resume to start from scratch") from error


class _OtherTrainingError(Exception):
    """A state file's identity is not that of this training."""


def _identity(model_name: str, fit: Split, recipe: Recipe) -> dict[str, Any]:
    """What must be equal for a state to be continued: network, data and every field of the recipe."""
    return {"model": model_name, "data set": fit.name, "origin": fit.origin, "images": len(fit)} | asdict(recipe)


def _new_model(model_name: str, dataset_name: str, recipe: Recipe) -> nn.Module:
    info = dataset_info(dataset_name)
    with _seeded(recipe.seed, 0):
        model = build(model_name, shape=info.shape, classes=len(info.classes))
    return model.to(memory_format=_memory_format(recipe))


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, in its fused form, which is the fastest for small networks."""
    weights, lr, decay, momentum = model.parameters(), recipe.lr, recipe.weight_decay, recipe.momentum
    if recipe.optimizer == "adam":
        return torch.optim.Adam(weights, lr=lr, weight_decay=decay, fused=True)
    nesterov = momentum > 0
    return torch.optim.SGD(weights, lr=lr, momentum=momentum, weight_decay=decay, nesterov=nesterov, fused=True)


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
