"""Locks between processes, on files: the kernel takes one away with the last process that holds it."""

from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which has no locks that a child inherits
    fcntl = None  # type: ignore[assignment]


def lock_file(path: Path, wait: bool = True, shared: bool = False) -> BinaryIO | None:
    """The file, open and locked until it is closed; None where another holds it and we are not to wait."""
    if fcntl is None:
        raise ValueError("work in the background needs Linux or macOS; here use the command line, `python -m explorer`")
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    file = open(path, "ab")  # noqa: SIM115 - the lock lasts for as long as it is open
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        file.close()
        return None
    return file


def unlock_file(file: BinaryIO) -> None:
    """Give the lock back, though the file stays open."""
    fcntl.flock(file, fcntl.LOCK_UN)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock; ask under the mutex only, since the question takes the lock for a moment."""
    file = lock_file(path, wait=False, shared=True)
    if file is not None:
        file.close()
    return file is None
