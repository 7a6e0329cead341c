"""Networks of one's own, with weights from a file, become checkpoints like any other."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explorer.files.json import read_json
from explorer.files.names import LONGEST_NAME, check_description
from explorer.images.batches import Batches, batch_size_for, check_normalisation
from explorer.images.datasets import dataset_info
from explorer.images.reading import load_split
from explorer.images.registry import DatasetInfo
from explorer.language.saying import say
from explorer.networks import checkpoints
from explorer.networks.cards import IMPORTED, Card, Score, versions
from explorer.networks.evaluation import predict, resolve_device, to_device
from explorer.networks.flow import ContradictionError
from explorer.networks.intervals import wilson
from explorer.networks.layers import last_conv
from explorer.networks.outputs import with_logits
from explorer.networks.registry import TORCHVISION
from explorer.networks.weights import fill
from explorer.networks.widths import adopt, in_words, widths_of
from explorer.own.building import Blueprint, blueprint, code_path
from explorer.own.extracting import extract
from explorer.own.folder import Progress, check_within, no_progress
from explorer.own.matching import Match, check_fits, match
from explorer.own.state import read_states
from explorer.own.steady import check_like, check_steady, numbers_of
from explorer.own.trial import IMAGES
from explorer.training import trainings

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ENOUGH, LONG = 500, 5.0  # images, and seconds, after which no more are tested
AUXILIARY = re.compile(r"(aux[12]|AuxLogits)\.")  # heads for training alone, of GoogLeNet and Inception
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")  # norm.1 in the official files, now norm1


@dataclass(frozen=True)
class Imported:
    """A network that was imported: its name, its accuracy, and in words what was undone, or should be looked at."""

    name: str
    score: Score
    notes: tuple[str, ...]
    warning: str = ""


def import_network(
    network: str,
    weights: Path,
    dataset: str,
    name: str = "",
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    description: str = "",
    options: Mapping[str, Any] | None = None,
    output: str = "",
    out: Path | None = None,
    device: str = "auto",
    within: Path | None = None,
    progress: Progress | None = None,
    like: nn.Module | None = None,
) -> Imported:
    """Make a network, with the weights in a file, a checkpoint.

    `network` says how it is built (see `building.blueprint`), with `options` as its arguments; `output` is the key of
    the logits where it returns more. It has as many classes as the data set, in the same order, and looks at its
    images, normalised by `mean` and `std`: by default those of a card beside the weights, else of the data set, else
    ImageNet's.
    Its accuracy is measured on the test images, or the first of them where all would take long; of that
    `progress(images done, images in all)` tells, and whatever it raises cancels. All files must lie `within` that
    folder, symbolic links resolved. The network must give the numbers of `like`, where that is there. The checkpoint is
    called `name`, or else "NETWORK_DATASET", with a number where that is taken.

    Raises ValueError where network, weights, data set and normalisation do not fit each other, and says how.
    """
    info = dataset_info(dataset)
    check_lies_within(network, weights, within)
    if name:
        trainings.check_name(name, out)
    check_description(description)
    plan, model, batches = fitted(network, weights, info, mean, std, options, output)
    name = name or usual_name(plan.title, dataset, out)
    trainings.check_name(name, out)
    if like is not None:
        check_like(plan, model, like, batches)
    model = with_logits(model, plan.source.output, plan.source.form)
    score = _score(model, plan.title, batches, device, progress or no_progress)
    plan = replace(plan, source=replace(plan.source, images=batches.n if score.n < batches.n else 0))
    with checkpoints.writing(name, root=out):
        checkpoints.check_free(name, out)
        card = _card(plan, info, batches.mean, batches.std, score, description)
        checkpoints.save(name, model, card, out, code=plan.code.text() if plan.code else "")
    return Imported(name, score, plan.source.notes, at_chance(score, len(info.classes)))


def check_lies_within(network: str, weights: Path, within: Path | None) -> None:
    """ValueError where weights, code, or a module beside it, lead out of a folder; None is no limit."""
    if within is None:
        return
    check_within([weights], within)
    if file := code_path(network):
        check_within([file[0]], within)
        check_within(extract(file[0]).files, within)


def fitted(
    network: str,
    weights: Path,
    info: DatasetInfo,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    options: Mapping[str, Any] | None = None,
    output: str = "",
) -> tuple[Blueprint, nn.Module, Batches]:
    """How to build a network for a data set's images, the network with its weights, and the test images that it sees.

    Parameters and ValueErrors as for `import_network`.
    """
    beside = _card_beside(weights)
    _check_meant_for(beside, info, weights)
    usual_mean, usual_std = usual_normalisation(info)
    mean = tuple(mean) or _numbers_on(beside, "mean") or usual_mean
    std = tuple(std) or _numbers_on(beside, "std") or usual_std
    check_normalisation(mean, std, info.shape[0])
    plan, model = _filled(network, weights, info, options or {}, output)
    batches = Batches(load_split(info.name, "test"), mean, std, batch_size_for(info.shape))
    if plan.code:
        check_steady(plan, model, batches, weights)
    return _with_form(plan, model, batches), model, batches


def _filled(
    network: str, weights: Path, info: DatasetInfo, options: Mapping[str, Any], output: str
) -> tuple[Blueprint, nn.Module]:
    """How to build a network, and the network with its weights."""
    states = read_states(weights)
    plan, model = blueprint(network, info, options, output)
    found = match(states, model.state_dict(), weights)
    plan, model, found = _adapted(plan, model, found)
    tensors = _with_tied(_renamed(found.tensors, model), model)
    plan, found = _narrowed(plan, model, tensors, found, weights)
    check_fits(tensors, model.state_dict(), plan.title, weights)
    fill(model, tensors, plan.title, weights)
    _check_filled(model, tensors, plan.title, weights)
    last_conv(model)
    return replace(plan, source=replace(plan.source, notes=found.notes)), model


def at_chance(score: Score, classes: int) -> str:
    """What is said of a network that guesses, with the likely reasons in their order; empty where it does not."""
    low, _ = wilson(score.correct, score.n)
    if low > 1 / classes:
        return ""
    return say(
        "{share:.2f} % of {n:,} is no better than guessing among {classes} classes. Likely: the classes come in "
        "another order than in training; the images are normalised otherwise (--mean, --std); the weights "
        "are not those of the trained network",
        share=100 * score.accuracy,
        n=score.n,
        classes=classes,
    )


def usual_name(network: str, dataset: str, out: Path | None = None) -> str:
    """What a network is called that nobody names: NETWORK_DATASET, with a number where that is taken."""
    plain = plain_name(re.split("[:/]", network)[-1])
    return trainings.first_free(f"{plain[: LONGEST_NAME - len(dataset) - 4]}_{dataset}", out)


def plain_name(title: str) -> str:
    """A title as files may be called."""
    return re.sub(r"[^a-z0-9._-]+", "-", title.lower()).strip("-._") or "own"


def usual_normalisation(info: DatasetInfo) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation where nobody gives any: the data set's, else ImageNet's, or one half of grey."""
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if info.shape[0] == 3 else ((0.5,), (0.5,))
    return info.mean or mean, info.std or std


