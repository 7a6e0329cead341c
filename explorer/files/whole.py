"""Files written whole or not at all: complete in a sibling, NAME.part, before it takes their place.

What is no plain file (a pipe, a device, what a shell redirected) is written to, and never replaced.
"""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

DESCRIPTOR = re.compile(r"/(?:dev|proc/[^/]+)/fd/(\d+)")  # a file that this process has open already
STANDARD = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}
MOST_LINKS = 40  # symbolic links to follow, as the kernel does


def part_of(path: Path) -> Path:
    """The sibling in which a file is written before it takes its place."""
    return path.with_name(path.name + ".part")


def write_part(path: Path, content: bytes) -> None:
    """Write the `.part` sibling of `path`, down to the disk; where that fails, nothing of it stays."""
    _write_down(part_of(path), content)


def write_whole(path: str | Path, content: bytes) -> None:
    """Write the file whole or not at all; `-` is standard output. OSError where the place cannot be written.

    Of a symbolic link, the file it points to is written. What is no plain file is written to as it is.
    """
    descriptor = descriptor_of(path)
    if descriptor is not None:
        _write_to(descriptor, content)
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        target.write_bytes(content)  # a pipe or a device; a folder is an OSError
        return
    with replacing(target) as part:
        _write_down(part, content)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A sibling, nobody else's, to write: it takes the target's place at the end, or is gone where that fails."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """OSError where `write_whole` could not write, to be found out before the work and not after it."""
    if descriptor_of(path) is not None:
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    part.touch()
    part.unlink()


def descriptor_of(path: str | Path) -> int | None:
    """The number of the open file that a path stands for, such as 1 for `-` or /dev/stdout; None for any other path."""
    where = str(path)
    for _ in range(MOST_LINKS):
        if where in STANDARD:
            return STANDARD[where]
        if match := DESCRIPTOR.fullmatch(where):
            return int(match[1])
        if not where or not os.path.islink(where):
            return None
        where = os.path.normpath(os.path.join(os.path.dirname(where), os.readlink(where)))
    return None


def _write_to(descriptor: int, content: bytes) -> None:
    stream = {1: sys.stdout, 2: sys.stderr}.get(descriptor)
    if stream is not None:
        stream.flush()
        stream.buffer.write(content)  # as it is, whatever the console's own encoding
        stream.buffer.flush()
        return
    with open(os.dup(descriptor), "wb") as file:
        file.write(content)


def _write_down(path: Path, content: bytes) -> None:
    """Write a file down to the disk; where that fails, nothing of it stays."""
    try:
        with open(path, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
