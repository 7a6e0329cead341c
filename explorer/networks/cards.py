"""A checkpoint's card: what the network is, what it was trained on and how, and how good it is."""

import json
import math
import platform
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from explorer.language.saying import english, listed, say

PARTS = ("train", "validation", "test")  # what a card gives the accuracy of
IMPORTED = "imported"  # the origin of a network that was not trained here: all that is known is its test accuracy


@dataclass(frozen=True)
class Score:
    """`correct` of `n` images right."""

    correct: int
    n: int

    @property
    def accuracy(self) -> float:
        """The share that is right, 0…1."""
        return self.correct / self.n


FORMS = ("", "flat", "share")  # how a network gives its logits: (N, classes); (N,); the share of class 1, 0…1


@dataclass(frozen=True)
class Source:
    """How an imported network is built and read, where that takes more than its name."""

    options: dict[str, Any] = field(default_factory=dict)  # what its class or function is called with
    code: str = ""  # the SHA-256 of the code that came with it
    output: str = ""  # the key of the logits in what it returns; empty where that is one tensor
    form: str = ""  # of FORMS
    notes: tuple[str, ...] = ()  # in words, what was undone or assumed to make the weights fit
    images: int = 0  # test images there are, where the accuracy is over the first of them alone


@dataclass(frozen=True)
class Parent:
    """What a network was made from: the checkpoint that it began as, and what was done to that."""

    name: str
    sha256: str  # of its weights
    plan: str = ""  # how many channels of which layers were removed, as "conv1:4,conv2:10"
    criterion: str = ""  # that chose them
    epochs: int = 0  # of fine-tuning, of all steps together
    steps: int = 1  # in which they were removed
    pruned: Score | None = None  # the accuracy in between, where they were removed and then fine-tuned


@dataclass(frozen=True)
class Card:
    """What a checkpoint is: the network, the data and recipe it was trained with, and how good it is.

    Of a network that was imported nobody here knows how it was trained: `split` is empty, `recipe`, too, all counts
    and the seed are 0, and `accuracy` has the part test alone.
    """

    model: str
    dataset: str
    shape: tuple[int, int, int]  # (C, H, W) of the images
    classes: tuple[str, ...]
    mean: tuple[float, ...]  # the normalisation: one value, or one a channel
    std: tuple[float, ...]
    split: str  # the split it was trained on, part of which was held out for validation
    train_images: int
    validation_images: int
    origin: str  # "full" or "bundled" data, or IMPORTED
    recipe: dict[str, Any]
    seed: int
    epochs: int  # epochs run
    kept_epoch: int  # the epoch whose weights were kept, best on the validation images
    accuracy: dict[str, Score]  # by part: train, validation, test; of an imported network test alone
    versions: dict[str, str]
    sha256: str  # of the weights file
    description: str = ""
    figures: dict[str, Any] | None = None  # the lab's own numbers for this network, where there are any
    source: Source | None = None  # of an imported network
    widths: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of layers that are narrower: see `widths`
    parent: Parent | None = None  # of a network that was made from another

    @property
    def imported(self) -> bool:
        """Whether the network was trained elsewhere."""
        return self.origin == IMPORTED

    @property
    def test_images(self) -> int:
        """How many test images there are; the accuracy may be over the first of them alone."""
        return (self.source and self.source.images) or self.accuracy["test"].n

    @property
    def network(self) -> str:
        """What decides which network it is, but for its weights: its name, its widths, and its source."""
        how = {} if self.source is None else asdict(self.source)
        told = {key: value for key, value in how.items() if key not in ("notes", "images")}
        told |= {"widths": self.widths} if self.widths else {}
        return f"{self.model} {json.dumps(told, sort_keys=True)}" if told else self.model


def versions() -> dict[str, str]:
    """Of Python and the packages that a training depends on."""
    return {"python": platform.python_version()} | {package: version(package) for package in ("torch", "torchvision")}


def card_text(card: Card) -> str:
    """A card as its file holds it."""
    return json.dumps(_to_json(card), indent=2, ensure_ascii=False) + "\n"


def _to_json(card: Card) -> dict[str, Any]:
    """A card's fields; each accuracy is written out too, for readers of the file."""
    scores = {part: asdict(score) | {"accuracy": score.accuracy} for part, score in card.accuracy.items()}
    fields = asdict(card) | {"accuracy": scores}
    return {key: value for key, value in fields.items() if value or key not in ("source", "widths", "parent")}


def card_from_json(fields: Any) -> Card:
    """A card from its JSON fields; ValueError names the first that is missing or malformed. Others are ignored."""
    if not isinstance(fields, dict):
        raise ValueError(say("is not a JSON object"))
    known = {}
    for name, (convert, meaning) in _FIELDS.items():
        if name not in fields and name in _OPTIONAL:
            continue
        if name not in fields:
            raise ValueError(say("lacks the field {name!r}", name=name))
        try:
            known[name] = convert(fields[name])
        except (TypeError, ValueError, KeyError, OverflowError):
            raise ValueError(
                say(
                    "has {shown!r} in the field {name!r}, which must be {meaning}",
                    shown=str(fields[name])[:60],
                    name=name,
                    meaning=say(meaning),
                )
            ) from None
    return _consistent(Card(**known))


