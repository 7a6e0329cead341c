"""What is imported in the background: what pages need while the browser loads, torch once the first is painted.

Whoever needs either sooner waits for it.
"""

import contextlib
import gc
import importlib
import sys
import threading

from streamlit.runtime import exists

# What the first script run takes longest to import, and with it pandas and Altair; Streamlit's emojis for its page icon
PAGES = ("explorer.app.views", "explorer.app.sweeps", "explorer.app.prepared", "streamlit.emojis")
PAUSE = 1.0  # seconds after the first script run, in which the browser paints


def _import_pages() -> None:
    for name in PAGES:
        importlib.import_module(name)


def _import_torch() -> None:
    """All that computes, and with it torch; as in `work.jobs`, what is there by now stays."""
    importlib.import_module("explorer.answers.here")
    gc.freeze()


_pages = threading.Thread(target=_import_pages, name="imports", daemon=True)
_torch = threading.Timer(PAUSE, _import_torch)
_torch.daemon = True


def begin() -> None:
    """The server is up: import what pages need."""
    _start(_pages)


def wait() -> None:
    """Until what pages need is there, where it is on its way: two threads in one import may each see half of it."""
    if _pages.is_alive():
        _pages.join()


def go_on() -> None:
    """A script run is over: after the first, import torch. Without a server (in tests), nobody is about to need it."""
    if exists():
        _start(_torch)


def torch_is_here() -> bool:
    """Whether torch is imported, and not just on its way."""
    return "torch" in sys.modules and not _torch.is_alive()


def _start(thread: threading.Thread) -> None:
    with contextlib.suppress(RuntimeError):  # it was started already
        thread.start()
