"""Memory that is no longer used, handed back to the system."""

import atexit
import ctypes
import gc
import sys

atexit.register(gc.unfreeze)  # else libraries whose objects are counted at the end call those that are frozen leaks


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
