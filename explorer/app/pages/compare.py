"""Answers side by side: curves of any networks, layers and ways of pruning, and how they differ at one K."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from explorer.answers import notation
from explorer.app import (
    comparing,
    contrasts,
    downloads,
    drawing,
    heads,
    lines,
    links,
    prepared,
    sweeps,
    views,
    waiting,
    work,
)
from explorer.app.views import View
from explorer.background.jobs import Job
from explorer.engine import tables
from explorer.engine.curves import Band, Sweep
from explorer.language.catalogue import ENGLISH
from explorer.language.saying import english, say, speaking
from explorer.show import charts, figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = Sweep | Band

HEIGHT = 215  # of the curves, so that they and the K below are in sight at 1280 × 720
PRUNE = "explorer/app/pages/prune.py"
HALF = 50  # percent of the channels
FIRST = english("The first is what the others are compared with")

ABOUT = english(
    """
**An answer** is a curve: the share of test images that a network still gets right with the first K channels of an order
set to zero. Here answers of any networks, layers, labs, rankings and modes stand side by side, as those of one network
before and after it is fine-tuned. The first is what the others are compared with.

**Image by image**: where two answers are over the same images, a difference counts those that only one of them gets
right. Its interval is that of Agresti and Min (95 %), p the exact one of McNemar: how often chance alone would make a
difference as large. Where one is over a sample of the other's images, the difference is over that sample.

**As two samples**: where the images are not the same ones, accuracies are compared as those of independent samples,
with Newcombe's interval and the pooled z test. Differences have to be larger there before they mean something.

**A band** of random orders is drawn as its mean and an area, in which one further random order would fall (95 %). A
difference from it is one from that mean, its interval is where the difference from one further order would fall, and
how many of the orders get less right stands beside it: McNemar's test is about images, and not about orders.

