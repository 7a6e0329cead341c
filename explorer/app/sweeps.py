"""The work behind a view, its rankings and curves, and how far it is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from explorer.answers import shipped
from explorer.answers.archive import made_in_words
from explorer.answers.choices import criterion_named
from explorer.app import cache, downloads, drawing, prepared, views, waiting, work
from explorer.background.jobs import Job
from explorer.engine.curves import Band, Sweep
from explorer.engine.oracle import ORACLES
from explorer.language.saying import joined, say
from explorer.pruning.rankings import Ranking
from explorer.pruning.statistics import ChannelStatistics
from explorer.show import charts

LONG = 600  # seconds that a sweep may take without a word on how to shorten it


# Each of these writes into one container, whether there is anything to say or not: what comes after it keeps its place
# on the page from run to run. Containers that move are built anew in the browser, whatever somebody does there.
def steps(view: views.View) -> tuple[Ranking, dict[int, int]]:
    """The view's channels in the order they go, and how many are gone at each K; stops the page while it looks."""
    from explorer.answers.computing import steps_of  # ranks the channels of the network itself, which takes torch

    with st.container():
        measured, asked = None, view.experiment
        if asked.schedule == "once":
            asked = replace(asked, ks=None)
        if not work.ranking_ships(view.checkpoint, asked):
            downloads.require_data(view.checkpoint.card.dataset)
        if criterion_named(view.experiment.criterion).needs_data:
            what = say(
                "Ranking the channels of {layer} on the {split} {examples}",
                layer=view.layer,
                split=say(view.experiment.ranked_on),
                examples=say(view.examples),
            )
            measured = waiting.result_of(what, partial(work.measure, view.checkpoint, view.experiment))
        ranking, gone = steps_of(asked, view.checkpoint, measured)
        ks = asked.ks or range(view.channels + 1)
        return ranking, dict(zip(ks, gone or ks, strict=True))


def ranked_over(view: views.View) -> str:
    """The images that the view's ranking looks at, in words."""
    asked = view.experiment
    split, examples = say(asked.ranked_on), say(view.examples)
    if asked.criterion in ORACLES:
        cost = cache.oracle_cost(view.checkpoint, asked)
        return say("{n:,} {split} {examples}", n=cost.images, split=split, examples=examples)
    return say("the {split} {examples}", split=split, examples=examples)


def layer_statistics(view: views.View, where: str = "raw") -> ChannelStatistics:
    """Statistics of the view's layer over the split it ranks on; stops the page while they are being collected."""
    split = view.experiment.ranked_on
    if not shipped.has_statistics(view.checkpoint, view.layer, split, where):
        downloads.require_data(view.checkpoint.card.dataset)
    examples = say(view.examples)
    what = say("Averaging {layer} over the {split} {examples}", layer=view.layer, split=say(split), examples=examples)
    return waiting.result_of(
        what,
        lambda restart=False: work.statistics(view.checkpoint, view.layer, split, where, restart),
    )


def strip(view: views.View, sweep: Sweep) -> str:
    """The address of a picture of the layer's averaged maps in pruning order; empty where they are not at hand."""
    averages = work.statistics_at_hand(view.checkpoint, view.layer, view.experiment.ranked_on)
    if averages is None:
        return ""
    return prepared.strip(averages, tuple(sweep.order.tolist()))


def sweep_job(view: views.View) -> Job:
    """The sweep of the view over all K, with at least a first curve; stops the page until there is one.

    Meanwhile the axes stand there, so that the browser has loaded what draws charts when the curve comes.
    """
    ask = partial(work.sweep, view.checkpoint, view.experiment)
    job = ask()
    if work.ships(view.checkpoint, view.experiment):
        job.wait(work.SHORT)  # it is read sooner than axes are drawn

    def ready() -> bool:
        return work.curve(job) is not None

    with st.container():
        frame = st.empty()
        if not (ready() or job.finished):
            with frame:
                drawing.draw(charts.empty_curve(view.channels), key="frame")
            waiting.wait_for_first(job, ready)
            if ready() or job.finished:
                frame.empty()
        waiting.notes(job)
        waiting.require_part(job, sweeping(job, view.layer), ask, ready)
    return job


def origin(view: views.View, sweep: Sweep) -> None:
    """Where a curve comes from that was not computed here, and the way to have it computed here."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if not sweep.made:
            return
        said = say("This curve came with the app (computed {day}).", day=made_in_words(sweep.made))
        st.caption(f":material/inventory_2: {said}")
        if downloads.is_here(view.checkpoint.card.dataset):
            words = say(
                "Prune at every K again, on the {split} {examples} on this machine.",
                split=say(view.experiment.split),
                examples=say(view.examples),
            )
            asked = (view.checkpoint, view.experiment)
            look: dict[str, Any] = {"icon": ":material/refresh:", "help": words}
            st.button(say("Compute again here"), on_click=work.compute_again, args=asked, **look)


def sweeping(job: Job, what: str, title: str = "") -> str:
    """What a sweep's job is at, behind the `title` of its curve where there are several."""
    if title:
        return say(
            "{title}: ranking the channels of {layer}"
            if work.is_ranking(job)
            else "{title}: pruning {layer} at every K",
            title=title,
            layer=what,
        )
    return say("Ranking the channels of {layer}" if work.is_ranking(job) else "Pruning {layer} at every K", layer=what)


def so_far(curves: Sequence[Sweep | Band], ks: Sequence[int], examples: str, jobs: Iterable[Job]) -> str:
    """How many images and K the curves of the jobs that still run have at least, and what to do where all take long.

    `examples` is what the images are called.
    """
    there = min(len(set(curve.ks) & set(ks)) for curve in curves)
    words = [
        say(
            "So far over {over}, at {there} of {all} K; the bands narrow as more come in.",
            over=counted(curves, examples),
            there=there,
            all=len(ks),
        )
    ]
    previews = [curve.preview for curve in curves if isinstance(curve, Sweep) and curve.preview]
    if previews:
        words += [
            say(
                "Channels are ranked by the first {n:,} {examples} so far, and anew by all at the end.",
                n=min(previews),
                examples=say(examples),
            )
        ]
    if max((job.left or 0 for job in jobs), default=0) > LONG:
        words += [say("Every K takes long here: a larger step on Sweep takes less.")]
    return f":material/autorenew: {joined(words)}"


def counted(curves: Sequence[Sweep | Band], examples: str) -> str:
    """How many images the curves are over, and what it means where some are over more than others."""
    fewest, most = min(curve.done for curve in curves), max(curve.done for curve in curves)
    return say(
        "{most:,} {examples}"
        if fewest == most
        else "{fewest:,} to {most:,} {examples} (curves over different {examples} differ at K = 0, too)",
        fewest=fewest,
        most=most,
        examples=say(examples),
    )


def remarks(sweep: Sweep) -> str:
    """What to know about how a sweep was computed; empty where it was the usual way."""
    said = say(" Pruning this layer changes no prediction at any K.") if sweep.changes_nothing else ""
    if sweep.slow:
        said += say(" This network cannot be traced, so every K ran a masked copy: exact, but slow.")
    if sweep.audit is not None:
        said += say(" {audit}.", audit=drawing.sentence(str(sweep.audit)))
    if sweep.agreement is not None:
        shares, images = sweep.agreement.shares, sweep.agreement.images
        said += say(
            " Computed in {dtype}, which agrees with float32 on {mean:.2f} % of the predictions for the first "
            "{images:,} images, at the least {least:.2f} % at one K.",
            dtype=sweep.run.dtype,
            mean=100 * shares.mean(),
            images=images,
            least=100 * shares.min(),
        )
    return said
