"""Memory that is not taken, and that is handed back to the system."""

import atexit
import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # what glibc's mallopt can set

atexit.register(gc.unfreeze)  # else libraries whose objects are counted at the end call those that are frozen leaks


def share_arena() -> None:
    """Let all threads that begin from now on take memory from one place: what one frees is there for the next.

    With a place for each, more stays after long work, in pages that are free but for a few bytes: 96 MB after some
    sweeps of ResNet-18, 59 MB where there are two.
    """
    _set(M_ARENA_MAX, 1)


def keep_freed() -> None:
    """Let what is freed stay for the next use, however large: for a process that does one long thing and then ends.

    Else glibc hands it back to the system, which hands it over anew, page by page: a third of a step of ResNet-18's
    training is that (batch of 512 on one core: 9.5 s instead of 14.6, and 4.9 GB instead of 3.4).
    """
    _set(M_MMAP_THRESHOLD, 2**30)
    _set(M_TRIM_THRESHOLD, 2**31 - 1)


def _set(what: int, value: int) -> None:
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "mallopt", lambda what, value: 0)(what, value)


def settle() -> None:
    """Leave what is there by now, above all the libraries, out of later garbage collections: it stays anyway.

    A full collection looks through all that torch has loaded, which stops every thread for 0.3 s.
    """
    gc.freeze()


def give_back() -> None:
    """Free what is garbage, and let go of what is free: glibc keeps what threads have freed for their next use."""
    gc.collect()
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)(0)


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Within, whoever imports one of these optional packages does not find it; one that is there already stays."""
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # the import system takes None for "none there"
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)
