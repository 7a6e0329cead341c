"""Whole curves: accuracy at every K, for several ways to order the channels, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.answers.notation import Answer
from explorer.app import (
    comparing,
    drawing,
    heads,
    links,
    pickers,
    prepared,
    story,
    sweeps,
    views,
    waiting,
    worth,
)
from explorer.app.lines import (
    Line,
    at_ks,
    drawn,
    job_of,
    light,
    lit_of,
    lost_of,
    pick_evidence,
    pick_lines,
    pick_more,
    start,
    titles,
)
from explorer.app.views import View
from explorer.background.jobs import Job
from explorer.engine import tables
from explorer.engine.curves import Band, Sweep
from explorer.language.saying import english, say
from explorer.pruning.modes import MODES
from explorer.show import charts, figures
from explorer.show.words import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12  # curves
PRUNE = "explorer/app/pages/prune.py"
NAMED = 5  # curves in a file's name
CLICKED = "a point of a curve was clicked"
HEIGHT = 225  # of the curves, so that all of them and their controls are in sight at 1280 × 720
ZOOMS = {"none": 0.0, "0.1": 0.1, "0.25": 0.25, "0.5": 0.5}  # shares of the channels

ABOUT = english(
    """
**A curve** is the share of test images that the network still gets right with the first K channels of an order set to
zero, for K = 0 (nothing pruned) up to all P channels of the layer.

**A ranking** decides the order: it scores every channel, and the least important goes first. The thick curve is the
ranking in the sidebar, the dashed line is K; both are the same on every page.

**The bands.** Of a ranking: the 95 % Wilson interval of its accuracy. Of n random orders: where 95 % of further ones
fall, mean ± t · s · √(1 + 1/n). A ranking is worth something where its curve leaves the band of random orders.

**The area** under a curve is the mean accuracy over all K.

