"""How long a training will take on this machine: measured on a few batches, once for all tabs."""

from collections.abc import Hashable

from explorer.app import work
from explorer.background.jobs import Job
from explorer.images import datasets
from explorer.training import loop, trainings
from explorer.training.recipes import Recipe


def known(model: str, dataset: str, recipe: Recipe) -> Job | None:
    """The measurement of a training that does as much work an epoch, if somebody has asked for one."""
    return work.jobs().get(_key(model, dataset, recipe))


def start(model: str, dataset: str, recipe: Recipe, restart: bool = True) -> None:
    """Measure in the background; the job's result is a `loop.Timing`."""
    key = _key(model, dataset, recipe)
    work.jobs().submit(key, lambda: iter([loop.time_epoch(model, dataset, recipe)]), owner=work.session())


def _key(model: str, dataset: str, recipe: Recipe) -> Hashable:
    how = tuple(trainings.work_of(recipe).items())
    return ("timing", model, dataset, datasets.version_of(dataset), how)
