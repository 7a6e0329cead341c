"""What is imported in the background: what pages need while the browser loads; later all that computes and draws.

Whoever needs either sooner waits for it.
"""

import gc
import importlib
import sys
import threading
import time

from streamlit.runtime import exists

from explorer.images import lazy_torchvision

# What the first script run takes longest to import, and with it pandas and Altair; Streamlit's emojis for its page icon
PAGES = ("explorer.app.views", "explorer.app.sweeps", "explorer.app.prepared", "streamlit.emojis")
# What draws maps, all that computes, and with it torch, and what Compress and Train take; then what reads images, so
# that a first click waits for none of it
LATER = ("matplotlib.figure", "matplotlib.backends.backend_agg", "explorer.answers.here", "explorer.app.frontiers")
QUIET, PATIENCE = 2.0, 20.0  # seconds without a question, in which a browser paints; and at most until then


def _import_pages() -> None:
    for name in PAGES:
        importlib.import_module(name)


def _import_rest() -> None:
    """Once it holds up nobody, for an import lets little else go on; as in `work.jobs`, what is there by now stays."""
    since = time.monotonic()
    while time.monotonic() < min(_asked + QUIET, since + PATIENCE):
        time.sleep(QUIET / 8)
    for name in LATER:
        importlib.import_module(name)
    lazy_torchvision.import_torchvision("datasets")
    gc.freeze()


_asked = 0.0  # when a browser asked for something last
_pages = threading.Thread(target=_import_pages, name="imports", daemon=True)
_rest = threading.Thread(target=_import_rest, name="later imports", daemon=True)
_starting = threading.Lock()


def begin() -> None:
    """The server is up: import what pages need."""
    _start(_pages)


def wait() -> None:
    """Until what pages need is there, where it is on its way: two threads in one import may each see half of it."""
    if _pages.is_alive():
        _pages.join()


def note_question() -> None:
    """A browser asks for a file or a page."""
    global _asked
    _asked = time.monotonic()


def go_on() -> None:
    """A script run is over: after the first, import the rest; not without a server (in tests), where nobody waits."""
    note_question()
    if exists():
        _start(_rest)


def torch_is_here() -> bool:
    """Whether torch is imported, and not just on its way."""
    return "torch" in sys.modules and not _rest.is_alive()


def _start(thread: threading.Thread) -> None:
    """Start it unless it was started already: two tabs may ask at once, and `Thread.start` itself is not safe then."""
    with _starting:
        if thread.ident is None:
            thread.start()
