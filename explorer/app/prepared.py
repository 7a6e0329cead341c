"""Tables, figures and pictures for the pages, each made once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from explorer.answers.lessons import Lesson
from explorer.answers.questions.question import Question
from explorer.app.cache import TABS, TEST, identity
from explorer.engine import contrasts, pairs, tables
from explorer.engine.curves import Band, Sweep
from explorer.engine.scans import Scan
from explorer.engine.sensitivities import Sensitivity
from explorer.images import datasets
from explorer.images.pictures import pictures as images_of
from explorer.language.saying import kept
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.rankings import Ranking
from explorer.pruning.statistics import ChannelStatistics
from explorer.show import charts, figures, pictures
from explorer.show.fonts import lettered
from explorer.show.pictures import png, side_by_side, thumbnails

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LOOKS = 64  # tables and charts of one K that are kept, each with its curve: a class looks at the same few

P = ParamSpec("P")
T = TypeVar("T")
_forgets: list[Callable[[], None]] = []


def once(entries: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorates what makes something of results: once for all tabs that speak a language, of results that are whole.

    So many are kept.
    """

    def keep(make: Callable[P, T]) -> Callable[P, T]:
        whole = kept(entries)(make)
        _forgets.append(whole.cache_clear)  # type: ignore[attr-defined]

        @wraps(make)
        def made(*parts: P.args, **more: P.kwargs) -> T:
            grows = any(isinstance(part, (Sweep, Scan, Sensitivity)) and part.done < part.total for part in parts)
            return make(*parts, **more) if grows else whole(*parts, **more)

        return made

    return keep


def channel_table(ranked: Ranking | Sweep, pruned: int) -> pd.DataFrame:
    """The channels in pruning order: channel, value (its importance) and state, "pruned" for the first, else "kept"."""
    states = [charts.PRUNED] * pruned + [charts.KEPT] * (len(ranked.order) - pruned)
    assert ranked.importance is not None, "only a sweep that was made by hand has none"
    return pd.DataFrame({"channel": ranked.order, "value": ranked.importance[ranked.order], "state": states})


def statistics_table(averages: ChannelStatistics, ranked: Ranking, pruned: int) -> pd.DataFrame:
    """The channels' statistics with their importance and their state, in pruning order; see `channel_table`."""
    table = channel_table(ranked, pruned).rename(columns={"value": "importance"})
    return table.merge(averages.frame(), on="channel")


@once(TABS)
def accuracy_table(result: Sweep) -> pd.DataFrame:
    """One row a K, the columns of the CSV file."""
    return result.frame()


@once(TABS)
def scan_table(result: Scan) -> pd.DataFrame:
    """One row a layer, the columns of the CSV file."""
    return result.frame()


@once(TABS)
def sensitivity_table(result: Sensitivity) -> pd.DataFrame:
    """One row a layer and share, the columns of the CSV file."""
    return result.frame()


@once(LOOKS)
def class_table(result: Sweep, k: int) -> pd.DataFrame:
    """Accuracy per class at K = k; see `tables.class_table`."""
    return tables.class_table(result, k)


@once(LOOKS)
def contrast_table(names: tuple[str, ...], ks: tuple[int, ...], *results: Sweep | Band) -> pd.DataFrame:
    """What each of the curves has at its K more than the first, by their `names`; see `contrasts.contrast_table`."""
    curves = dict(zip(names, results, strict=True))
    return contrasts.contrast_table(curves, dict(zip(names, ks, strict=True)))


@dataclass(frozen=True)
class Flip:
    """An image whose prediction pruning changes."""

    picture: bytes  # a PNG file
    label: str  # the class it is of
    before: str  # the class predicted of it at K = 0
    after: str


@once(LOOKS)
def flips(result: Sweep, k: int, kind: str, count: int) -> list[Flip]:
    """The first `count` images of a `kind` of flips (see `tables.flip_table`) at K = k; reads the images."""
    table = tables.flip_table(result, k)
    rows = table[table["flip"] == kind].head(count)
    shown = thumbnails(side_by_side(images_of(result.run.dataset, result.run.split, rows["image"].tolist())))
    named = rows[["label", "before", "after"]].itertuples(index=False)
    return [Flip(png(picture), *names) for picture, names in zip(shown, named, strict=True)]


@once(LOOKS)
def axis_chart(
    k: int, title: str, strip: str, height: int, name: str, names: tuple[str, ...], *results: Sweep
) -> charts.Chart:
    """The curves by their `names` over the channels of the one called `name`; see `charts.pruning_axis`."""
    curves = {each: accuracy_table(result) for each, result in zip(names, results, strict=True)}
    own, curve = results[names.index(name)], curves.pop(name)
    channels = channel_table(own, own.gone_at(k))
    return charts.pruning_axis(curve, k, channels, title, strip, own.steepest(), name, curves, names, height)


