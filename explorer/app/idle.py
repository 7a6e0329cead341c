"""A server that nobody looks at: a while after the last tab was closed, it holds on to nothing that can be had again.

Finished answers lie on disk, so that the next tab has them at once.
"""

import threading
import time
from collections.abc import Callable

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.app import cache, front, prepared, work
from explorer.background.memory import give_back, give_back_ends
from explorer.images import pictures

# Seconds that a closed tab may come back for, fewer than disconnectedSessionTTL, which ends nothing; and between looks
CLOSED, LOOK = 30.0, 5.0


class Tabs:
    """The tabs that have opened a page. `end(tabs)` is called with those that have been closed for `closed` seconds.

    Once none is left, `then()` is called.
    """

    def __init__(
        self, end: Callable[[set[str]], None], then: Callable[[], None], closed: float = CLOSED, look: float = LOOK
    ) -> None:
        self._end, self._then, self._closed, self._look = end, then, closed, look
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}  # when each was last open
        self._watching = False

    def note(self, tab: str) -> None:
        """A tab shows a page; while there are any, a thread looks after them."""
        with self._lock:
            self._seen[tab] = time.monotonic()
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="tabs", daemon=True).start()

    def _watch(self) -> None:
        """Look again and again, until all have been closed for a while."""
        left = True
        while left:
            time.sleep(self._look)
            with self._lock:
                now = time.monotonic()
                self._seen |= {tab: now for tab in self._seen if _is_open(tab)}
                gone = {tab for tab, at in self._seen.items() if now - at >= self._closed}
                self._seen = {tab: at for tab, at in self._seen.items() if tab not in gone}
                self._watching = left = bool(self._seen)
            if gone:
                self._end(gone)
        self._then()


def _is_open(tab: str) -> bool:
    return exists() and get_instance().is_active_session(tab)


@st.cache_resource
def _tabs() -> Tabs:
    """Those of this process."""
    return Tabs(front.close, let_go)


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
    give_back_ends()
