"""Accuracy against multiply-adds over several plans, of which a click takes one."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from explorer.answers import recovered
from explorer.answers.compressing import SHARES, Compressed, Compression
from explorer.answers.merits import Merits
from explorer.app import compressions, drawing, gains, links, networks, planning, tuned, tuning, waiting
from explorer.background.jobs import DONE, Job
from explorer.engine.scan import samples
from explorer.language.saying import english, joined, say
from explorer.networks.cards import Card
from explorer.networks.checkpoints import Checkpoint
from explorer.show import charts

SEVERAL = english("Pruning several shares")


def frontier(point: Checkpoint, asked: Compression, found: Compressed) -> None:
    """Accuracy against multiply-adds over several shares of every layer, and fine-tuned; a click takes one."""
    ask = partial(compressions.frontier, point, asked.criterion, asked.minimum, asked.limit)
    job = compressions.frontier_at_hand(point, asked.criterion, asked.minimum, asked.limit)
    if job is None and samples(point.model, point.card.test_images):
        words = say("{n} smaller networks, each tested: takes a while for one of this size.", n=len(SHARES))
        st.button(say("Prune several shares"), icon=":material/scatter_plot:", help=words, on_click=lambda: begin(ask))
        draw_plans(point, asked, found)
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
            waiting.progress(job, say(SEVERAL))
    if job.finished and job.status != DONE:
        waiting.show_end(job, say(SEVERAL), ask)
    if job.latest is not None:
        draw_plans(point, asked, found, job.latest)
    if live and job.finished:
        st.rerun()


def draw_plans(point: Checkpoint, asked: Compression, found: Compressed, shares: Merits | None = None) -> None:
    """The shares that were pruned, if any, the plan on the page where it is none of them, and what was fine-tuned."""
    assert found.merits is not None
    tables, cards = [plans_of(shares or found.merits)], recovered.made_from(point)
    if shares is not None and (asked.share is None or asked.steps > 1 or asked.rounded):  # which no share at once is
        tables.append(plans_of(found.merits)[1:])
    further = tuned.plans_of(point, cards)
    here = "" if asked.share is None or shares is None else say("{percent} %", percent=round(100 * asked.share))
    chart = charts.accuracy_against_macs(pd.concat([*tables, further], ignore_index=True), here)
    drawing.draw(chart, key="frontier", on_select=partial(choose_clicked, cards), selection_mode="pick")
    examples, images = say(networks.examples_of(point)), (shares or found.merits).done
    said = [say("Accuracy over {n:,} test {examples}, with 95 % intervals.", n=images, examples=examples)]
    if shares is not None:
        said.append(say("A percentage is the share of every layer that is removed."))
    if not further.empty:
        counts = gains.together(sorted(set(further["n"]), reverse=True))
        said.append(say("Diamonds: fine-tuned, over {counts} test {examples}.", counts=counts, examples=examples))
    st.caption(joined([*said, say("Filled: no other plan beats it. Click a point to take its plan.")]))


def plans_of(merits: Merits) -> pd.DataFrame:
    """The plans as the chart has them: plan, macs_share, accuracy, low, high, and tuned, which they are not."""
    rows = merits.frame()
    rows["network"] = rows["network"].map(compressions.in_words)
    rows = rows.assign(macs_share=1 - rows["flops_reduction"], tuned=False).rename(columns={"network": "plan"})
    return rows[["plan", "macs_share", "accuracy", "low", "high", "tuned"]]


def choose_clicked(cards: dict[str, Card]) -> None:
    """Take the plan whose point was clicked: a share, or that of a network that was fine-tuned; for callbacks."""
    picked = st.session_state["frontier"].selection.pick
    if not picked:
        return
    plan, share = picked[0]["plan"], picked[0]["plan"].removesuffix("%").strip()
    if picked[0]["tuned"]:
        tuning.take(cards[plan])
    elif share.isdecimal():
        planning.set_share(share)
