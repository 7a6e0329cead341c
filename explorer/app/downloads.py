"""Data sets that are not on this machine, and the way to get them."""

from functools import partial

import streamlit as st

from explorer.app import cache, drawing, guard, waiting, work
from explorer.background.jobs import DONE, Job
from explorer.images import datasets, pictures
from explorer.images.integrity import remedy

IDLE = 2.0  # seconds between looks for a data set, or a download, that came from elsewhere


def require_data(dataset: str) -> None:
    """Stop the page, with the way out, unless the data set is on this machine and whole."""
    if not has_data(dataset):
        st.stop()


def is_here(dataset: str, split: str = cache.TEST) -> bool:
    """Whether there are files of this split on this machine; reads none."""
    return datasets.availability(dataset) != "missing" and split in datasets.splits_of(dataset)


def has_data(
    dataset: str, offer: bool = True, why: str = "This network was trained on", split: str = cache.TEST
) -> bool:
    """Whether the split is on this machine and whole; if not, say `why` it matters, and `offer` the download."""
    info = datasets.dataset_info(dataset)
    title = info.title
    if not is_here(dataset, split):
        way = f"download it {'here' if offer else 'below'}, or with `python -m explorer data {dataset}`"
        way = way if info.downloadable else remedy(dataset)
        st.warning(f"{why} {title}, which is not on this machine: {way}.", icon=":material/database_off:")
        if offer and info.downloadable:
            show_download(dataset)
        return False
    try:
        pictures.check_whole(dataset, split)
    except (ValueError, OSError) as error:
        st.error(f"{drawing.plain(title)} cannot be read: {drawing.plain(error)}.", icon=":material/database_off:")
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
    job, title = work.jobs().get(("download", dataset)), datasets.dataset_info(dataset).title
    if job is not None and not job.finished:
        _progress(job, title)
    elif guard.is_locked():
        if ask:
            guard.ask_password(f"Downloading {title}", dataset)
    elif job is None or job.status == DONE:
        _button(dataset)
    else:
        waiting.show_end(job, f"Downloading {title}", partial(start_download, dataset))


def _button(dataset: str) -> None:
    info = datasets.dataset_info(dataset)
    st.button(
        f"Download {info.title} ({info.download_bytes / 1e6:.0f} MB)",
        key=f"download {dataset}",
        icon=":material/download:",
        on_click=start_download,
        args=(dataset,),
    )


def _progress(job: Job, title: str) -> None:
    """How much has arrived and how long the rest takes, in one line."""
    left = "" if job.left is None else f", {waiting.duration(job.left)} left"
    there = f"{job.done / 1e6:.0f} of {job.total / 1e6:.0f} MB" if job.total else "connecting"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(job.fraction, f":material/download: Downloading {title}: {there}{left}")
        if not guard.is_locked():
            waiting.cancel_button(job)


def start_download(dataset: str, restart: bool = True) -> None:
    """Fetch a data set in the background; for callbacks."""
    waiting.attempt(work.download, dataset, restart)
