"""Whole curves: accuracy at every K, for several ways to order the channels, and what they are worth."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.app import cache, drawing, links, pickers, prepared, sweeps, views, waiting
from explorer.app.lines import MEAN, Line, at_ks, drawn, is_oracle, job_of, lost_of, pick_lines, start, titles
from explorer.app.views import View
from explorer.background.jobs import Job
from explorer.engine import tables
from explorer.engine.curves import Band, Sweep, difference
from explorer.show import charts, figures
from explorer.show.words import percent, points

MOST = 12  # curves
SHOWN = 3  # progress bars

PRUNE = "explorer/app/pages/prune.py"

NAMED = 5  # curves in a file's name
AXIS_ROOM = 88  # pixels that the axis of two charts in one takes beyond its width
ZOOMS = {"none": 0.0, "0.1": 0.1, "0.25": 0.25, "0.5": 0.5}  # shares of the channels


# What is shown


def compare(
    view: View, lines: list[Line], jobs: dict[str, Job], ks: tuple[int, ...], axis: str, live: bool, lost: set[str]
) -> None:
    """The curves so far, under the progress of those that still run; the page anew once one more is `lost`."""
    if live and (all(job.finished for job in jobs.values()) or lost_of(jobs) != lost):
        st.rerun()
    with st.container():
        progress(view, lines, jobs)
    found = drawn(jobs, ks)
    if not found:
        st.skeleton(height=560)
        return
    chart = charts.zoomable_curves(tables.curve_table(found), axis)
    with st.container(horizontal=True, gap=None):
        drawing.draw(chart, key="curves", on_select=choose_clicked, selection_mode="pick")
        st.space(AXIS_ROOM)
    if live:
        st.caption(sweeps.so_far(list(found.values()), ks, view.examples, jobs.values()))
    else:
        about(view, words_of(view, found), tables.curve_table(found), titles(lines), axis)
        open_on_prune(lines, found, ks)


def show_lost(view: View, lines: list[Line], jobs: dict[str, Job], lost: set[str]) -> None:
    """What became of the curves that failed or were cancelled, each with a button to start it anew."""
    with st.container():
        for line in lines:
            if line.name in lost:
                what = sweeps.sweeping(jobs[line.name], view.layer, line.title)
                waiting.show_end(jobs[line.name], what, partial(job_of, view, line))


def progress(view: View, lines: list[Line], jobs: dict[str, Job]) -> None:
    """The jobs that run or wait, the first few with a bar each."""
    for job in jobs.values():
        waiting.notes(job)
    unfinished = [line for line in lines if line.name in jobs and not jobs[line.name].finished]
    for line in unfinished[:SHOWN]:
        job = jobs[line.name]
        waiting.progress(job, sweeps.sweeping(job, view.layer, line.title))
    if len(unfinished) > SHOWN:
        st.caption(f"{len(unfinished) - SHOWN} more wait their turn.")


def words_of(view: View, found: dict[str, Sweep | Band]) -> str:
    """What the curves are, and what can be done with them."""
    bands = [curve for curve in found.values() if isinstance(curve, Band)]
    single = [curve for curve in found.values() if isinstance(curve, Sweep)]
    done = sweeps.counted(list(found.values()), f"test {view.examples}")
    random = f" Of {len(bands[0].sweeps)} random orders the mean, and where 95 % of further ones fall." if bands else ""
    return (
        f"{view.layer} of {view.checkpoint.name}, {done}, with 95 % intervals.{random} "
        f"Click a point to choose it for Prune.{sweeps.remarks(single[0]) if single else ''}"
    )


def about(view: View, words: str, table: pd.DataFrame, named: dict[str, str], axis: str, close: bool = False) -> None:
    """What stands under a chart: words, and the chart as a figure for print; `named` has the curves' titles."""
    kind = "zoom" if close else "curves"
    name = file_name(view, list(dict.fromkeys(table["criterion"])), axis, kind)
    curves = {named[name]: rows for name, rows in table.groupby("criterion", sort=False)}
    draw = partial(figures.accuracy_figure, curves, axis, close)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(words)
        drawing.figure_button(partial(prepared.figure_file, draw), name, kind)


def zoomed(view: View, table: pd.DataFrame, named: dict[str, str], axis: str, share: float) -> None:
    """The curves once more, up to a share of the channels, as lab D shows them."""
    st.subheader(f"The first {100 * share:.0f} % of the channels")
    first = charts.up_to(table, share)
    drawing.draw(charts.compare_curves(first, axis, height=340, close=True), key="zoomed")
    about(view, "The accuracy axis does not begin at zero.", first, named, axis, close=True)


def file_name(view: View, names: Sequence[str], *more: str) -> str:
    """A file name that says which curves are in it, as long as they are few."""
    few = names if len(names) <= NAMED else [f"{len(names)}-curves"]
    lab = [f"lab-{view.lab.name}"] if view.lab else []
    return views.file_name(view, *lab, "-".join(few), *([] if lab else [view.experiment.mode]), *more)


def choose_clicked() -> None:
    """Choose the curve and the K of the point that was clicked."""
    picked = st.session_state["curves"].selection.pick
    if picked:
        st.session_state.update({"open curve": picked[0]["criterion"], "open k": int(picked[0]["k"])})


