"""Train a network: a recipe in, epoch records out, and at the end a checkpoint.

Everything random in epoch e derives from (seed, e) alone, so a training that was stopped after any epoch and resumed
ends with the same weights, bit for bit, as one that ran through (on the same machine, packages and number of threads).
"""

import copy
import hashlib
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from explorer.files.names import check_description
from explorer.images.augmentation import augment
from explorer.images.batches import Batches, check_normalisation, normalise
from explorer.images.datasets import dataset_info
from explorer.images.reading import load_split
from explorer.images.registry import DATASETS
from explorer.images.split import Split
from explorer.language.saying import listed, say
from explorer.networks import checkpoints
from explorer.networks.cards import Card, Score, versions
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import Device, has_bfloat16, logits, predict, resolve_device
from explorer.networks.registry import build, model_info
from explorer.networks.weights import pack, rounded
from explorer.training.finetuning import check_start, going_on
from explorer.training.held_out import hold_out
from explorer.training.loss import loss_of
from explorer.training.randomness import generator_for, seeded
from explorer.training.recipes import Recipe
from explorer.training.state import (
    Epoch,
    State,
    history_path,
    identity_of,
    restore,
    save_history,
    save_state,
    state_path,
)

Progress = Callable[[int, int], None]

MOST_SCORED = 10_000  # images of each part that a card's accuracy is measured on; it says how many they were


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
    overwrite: bool = False,
    start: Checkpoint | None = None,
) -> Iterator[Epoch]:
    """Train, yielding a record after each epoch, and at the end write the checkpoint into `out`.

    The checkpoint is called `name`, or else "MODEL_DATASET". The weights kept are those of the epoch that did best on
    images held out of the training split. Before each record is yielded, two files lie in `out`: NAME.csv has a row for
    every epoch so far, and NAME.resume.pt the state, from which a training with `resume` goes on; where there is none
    it starts afresh. `progress(images done, images in all)` is called after every batch. Nobody else can write a
    checkpoint of that name meanwhile.

    From a `start`, a checkpoint of that network and data set, training goes on: its weights are the first, and are kept
    where no epoch does better; it may be narrower than its architecture. The card then says what it was made from.

    Raises ValueError for a network, data set, recipe, name, description or state that does not fit, for a name that a
    network has already unless it is to be overwritten, where somebody else trains one of that name, where the loss is
    no longer finite (the state of the last good epoch stays), or where `out` cannot be written.
    """
    check(model_name, dataset_name, recipe)
    if start:
        check_start(start.card, model_name, dataset_name, recipe)
    check_description(description)
    name = name or checkpoint_name(model_name, dataset_name)
    path = state_path(name, out)
    _check_writable(path.parent)
    with checkpoints.writing(name, root=out, wait=0):
        if not (overwrite or (resume and path.exists())):
            checkpoints.check_free(name, out, "train over it with --replace")
        chosen = resolve_device(device)
        yield from _train(
            model_name, dataset_name, recipe, out, resume, chosen, root, progress, name, description, start
        )


def _train(
    model_name: str,
    dataset_name: str,
    recipe: Recipe,
    out: Path | None,
    resume: bool,
    chosen: torch.device,
    root: Path | None,
    progress: Progress | None,
    name: str,
    description: str,
    start: Checkpoint | None,
) -> Iterator[Epoch]:
    """The training itself, once nothing stands against it."""
    path = state_path(name, out)
    fit, held_out = hold_out(load_split(dataset_name, "train", root), recipe)
    model = copy.deepcopy(start.model) if start else _new_model(model_name, dataset_name, recipe)
    run = _begun(model, recipe, chosen)
    identity = identity_of(model_name, fit, recipe, start.sha256 if start else "")
    if resume and path.exists():
        restore(run, path, identity)
        save_history(run.history, history_path(name, out))  # it lacks an epoch after a kill between the files
    elif start:
        _keep(run, _evaluate(run.model.eval(), held_out, recipe, chosen)[1].accuracy)
    for record in _epochs(run, fit, held_out, recipe, chosen, progress):
        save_state(run, path, identity)
        save_history(run.history, history_path(name, out))
        yield record
    test = load_split(dataset_name, "test", root)
    card = _card(run, model_name, {"train": fit, "validation": held_out, "test": test}, recipe, description)
    card = going_on(card, start) if start else card
    code = checkpoints.code_beside(start) if start else ""
    checkpoints.save(name, run.model, card, out, dtype=getattr(torch, recipe.stored), code=code)
    path.unlink(missing_ok=True)


