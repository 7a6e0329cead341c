"""Memory that is not taken, and that is handed back to the system."""

import atexit
import ctypes
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# What mallopt calls how much of an arena's free end is kept, how large a block in no arena is, and how many there are
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
KEPT, LARGE = 2**26, 2**25  # bytes: the most that glibc itself comes to, which are the fastest
THREADS = 16  # more than there are arenas
MEETING = 10.0  # seconds that a thread waits for the others
BLOCK = 2**17  # bytes: once so much is freed, glibc looks at the arena's end

atexit.register(gc.unfreeze)  # else libraries whose objects are counted at the end call those that are frozen leaks


def share_arenas() -> None:
    """Let all threads that begin from now on share the arenas that are there: what one frees, the next one takes.

    That the limits stand from the start takes 11 % of the processor time off a sweep (block-net over 4,000 images, five
    each in turn: 3.2 s, 3.6 s where glibc comes to them by itself). Lower ones cost: 46 % more at 8 MB of free end.
    """
    _glibc("mallopt", M_ARENA_MAX, 1)
    _glibc("mallopt", M_MMAP_THRESHOLD, LARGE)
    _glibc("mallopt", M_TRIM_THRESHOLD, KEPT)


def keep_freed() -> None:
    """Let what is freed stay for the next use, however large: for a process that does one long thing and then ends.

    Else glibc hands it back to the system, which hands it over anew, page by page: a third of a step of ResNet-18's
    training is that (batch of 512 on one core: 9.5 s instead of 14.6, and 4.9 GB instead of 3.4).
    """
    _glibc("mallopt", M_MMAP_THRESHOLD, 2**30)
    _glibc("mallopt", M_TRIM_THRESHOLD, 2**31 - 1)


def settle() -> None:
    """Leave what is there by now, above all the libraries, out of later garbage collections: it stays anyway.

    A full collection looks through all that torch has loaded, which stops every thread for 0.3 s.
    """
    gc.freeze()


def give_back() -> None:
    """Free what is garbage, and let go of what is free: glibc keeps what threads have freed for their next use."""
    gc.collect()
    _glibc("malloc_trim", 0)


def give_back_ends() -> None:
    """Cut off the arenas' free ends, up to 64 MB each: `give_back` leaves them as they are in all but the first.

    Glibc cuts where a thread frees something in its arena; threads that are there at once get one after the other.
    Work that goes on would have to take it all anew: for when there is none.
    """
    if sys.platform != "linux":
        return
    all_there = threading.Barrier(THREADS, timeout=MEETING)

    def free() -> None:
        bytes(BLOCK)  # taken, and freed at once
        with suppress(threading.BrokenBarrierError):  # one did not begin
            all_there.wait()

    _glibc("mallopt", M_TRIM_THRESHOLD, 0)
    threads = [threading.Thread(target=free, name="arena", daemon=True) for _ in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    _glibc("mallopt", M_TRIM_THRESHOLD, KEPT)


def _glibc(function: str, *numbers: int) -> None:
    """Call a function of glibc's; elsewhere nothing happens."""
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), function, lambda *numbers: 0)(*numbers)


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