By **share**, layers of different sizes are compared with the same share of their channels pruned.
"""
)


def opening(view: View, example: bool) -> None:
    """The title, with the way to add an answer, and in one sentence what stands side by side."""
    sentence = say(
        "An example. Add your own: what the sidebar stands at, here or with **Compare** on Prune and Sweep."
        if example
        else "Each curve is one answer; the others are compared with the first, at the K that you choose."
    )
    add = partial(comparing.add_button, say("Add an answer"), [notation.Answer(view.experiment)])
    heads.head(say("Answers side by side"), sentence, say(ABOUT), add)


def start(answers: dict[str, View]) -> dict[str, Job]:
    """The jobs of the answers, by name; of images that are not here it says who needs them, and how to get them."""
    jobs: dict[str, Job] = {}
    there = {name: view for name, view in answers.items() if lines.can_be_had(view, comparing.line_of(name, view))}
    missing: dict[str, list[str]] = {}
    for name, view in answers.items():
        if name not in there:
            missing.setdefault(view.checkpoint.card.dataset, []).append(drawing.plain(name))
    for dataset, names in missing.items():
        downloads.has_data(dataset, why=say("{titles} would have to be computed on", titles="; ".join(names)))
    for name, view in there.items():
        jobs |= lines.start(view, [comparing.line_of(name, view)], view.ks)
        if name in jobs and work.ships(view.checkpoint, view.experiment, view.orders):
            jobs[name].wait(work.SHORT)
    return jobs


def show_lost(answers: dict[str, View], jobs: dict[str, Job]) -> None:
    """What became of the answers that failed or were cancelled, each with a button to start it anew."""
    with st.container():
        for name in lines.lost_of(jobs):
            view = answers[name]
            what = sweeps.sweeping(jobs[name], view.layer, drawing.plain(name))
            waiting.show_end(jobs[name], what, partial(lines.job_of, view, comparing.line_of(name, view)))
        for job in jobs.values():
            waiting.notes(job)


@dataclass(frozen=True)
class Place:
    """Where answers are compared: at one K, or at one share of the channels."""

    axis: str  # a key of charts.AXES
    value: int  # K, or the share in percent

    @property
    def label(self) -> str:
        """What it is called."""
        return f"K = {self.value}" if self.axis == "k" else say("{percent} %", percent=self.value)

    def mark(self, curve: Curve) -> float:
        """The same as a K of this curve, which may lie between two."""
        return self.value if self.axis == "k" else self.value / 100 * curve.channels

    def k_of(self, curve: Curve) -> int | None:
        """The nearest K that was computed; None where the layer has not so many channels."""
        mark = self.mark(curve)
        return None if mark > curve.channels else curve.nearest(round(mark))


def explore(answers: dict[str, View], jobs: dict[str, Job], live: bool) -> None:
    """Everything that answers to K: look-ups in the curves. `live` while one of them streams."""
    curves = {name: curve for name, job in jobs.items() if (curve := curve_of(job)) is not None}
    with st.container(gap="xsmall"):
        sentence, chart = st.container(), st.container()
        place = pick_place(max(view.channels for view in answers.values()))
        found = {name: k for name, curve in curves.items() if (k := place.k_of(curve)) is not None}
        with chart:
            if curves:
                draw(curves, place)
            elif live:
                st.skeleton(height=HEIGHT + 150)
        with st.container():
            if live:
                waiting.several({drawing.plain(name): job for name, job in jobs.items()}, say("Pruning at every K"))
    if found:
        at = {name: curves[name] for name in found}
        table = prepared.contrast_table(tuple(at), tuple(found.values()), *at.values())
        sentence.markdown(contrasts.in_a_sentence(table, place.label))
        st.subheader(say("At {place}", place=place.label))
        about(curves, examples_of(answers), live)
        contrasts.differences(table, place.label)
        contrasts.figures_of(curves)
        files(answers, curves, table, place.axis)
    if live and all(job.finished for job in jobs.values()):
        st.rerun()


def curve_of(job: Job) -> Curve | None:
    """The curve so far; of a band as soon as there are two orders, which say how far apart orders are."""
    curve = work.curve_or_band(job)
    return None if isinstance(curve, Band) and len(curve.sweeps) == 1 else curve


def pick_place(most: int) -> Place:
    """K, up to the `most` channels that a layer has, or a share of the channels."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis = views.pick_axis()
        if axis == "k":
            return Place(axis, views.pick_k(range(most + 1)))
        links.note_whole("at_share", 0, 100, HALF, say("no share of the channels in percent"), say("share"))
        linked = links.linked("at_share", HALF, links.whole_number(0, 100, HALF))
        return Place(axis, st.slider(say("Share of the channels pruned (%)"), 0, 100, HALF, **linked))


def draw(curves: dict[str, Curve], place: Place) -> None:
    """The curves, the first of them thicker, with a line where they are compared; a click on a point moves it."""
    name, first = next(iter(curves.items()))
    table = tables.curve_table(curves)
    chart = charts.zoomable_curves(table, place.axis, HEIGHT, place.mark(first), name, place.label)
    sizes = {each: curve.channels for each, curve in curves.items()}
    drawing.draw_pair(
        chart, key="together", on_select=partial(choose_clicked, place.axis, sizes), selection_mode="pick"
    )


def choose_clicked(axis: str, sizes: dict[str, int]) -> None:
    """Move K, or the share, to the point clicked; a callback. `sizes` has each curve's number of channels."""
    for picked in st.session_state["together"].selection.pick:
        if axis == "k":
            views.set_k(int(picked["k"]))
        else:
            st.session_state["at_share"] = round(100 * picked["k"] / sizes[picked["criterion"]])


def examples_of(answers: dict[str, View]) -> str:
    """What the networks look at, in words."""
    return say(" or ").join(dict.fromkeys(say(view.examples) for view in answers.values()))


