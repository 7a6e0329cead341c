"""What each of several curves is worth: a table of a few numbers, sentences, and every number."""

from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.app import cache, drawing, pickers
from explorer.app.lines import Line, is_oracle, titles
from explorer.app.views import View
from explorer.engine import tables
from explorer.engine.curves import Band, Sweep, difference
from explorer.language.saying import english, say
from explorer.show.words import percent, points, whole

AREA = english(
    "The area under accuracy against the share of channels pruned, 0 to 1, by trapezoids: the mean accuracy over all "
    "K. Only for curves from K = 0 to all channels."
)
CLIFF = english(
    "The last K before accuracy is ever more than one point below that of the unpruned network, as on Prune. Of random "
    "orders the median."
)


def summary(view: View, lines: list[Line], found: dict[str, Sweep | Band], ks: tuple[int, ...]) -> None:
    """What each curve is worth, in a few numbers."""
    st.subheader(say("What each is worth"))
    quarters = [ks[(len(ks) - 1) * share // 4] for share in (1, 2, 3)]
    options, usual = [str(k) for k in ks], [str(k) for k in dict.fromkeys(quarters)]
    chosen = [int(k) for k in pickers.pick_among(say("Accuracy at K"), "at", options, usual)]
    table = tables.summary_table(found, chosen)
    table.insert(1, "title", [line.title for line in lines if line.name in found])
    if len({curve.done for curve in found.values()}) > 1:  # one was cancelled on its way
        table.insert(2, "images", [found[name].done for name in table["criterion"]])
    at = [f"K = {k}" for k in chosen]
    st.dataframe(
        drawing.in_words(table.assign(area=table["area"].map(percent), cliff=table["cliff"].map(whole)), at),
        column_config={
            "criterion": None,
            "title": st.column_config.TextColumn(say("Ranked by"), pinned=True),
            "images": st.column_config.NumberColumn(say(view.examples).capitalize(), format="localized"),
            "area": st.column_config.TextColumn(say("Area"), help=say(AREA)),
            "cliff": st.column_config.TextColumn(say("Last K within 1 point"), help=say(CLIFF)),
        },
        hide_index=True,
        height="content",
        alt=say("Accuracy at a few K, area under the curve and the last K within a point"),
    )
    said = flattery(view, lines, found) + [
        looked_at(view, line) for line in lines if line.name in found and is_oracle(line)
    ]
    st.markdown("\n".join(f"- {sentence}" for sentence in said))


def flattery(view: View, lines: list[Line], found: dict[str, Sweep | Band]) -> list[str]:
    """What choosing on the test images flatters: a sentence for each criterion that was ranked on others, too."""
    there = [line for line in lines if isinstance(found.get(line.name), Sweep)]
    on_test = {line.experiment: line for line in there if line.experiment.ranked_on == cache.TEST}
    others = {line.experiment: line for line in there if line.experiment.ranked_on != cache.TEST}.values()
    pairs = [(on_test.get(replace(line.experiment, ranked_on=cache.TEST)), line) for line in others]
    alike = [(one, line) for one, line in pairs if one and found[one.name].done == found[line.name].done]
    return [compared(view, one, line, found) for one, line in alike]


def compared(view: View, first: Line, other: Line, found: dict[str, Sweep | Band]) -> str:
    """One sentence of numbers: a criterion ranked on the test images against the same ranked on others."""
    one, two = found[first.name], found[other.name]
    assert isinstance(one, Sweep) and isinstance(two, Sweep)
    by = difference(one, two)
    flatters = (
        say("flatters it by {by:.2f} points on average", by=by.mean)
        if by.mean > 0
        else say("does not flatter it: it comes out lower by {by:.2f} points on average", by=-by.mean)
    )
    return say(
        "**{title}**: choosing on the very test {examples} that it is measured on, instead of the {split} {examples}, "
        "{flatters}; the largest difference is {largest} points, at K = {k}.",
        flatters=flatters,
        title=say(criterion_named(first.experiment.criterion).title),
        examples=say(view.examples),
        split=say(other.experiment.ranked_on),
        largest=points(by.largest),
        k=by.k,
    )


def looked_at(view: View, line: Line) -> str:
    """What an oracle looked at."""
    cost = cache.oracle_cost(view.checkpoint, replace(line.experiment, ks=None))
    return say(
        "**{title}** tried {networks:,} pruned networks on {images:,} {split} {examples} and picked by what it saw "
        "there: on those its curve is better than on any others.",
        title=line.title,
        networks=cost.networks,
        images=cost.images,
        split=say(line.experiment.ranked_on),
        examples=say(view.examples),
    )


def table_of(lines: list[Line], found: dict[str, Sweep | Band], name: str) -> None:
    """Accuracy at each K, a column a curve, and the file `name` with every number: of a band, those of each order."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(say("Every number"), width="content")
        rows = tables.rows_of(found.values())
        drawing.csv_button(rows, name)
    table = tables.curve_table(found)
    wide = table.pivot(index="k", columns="criterion", values="accuracy")[list(found)]
    named = titles(lines)
    columns: dict[str, Any] = {"k": "K", **{name: named[name] for name in found}}
    st.dataframe(drawing.in_words(wide, found), column_config=columns, alt=say("Accuracy at each K"), height=420)