# What was pruned elsewhere


def _narrowed(
    plan: Blueprint, model: nn.Module, tensors: Mapping[str, Tensor], found: Match, weights: Path
) -> tuple[Blueprint, Match]:
    """The blueprint with the widths of the weights, which the model then has, too; ValueError where they contradict."""
    if tensors.keys() != model.state_dict().keys():
        return plan, found
    whole = widths_of(model)
    try:
        widths = adopt(model, tensors, torch.zeros(IMAGES, *plan.shape))
    except ContradictionError as error:
        words = "{file} is narrower than {title}, and does not fit together: {why}"
        raise ValueError(say(words, file=weights.name, title=plan.title, why=str(error))) from error
    notes = [say("pruned elsewhere: {widths}", widths=in_words(model, whole))] if widths else []
    return replace(plan, widths=widths), replace(found, notes=(*found.notes, *notes))


# What people change of a network from a library


def _adapted(plan: Blueprint, model: nn.Module, found: Match) -> tuple[Blueprint, nn.Module, Match]:
    """The network with the stem and the head that the weights have, where those are among the usual ones."""
    if plan.code is not None or not plan.model.startswith(TORCHVISION):
        return plan, model, found
    notes = list(found.notes)
    stem, ours = found.tensors.get("conv1.weight"), model.state_dict().get("conv1.weight")
    if stem is not None and ours is not None and tuple(stem.shape[2:]) == (3, 3) != tuple(ours.shape[2:]):
        plan = plan.with_options(stem="cifar")
        notes.append(say("conv1 is 3×3 in the file: a CIFAR stem, taken to have stride 1 and no pooling behind it"))
    head = _head_of(found.tensors, model)
    if head:
        plan = plan.with_options(head=head)
        words = "its classifier is {head} in the file: one linear layer, with nothing but dropout before it"
        notes.append(say(words, head=head))
    if len(notes) == len(found.notes):
        return plan, model, found
    return plan, plan.network(), Match(found.tensors, tuple(notes))


