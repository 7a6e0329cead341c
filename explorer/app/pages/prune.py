"""Prune K channels and see what the network loses."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.answers.experiment import Experiment
from explorer.answers.notation import Answer
from explorer.app import (
    cache,
    comparing,
    downloads,
    drawing,
    exercise,
    links,
    pickers,
    prepared,
    presenting,
    presets,
    reporting,
    story,
    sweeps,
    titles,
    tour,
    views,
    waiting,
    work,
)
from explorer.app.details import DETAILS
from explorer.app.views import Jump, View
from explorer.background.jobs import Job
from explorer.engine.curves import Sweep
from explorer.engine.schedule import SCHEDULES
from explorer.language.saying import english, joined, say
from explorer.pruning.modes import MODES
from explorer.reports.asked import Asked, ways_of
from explorer.reports.brought import Brought
from explorer.show import charts, figures
from explorer.show.words import percent, points


def explore(view: View, job: Job, others: dict[str, Job], live: bool) -> None:
    """Everything that answers to K: look-ups in the sweep. `live` while it, or one of the lab's `others`, streams."""
    with st.container(gap="xsmall"):
        running(view, job, others, live)
        sweep = work.curve(job)
        if sweep is None:  # it was cancelled before its ranking was whole
            st.rerun()
        numbers, axis = st.container(), st.container()
        asked = views.pick_k(view.stops, jumps(view, sweep), view.channels)
        k = sweep.nearest(asked)
        with numbers:
            headline(view, sweep, k, asked, job)
        with axis:
            one_axis(view, sweep, others, k)
    if not st.session_state["present"]:
        closer(view, sweep, others, k)
    if live and all(each.finished for each in (job, *others.values())):  # the page no longer has to look by itself
        st.rerun()


def closer(view: View, sweep: Sweep, others: dict[str, Job], k: int) -> None:
    """What comes below: the images whose prediction changed, the classes, and where the numbers come from."""
    details = [name for name in DETAILS if name != "questions" or view.lab]
    named = titles.named(titles.DETAILS)
    detail = pickers.pick_option(say("Look closer at"), "details", details, format_func=named)
    DETAILS[detail](view, sweep, k)
    words = say("The bar is the pruned network, the tick the unpruned one.")
    st.subheader(say("Accuracy per class"), help=words)
    drawing.draw(prepared.class_chart(sweep, k, 400), key="classes")
    provenance(view, sweep, others, k)


def running(view: View, job: Job, others: dict[str, Job], live: bool) -> None:
    """How far the work is that still runs."""
    with st.container():
        for other in others.values():
            waiting.notes(other)
        if live:
            waiting.progress(job, sweeps.sweeping(job, view.layer))
            for title, other in others.items():
                waiting.progress(other, sweeps.sweeping(other, view.layer, say(title)))


def jumps(view: View, sweep: Sweep) -> list[Jump]:
    """The K that are worth a look."""
    near, first = sweep.cliff(), view.stops[0]
    start = say("First K" if first else "Unpruned")  # lab B begins at K = 1
    found = [
        Jump("reset", start, first, ":material/restart_alt:", say("K = {k} (key U)", k=first), "U"),
        Jump(
            "cliff",
            say("Last K within 1 point"),
            near,
            ":material/landslide:",
            say(
                "K = {k}: the last before accuracy is ever more than a point below the unpruned network's (key W)",
                k=near,
            ),
            "W",
        ),
    ]
    if steep := sweep.steepest():
        words = say(
            "Accuracy falls most between K = {first} and {last}, a tenth of the channels (key D)",
            first=steep[0],
            last=steep[1],
        )
        found.append(Jump("steepest", say("Steepest drop"), steep[0], ":material/trending_down:", words, "D"))
    return found


def one_axis(view: View, sweep: Sweep, others: dict[str, Job], k: int) -> None:
    """The whole curve, and below it the channels in the order they go; a click or a drag moves K."""
    curves, title = curves_of(view, sweep, others), views.criterion_title(view.experiment.criterion)
    strip, name, names = sweeps.strip(view, sweep), say(name_of(view)), tuple(map(say, curves))
    large = st.session_state["present"]
    height = presenting.HEIGHT if large else charts.HEIGHT
    chart = prepared.axis_chart(k, title, strip, height, name, names, *curves.values())
    drawing.draw(chart, large, key="curve", on_select=jump_to_click, selection_mode="pick")


def curves_of(view: View, sweep: Sweep, others: dict[str, Job]) -> dict[str, Sweep]:
    """The curves there are, by name: a lab's ways in its order whichever is chosen, so that each keeps its look."""
    curves = {name_of(view): sweep, **{title: work.curve(each) for title, each in others.items()}}
    ways = [way.title for way in view.lab.variants] if view.lab and others else []
    found = {title: curves.get(title) for title in [*ways, name_of(view)]}
    return {title: curve for title, curve in found.items() if curve is not None}


def tables_of(view: View, sweep: Sweep, others: dict[str, Job]) -> dict[str, pd.DataFrame]:
    """The tables of these curves, by name."""
    return {say(title): prepared.accuracy_table(curve) for title, curve in curves_of(view, sweep, others).items()}


def name_of(view: View) -> str:
    """What the curve of the view is called beside those of its lab."""
    return view.variant.title if view.variant else english("As chosen")


def jump_to_click() -> None:
    """Move K to the point clicked in the curve."""
    picked = st.session_state["curve"].selection.pick
    if picked:
        views.set_k(int(picked[0]["k"]))


