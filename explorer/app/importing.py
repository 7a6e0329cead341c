"""Imports under way: what this tab asked for, how it stands, and what comes after it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import streamlit as st

from explorer.app import drawing, links, networks, waiting, work
from explorer.background.jobs import DONE
from explorer.images import datasets
from explorer.language.saying import joined, say
from explorer.networks import checkpoints
from explorer.own.folder import Progress

AWAITED = "imports that this tab asked for"
PRUNE = "explorer/app/pages/prune.py"


def open_new_network() -> None:
    """Turn to the network that this tab imported, on Prune, once it is there; comes before the pickers."""
    for awaited in [each for each in mine().values() if each.job.status == DONE]:
        del mine()[awaited.kind]
        done = say("{name} is imported.", name=awaited.name)
        waiting.tell(joined([done, *map(drawing.plain, _notes_on(awaited))]))
        if awaited.kind == work.IMAGES:
            st.session_state["own data"] = awaited.name  # which the network that comes next is probably for
        if awaited.kind == work.NETWORK:
            networks.set_checkpoint(awaited.name)
            st.session_state[networks.OWN_FORM] = False
            st.switch_page(PRUNE)


def _notes_on(awaited: work.Import) -> Iterator[str]:
    """What came up while it was imported, in sentences; nothing of what somebody deleted meanwhile."""
    with contextlib.suppress(ValueError, OSError):
        if awaited.kind == work.IMAGES:
            notes = datasets.dataset_info(awaited.name).notes
        else:
            source = checkpoints.read_card(awaited.name).source
            notes = source.notes if source else ()
        yield from (say("{words}.", words=drawing.sentence(note)) for note in notes)


def mine() -> dict[str, work.Import]:
    """The last imports that this tab asked for, by kind, until they are done."""
    return st.session_state.setdefault(AWAITED, {})


def stand(kind: str) -> None:
    """How the import of this kind stands: one under way in every tab, what became of it in the tab that asked."""
    last, asked = work.last_import(kind), mine().get(kind)
    if last and not last.job.finished:
        waiting.follow(last.job, say("Importing {name}", name=last.name))
    elif asked and asked.job.status == DONE:  # just now
        st.rerun()
    elif asked:
        what = say("Importing {name}", name=asked.name)
        waiting.show_end(asked.job, what, partial(start, kind, asked.name, asked.work))


def choose(label: str, options: Sequence[str], key: str, words: str, format_func: Callable[[str], str] = str) -> None:
    """One of the options, which change: the first takes the place of one that is gone, and of none at all."""
    choose_first(key, options)
    look: dict[str, Any] = {"help": words, "placeholder": say("none here yet"), "format_func": format_func}
    st.selectbox(label, options, key=links.in_words(key), **look)


def choose_first(key: str, options: Sequence[str], usual: str | None = None) -> None:
    """Let a picker that stands at none of its options stand at the usual, or the first."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = usual or next(iter(options), None)


def is_busy(kind: str) -> bool:
    """Whether something of this kind is being imported."""
    last = work.last_import(kind)
    return last is not None and not last.job.finished


def start(kind: str, name: str, do: Callable[[Progress], Any], restart: bool = True) -> None:
    """Import in the background; for callbacks."""
    waiting.attempt(lambda: mine().update({kind: work.start_import(kind, name, do)}))