@once(LOOKS)
def answer(question: Question, names: tuple[str, ...], *results: Sweep | Band | Scan) -> str:
    """The answer to a question about a lab, from the results by their `names`."""
    return question.answer(dict(zip(names, results, strict=True)))


@once(LOOKS)
def explained(lesson: Lesson, *results: Sweep | Band) -> str:
    """What explains a lesson's two curves."""
    return lesson.explained(dict(zip(lesson.curves, results, strict=True)))


@once(LOOKS)
def pair_chart(names: tuple[str, ...], height: int, *results: Sweep | Band) -> charts.Chart:
    """Two curves by their `names`, over the same images."""
    one, other = results
    if isinstance(one, Sweep) and isinstance(other, Sweep):
        one, other = pairs.alike(one, other)
    return charts.compare_curves(tables.curve_table(dict(zip(names, (one, other), strict=True))), height=height)


@once(LOOKS)
def pair_table(one: Sweep, other: Sweep) -> pd.DataFrame:
    """Two curves at each K that both have; see `pairs.pair_table`."""
    return pairs.pair_table(one, other)


@once(LOOKS)
def class_chart(result: Sweep, k: int, height: int) -> charts.Chart:
    """Accuracy per class at K = k, beside that of the unpruned network."""
    return charts.class_bars(class_table(result, k), k, height)


@dataclass(frozen=True)
class Grid:
    """What a grid of maps shows, and how it is laid out and coloured."""

    channels: tuple[int, ...]  # in the order shown
    pruned: frozenset[int]  # channels
    titles: tuple[str, ...] | None
    colour: str
    shared: bool  # one scale for all
    columns: int | None


@once(32)
def grid_file(
    averages: ChannelStatistics, grid: Grid, label: str, kind: str, dpi: int = figures.PRINT_DPI, ink: str | None = None
) -> bytes:
    """The averaged maps as a PNG, SVG or PDF file: for print on white, or on the page's ground in its `ink`."""

    def drawn() -> Figure:
        return figures.maps_figure(
            averages.maps[list(grid.channels)],
            grid.titles,
            [place for place, channel in enumerate(grid.channels) if channel in grid.pruned],
            grid.colour,
            grid.shared,
            grid.columns,
            label,
            ink or figures.INK,
        )

    return figures.by_one_thread(lambda: figures.figure_bytes(lettered(drawn), kind, dpi, transparent=ink is not None))


@lru_cache(maxsize=TABS)
def strip(averages: ChannelStatistics, order: tuple[int, ...]) -> str:
    """The address of a picture of all averaged maps side by side, in that order; of many, a column of each."""
    return pictures.strip(averages.maps[list(order)], rows_only=len(order) > charts.MANY)


def figure_file(draw: Callable[[], Figure], kind: str) -> bytes:
    """The figure that `draw()` makes as a PNG, SVG or PDF file, in the language spoken or else in English."""
    return figures.by_one_thread(lambda: figures.figure_bytes(lettered(draw), kind))


Examples = tuple[np.ndarray, list[str], np.ndarray]


def examples(point: Checkpoint, layer: str, where: str, count: int) -> Examples:
    """`count` test examples of different classes: images (n, C, H, W), class names, the layer's outputs (n, P, M, N).

    Of a pair, both images stand side by side, and so do their outputs.
    """
    return _examples(point, identity(point), layer, where, count)


@st.cache_resource(max_entries=16, show_spinner=False)
def _examples(_point: Checkpoint, identity: Hashable, layer: str, where: str, count: int) -> Examples:
    from explorer.answers.images import examples_of  # runs the network, which takes torch

    found = examples_of(_point, layer, where, count, TEST)
    return side_by_side(found.images), found.labels, side_by_side(found.outputs)


@st.cache_resource(max_entries=8, show_spinner=False)
def _one_of_each(dataset: str, version: Hashable, most: int) -> tuple[np.ndarray, list[str]]:
    from explorer.images.reading import load_split

    whole = load_split(dataset, TEST)
    labels = whole.labels.numpy()
    first = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)[:most]]
    return side_by_side(images_of(dataset, TEST, first)), [whole.classes[labels[image]] for image in first]


def one_of_each(dataset: str, most: int) -> tuple[np.ndarray, list[str]]:
    """The first test example of each of at most so many classes: images (n, C, H, W) and class names."""
    return _one_of_each(dataset, datasets.version_of(dataset), most)


def forget() -> None:
    """Let go of all tables, files and pictures."""
    _examples.clear()
    _one_of_each.clear()
    for forget_them in (*_forgets, strip.cache_clear):
        forget_them()