def about(curves: dict[str, Curve], examples: str, live: bool) -> None:
    """Over how many images the numbers are."""
    singles = [curve for curve in curves.values() if isinstance(curve, Sweep)]
    remarks = dict.fromkeys(remark for curve in singles if (remark := sweeps.remarks(curve)))
    words = say(
        "{over} {counted}, with 95 % intervals; differences are from the first answer.{remarks}",
        over=say("So far over" if live else "Over"),
        counted=sweeps.counted(list(curves.values()), say("test {examples}", examples=examples)),
        remarks="".join(remarks),
    )
    st.caption(words)


def in_files(answers: dict[str, View]) -> dict[str, str]:
    """What files call the answers: the same, whichever language the page speaks."""
    with speaking(ENGLISH):
        return dict(zip(answers, comparing.named(list(answers.values())), strict=True))


def files(answers: dict[str, View], curves: dict[str, Curve], table: pd.DataFrame, axis: str) -> None:
    """The files with every number, and the chart as a figure for print."""
    networks = dict.fromkeys(view.checkpoint.name for view in answers.values())
    name = drawing.plain_name("compare", *list(networks)[:2], f"{len(curves)}-answers")
    with st.container(horizontal=True, vertical_alignment="center"):
        drawing.csv_button(tables.rows_of(curves.values()), name, say("Every number"))
        called = in_files(answers)
        named = table.replace({"answer": called, "against": called})
        drawing.csv_button(named, f"{name}_differences", say("Differences"), key="differences")
        usual = tables.usual_table({called[each]: curve for each, curve in curves.items()})
        drawing.csv_button(usual, f"{name}_figures", say("Figures of the curves"), key="figures")
        draw = partial(figure, answers, curves, axis)
        drawing.figure_button(partial(prepared.figure_file, draw), name, "compare", say("Chart for print"))


def figure(answers: dict[str, View], curves: dict[str, Curve], axis: str) -> Figure:
    """The curves as a figure for print, by the names that the answers have in its language."""
    names = dict(zip(answers, comparing.named(list(answers.values())), strict=True))
    return figures.accuracy_figure({names[each]: curve.points() for each, curve in curves.items()}, axis)


def arrange(answers: dict[str, View]) -> None:
    """The answers in their order, in full, with what moves one up, takes it away, or opens it on Prune."""
    st.subheader(say("The answers"))
    texts = [comparing.text_of(view) for view in answers.values()]
    for place, (name, view) in enumerate(answers.items()):
        words, buttons = st.columns([2, 1], vertical_alignment="center")
        words.markdown(f"**{name.partition(' ')[0]}** {drawing.plain(comparing.in_full(view))}")
        rest = texts[:place] + texts[place + 1 :]
        before = max(place - 1, 0)
        higher = [*rest[:before], texts[place], *rest[before:]]
        look: dict[str, Any] = {"type": "tertiary", "on_click": comparing.keep}
        with (
            buttons,
            st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"),
        ):
            up: dict[str, Any] = {"args": (higher,), "disabled": not place, "help": say(FIRST)}
            st.button(say("Up"), key=f"up {place}", icon=":material/arrow_upward:", **up, **look)
            st.button(say("Remove"), key=f"remove {place}", icon=":material/close:", args=(rest,), **look)
            if view.orders == 1:  # a band has no one curve
                link = {key: value for key, value in views.link_to(view.experiment, 0).items() if key != "k"}
                st.page_link(PRUNE, label=say("Open"), icon=":material/content_cut:", query_params=link)


with links.page():
    view = views.pick_view()
    chosen = comparing.answers()
    answers = comparing.named(chosen or comparing.usual(view))
    opening(view, example=not chosen)
    with st.container():
        jobs = start(answers)
        if jobs:
            waiting.wait_briefly(list(jobs.values())[-1])
        show_lost(answers, jobs)
    live = not all(job.finished for job in jobs.values())
    if jobs:
        links.fragment(explore, answers, jobs, live, every=waiting.POLL if live else None)
    arrange(answers)
