"""The lab report of a page: made in the background, and then a download."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

import streamlit as st

from explorer.app import drawing, waiting, work
from explorer.app.titles import named
from explorer.background.jobs import DONE, Job
from explorer.language.saying import english, say
from explorer.networks.checkpoints import Checkpoint
from explorer.reports.asked import Asked
from explorer.reports.brought import Brought

LANGUAGES = {"both": english("English and Chinese"), "en": english("English"), "zh": english("Chinese")}
MADE = "the reports that this tab asked for"
ABOUT = english(
    "All of this as a lab report in one ZIP, to fill in and to hand in: a page that prints, Word, Markdown and LaTeX, "
    "with figures, tables, and every measured fact with a question and room for an answer."
)


def report_button(point: Checkpoint, asked: Asked, brought: Brought, key: str) -> None:
    """What opens on a click: the report's language, its making, and then its file.

    `brought` is what the page has already, whole or as far as it has come.
    """
    with st.popover(say("Lab report"), icon=":material/description:", key=f"report of {key}"):
        st.caption(say(ABOUT))
        look: dict[str, Any] = {"format_func": named(LANGUAGES), "key": f"report language {key}"}
        language = st.segmented_control(say("Language"), list(LANGUAGES), default="both", **look)
        code = language or "both"
        job = _asked_for().get((point.name, asked.key, brought.about, code))
        if job is None or job.status != DONE:
            busy = job is not None and not job.finished
            label, icon = say("Make the report"), ":material/edit_document:"
            # not by a callback, which would have the language of the last run, and not the one just chosen beside it
            if st.button(label, key=f"make report {key}", icon=icon, disabled=busy, type="primary"):
                _start(point, asked, brought, code)
                st.rerun()
        with st.container():
            if job is not None:
                _stand(job, point, asked, brought, code)


def _asked_for() -> dict[Hashable, Job]:
    return st.session_state.setdefault(MADE, {})


def _start(point: Checkpoint, asked: Asked, brought: Brought, code: str, restart: bool = False) -> None:
    """Make the report in the background."""
    _asked_for()[point.name, asked.key, brought.about, code] = work.report(point, asked, brought, code, restart)


def _stand(job: Job, point: Checkpoint, asked: Asked, brought: Brought, code: str) -> None:
    """How the report stands: under way, failed, or there to be downloaded."""
    waiting.notes(job)
    if not job.finished:
        waiting.follow(job, say("Making the report"))
    elif job.status != DONE:
        waiting.show_end(job, say("The report"), partial(_start, point, asked, brought, code))
    else:
        content = job.result.content
        st.download_button(
            say("Download the report ({size:.1f} MB)", size=len(content) / 1e6),
            content,
            f"{drawing.plain_name('report', point.name, asked.experiment.layer)}.zip",
            "application/zip",
            key=f"report {point.name} {code}",
            icon=":material/download:",
            on_click="ignore",
            type="primary",
        )
