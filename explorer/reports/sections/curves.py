"""Accuracy against K: along the order of the report, in each of the lab's ways, and by other criteria."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from explorer.engine.curves import Sweep
from explorer.reports.document import Block, Heading, Paragraph
from explorer.reports.tables import compared_table
from explorer.reports.writer import Writer

MANY_K = 17  # rows of a curve's table


def accuracy(writer: Writer) -> Iterator[Block]:
    """The curve, with its interval and the chosen K."""
    facts, say, curve = writer.facts, writer.say, writer.facts.curve
    yield Heading(say("heading.accuracy"))
    row = curve.index(facts.k)
    low, high = (float(ends[row]) for ends in curve.intervals)
    values = {"n": curve.done, "examples": writer.examples, "channels": curve.channels, "k": facts.k}
    values |= {"accuracy": float(curve.accuracy[row]), "low": low, "high": high, "before": float(curve.accuracy[0])}
    yield Paragraph(say("text.accuracy", **values, change=curve.change(facts.k)))
    if curve.gone_at(facts.k) != facts.k:
        yield Paragraph(say("text.ranked_again", k=facts.k, gone=curve.gone_at(facts.k)))
    yield from writer.figure("accuracy", k=facts.k)
    ks = shown_ks(curve.ks, facts.k)
    caption = writer.some(say("caption.accuracy_table"), len(ks), len(curve.ks), "accuracy")
    yield writer.table(caption, *_curve_rows(writer, curve, ks))


def shown_ks(ks: Sequence[int], chosen: int) -> list[int]:
    """The K of a table: evenly spread over all, with both ends and the chosen one."""
    places = np.linspace(0, len(ks) - 1, min(len(ks), MANY_K)).round().astype(int)
    return sorted({*(ks[place] for place in places), chosen})


def _curve_rows(writer: Writer, curve: Sweep, ks: Sequence[int]) -> tuple[Any, ...]:
    """Columns, cells and columns of numbers of a curve's table."""
    low, high = curve.intervals
    columns = ["k", *(["gone"] if curve.gone else []), "accuracy", "interval", "change"]
    rows = []
    for k in ks:
        at = curve.index(k)
        gone = [f"{curve.gone_at(k):,}"] if curve.gone else []
        share = writer.number("percent", float(curve.accuracy[at]))
        change = writer.number("change", curve.change(k))
        rows.append([f"{k:,}", *gone, share, writer.interval(float(low[at]), float(high[at])), change])
    return columns, rows, columns


def ways(writer: Writer) -> Iterator[Block]:
    """The lab as assigned, as scripted, and otherwise, side by side."""
    facts, say = writer.facts, writer.say
    if facts.lab is None or len(facts.lab.variants) < 2:
        return
    yield Heading(say("heading.ways"))
    yield Paragraph(say("text.differs", differs=writer.language.said(facts.lab.differs)))
    yield from writer.missing("way")
    yield from writer.figure("ways")
    named = {writer.language.said(title): way for title, way in facts.ways.items()}
    yield writer.table(say("caption.ways_table", k=facts.k), *_compared_rows(writer, named, "way", facts.k))


def criteria(writer: Writer) -> Iterator[Block]:
    """Other orders of the channels, the band of random ones, and the oracle."""
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.criteria"))
    yield from writer.missing("criteria")
    if len(facts.compared) > 1:
        yield Paragraph(say("text.criteria"))
        yield from writer.figure("criteria")
        named = {writer.criterion(criterion): curve for criterion, curve in facts.compared.items()}
        rows = _compared_rows(writer, named, "criterion", facts.k)
        yield writer.table(say("caption.criteria_table", k=facts.k), *rows)


def _compared_rows(writer: Writer, curves: dict[str, Any], first: str, k: int) -> tuple[Any, ...]:
    """Columns, cells and columns of numbers of several curves at K = k; what a curve does not have is a dash."""
    columns = [first, "n", "accuracy", "interval", "area", "cliff"]
    table = compared_table(curves, k)
    rows = []
    for row in table.to_dict("records"):
        known = not pd.isna(row["accuracy"])
        interval = writer.interval(row["low"], row["high"]) if known else "–"
        share, area = writer.number("percent", row["accuracy"]), writer.number("decimal", row["area"])
        cliff = "–" if pd.isna(row["cliff"]) else f"{row['cliff']:g}"
        rows.append([row["name"], f"{row['n']:,}", share, interval, area, cliff])
    if table["area"].isna().all():  # the curves do not go from K = 0 to P
        columns.remove("area")
        rows = [[*row[:4], row[5]] for row in rows]
    return columns, rows, columns[1:]