def tuned(
    model: nn.Module,
    dataset_name: str,
    recipe: Recipe,
    device: Device = None,
    root: Path | None = None,
    progress: Progress | None = None,
    state: Path | None = None,
    tell: Callable[[Epoch], None] = lambda record: None,
) -> nn.Module:
    """A copy of the network, trained on from the weights that it has: those of the best epoch, or these, if better.

    Where a path for its `state` is given, that is written after each epoch, and gone on from where it is there;
    ValueError where it is another training's. `progress` as for `train`; `tell` gets the record of each epoch, of those
    before a stop, too.
    """
    chosen = resolve_device(device)
    fit, held_out = hold_out(load_split(dataset_name, "train", root), recipe)
    run = _begun(copy.deepcopy(model), recipe, chosen)
    identity = identity_of(type(model).__name__, fit, recipe, hashlib.sha256(pack(model)).hexdigest())
    if state is not None and state.exists():
        restore(run, state, identity)
    else:
        _keep(run, _evaluate(run.model.eval(), held_out, recipe, chosen)[1].accuracy)
    for record in run.history:
        tell(record)
    for record in _epochs(run, fit, held_out, recipe, chosen, progress):
        if state is not None:
            save_state(run, state, identity)
        tell(record)
    run.model.load_state_dict(run.best_weights)
    return run.model.cpu().to(memory_format=torch.contiguous_format).eval()


def _begun(model: nn.Module, recipe: Recipe, device: torch.device) -> State:
    """A training of the network, before its first epoch."""
    model = model.to(memory_format=_memory_format(recipe)).to(device).requires_grad_()
    return State(model, _optimizer(model, recipe))


def _epochs(
    run: State, fit: Split, held_out: Split, recipe: Recipe, device: torch.device, progress: Progress | None
) -> Iterator[Epoch]:
    """The epochs that are left, a record after each."""
    on_device = replace(fit, inputs=tuple(x.to(device) for x in fit.inputs), labels=fit.labels.to(device))
    while run.epoch < recipe.epochs:
        yield _epoch(run, on_device, held_out, recipe, device, progress)


@dataclass(frozen=True)
class Timing:
    """How long an epoch takes, as far as a few batches tell."""

    seconds: float  # of an epoch over whole images, validation included
    images: int  # that were looked at


def time_epoch(
    model_name: str, dataset_name: str, recipe: Recipe, root: Path | None = None, device: str = "auto"
) -> Timing:
    """Train a few batches, after one to warm up, and validate one: what an epoch would take, going by those.

    Writes nothing. Raises ValueError as `train` does.
    """
    check(model_name, dataset_name, recipe)
    plain, chosen = replace(recipe, small=0.0), resolve_device(device)
    fit, held_out = hold_out(load_split(dataset_name, "train", root), plain)
    run = _begun(_new_model(model_name, dataset_name, plain), plain, chosen)
    part, other = fit.take(recipe.batch_size), held_out.take(256)
    _train_pass(run, part, plain, 1, chosen, None)
    trained = _seconds(_train_pass, run, part, plain, 1, chosen, None)
    while trained < TIMED and len(part) < len(fit):
        part = fit.take(2 * len(part))
        trained = _seconds(_train_pass, run, part, plain, 1, chosen, None)
    validated = _seconds(_evaluate, run.model.eval(), other, plain, chosen)
    return Timing(trained / len(part) * len(fit) + validated / len(other) * len(held_out), len(part) + len(other))


TIMED = 1.0  # seconds of training that are long enough to go by


