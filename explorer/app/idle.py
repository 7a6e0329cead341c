"""A server that nobody looks at: a while after the last tab was closed, it holds on to nothing that can be had again.

Finished answers lie on disk, so that the next tab has them at once.
"""

import threading
import time
from collections.abc import Callable

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.app import cache, prepared, work
from explorer.background.memory import give_back
from explorer.images import pictures

EMPTY, LOOK = 20.0, 5.0  # seconds without a tab until memory is given back, and between two looks


class Tabs:
    """The tabs that have opened a page; once none of them has been open for `empty` seconds, `then()` is called."""

    def __init__(self, then: Callable[[], None], empty: float = EMPTY, look: float = LOOK) -> None:
        self._then, self._empty, self._look = then, empty, look
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._watching = False

    def note(self, tab: str) -> None:
        """A tab shows a page; while there are any, a thread looks after them."""
        with self._lock:
            self._open.add(tab)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="tabs", daemon=True).start()

    def are_open(self) -> bool:
        """Whether any is still open."""
        with self._lock:
            self._open = {tab for tab in self._open if exists() and get_instance().is_active_session(tab)}
            return bool(self._open)

    def _watch(self) -> None:
        """Wait until none has been open for a while."""
        since = time.monotonic()
        while time.monotonic() - since < self._empty:
            time.sleep(self._look)
            if self.are_open():
                since = time.monotonic()
        with self._lock:
            if self._open:  # one has come back just now
                threading.Thread(target=self._watch, name="tabs", daemon=True).start()
                return
            self._watching = False
        self._then()


@st.cache_resource
def _tabs() -> Tabs:
    """Those of this process."""
    return Tabs(let_go)


def note_tab() -> None:
    """This tab shows a page. Without a server (in tests), there are no tabs that could be closed."""
    context = get_script_run_ctx()
    if context is not None and exists():
        _tabs().note(context.session_id)


def let_go() -> None:
    """Drop networks, images, answers and tables from memory, end what nobody waits for, and hand the memory back."""
    work.jobs().let_go()
    from explorer.images import reading  # imports torch, which is not for the first page to wait for

    for each in (cache, prepared, pictures, reading):
        each.forget()
    give_back()