Labs A and B draw one such curve, C one of a layer in the middle, D one by the share of the channels pruned, and E
compares rankings by the size of filters.
"""
)


# What is shown


def opening(view: View, lines: list[Line], found: dict[str, Sweep | Band], k: int) -> None:
    """The title, and in one sentence which ranking is best at K, as soon as that is known."""
    network = drawing.plain(story.title_of(view.checkpoint.name))
    at_k = {line: accuracy_at(found[line.name], k) for line in lines if line.name in found}
    known = {line: accuracy for line, accuracy in at_k.items() if accuracy is not None}
    if known:
        best = max(known, key=lambda line: known[line])
        others = [line for line in (lit_of(view, lines), *known) if line in known and line is not best]
        unpruned = accuracy_at(found[best.name], 0)
        sentence = say(
            "{network} with K = {k} of the {channels:,} channels of **{layer}** pruned: **{best}** keeps {accuracy} of "
            "the test {examples} right{other}{unpruned}",
            network=network,
            k=k,
            channels=view.channels,
            layer=view.layer,
            best=best.title,
            accuracy=percent(known[best]),
            examples=say(view.examples),
            other=say(", **{title}** {accuracy}", title=others[0].title, accuracy=percent(known[others[0]]))
            if others
            else "",
            unpruned=say(".") if unpruned is None else say("; unpruned it is {accuracy}.", accuracy=percent(unpruned)),
        )
    else:
        sentence = say(
            "Each curve prunes the {channels:,} channels of **{layer}** of {network} in another order.",
            channels=view.channels,
            layer=view.layer,
            network=network,
        )
    about = f"{story.about_lab(view.lab)}\n\n{say(ABOUT)}" if view.lab else say(ABOUT)
    heads.head(say("Which ranking is best?"), sentence, about)


def accuracy_at(curve: Sweep | Band, k: int) -> float | None:
    """The accuracy at K = k, of a band on average; None where that K is not there."""
    if k not in curve.ks:
        return None
    table = curve.points().set_index("k")
    return float(table["accuracy"][k])


def compare(
    view: View,
    lines: list[Line],
    jobs: dict[str, Job],
    ks: tuple[int, ...],
    axis: str,
    k: int,
    live: bool,
    lost: set[str],
) -> None:
    """The curves so far, and below how far those are that still run; the page anew once one more is `lost`."""
    ended = live and (all(job.finished for job in jobs.values()) or lost_of(jobs) != lost)
    if st.session_state.pop(CLICKED, False) or ended:
        st.rerun()
    found, named, lit = drawn(jobs, ks), titles(lines), lit_of(view, lines)
    if found:
        table = tables.curve_table({named[name]: curve for name, curve in found.items()})
        chart = charts.zoomable_curves(table, axis, HEIGHT, k, lit.title if lit else None)
        clicked = partial(choose_clicked, view, lines)
        drawing.draw_pair(chart, key="curves", on_select=clicked, selection_mode="pick")
    else:
        st.skeleton(height=HEIGHT + 150)


def under_way(view: View, lines: list[Line], jobs: dict[str, Job], ks: tuple[int, ...]) -> None:
    """How far the curves are, in one line, and over how many images they are so far."""
    named, found = titles(lines), drawn(jobs, ks)
    waiting.several(
        {named[name]: job for name, job in jobs.items()}, say("Pruning {layer} at every K", layer=view.layer)
    )
    if found:
        st.caption(sweeps.so_far(list(found.values()), ks, view.examples, jobs.values()))


def choose_clicked(view: View, lines: list[Line]) -> None:
    """Move K to the point that was clicked, and light its curve; a callback."""
    for picked in st.session_state["curves"].selection.pick:
        views.set_k(int(picked["k"]))
        for line in lines:
            if line.title == picked["criterion"]:
                light(line)
        st.session_state[CLICKED] = True


def show_lost(view: View, lines: list[Line], jobs: dict[str, Job], lost: set[str]) -> None:
    """What became of the curves that failed or were cancelled, each with a button to start it anew."""
    with st.container():
        for line in lines:
            if line.name in lost:
                what = sweeps.sweeping(jobs[line.name], view.layer, line.title)
                waiting.show_end(jobs[line.name], what, partial(job_of, view, line))


def words_of(view: View, found: dict[str, Sweep | Band]) -> str:
    """What the curves are, and what can be done with them."""
    bands = [curve for curve in found.values() if isinstance(curve, Band)]
    single = [curve for curve in found.values() if isinstance(curve, Sweep)]
    done = drawing.sentence(sweeps.counted(list(found.values()), _of_test(view)))
    random = (
        say(" Of {n} random orders the mean, and where 95 % of further ones fall.", n=len(bands[0].sweeps))
        if bands
        else ""
    )
    return say(
        "{done}, with 95 % intervals.{random} Click a point to take its K and its ranking to every page.{remarks}",
        done=done,
        random=random,
        remarks=sweeps.remarks(single[0]) if single else "",
    )


def _of_test(view: View) -> str:
    """What the images are called that curves are over."""
    return say("test {examples}", examples=say(view.examples))


def about(
    view: View, lines: list[Line], words: str, found: dict[str, Sweep | Band], axis: str, share: float | None = None
) -> None:
    """What stands under a chart: words, and the chart, up to a `share` of the channels, as a figure for print."""
    kind = "curves" if share is None else "zoom"
    name = file_name(view, list(found), axis, kind)
    draw = partial(figure, view, lines, found, axis, share)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(words)
        drawing.figure_button(partial(prepared.figure_file, draw), name, kind)


def figure(view: View, lines: list[Line], found: dict[str, Sweep | Band], axis: str, share: float | None) -> Figure:
    """The chart as a figure for print."""
    named = titles(lines)
    curves = {named[name]: charts.up_to(curve.points(), share or 1) for name, curve in found.items()}
    orders = [named[name] for name, curve in found.items() if isinstance(curve, Band)]
    return figures.accuracy_figure(curves, axis, share is not None, context(view, lines, found), orders)


def context(view: View, lines: list[Line], found: dict[str, Sweep | Band]) -> str:
    """What a figure is of: network and layer, what pruning zeroes, the K, and over how many images."""
    modes = dict.fromkeys(MODES[line.experiment.mode].title for line in lines if line.name in found)
    ks = sorted({k for curve in found.values() for k in curve.ks})
    return say(
        "{network}, {layer}\nPruned: {modes}. K = {first} … {last:,} of {channels:,}; {done}",
        network=view.checkpoint.name,
        layer=view.layer,
        modes=say(" or ").join(map(say, modes)),
        first=ks[0],
        last=ks[-1],
        channels=view.channels,
        done=sweeps.counted(list(found.values()), _of_test(view)),
    )


def zoomed(view: View, lines: list[Line], found: dict[str, Sweep | Band], axis: str, share: float) -> None:
    """The curves once more, up to a share of the channels, as lab D shows them."""
    st.subheader(say("The first {percent:.0f} % of the channels", percent=100 * share))
    named = titles(lines)
    first = charts.up_to(tables.curve_table({named[name]: curve for name, curve in found.items()}), share)
    drawing.draw(charts.compare_curves(first, axis, height=340, close=True), key="zoomed")
    about(view, lines, say("The accuracy axis does not begin at zero."), found, axis, share)


def file_name(view: View, names: Sequence[str], *more: str) -> str:
    """A file name that says which curves are in it, as long as they are few."""
    few = names if len(names) <= NAMED else [f"{len(names)}-curves"]
    lab = [f"lab-{view.lab.name}"] if view.lab else []
    return views.file_name(view, *lab, "-".join(few), *([] if lab else [view.experiment.mode]), *more)


def open_on_prune(view: View, k: int) -> None:
    """The way to Prune, where the lit ranking and K stand as here."""
    title = say(criterion_named(view.experiment.criterion).title)
    label = say("Look closer at {title} at K = {k} on Prune", title=title, k=k)
    st.page_link(PRUNE, label=label, icon=":material/content_cut:", query_params=views.link_to(view.experiment, k))


def pick_k(view: View) -> int:
    """K, which is the same on every page."""
    half = view.stops[(len(view.stops) - 1) // 2]
    links.note_whole("k", 0, view.channels, half, say("no number of channels to prune"), "K")
    pickers.keep_if("k", lambda kept: 0 <= kept <= view.channels, half)
    k = pickers.pick_number("K", 0, view.channels, half, "k", width=150)
    return half if k is None else k


def controls(view: View) -> tuple[list[Line], tuple[int, ...], str, int, float]:
    """The curves, their K, the axis, the K that is marked, and the share that a second chart shows: all in one row."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        criteria = pick_lines(view)
        k = pick_k(view)
        axis = views.pick_axis()
        with st.popover(say("More"), icon=":material/tune:"):
            ks = views.pick_ks(view)
            zoom = pickers.pick_option(say("Second chart, up to"), "zoom", list(ZOOMS), format_func=zoom_title)
            view = pick_evidence(view)
            lines = pick_more(view, criteria)
    return lines, ks, axis, k, ZOOMS[zoom]


