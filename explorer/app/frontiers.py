"""Accuracy against multiply-adds over several plans, of which a click takes one."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from explorer.answers.compressing import SHARES, Compressed, Compression
from explorer.answers.merits import Merits
from explorer.app import compressions, drawing, links, networks, planning, waiting
from explorer.background.jobs import DONE, Job
from explorer.engine.scan import samples
from explorer.networks.checkpoints import Checkpoint
from explorer.show import charts

SEVERAL = "Pruning several shares"


def frontier(point: Checkpoint, asked: Compression, found: Compressed) -> None:
    """Accuracy against multiply-adds over several shares of every layer; a click takes one."""
    ask = partial(compressions.frontier, point, asked.criterion, asked.minimum, asked.limit)
    job = compressions.frontier_at_hand(point, asked.criterion, asked.minimum, asked.limit)
    if job is None and samples(point.model, point.card.test_images):
        words = f"{len(SHARES)} smaller networks, each tested: takes a while for one of this size."
        st.button("Prune several shares", icon=":material/scatter_plot:", help=words, on_click=lambda: begin(ask))
        return
    job = ask()
    every = None if job.finished else waiting.POLL
    links.fragment(draw_frontier, point, job, ask, asked, found, not job.finished, every=every)


def begin(ask: Callable[[], Job]) -> None:
    """Begin a job; for callbacks."""
    ask()


def draw_frontier(
    point: Checkpoint, job: Job, ask: Callable[..., Job], asked: Compression, found: Compressed, live: bool
) -> None:
    """The points so far."""
    with st.container():
        if live:
            waiting.progress(job, SEVERAL)
    if job.finished and job.status != DONE:
        waiting.show_end(job, SEVERAL, ask)
    if job.latest is not None:
        here = "" if asked.share is None else f"{100 * asked.share:.0f} %"
        table = plans_of(job.latest)
        if asked.plan or asked.steps > 1 or asked.rounded:  # which the shares at once are not
            assert found.merits is not None
            table = pd.concat([table, plans_of(found.merits)[1:]], ignore_index=True)
        drawing.draw(
            charts.accuracy_against_macs(table, here), key="frontier", on_select=choose_clicked, selection_mode="pick"
        )
        st.caption(
            "The share of every layer that is removed, with 95 % intervals over "
            f"{job.latest.done:,} test {networks.examples_of(point)}. "
            "Filled: no other plan beats it. Click a point to take its plan."
        )
    if live and job.finished:
        st.rerun()


def plans_of(merits: Merits) -> pd.DataFrame:
    """The plans as the chart has them: plan, macs_share, accuracy, low and high."""
    rows = merits.frame()
    rows = rows.assign(macs_share=1 - rows["flops_reduction"]).rename(columns={"network": "plan"})
    return rows[["plan", "macs_share", "accuracy", "low", "high"]]


def choose_clicked() -> None:
    """Take the share whose point was clicked."""
    picked = st.session_state["frontier"].selection.pick
    if picked and picked[0]["plan"].removesuffix(" %").isdecimal():
        planning.set_share(picked[0]["plan"].removesuffix(" %"))