def _seconds(do: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    do(*arguments)
    return time.perf_counter() - started


def check(model_name: str, dataset_name: str, recipe: Recipe) -> None:
    """ValueError unless network, data set and recipe fit each other."""
    check_fit(model_name, dataset_name)
    if recipe.small and not model_info(model_name).any_size:
        words = "{model} takes images of one size only, so small share {share:g} must be 0"
        raise ValueError(say(words, model=model_name, share=recipe.small))
    check_normalisation(recipe.mean, recipe.std, dataset_info(dataset_name).shape[0])


def check_images(dataset_name: str, recipe: Recipe, root: Path | None = None) -> None:
    """ValueError unless the training images are here, and enough of them for the recipe."""
    hold_out(load_split(dataset_name, "train", root), recipe)


def check_fit(model_name: str, dataset_name: str) -> None:
    """ValueError unless the network looks at as many images at a time as the data set has in an example."""
    model, info = model_info(model_name), dataset_info(dataset_name)
    if model.inputs != info.inputs:
        kinds = {1: say("single images"), 2: say("pairs of images")}
        raise ValueError(
            say(
                "{model} looks at {wanted}, but {data} holds {held}; choose one of: {fitting}",
                model=model.name,
                wanted=kinds[model.inputs],
                data=info.name,
                held=kinds[info.inputs],
                fitting=listed(each.name for each in DATASETS.values() if each.inputs == model.inputs),
            )
        )


def checkpoint_name(model_name: str, dataset_name: str) -> str:
    """The name under which a training of this network on this data set is saved."""
    return f"{model_info(model_name).name}_{dataset_info(dataset_name).name}"


def _epoch(
    run: State, fit: Split, held_out: Split, recipe: Recipe, device: torch.device, progress: Progress | None
) -> Epoch:
    """Train for one epoch and validate; updates `run`."""
    started, epoch = time.perf_counter(), run.epoch + 1
    with seeded(recipe.seed, epoch):
        train_loss, train_accuracy = _train_pass(run, fit, recipe, epoch, device, progress)
    loss, score = _evaluate(run.model.eval(), held_out, recipe, device)
    if not math.isfinite(loss):
        raise _diverged(epoch, recipe)
    run.epoch = epoch
    if score.accuracy > run.best_accuracy:
        _keep(run, score.accuracy)
    seconds = time.perf_counter() - started
    run.history.append(Epoch(epoch, recipe.epochs, train_loss, train_accuracy, loss, score.accuracy, seconds))
    return run.history[-1]


def _keep(run: State, accuracy: float) -> None:
    """Let the weights be the best so far, with their accuracy on the held-out images."""
    run.best_epoch, run.best_accuracy = run.epoch, accuracy
    run.best_weights = {key: value.detach().cpu().clone() for key, value in run.model.state_dict().items()}


def _train_pass(
    run: State, fit: Split, recipe: Recipe, epoch: int, device: torch.device, progress: Progress | None
) -> tuple[float, float]:
    """Once over the training images in random order; returns mean loss and accuracy on the way."""
    generator = generator_for(recipe.seed, epoch)
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


def _step(run: State, recipe: Recipe, lr: float) -> None:
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


def _card(run: State, model_name: str, parts: dict[str, Split], recipe: Recipe, description: str) -> Card:
    """The card of the kept weights, which the model then holds, as exactly as they will be stored."""
    dtype = getattr(torch, recipe.stored)
    run.model.load_state_dict({key: rounded(value, dtype) for key, value in run.best_weights.items()})
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
        versions=versions(),
        sha256="",  # `save` fills it in
        description=description,
    )


def _new_model(model_name: str, dataset_name: str, recipe: Recipe) -> nn.Module:
    info = dataset_info(dataset_name)
    with seeded(recipe.seed, 0):
        return build(model_name, shape=info.shape, classes=len(info.classes))


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, in its fused form, which is the fastest for small networks."""
    weights, lr, decay, momentum = model.parameters(), recipe.lr, recipe.weight_decay, recipe.momentum
    if recipe.optimizer == "adam":
        return torch.optim.Adam(weights, lr=lr, weight_decay=decay, fused=True)
    nesterov = momentum > 0
    return torch.optim.SGD(weights, lr=lr, momentum=momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def _check_writable(folder: Path) -> None:
    """Complain now rather than after an hour of training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        words = "cannot write to {folder} ({why}); choose another folder"
        raise ValueError(say(words, folder=folder, why=error.strerror)) from error


def _diverged(epoch: int, recipe: Recipe) -> ValueError:
    return ValueError(
        say(
            "the loss is no longer finite in epoch {epoch}; try a learning rate smaller than {rate:g} (the state of "
            "epoch {before} is kept)"
            if epoch > 1
            else "the loss is no longer finite in epoch {epoch}; try a learning rate smaller than {rate:g}",
            epoch=epoch,
            rate=recipe.lr,
            before=epoch - 1,
        )
    )
