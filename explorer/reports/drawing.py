"""The figures of a report, by name: what can be drawn of the facts, with the words of its language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explorer.engine.curves import Band, Sweep
from explorer.language.saying import speaking
from explorer.reports.facts import MAPS, RANDOM, Facts
from explorer.reports.tables import class_rows
from explorer.reports.texts import Language, name
from explorer.reports.writer import criterion_title
from explorer.show import figures, report_figures
from explorer.show.charts.parts import KEPT, PRUNED
from explorer.show.fonts import lettered, shows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDLESS = ("network", "changed")  # figures that are the same in every language
LONGEST = 28  # letters of a name at an axis
Draw = Callable[[], "Figure"]


def figures_of(facts: Facts, language: Language) -> dict[str, Draw]:
    """What draws each figure of a report, by name, in its order; what the facts lack has none."""
    names = named_for_figures(language)
    found: dict[str, Draw] = {}
    if facts.sketch is not None:
        sketch, layer = facts.sketch, facts.experiment.layer
        found["network"] = lambda: report_figures.network_figure(sketch.boxes, sketch.shortcuts, layer)
    if facts.history is not None:
        history = facts.history
        found["training"] = lambda: report_figures.training_figure(history)
    if facts.statistics is not None:
        found["maps"] = lambda: _maps(facts)
    found["channels"] = lambda: _channels(facts, language)
    found["accuracy"] = lambda: _accuracy(facts)
    if len(facts.ways) > 1:
        found["ways"] = lambda: _curves({names.said(title): way for title, way in facts.ways.items()}, facts)
    if len(facts.compared) > 1:
        compared = {criterion_title(names, criterion): curve for criterion, curve in facts.compared.items()}
        found["criteria"] = lambda: _curves(compared, facts, criterion_title(names, RANDOM))
    found["classes"] = lambda: _classes(facts)
    if facts.pictures is not None:
        pictures = facts.pictures
        found["changed"] = lambda: report_figures.images_figure(pictures)
    if facts.scan is not None:
        scan = facts.scan
        found["scan"] = lambda: figures.layers_figure(scan.frame()[1:])
    return {title: _in(language, draw) for title, draw in found.items()}


def named_for_figures(language: Language) -> Language:
    """The language of the names in figures: its own, or English where figures lack its letters."""
    return language if language.figures_speak else Language("en", {**language.texts, "criterion": REVERSED})


REVERSED = {"reversed": "{title:text}, reversed"}


def _in(language: Language, draw: Draw) -> Draw:
    """What draws the same figure with the words of the language, where figures can show them."""

    def drawn() -> Figure:
        with speaking(language.code):
            return lettered(draw)

    return drawn


def axis_of(facts: Facts) -> str:
    """Whether curves stand over K or over the share of the channels, as the lab had it."""
    return facts.lab.axis if facts.lab else "k"


def _accuracy(facts: Facts) -> Figure:
    curves = {"": facts.curve.points()}
    return figures.accuracy_figure(curves, axis_of(facts), mark=facts.k)


def _curves(curves: Mapping[str, Sweep | Band], facts: Facts, band: str = "") -> Figure:
    points = {title: curve.points() for title, curve in curves.items()}
    orders = [band] if band in points else []
    return figures.accuracy_figure(points, axis_of(facts), orders=orders, mark=facts.k)


def _channels(facts: Facts, language: Language) -> Figure:
    table = facts.channels
    state = np.where(table["pruned"], PRUNED, KEPT)
    shown = pd.DataFrame({"channel": table["channel"], "value": table["importance"], "state": state})
    title = criterion_title(named_for_figures(language), facts.experiment.criterion)
    return figures.channel_figure(shown, title)


def _maps(facts: Facts) -> Figure:
    """All maps in pruning order, or of many those of the most active channels."""
    assert facts.statistics is not None, "else there is no such figure"
    most = min(MAPS, facts.curve.channels)
    shown = figures.grid_channels("sorted", facts.curve.order, facts.statistics.mean, most)
    titles = [str(channel) for channel in shown]
    return figures.maps_figure(facts.statistics.maps[shown], titles)


def _classes(facts: Facts) -> Figure:
    table = class_rows(facts)
    cut = [name(str(each), LONGEST) for each in table["class"]]
    readable = [each if shows(each) else f"#{place}" for each, place in zip(cut, table.index, strict=True)]
    return figures.class_figure(table.assign(**{"class": readable}), facts.k)
