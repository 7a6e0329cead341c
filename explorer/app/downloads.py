"""Data sets that are not on this machine, and the way to get them."""

from functools import partial

import streamlit as st

from explorer.app import cache, drawing, guard, waiting, work
from explorer.background.jobs import DONE, Job
from explorer.images import datasets, pictures
from explorer.images.integrity import remedy
from explorer.language.saying import english, say

TRAINED_ON = english("This network was trained on")  # why a data set matters
IDLE = 2.0  # seconds between looks for a data set, or a download, that came from elsewhere


def require_data(dataset: str) -> None:
    """Stop the page, with the way out, unless the data set is on this machine and whole."""
    if not has_data(dataset):
        st.stop()


def is_here(dataset: str, split: str = cache.TEST) -> bool:
    """Whether there are files of this split on this machine; reads none."""
    return datasets.availability(dataset) != "missing" and split in datasets.splits_of(dataset)


def has_data(dataset: str, offer: bool = True, why: str = TRAINED_ON, split: str = cache.TEST) -> bool:
    """Whether the split is on this machine and whole; if not, say `why` it matters, and `offer` the download."""
    info = datasets.dataset_info(dataset)
    title = info.title
    if not is_here(dataset, split):
        how = say(
            "download it here, or with `python -m explorer data {dataset}`"
            if offer
            else "download it below, or with `python -m explorer data {dataset}`",
            dataset=dataset,
        )
        words = say(
            "{why} {title}, which is not on this machine: {way}.",
            why=say(why),
            title=say(title),
            way=how if info.downloadable else remedy(dataset),
        )
        st.warning(words, icon=":material/database_off:")
        if offer and info.downloadable:
            show_download(dataset)
        return False
    try:
        pictures.check_whole(dataset, split)
    except (ValueError, OSError) as error:
        words = say("{dataset} cannot be read: {why}.", dataset=drawing.plain(say(title)), why=drawing.plain(error))
        st.error(words, icon=":material/database_off:")
        return False
    return True


def show_download(dataset: str, ask: bool = True) -> None:
    """The download of a data set: a button with its size, then its progress.

    The page runs again by itself once the data set is here, whoever has fetched it: this tab, another, or the command
    line. Where this tab may not download, `ask` for the password.
    """
    before = _state(dataset)
    _, running = before
    st.fragment(_follow, run_every=waiting.POLL if running else IDLE)(dataset, before, ask)


def _state(dataset: str) -> tuple[str, bool]:
    """How much of a data set is here, and whether a download of it runs."""
    job = work.jobs().get(("download", dataset))
    return datasets.availability(dataset), job is not None and not job.finished


def _follow(dataset: str, before: tuple[str, bool], ask: bool) -> None:
    if _state(dataset) != before:
        st.rerun()
    job = work.jobs().get(("download", dataset))
    what = say("Downloading {dataset}", dataset=say(datasets.dataset_info(dataset).title))
    if job is not None and not job.finished:
        _progress(job, what)
    elif guard.is_locked():
        if ask:
            guard.ask_password(what, dataset)
    elif job is None or job.status == DONE:
        _button(dataset)
    else:
        waiting.show_end(job, what, partial(start_download, dataset))


def _button(dataset: str) -> None:
    info = datasets.dataset_info(dataset)
    st.button(
        say("Download {dataset} ({size:.0f} MB)", dataset=say(info.title), size=info.download_bytes / 1e6),
        key=f"download {dataset}",
        icon=":material/download:",
        on_click=start_download,
        args=(dataset,),
    )


def _progress(job: Job, what: str) -> None:
    """How much has arrived and how long the rest takes, in one line."""
    there = say("{done:.0f} of {total:.0f} MB", done=job.done / 1e6, total=job.total / 1e6)
    words = say(
        "{what}: {there}" if job.left is None else "{what}: {there}, {time} left",
        what=what,
        there=there if job.total else say("connecting"),
        time=None if job.left is None else waiting.duration(job.left),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.fraction, f":material/download: {words}")
        if not guard.is_locked():
            waiting.cancel_button(job)


def start_download(dataset: str, restart: bool = True) -> None:
    """Fetch a data set in the background; for callbacks."""
    waiting.attempt(work.download, dataset, restart)
