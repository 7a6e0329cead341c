"""What an answer takes: at once where it comes with the app, else computed in the background."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from explorer.answers import shipped
from explorer.answers.choices import ORDERS
from explorer.answers.questions.question import Blocks, Evidence, is_band
from explorer.app import cache, downloads, waiting, work
from explorer.background.jobs import DONE, Job
from explorer.language.saying import say

MODE = "filter"  # in which blocks are pruned whole


def found(takes: Mapping[str, Evidence]) -> dict[str, Any] | None:
    """All that an answer takes, by name; None while it is computed, or cannot be, which is then said in its place."""
    point = cache.checkpoint(next(iter(takes.values())).checkpoint)
    if not all(_ships(each) for each in takes.values()) and not downloads.has_data(point.card.dataset):
        return None
    asks = {name: partial(_job_of, each) for name, each in takes.items()}
    jobs = {name: ask() for name, ask in asks.items()}
    with st.container():
        for name, job in jobs.items():
            job.wait(work.SHORT if _ships(takes[name]) else waiting.PATIENCE)
            waiting.notes(job)
            if job.finished and job.status != DONE:
                waiting.show_end(job, say(name), asks[name])
            elif not job.finished:
                waiting.follow(job, say(name))
    return (
        {name: job.result for name, job in jobs.items()} if all(job.status == DONE for job in jobs.values()) else None
    )


def _job_of(evidence: Evidence, restart: bool = False) -> Job:
    point = cache.checkpoint(evidence.checkpoint)
    if isinstance(evidence, Blocks):
        return work.scan(point, "blocks", MODE, None, restart)
    if is_band(evidence):
        return work.band(point, evidence, ORDERS[0], restart)
    return work.sweep(point, evidence, restart)


def _ships(evidence: Evidence) -> bool:
    """Whether it comes with the app, so that it needs no images."""
    point = cache.checkpoint(evidence.checkpoint)
    if isinstance(evidence, Blocks):
        return shipped.has_scan(point, "blocks", MODE)
    return work.ships(point, evidence, ORDERS[0] if is_band(evidence) else 1)