def _head_of(tensors: Mapping[str, Tensor], model: nn.Module) -> str:
    """The name of the linear layer that stands in a sequence in the file and alone in the network; empty for none."""
    expected = model.state_dict()
    missing = [key for key in expected if key not in tensors]
    unexpected = [key for key in tensors if key not in expected]
    if [key.rpartition(".")[2] for key in missing] != ["weight", "bias"]:
        return ""
    ours, theirs = missing[0].rpartition(".")[0], {key.rpartition(".")[0] for key in unexpected}
    (name,) = theirs if len(theirs) == 1 else ("",)
    same = name and all(
        tensors[f"{name}.{part}"].shape[:1] == expected[f"{ours}.{part}"].shape[:1]  # it may read less than ours
        for part in ("weight", "bias")
        if f"{name}.{part}" in tensors
    )
    return name if same and re.fullmatch(rf"{re.escape(ours)}\.\d{{1,2}}", name) else ""


def _renamed(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights under the names that torchvision uses now, without heads for training alone.

    Counts of batches, which files of old leave out and nothing here reads, are the model's own.
    """
    expected = model.state_dict()
    counts = {key: value for key, value in expected.items() if key.endswith("num_batches_tracked")}
    kept = {key: value for key, value in tensors.items() if key in expected or not AUXILIARY.match(key)}
    return counts | {key if key in expected else OLD_DENSENET.sub(r"\1\2", key): value for key, value in kept.items()}


def _with_tied(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights with those that the network has under two names and the file, as safetensors do, under one."""
    names: dict[int, str] = {}  # of weights in the file, by which of the network's they are
    state = model.state_dict(keep_vars=True)
    names |= {id(value): key for key, value in state.items() if key in tensors}
    tied = {key: tensors[names[id(value)]] for key, value in state.items() if id(value) in names}
    return tied | dict(tensors)


def _check_filled(model: nn.Module, tensors: Mapping[str, Tensor], title: str, weights: Path) -> None:
    """ValueError where the network now has other weights than the file: two of the file's in one place, or codes."""
    for key, value in model.state_dict().items():
        if value.is_floating_point() and not tensors[key].is_floating_point():
            words = "{file} holds whole numbers for {name}, as quantised weights are; save the floats"
            raise ValueError(say(words, file=weights.name, name=key))
        if not torch.equal(value, tensors[key].to(value.dtype)):
            raise ValueError(
                say(
                    "{title} does not keep {name} of {file} as it is, such as where two of its layers share their "
                    "weights and those of the file do not; name the code that the weights were trained with",
                    title=title,
                    name=key,
                    file=weights.name,
                )
            )


def _with_form(plan: Blueprint, model: nn.Module, batches: Batches) -> Blueprint:
    """The blueprint with whether its one number an image is a share, as after a sigmoid: none is outside 0…1."""
    if plan.classes != 2:
        return plan
    inputs, _ = next(iter(batches))
    numbers = numbers_of(model, inputs, plan.title, plan.source.output)
    one = numbers.ndim == 1 or numbers.shape[1] == 1
    if one and float(numbers.min()) >= 0 and float(numbers.max()) <= 1:
        note = say("its one number an image is taken for the share of class 1, as it is within 0…1 on the first images")
        return replace(plan, source=replace(plan.source, form="share", notes=(*plan.source.notes, note)))
    return plan


def _score(model: nn.Module, title: str, batches: Batches, device: str, tell: Progress) -> Score:
    """How many of the images the model gets right, of the first where all would take long.

    The model is on the CPU before and after.
    """
    target, correct, done, began = resolve_device(device), 0, 0, time.monotonic()
    model.to(target)
    for inputs, labels in batches:
        if done >= ENOUGH and time.monotonic() - began > LONG:
            break
        numbers = numbers_of(model, to_device(inputs, target), title)
        correct += int((predict(numbers).cpu() == labels).sum())
        done += len(labels)
        tell(done, batches.n)
    model.cpu()
    return Score(correct, done)


def _card(
    plan: Blueprint, info: DatasetInfo, mean: Sequence[float], std: Sequence[float], score: Score, description: str
) -> Card:
    return Card(
        model=plan.model,
        dataset=info.name,
        shape=info.shape,
        classes=info.classes,
        mean=tuple(mean),
        std=tuple(std),
        split="",
        train_images=0,
        validation_images=0,
        origin=IMPORTED,
        recipe={},
        seed=0,
        epochs=0,
        kept_epoch=0,
        accuracy={"test": score},
        versions=versions(),
        sha256="",  # `save` fills it in
        description=description,
        source=plan.source,
        widths=dict(plan.widths),
    )


# Normalisation


def numbers(text: str) -> tuple[float, ...]:
    """What "0.485, 0.456, 0.406" says; nothing for an empty text, ValueError for what is no list of numbers."""
    try:
        return tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise ValueError(say("{given!r} is not a list of numbers such as 0.485, 0.456, 0.406", given=text)) from None


def _card_beside(weights: Path) -> Mapping[str, Any]:
    """The card, NAME.json, that lies beside weights of this app; empty where there is none, or something else."""
    try:
        place = weights.with_suffix(".json")
        card = read_json(place) if place.is_file() else {}  # else a pipe would be waited for
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _numbers_on(card: Mapping[str, Any], what: str) -> tuple[float, ...]:
    """The mean, or the standard deviation, on a card; nothing where it does not say."""
    try:
        return tuple(map(float, card[what]))
    except (KeyError, TypeError, ValueError):
        return ()


def _check_meant_for(card: Mapping[str, Any], info: DatasetInfo, weights: Path) -> None:
    """ValueError where the card beside the weights is for images of another size, or other classes."""
    name = weights.with_suffix(".json").name
    if _is_list_of(card.get("shape"), int) and tuple(card["shape"]) != info.shape:
        size, ours = (" × ".join(map(str, shape)) for shape in (card["shape"], info.shape))
        raise ValueError(
            say(
                "{card} says that {file} takes images of {size}, but those of {title} are {ours}; import the images at "
                "that size, or take {card} away",
                card=name,
                file=weights.name,
                size=size,
                title=say(info.title),
                ours=ours,
            )
        )
    theirs: Any = card.get("classes")
    if not _is_list_of(theirs, str) or len(theirs) != len(info.classes):  # other counts do not fit the weights anyway
        return
    for number, (one, other) in enumerate(zip(theirs, info.classes, strict=True), start=1):
        if one != other:
            raise ValueError(
                say(
                    "{card} says that class {number} of {file} is {one!r}, but that of {title} is {other!r}; name the "
                    "folders of the images so that they come in the weights' order, or take {card} away",
                    card=name,
                    number=number,
                    file=weights.name,
                    one=one,
                    title=say(info.title),
                    other=other,
                )
            )


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(type(each) is kind for each in value)