def headline(view: View, sweep: Sweep, k: int, asked: int, job: Job) -> None:
    """The numbers for the last row of the classroom; while the curve grows, it says that they are provisional."""
    row = prepared.accuracy_table(sweep).iloc[sweep.index(k)]
    quiet: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "height": "stretch"}
    gone = sweep.gone_at(k)
    last = say("last to go: channel {channel}", channel=sweep.order[gone - 1]) if gone else say("none pruned")
    if gone > k:
        last = say("{gone} gone at K = {k}: ranked again", gone=gone, k=k)
    interval = say("95 %: {low:.2f} to {high}", low=100 * row["low"], high=percent(row["high"]))
    unpruned = say("unpruned: {accuracy}", accuracy=percent(sweep.accuracy[0]))
    left = say("{left} of {all}", left=sweep.channels - gone, all=sweep.channels)
    with st.grid(3, min_column_width=165, gap="small"):
        st.metric(say("Accuracy at K = {k}", k=k), percent(row["accuracy"]), interval, **quiet)
        st.metric(say("Change in points"), points(sweep.change(k)), unpruned, **quiet)
        st.metric(say("Channels left"), left, last, **quiet)
    if line := views.going_together(view.checkpoint, view.layer, view.experiment.mode):
        st.caption(line)
    if k != asked:
        words = say(
            "K = {asked} is not there; this is K = {k}, the nearest that was computed."
            if job.finished
            else "K = {asked} is still to come; this is K = {k}, the nearest that was computed.",
            asked=asked,
            k=k,
        )
        st.caption(f":material/hourglass_empty: {words}")
    if not job.finished:
        st.caption(say("Provisional: {words}", words=sweeps.so_far([sweep], view.ks, view.examples, [job])))


def provenance(view: View, sweep: Sweep, others: dict[str, Job], k: int) -> None:
    """Where the numbers come from, the file with all of them, and the report."""
    run = view.experiment
    criterion = criterion_named(run.criterion)
    words = [
        say(
            "Channels of {layer} ranked by {criterion} over {images}."
            if criterion.needs_data
            else "Channels of {layer} ranked by {criterion}.",
            layer=run.layer,
            criterion=drawing.within(say(criterion.title)),
            images=sweeps.ranked_over(view) if criterion.needs_data else "",
        ),
        say(SCHEDULES[run.schedule]),
        say(MODES[run.mode].sentence),
        say("Accuracy over {n:,} test {examples}.", n=sweep.done, examples=say(view.examples)),
    ]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(joined(words) + sweeps.remarks(sweep))
        name = views.file_name(view, *views.way_of(run))
        draw = partial(figures.accuracy_figure, tables_of(view, sweep, others))
        drawing.figure_button(partial(prepared.figure_file, draw), name, "curve", say("Curve as figure"))
        drawing.csv_button(prepared.accuracy_table(sweep), name)
        if sweep.preview is None:
            report(view, sweep, others, k)
    sweeps.origin(view, sweep)


def report(view: View, sweep: Sweep, others: dict[str, Job], k: int) -> None:
    """The lab report of what the page shows."""
    lab = view.lab if view.lab and view.lab.layer == view.layer else None
    ways = ways_of(lab, view.experiment)
    curves = {ways[title]: work.curve(job) for title, job in others.items() if title in ways}
    at_hand = {way: curve for way, curve in curves.items() if curve is not None and curve.preview is None}
    asked = Asked(view.experiment, lab, k, exercise.outcome_of(view))
    reporting.report_button(view.checkpoint, asked, Brought(at_hand | {view.experiment: sweep}), "prune")


def there(asked: Experiment) -> bool:
    """Whether a curve comes with the app, or the images that it takes are here."""
    point = cache.checkpoint(asked.checkpoint)
    return work.ships(point, asked) or downloads.is_here(point.card.dataset)


def other_ways(view: View) -> dict[str, Job]:
    """The sweeps of the other ways of doing the view's lab, by title; says so where one failed or was cancelled."""
    if view.lab is None or view.layer != view.lab.layer:
        return {}
    lab, dtype, every = view.lab, view.experiment.dtype, view.experiment.ks is None
    others = [variant for variant in lab.variants if variant != view.variant]
    asked = {each.title: lab.experiment(each, dtype, every) for each in others}
    asks = {
        title: partial(work.sweep, cache.checkpoint(each.checkpoint), each)
        for title, each in asked.items()
        if there(each)
    }
    jobs = {title: ask() for title, ask in asks.items()}
    with st.container():
        for title, job in jobs.items():
            if job.finished and job.result is None:
                waiting.show_end(job, sweeps.sweeping(job, view.layer, say(title)), asks[title])
    return jobs


def opened(view: View) -> None:
    """The page as it opens: the head, and below it the answer."""
    if st.session_state["present"]:
        presenting.head(story.title(view.checkpoint, view.lab))
    else:
        presenting.present_button()
        tour.tour_button()
        comparing.offer([Answer(view.experiment)])
        exercise.begin_button()
        tour.show_step()
        switch = partial(presets.pick_way, view.lab, view.variant)
        story.head_of_pruning(view.checkpoint, view.layer, view.experiment.criterion, view.lab, switch)
    if not work.ships(view.checkpoint, view.experiment):
        downloads.require_data(view.checkpoint.card.dataset)
    job = sweeps.sweep_job(view)
    others = other_ways(view)
    live = not all(each.finished for each in (job, *others.values()))
    links.fragment(explore, view, job, others, live, every=waiting.POLL if live else None)


with links.page(), st.container(gap="xxsmall"):
    waiting.show_news()
    presenting.presents()
    view = views.pick_view()
    if exercise.is_taken():
        exercise.page(view)
    else:
        opened(view)
