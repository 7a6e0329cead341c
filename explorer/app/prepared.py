"""Tables, figures and pictures for the pages, each made once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from explorer.answers.images import examples_of
from explorer.app.cache import TABS, TEST, identity
from explorer.engine.curves import Sweep
from explorer.engine.scans import Scan
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.ranking import Ranking
from explorer.pruning.statistics import ChannelStatistics
from explorer.show import charts, figures, pictures
from explorer.show.pictures import side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def channel_table(ranked: Ranking | Sweep, pruned: int) -> pd.DataFrame:
    """The channels in pruning order: channel, value (its importance) and state, "pruned" for the first, else "kept"."""
    states = [charts.PRUNED] * pruned + [charts.KEPT] * (len(ranked.order) - pruned)
    assert ranked.importance is not None, "only a sweep that was made by hand has none"
    return pd.DataFrame({"channel": ranked.order, "value": ranked.importance[ranked.order], "state": states})


def statistics_table(averages: ChannelStatistics, ranked: Ranking, pruned: int) -> pd.DataFrame:
    """The channels' statistics with their importance and their state, in pruning order; see `channel_table`."""
    table = channel_table(ranked, pruned).rename(columns={"value": "importance"})
    return table.merge(averages.frame(), on="channel")


def accuracy_table(result: Sweep) -> pd.DataFrame:
    """One row a K, the columns of the CSV file; made once for a whole sweep."""
    return _accuracy_table(result) if result.done == result.total else result.frame()


_accuracy_table = lru_cache(maxsize=TABS)(Sweep.frame)


def scan_table(result: Scan) -> pd.DataFrame:
    """One row a layer, the columns of the CSV file; made once for a whole scan."""
    return _scan_table(result) if result.done == result.total else result.frame()


_scan_table = lru_cache(maxsize=TABS)(Scan.frame)


@dataclass(frozen=True)
class Grid:
    """What a grid of maps shows, and how it is laid out and coloured."""

    channels: tuple[int, ...]  # in the order shown
    pruned: frozenset[int]  # channels
    titles: tuple[str, ...] | None
    colour: str
    shared: bool  # one scale for all
    columns: int | None


_DRAWING = threading.Lock()  # Matplotlib's font caches are not made for threads


@lru_cache(maxsize=32)
def grid_file(
    averages: ChannelStatistics, grid: Grid, label: str, kind: str, dpi: int = figures.PRINT_DPI, ink: str | None = None
) -> bytes:
    """The averaged maps as a PNG, SVG or PDF file: for print on white, or on the page's ground in its `ink`."""
    with _DRAWING:
        figure = figures.maps_figure(
            averages.maps[list(grid.channels)],
            grid.titles,
            [place for place, channel in enumerate(grid.channels) if channel in grid.pruned],
            grid.colour,
            grid.shared,
            grid.columns,
            label,
            ink or figures.INK,
        )
        return figures.figure_bytes(figure, kind, dpi, transparent=ink is not None)


@lru_cache(maxsize=TABS)
def strip(averages: ChannelStatistics, order: tuple[int, ...]) -> str:
    """The address of a picture of all averaged maps side by side, in that order; of many, a column of each."""
    return pictures.strip(averages.maps[list(order)], rows_only=len(order) > charts.MANY)


def figure_file(draw: Callable[[], Figure], kind: str) -> bytes:
    """The figure that `draw()` makes, as a PNG, SVG or PDF file."""
    with _DRAWING:
        return figures.figure_bytes(draw(), kind)


Examples = tuple[np.ndarray, list[str], np.ndarray]


def examples(point: Checkpoint, layer: str, where: str, count: int) -> Examples:
    """`count` test examples of different classes: images (n, C, H, W), class names, the layer's outputs (n, P, M, N).

    Of a pair, both images stand side by side, and so do their outputs.
    """
    return _examples(point, identity(point), layer, where, count)


@st.cache_resource(max_entries=16, show_spinner=False)
def _examples(_point: Checkpoint, identity: Hashable, layer: str, where: str, count: int) -> Examples:
    found = examples_of(_point, layer, where, count, TEST)
    return side_by_side(found.images), found.labels, side_by_side(found.outputs)


def forget() -> None:
    """Let go of all tables, files and pictures."""
    _examples.clear()
    for each in (_accuracy_table, _scan_table, grid_file, strip):
        each.cache_clear()
