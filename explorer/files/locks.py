"""Locks between processes, on files: a lock goes with the process that holds it, however that ends.

They are the operating system's. `EXPLORER_LOCKS=soft` takes files that name their owner instead, for folders on network
drives that have no locks; every process that shares the folder must do the same.
"""

import contextlib
import hashlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from explorer.language.saying import say

LOCKS = "pruning-explorer-locks"  # a folder of temporary files, so that nothing lies about beside the user's own
PATIENCE = 2.0  # seconds to wait for a change that takes a moment
POLL = 0.01  # seconds between two tries for a lock that another holds


def take(path: Path, wait: float = math.inf) -> BaseFileLock | None:
    """The lock on a file, held until it is released; None where another still holds it after `wait` seconds."""
    kind = SoftFileLock if os.environ.get("EXPLORER_LOCKS") == "soft" else FileLock
    patience = -1 if wait == math.inf else wait
    lock = kind(path, timeout=patience, poll_interval=POLL, mode=0o666, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock; since the question takes it for a moment, one at a time may ask."""
    lock = take(path, wait=0)
    if lock is not None:
        lock.release()
    return lock is None


@contextlib.contextmanager
def held(folder: Path, *names: str, wait: float = PATIENCE) -> Iterator[None]:
    """Nobody else holds these names in the folder meanwhile; ValueError where somebody does after `wait` seconds."""
    with contextlib.ExitStack() as stack:
        for name in sorted(set(names)):
            lock = take(_lock_file(folder, name), wait)
            if lock is None:
                words = f"{name!r} is being written by somebody else just now"
                raise ValueError(say("{words}; wait until that is done, or choose another name", words=words))
            stack.callback(lock.release)
        yield


def _lock_file(folder: Path, name: str) -> Path:
    """Where the name's lock lies: the same for all users, who may share the folder."""
    place = Path(tempfile.gettempdir()) / LOCKS
    if not place.is_dir():
        place.mkdir(exist_ok=True)
        place.chmod(0o777)
    where = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return place / f"{where}-{name}.lock"
