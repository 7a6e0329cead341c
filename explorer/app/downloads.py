"""Data sets that are not on this machine, and the way to get them."""

from functools import partial

import streamlit as st

from explorer.app import cache, drawing, guard, waiting, work
from explorer.background.jobs import DONE
from explorer.images import datasets, reading


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
    title = datasets.dataset_info(dataset).title
    if not is_here(dataset, split):
        st.warning(
            f"{why} {title}, which is not on this machine: download it here, "
            f"or with `python -m explorer data {dataset}`.",
            icon=":material/database_off:",
        )
        if offer and not guard.ask_password(f"Downloading {title}", dataset):
            download_button(dataset)
        return False
    try:
        reading.load_split(dataset, split)
    except (ValueError, OSError) as error:
        st.error(f"{drawing.plain(title)} cannot be read: {drawing.plain(error)}.", icon=":material/database_off:")
        return False
    return True


def download_button(dataset: str) -> None:
    """Fetch a data set, on a click only, with progress and cancel."""
    key = ("download", dataset)
    job = work.jobs().get(key)
    title = datasets.dataset_info(dataset).title
    if job is None or job.status == DONE:
        megabytes = datasets.dataset_info(dataset).download_bytes / 1e6
        st.button(
            f"Download {title} ({megabytes:.0f} MB)",
            key=f"download {dataset}",
            icon=":material/download:",
            type="secondary" if is_here(dataset) else "primary",
            on_click=start_download,
            args=(dataset,),
        )
    elif job.finished:
        waiting.show_end(job, f"Downloading {title}", partial(start_download, dataset))
    else:
        waiting.follow(job, f"Downloading {title}")


def start_download(dataset: str, restart: bool = True) -> None:
    """Fetch a data set in the background; for callbacks."""
    waiting.attempt(work.download, dataset, restart)
