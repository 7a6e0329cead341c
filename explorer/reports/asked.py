"""What a report is asked about: a checkpoint's experiment, a K, and the lab that it belongs to."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from explorer.answers import outline
from explorer.answers.choices import criterion_named, default_layer
from explorer.answers.exercise import Outcome
from explorer.answers.experiment import Experiment
from explorer.answers.labs import LABS, Lab, lab_of
from explorer.engine.ks import check_ks
from explorer.networks.checkpoints import Checkpoint


@dataclass(frozen=True)
class Asked:
    """A report's question. `k` None is the computed K nearest to half of the channels."""

    experiment: Experiment
    lab: Lab | None = None
    k: int | None = None
    exercise: Outcome | None = None  # what came of a guess at the curve

    @property
    def key(self) -> Hashable:
        """What tells two questions apart."""
        return (self.experiment, self.lab and self.lab.name, self.k, self.exercise)


def lab_named(name: str) -> Lab:
    """The lab called `name`; ValueError lists the names."""
    if name.upper() not in LABS:
        raise ValueError(f"unknown lab {name[:40]!r}; choose one of: {', '.join(LABS)}")
    return LABS[name.upper()]


def asked_of(
    checkpoint: Checkpoint,
    lab: str | None = None,
    layer: str | None = None,
    k: int | None = None,
    ks: Iterable[int] | None = None,
    **how: Any,
) -> Asked:
    """The question, checked: with a lab, or with the layer of one, its assignment over its K, else over every K.

    `ks` are other K for the curve, and `how` other values of an experiment's fields: criterion, mode, ranked_on and so
    on. Raises ValueError for whatever does not exist, does not fit or is out of range.
    """
    course = None if lab is None else lab_named(lab)
    if course is not None and (checkpoint.name not in course.checkpoints or layer not in (None, course.layer)):
        networks = " and ".join(course.checkpoints)
        raise ValueError(
            f"lab {course.name} prunes {course.layer} of {networks}, not {layer or 'a layer'} of {checkpoint.name}; "
            "leave --lab out, or report on that"
        )
    layer = course.layer if course else layer or default_layer(checkpoint)
    channels = outline.layer_of(checkpoint, layer).channels
    course = course or lab_of(checkpoint.name, layer)
    experiment = course.assigned(checkpoint.name) if course else Experiment(checkpoint.name, layer)
    if ks is not None:
        chosen = check_ks(ks, channels)
        every = len(chosen) == channels + 1 and chosen != experiment.ks
        experiment = replace(experiment, ks=None if every else chosen)
    experiment = replace(experiment, **how)
    criterion_named(experiment.criterion)
    return Asked(experiment, course, None if k is None else _checked(k, check_ks(experiment.ks, channels), channels))


def ways_of(lab: Lab | None, experiment: Experiment) -> dict[str, Experiment]:
    """The ways of a lab by title, over the K of an experiment: the lab's own, or every one."""
    if lab is None:
        return {}
    every = experiment.ks is None
    return {way.title: lab.experiment(way, experiment.dtype, every) for way in lab.variants}


def _checked(k: int, ks: tuple[int, ...], channels: int) -> int:
    check_ks([k], channels)
    if k not in ks:
        nearest = min(ks, key=lambda other: abs(other - k))
        raise ValueError(f"K = {k} is not among the K of this curve; the nearest is {nearest}")
    return k