def zoom_title(zoom: str) -> str:
    """How much of the channels a second chart shows, in words."""
    return say("{percent} %", percent=round(100 * ZOOMS[zoom])) if ZOOMS[zoom] else say("None")


NO_K = english(
    "Channels are ranked again every few K, and none of those lies in this range: widen it, or take smaller steps in "
    "the sidebar."
)


def stop(words: str) -> None:
    """Stop the page where there is no curve to draw, with the way to one."""
    st.info(words, icon=":material/touch_app:")
    st.stop()


with links.page():
    view = views.pick_view()
    top, picture = st.container(), st.container()
    views.start_afresh(view)
    lines, ks, axis, k, zoom = controls(view)
    some = None if len(ks) == view.channels + 1 else ks
    shown = [at_ks(view, line, some) for line in lines[:MOST]]
    if shown:
        comparing.offer([Answer(line.experiment, line.orders) for line in shown])
    with picture:
        jobs = start(view, shown, ks) if ks else {}
        if jobs:
            waiting.wait_briefly(list(jobs.values())[-1])
    live = not all(job.finished for job in jobs.values())  # and only then what they have
    found, lost = drawn(jobs, ks), lost_of(jobs)
    every = waiting.POLL if live else None
    with top:
        opening(view, shown, {} if live else found, k)
    if not lines:
        stop(say("Choose at least one ranking to see its curve."))
    if not ks:
        stop(say(NO_K))
    if not jobs:
        st.stop()
    with picture:
        show_lost(view, shown, jobs, lost)
        links.fragment(compare, view, shown, jobs, ks, axis, k, live, lost, every=every)
    if len(lines) > MOST:
        st.info(say("These are the first {most} of {n} curves: more could not be told apart.", most=MOST, n=len(lines)))
    for job in jobs.values():
        waiting.notes(job)
    with st.container():
        if live:
            links.fragment(under_way, view, shown, jobs, ks, every=every)
        elif found:
            about(view, shown, words_of(view, found), found, axis)
    if found and not live:
        open_on_prune(view, k)
        if zoom:
            zoomed(view, shown, found, axis, zoom)
        worth.summary(view, shown, found, ks)
        worth.table_of(shown, found, file_name(view, list(found)))
    if live and all(job.finished for job in jobs.values()):
        st.rerun()
