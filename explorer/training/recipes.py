"""Recipes: everything that decides how a network is trained, with each network's own."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from explorer.images import augmentation
from explorer.images.augmentation import AUGMENTATIONS
from explorer.images.datasets import dataset_info
from explorer.language.saying import listed, say
from explorer.networks.registry import MODELS, model_info

MAX_EPOCHS = 1_000
SMALL_SHARE = 0.57  # of the time of an epoch over whole images, which one over cut-outs of ¾ of the side takes
WARM_UP = 0.3  # the share of a one-cycle schedule in which the learning rate rises


def _fall(done: float) -> float:
    """Half a cosine, from 1 at 0 to 0 at 1."""
    return (1 + math.cos(math.pi * done)) / 2


def _one_cycle(done: float) -> float:
    return 0.04 + 0.96 * done / WARM_UP if done < WARM_UP else _fall((done - WARM_UP) / (1 - WARM_UP))


# By name, the share of the full learning rate when the share `done` of the training is over.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": _fall,
    "late-cosine": lambda done: _fall(max(0.0, 2 * done - 1)),  # constant, then a cosine over the last half (lab C)
    "one-cycle": _one_cycle,  # up in a line, then down in a cosine
}
OPTIMIZERS = ("adam", "sgd")
PRECISIONS = ("float32", "bfloat16", "auto")
LAYOUTS = ("channels-first", "channels-last")
STORED = ("float32", "float16")


@dataclass(frozen=True)
class Option:
    """One field of a recipe, as a form or the command line offers it: its words, its kind and what it may be."""

    title: str
    help: str
    kind: type  # int, float or str
    low: float = 0
    high: float = 0
    step: float = 1  # by which a form goes up and down
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        """ValueError, with the value and what it may be, unless it is one."""
        if self.choices:
            fits = value in self.choices
            words = "unknown {title} {value!r}; choose one of: {known}"
        elif self.kind is int:
            fits = type(value) is int and self.low <= value <= self.high
            words = "{title} {value!r} is not a whole number in {low}…{high}"
        else:
            fits = type(value) in (int, float) and self.low <= value <= self.high  # refuses NaN, too
            words = "{title} {value!r} is outside {low:g}…{high:g}"
        if not fits:
            title, known = say(self.title), listed(self.choices)
            raise ValueError(say(words, title=title, value=value, low=self.low, high=self.high, known=known))


OPTIONS: dict[str, Option] = {
    "epochs": Option("epochs", "how often to go over the training images", int, 1, MAX_EPOCHS),
    "batch_size": Option("batch size", "images at a time", int, 1, 65_536),
    "accumulate": Option("accumulation", "batches whose gradients make one step", int, 1, 1_024),
    "optimizer": Option("optimizer", "adam, or sgd with Nesterov momentum", str, choices=OPTIMIZERS),
    "lr": Option("learning rate", "at its highest", float, 1e-8, 100, 1e-4),
    "momentum": Option("momentum", "of sgd", float, 0, 0.9999, 0.01),
    "weight_decay": Option("weight decay", "pull on every parameter towards 0", float, 0, 1, 1e-4),
    "schedule": Option("schedule", "of the learning rate", str, choices=tuple(SCHEDULES)),
    "label_smoothing": Option("label smoothing", "share of a label spread over all classes", float, 0, 0.9, 0.05),
    "skip_below": Option("gradient threshold", "leave parameters of smaller gradient as they are", float, 0, 1, 1e-5),
    "clamp": Option("clamp", "keep every parameter within ± this; 0 is off", float, 0, 1_000, 0.01),
    "small": Option("small share", "share of the epochs, the first, on cut-outs of ¾ the side", float, 0, 0.9, 0.1),
    "seed": Option("seed", "of everything random", int, 0, 2**31 - 1),
    "validation": Option("validation share", "share of the training images held out", float, 0.001, 0.9, 0.01),
    "precision": Option("precision", "of the arithmetic; auto is bfloat16 where it is native", str, choices=PRECISIONS),
    "layout": Option("layout", "of images in memory; channels-last is faster for large networks", str, choices=LAYOUTS),
    "stored": Option("stored precision", "of the weights that are saved", str, choices=STORED),
}


@dataclass(frozen=True)
class Recipe:
    """How to train: absurd values raise a ValueError that names the value and its range.

    OPTIONS says what each field means; a field named as in AUGMENTATIONS is that augmentation's strength, 0 being off.
    """

    epochs: int = 10
    batch_size: int = 64
    accumulate: int = 1
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    skip_below: float = 0.0
    clamp: float = 0.0
    small: float = 0.0
    seed: int = 0
    validation: float = 0.1
    precision: str = "float32"
    layout: str = "channels-first"
    stored: str = "float32"
    mean: tuple[float, ...] = (0.5,)  # normalisation of images in 0…1: one value, or one a channel
    std: tuple[float, ...] = (0.5,)
    flip: float = 0.0
    crop: int = 0
    scale: float = 0.0
    rotate: float = 0.0
    jitter: float = 0.0
    noise: float = 0.0
    occlusion: int = 0

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            option.check(getattr(self, name))
        for name, strength in self.augmentations.items():
            augmentation.check(name, strength)
        for mean in self.mean:
            Option("mean", "", float, 0, 1).check(mean)
        for std in self.std:
            Option("std", "", float, 0.001, 10).check(std)

    @property
    def augmentations(self) -> dict[str, float]:
        """The strength of every augmentation, by name."""
        return {name: getattr(self, name) for name in AUGMENTATIONS}

    def is_small(self, epoch: int) -> bool:
        """Whether an epoch (1…epochs) goes over cut-outs of three quarters of the side: see SMALL_SHARE."""
        return epoch <= self.small * self.epochs

    @property
    def whole_epochs(self) -> float:
        """How many epochs over whole images would take as long as all of its own."""
        small = sum(self.is_small(epoch) for epoch in range(1, self.epochs + 1))
        return self.epochs - (1 - SMALL_SHARE) * small

    def learning_rate(self, done: float) -> float:
        """The learning rate when the share `done` (0…1) of the training is over."""
        return self.lr * SCHEDULES[self.schedule](done)


_CIFAR10_COLOURS: dict[str, Any] = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)}


# What the residual networks' recipes share: small images first, whole ones last, as in Tan and Le (2021),
# *EfficientNetV2*, section 4, *Progressive learning*; but cut out rather than shrunk, so that things keep their size.
_RESIDUAL = Recipe(
    batch_size=128,
    optimizer="sgd",
    lr=0.1,
    weight_decay=5e-4,
    schedule="one-cycle",
    label_smoothing=0.1,
    validation=0.02,
    precision="auto",
    layout="channels-last",
    flip=0.5,
    crop=4,
    occlusion=8,
    **_CIFAR10_COLOURS,
)

RECIPES: dict[str, Recipe] = {
    "simple-cnn": Recipe(),  # lab A
    "siamese": Recipe(
        epochs=30, schedule="one-cycle", lr=2e-3, mean=(0.1307,), std=(0.3081,), crop=2, rotate=10, scale=0.1
    ),
    # Lab C trained for 30 epochs with Adam; this takes fewer.
    "resnet18": replace(_RESIDUAL, epochs=24, small=0.34, stored="float16"),
    "lab-resnet": replace(_RESIDUAL, epochs=36, small=0.33),
    "block-net": Recipe(epochs=16, schedule="one-cycle", validation=0.04, flip=0.5, crop=2, **_CIFAR10_COLOURS),
}


def recipe_for(model_name: str, dataset_name: str) -> Recipe:
    """The network's own recipe for these images, or the usual one; ValueError for a network of torchvision's.

    Where it normalises channel by channel and the images have another number of them, mean and std are 0.5.
    """
    name, channels = model_info(model_name).name, dataset_info(dataset_name).shape[0]
    if name not in MODELS:
        raise ValueError(say("{model} has no recipe here; train one of: {known}", model=name, known=listed(MODELS)))
    recipe = RECIPES.get(name, Recipe())
    fits = len(recipe.mean) in (1, channels)
    return recipe if fits else replace(recipe, mean=Recipe.mean, std=Recipe.std)


def difference(recipe: Recipe, model_name: str, dataset_name: str) -> str:
    """In words, what a recipe changes in the network's own: "epochs 3, seed 1"; empty where that is nothing."""
    own = asdict(recipe_for(model_name, dataset_name))
    titles = {name: option.title for name, option in OPTIONS.items()}
    changed = {name: value for name, value in asdict(recipe).items() if value != own[name]}
    return listed(f"{say(titles.get(name, name))} {_short(value)}" for name, value in changed.items())


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def command_line(recipe: Recipe) -> list[str]:
    """The options of `python -m explorer train` that give this recipe, whatever the network's own is.

    Normalisation has no option: it is always the network's own.
    """
    values = asdict(recipe)
    options = [f"--{name.replace('_', '-')}={values[name]}" for name in OPTIONS]
    return [*options, f"--augment={augmentation.describe(recipe.augmentations)}"]