def _consistent(card: Card) -> Card:
    """The card; ValueError where it tells of a training that was not here, or of none that was."""
    if set(card.accuracy) != set(PARTS) and not card.imported and not card.parent:
        raise ValueError(
            say(
                "has the accuracy of {parts} alone, but the origin {origin!r}",
                parts=listed(card.accuracy),
                origin=card.origin,
            )
        )
    told = (card.split, card.train_images, card.validation_images, card.recipe, card.seed, card.epochs, card.kept_epoch)
    if card.imported and not card.parent and (any(told) or set(card.accuracy) != {"test"}):
        raise ValueError(say("has the origin {origin!r}, but tells of a training", origin=IMPORTED))
    return card


def _of_type(kind: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return convert


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _shape(value: Any) -> tuple[int, int, int]:
    channels, height, width = (_of_type(int)(size) for size in value)
    if min(channels, height, width) < 1:
        raise ValueError
    return channels, height, width


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_of_type(str)(text) for text in _of_type(list)(value))


def _numbers(value: Any) -> tuple[float, ...]:
    numbers = tuple(float(number) for number in _of_type(list)(value) if type(number) in (int, float))
    if len(numbers) < len(value) or not all(map(math.isfinite, numbers)):
        raise ValueError
    return numbers


def _positive(value: Any) -> tuple[float, ...]:
    numbers = _numbers(value)
    if not all(number > 0 for number in numbers):
        raise ValueError
    return numbers


def _scores(value: Any) -> dict[str, Score]:
    parts = PARTS if set(value) != {"test"} else ("test",)
    return {part: _score(value[part]) for part in parts}


def _score(value: Any) -> Score:
    score = Score(_count(value["correct"]), _count(value["n"]))
    if score.correct > score.n or not score.n:
        raise ValueError
    return score


def _sha256(value: Any) -> str:
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError
    return value


def _source(value: Any) -> Source | None:
    if value is None:
        return None
    fields = dict(_of_type(dict)(value))
    options, code, output, form = fields["options"], fields["code"], fields["output"], fields["form"]
    if form not in FORMS or (code and not _sha256(code)):
        raise ValueError
    notes, images = _texts(fields["notes"]), _count(fields.get("images", 0))
    return Source(_of_type(dict)(options), code, _of_type(str)(output), form, notes, images)


def _widths(value: Any) -> dict[str, tuple[int, ...]]:
    widths = {name: tuple(map(_count, _of_type(list)(width))) for name, width in _of_type(dict)(value).items()}
    if any(len(width) not in (1, 2, 3) for width in widths.values()):
        raise ValueError
    return widths


def _parent(value: Any) -> Parent | None:
    if value is None:
        return None
    fields = dict(_of_type(dict)(value))
    name, plan, criterion = (_of_type(str)(fields[key]) for key in ("name", "plan", "criterion"))
    steps, pruned = _count(fields.get("steps", 1)), fields.get("pruned")
    score = None if pruned is None else _score(pruned)
    return Parent(name, _sha256(fields["sha256"]), plan, criterion, _count(fields["epochs"]), steps, score)


_OPTIONAL = ("description", "figures", "source", "widths", "parent")
_FIELDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "model": (_of_type(str), english("text")),
    "dataset": (_of_type(str), english("text")),
    "shape": (_shape, english("three positive whole numbers")),
    "classes": (_texts, english("a list of names")),
    "mean": (_numbers, english("a list of numbers")),
    "std": (_positive, english("a list of positive numbers")),
    "split": (_of_type(str), english("text")),
    "train_images": (_count, english("a whole number")),
    "validation_images": (_count, english("a whole number")),
    "origin": (_of_type(str), english("text")),
    "recipe": (_of_type(dict), english("an object")),
    "seed": (_count, english("a whole number")),
    "epochs": (_count, english("a whole number")),
    "kept_epoch": (_count, english("a whole number")),
    "accuracy": (_scores, english("correct and n (1 or more) of train, validation and test, or of test alone")),
    "versions": (_of_type(dict), english("an object")),
    "sha256": (_sha256, english("64 hexadecimal digits")),
    "description": (_of_type(str), english("text")),
    "figures": (lambda value: None if value is None else _of_type(dict)(value), english("an object or null")),
    "source": (_source, english("an object with options, code, output, form and notes, or null")),
    "parent": (_parent, english("an object with name, sha256, plan, criterion and epochs, or null")),
    "widths": (_widths, english("an object with one to three whole numbers for each layer")),
}
