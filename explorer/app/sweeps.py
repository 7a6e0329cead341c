"""The work behind a view, its rankings and curves, and how far it is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.answers import shipped
from explorer.answers.choices import criterion_named
from explorer.app import cache, downloads, drawing, prepared, views, waiting, work
from explorer.background.jobs import Job
from explorer.engine.curves import Band, Sweep
from explorer.engine.oracle import ORACLES
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
            what = f"Ranking the channels of {view.layer} on the {view.experiment.ranked_on} {view.examples}"
            measured = waiting.result_of(what, partial(work.measure, view.checkpoint, view.experiment))
        ranking, gone = steps_of(asked, view.checkpoint, measured)
        ks = asked.ks or range(view.channels + 1)
        return ranking, dict(zip(ks, gone or ks, strict=True))


def ranked_over(view: views.View) -> str:
    """The images that the view's ranking looks at, in words."""
    asked = view.experiment
    if asked.criterion in ORACLES:
        cost = cache.oracle_cost(view.checkpoint, asked)
        return f"{cost.images:,} {asked.ranked_on} {view.examples}"
    return f"the {asked.ranked_on} {view.examples}"


def layer_statistics(view: views.View, where: str = "raw") -> ChannelStatistics:
    """Statistics of the view's layer over the split it ranks on; stops the page while they are being collected."""
    split = view.experiment.ranked_on
    if not shipped.has_statistics(view.checkpoint, view.layer, split, where):
        downloads.require_data(view.checkpoint.card.dataset)
    return waiting.result_of(
        f"Averaging {view.layer} over the {split} {view.examples}",
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
        st.caption(f":material/inventory_2: This curve came with the app (computed {sweep.made}).")
        if downloads.is_here(view.checkpoint.card.dataset):
            words = f"Prune at every K again, on the {view.experiment.split} {view.examples} on this machine."
            asked = (view.checkpoint, view.experiment)
            st.button(
                "Compute again here", icon=":material/refresh:", help=words, on_click=work.compute_again, args=asked
            )


def sweeping(job: Job, what: str, title: str = "") -> str:
    """What a sweep's job is at, behind the `title` of its curve where there are several."""
    words = f"Ranking the channels of {what}" if work.is_ranking(job) else f"Pruning {what} at every K"
    return f"{title}: {words[0].lower()}{words[1:]}" if title else words


def so_far(curves: Sequence[Sweep | Band], ks: Sequence[int], examples: str, jobs: Iterable[Job]) -> str:
    """How many images and K the curves of the jobs that still run have at least, and what to do where all take long.

    `examples` is what the images are called.
    """
    there = min(len(set(curve.ks) & set(ks)) for curve in curves)
    words = f"So far over {counted(curves, examples)}, at {there} of {len(ks)} K; the bands narrow as more come in."
    previews = [curve.preview for curve in curves if isinstance(curve, Sweep) and curve.preview]
    if previews:
        words += f" Channels are ranked by the first {min(previews):,} {examples} so far, and anew by all at the end."
    if max((job.left or 0 for job in jobs), default=0) > LONG:
        words += " Every K takes long here: a larger step on Sweep takes less."
    return f":material/autorenew: {words}"


def counted(curves: Sequence[Sweep | Band], examples: str) -> str:
    """How many images the curves are over, and what it means where some are over more than others."""
    fewest, most = min(curve.done for curve in curves), max(curve.done for curve in curves)
    if fewest == most:
        return f"{most:,} {examples}"
    return f"{fewest:,} to {most:,} {examples} (curves over different {examples} differ at K = 0, too)"


def remarks(sweep: Sweep) -> str:
    """What to know about how a sweep was computed; empty where it was the usual way."""
    said = " Pruning this layer changes no prediction at any K." if sweep.changes_nothing else ""
    if sweep.slow:
        said += " This network cannot be traced, so every K ran a masked copy: exact, but slow."
    if sweep.audit is not None:
        said += f" {str(sweep.audit).capitalize()}."
    if sweep.agreement is not None:
        shares, images = sweep.agreement.shares, sweep.agreement.images
        said += (
            f" Computed in {sweep.run.dtype}, which agrees with float32 on {100 * shares.mean():.2f} % of the "
            f"predictions for the first {images:,} images, at the least {100 * shares.min():.2f} % at one K."
        )
    return said