def open_on_prune(lines: list[Line], found: dict[str, Sweep | Band], ks: tuple[int, ...]) -> None:
    """A curve and a K, and a link to them on Prune."""
    there = {line.name: line for line in lines if line.name in found}
    if st.session_state.get("open curve") not in there:
        st.session_state["open curve"] = next(iter(there))
    if st.session_state.get("open k") not in ks:
        st.session_state["open k"] = ks[len(ks) // 2]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Curve", list(there), key="open curve", width=280)
        k = st.selectbox("K", ks, key="open k", width=120)
        label = f"Open {name} at K = {k} on Prune"
        link = views.link_to(there[name].experiment, k)
        st.page_link(PRUNE, label=label, icon=":material/content_cut:", query_params=link)


def summary(view: View, lines: list[Line], found: dict[str, Sweep | Band], ks: tuple[int, ...]) -> None:
    """What each curve is worth, in a few numbers."""
    st.subheader("What each is worth")
    quarters = [ks[(len(ks) - 1) * share // 4] for share in (1, 2, 3)]
    options, usual = [str(k) for k in ks], [str(k) for k in dict.fromkeys(quarters)]
    chosen = [int(k) for k in pickers.pick_among("Accuracy at K", "at", options, usual)]
    table = tables.summary_table(found, chosen)
    table.insert(1, "title", [line.title for line in lines if line.name in found])
    if len({curve.done for curve in found.values()}) > 1:  # one was cancelled on its way
        table.insert(2, "images", [found[name].done for name in table["criterion"]])
    at = [f"K = {k}" for k in chosen]
    st.dataframe(
        drawing.in_words(table.assign(area=table["area"].map(percent)), at),
        column_config={
            "criterion": st.column_config.TextColumn("Ranked by", pinned=True),
            "title": st.column_config.TextColumn("In words"),
            "images": st.column_config.NumberColumn(view.examples.capitalize()),
            "area": st.column_config.TextColumn("Area", help=AREA),
            "cliff": st.column_config.NumberColumn("Last K within 1 point", format="%g", help=CLIFF),
        },
        hide_index=True,
        height="content",
        alt="Accuracy at a few K, area under the curve and the last K within a point",
    )
    said = flattery(view, lines, found) + [
        looked_at(view, line) for line in lines if line.name in found and is_oracle(line)
    ]
    st.markdown("\n".join(f"- {sentence}" for sentence in said))


AREA = (
    "The area under accuracy against the share of channels pruned, 0 to 1, by trapezoids: the mean accuracy over all "
    "K. Only for curves from K = 0 to all channels."
)
CLIFF = (
    "The last K before accuracy is ever more than one point below that of the unpruned network, as on Prune. Of random "
    "orders the median."
)


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
    title, split = criterion_named(first.experiment.criterion).title, other.experiment.ranked_on
    flatters = "flatters it by" if by.mean > 0 else "does not flatter it: it comes out lower by"
    largest = points(by.largest)
    return (
        f"**{title}**: choosing on the very test {view.examples} that it is measured on, instead of the {split} "
        f"{view.examples}, {flatters} {abs(by.mean):.2f} points on average; the largest difference is {largest} "
        f"points, at K = {by.k}."
    )


def looked_at(view: View, line: Line) -> str:
    """What an oracle looked at."""
    cost = cache.oracle_cost(view.checkpoint, replace(line.experiment, ks=None))
    return (
        f"**{line.title}** tried {cost.networks:,} pruned networks on {cost.images:,} {line.experiment.ranked_on} "
        f"{view.examples} and picked by what it saw there: on those its curve is better than on any others."
    )


def table_of(view: View, lines: list[Line], jobs: dict[str, Job], ks: tuple[int, ...]) -> None:
    """Accuracy at each K, a column a curve, and the file with every number: of a band, those of each order."""
    found = drawn(jobs, ks)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Every number", width="content")
        rows = tables.rows_of(found.values())
        drawing.csv_button(rows, file_name(view, list(found)))
    table = tables.curve_table(found)
    wide = table.pivot(index="k", columns="criterion", values="accuracy")[list(found)]
    named = titles(lines)
    columns: dict[str, Any] = {"k": "K", **{name: named[name] for name in found}}
    st.dataframe(drawing.in_words(wide, found), column_config=columns, alt="Accuracy at each K", height=420)


with links.page():
    view = views.pick_view(criterion=MEAN)
    views.start_afresh(view)
    lines = pick_lines(view)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ks = views.pick_ks(view)
        axis = pickers.pick_option("Axis", "axis", list(charts.AXES), help="K, or K as a share of the channels.")
        zoom = pickers.pick_option(
            "Zoom", "zoom", list(ZOOMS), help="A second chart, up to this share of the channels."
        )
    if not lines:
        st.info("Choose at least one ranking to see its curve.", icon=":material/touch_app:")
        st.stop()
    if not ks:
        st.info(
            "Channels are ranked again every few K, and none of those lies in this range: widen it, or take smaller "
            "steps in the sidebar.",
            icon=":material/touch_app:",
        )
        st.stop()
    if len(lines) > MOST:
        st.info(f"These are the first {MOST} of {len(lines)} curves: more could not be told apart.")
        lines = lines[:MOST]
    some = None if len(ks) == view.channels + 1 else ks
    lines = [at_ks(view, line, some) for line in lines]
    jobs = start(view, lines, ks)
    if not jobs:
        st.stop()
    waiting.wait_briefly(list(jobs.values())[-1])
    live = not all(job.finished for job in jobs.values())
    lost = lost_of(jobs)
    show_lost(view, lines, jobs, lost)
    links.fragment(compare, view, lines, jobs, ks, axis, live, lost, every=waiting.POLL if live else None)
    found = drawn(jobs, ks)
    if found and not live:
        if ZOOMS[zoom]:
            zoomed(view, tables.curve_table(found), titles(lines), axis, ZOOMS[zoom])
        summary(view, lines, found, ks)
        table_of(view, lines, jobs, ks)
