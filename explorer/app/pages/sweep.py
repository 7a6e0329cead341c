"""Whole curves: accuracy at every K, for several ways to order the channels, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.answers.notation import Answer
from explorer.app import cache, comparing, drawing, heads, links, pickers, prepared, story, sweeps, views, waiting
from explorer.app.lines import (
    Line,
    at_ks,
    drawn,
    is_oracle,
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
from explorer.engine.curves import Band, Sweep, difference
from explorer.language.saying import english, say
from explorer.pruning.modes import MODES
from explorer.show import charts, figures
from explorer.show.words import percent, points, whole

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


AREA = english(
    "The area under accuracy against the share of channels pruned, 0 to 1, by trapezoids: the mean accuracy over all "
    "K. Only for curves from K = 0 to all channels."
)
CLIFF = english(
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


def table_of(view: View, lines: list[Line], found: dict[str, Sweep | Band]) -> None:
    """Accuracy at each K, a column a curve, and the file with every number: of a band, those of each order."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(say("Every number"), width="content")
        rows = tables.rows_of(found.values())
        drawing.csv_button(rows, file_name(view, list(found)))
    table = tables.curve_table(found)
    wide = table.pivot(index="k", columns="criterion", values="accuracy")[list(found)]
    named = titles(lines)
    columns: dict[str, Any] = {"k": "K", **{name: named[name] for name in found}}
    st.dataframe(drawing.in_words(wide, found), column_config=columns, alt=say("Accuracy at each K"), height=420)


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
        summary(view, shown, found, ks)
        table_of(view, shown, found)
    if live and all(job.finished for job in jobs.values()):
        st.rerun()
