"""Loaded networks, and what fits them: looked up again and again, found out once."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from pathlib import Path
from weakref import WeakSet

import streamlit as st

from explorer.answers import choices, outline, shipped
from explorer.answers.experiment import Experiment
from explorer.answers.layout import Layout, layout_of
from explorer.app import loading
from explorer.engine import schedule
from explorer.engine.oracle import Cost
from explorer.images import datasets
from explorer.networks import checkpoints
from explorer.networks.checkpoints import Checkpoint

TEST = "test"  # accuracies are always measured on this split

# What imports torch does so where it is needed: what ships must not wait for it.


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint called `name`, loaded once, and again when its files change."""
    path = checkpoints.find(name)
    return _checkpoint(path, tuple(part.stat().st_mtime_ns for part in (path, path.with_suffix(".json"))))


_points: WeakSet[Checkpoint] = WeakSet()  # those that are still used somewhere


@st.cache_resource(max_entries=8, show_spinner=False)
def _checkpoint(path: Path, changed: tuple[int, ...]) -> Checkpoint:
    point = checkpoints.look_up(path)
    _points.add(point)
    if outline.shipped(point) is None:  # else what the pickers ask is known, and the weights are known to be whole
        point.weights.network()
    return point


@lru_cache(maxsize=8)
def layout(point: Checkpoint) -> Layout:
    """What the network is made of, which needs no torch where that ships."""
    return layout_of(point)


def dtypes() -> tuple[str, ...]:
    """What can be computed in: bfloat16 only where the device has it, which nobody knows before torch is here."""
    if not loading.torch_is_here() and "dtype" not in st.query_params:
        return ("float32",)
    return native_dtypes()


def native_dtypes() -> tuple[str, ...]:
    """What the device computes in; imports torch."""
    from explorer.networks import evaluation

    native = evaluation.has_bfloat16(evaluation.resolve_device(None))
    return tuple(evaluation.DTYPES) if native else ("float32",)


@lru_cache(maxsize=64)
def fitting_modes(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """The pruning modes that fit the layer."""
    return outline.layer_of(point, layer).modes


@lru_cache(maxsize=64)
def together(point: Checkpoint, layer: str) -> tuple[tuple[str, ...], str]:
    """The layers that lose a channel together where one of the layer's is removed, and why."""
    found = outline.layer_of(point, layer)
    return found.together, found.why


@lru_cache(maxsize=32)
def scanned_layers(point: Checkpoint, which: str) -> tuple[str, ...]:
    """The layers that a scan of `which`, a key of scan.LAYERS, looks at."""
    from explorer.engine.scan import choose_layers

    return choose_layers(point.model, which)


@lru_cache(maxsize=32)
def scan_modes(point: Checkpoint, which: str) -> tuple[str, ...]:
    """The pruning modes that fit at least one of these layers."""
    from explorer.engine import remainder

    return tuple(remainder.fitting_modes(point.model, scanned_layers(point, which)))


@lru_cache(maxsize=64)
def fitting_criteria(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """The criteria that fit the layer."""
    return outline.layer_of(point, layer).criteria


@lru_cache(maxsize=64)
def criteria_for(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """Whatever can order the layer's channels: the criteria that fit it, the same reversed, and the oracles."""
    return tuple(outline.criteria_for(point, layer))


def splits_to_rank_on(point: Checkpoint) -> tuple[str, ...]:
    """The splits whose images the channels can be ranked on."""
    return _splits_to_rank_on(point, datasets.version_of(point.card.dataset))


@lru_cache(maxsize=64)
def _splits_to_rank_on(point: Checkpoint, version: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(choices.splits_to_rank_on(point))


@lru_cache(maxsize=64)
def oracle_cost(point: Checkpoint, asked: Experiment) -> Cost:
    """What an oracle's search takes, on the layer, in the mode and over the images of an experiment."""
    known = shipped.search_cost(asked, point)
    if known:
        return known
    from explorer.answers.computing import oracle_cost

    return oracle_cost(asked, point)


@lru_cache(maxsize=64)
def fitting_schedules(point: Checkpoint, layer: str, criterion: str, mode: str) -> tuple[str, ...]:
    """When channels can be ranked, for the layer in this mode by this criterion."""
    return tuple(schedule.fitting_schedules(criterion, mode, outline.layer_of(point, layer).reads_itself))


@lru_cache(maxsize=64)
def fitting_points(point: Checkpoint, layer: str) -> tuple[str, ...]:
    """The points at which the layer's output can be looked at."""
    return outline.layer_of(point, layer).points


TABS = 32  # finished results kept: a few views of a few tabs, each with the curves of a whole comparison


# Work in the background. A job that failed or was cancelled stays so until somebody asks for it `restart`.


def identity(point: Checkpoint) -> Hashable:
    """What decides a network's numbers, whatever its name: its weights, how it reads which images, and who they are."""
    card = point.card
    return (point.sha256, card.network, card.mean, card.std, card.dataset, datasets.version_of(card.dataset))


def forget() -> None:
    """Let go of all networks and of what was found out of them.

    A closed tab may come back for a while, and so its checkpoints stay, though not their networks.
    """
    _checkpoint.clear()
    for point in list(_points):
        point.weights.forget()
    for each in (
        layout,
        fitting_modes,
        together,
        scanned_layers,
        scan_modes,
        fitting_criteria,
        criteria_for,
        _splits_to_rank_on,
        oracle_cost,
        fitting_schedules,
        fitting_points,
    ):
        each.cache_clear()
