"""Facts of reports: made by hand of a curve, or gathered of what ships."""

from dataclasses import replace

import numpy as np

from explorer.answers.experiment import Experiment
from explorer.engine.curves import Run, Sweep
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints
from explorer.reports.asked import asked_of
from explorer.reports.facts import Facts
from explorer.reports.gathering import gather

CARD = "simple-cnn_fashion-mnist"


def curve_of(right, classes=("a", "b"), ks=None, channels=None, labels=None, total=None):
    """A sweep in which `right` (number of K, N) says which predictions are right."""
    right = np.asarray(right, dtype=bool)
    labels = np.arange(right.shape[1]) % len(classes) if labels is None else np.asarray(labels)
    predictions = np.where(right, labels, (labels + 1) % len(classes)).astype(np.uint16)
    ks = tuple(range(len(right))) if ks is None else ks
    channels = ks[-1] if channels is None else channels
    order = np.arange(channels)
    run = Run("mine", "0" * 64, "cifar10", "test", "conv", "mean", "test")
    importance = np.arange(channels, dtype=float)
    return Sweep(predictions, labels, ks, order, importance, tuple(classes), run, total or len(labels))


def falling(*correct, n=100, **more):
    """A sweep with so many of `n` predictions right at each K: those that are right stay the first."""
    return curve_of([np.arange(n) < count for count in correct], **more)


def facts_of(curve, k=None, **more):
    """Facts with nothing but a curve."""
    card = replace(checkpoints.read_card(CARD), classes=curve.classes)
    plain = {
        "checkpoint": "mine", "card": card, "dataset": replace(DATASETS["cifar10"], classes=curve.classes), "lab": None,
        "experiment": Experiment("mine", "conv"), "k": curve.ks[-1] if k is None else k, "curve": curve, "ways": {},
        "compared": {"mean": curve}, "statistics": None, "layers": None, "sketch": None, "history": None, "scan": None,
        "removal": None, "pictures": None, "missing": (), "versions": {"python": "3", "torch": "2", "torchvision": "0"},
    }  # fmt: skip
    return Facts(**(plain | more))


def gathered(name, lab=None, **more):
    """The facts of what ships, and no image read but where they are here."""
    point = checkpoints.look_up(name)
    *_, facts = gather(asked_of(point, lab, **more), point)
    return facts
