"""Files written whole or not at all: complete in a sibling, NAME.part, before it takes their place."""

import os
from pathlib import Path


def part_of(path: Path) -> Path:
    """The sibling in which a file is written before it takes its place."""
    return path.with_name(path.name + ".part")


def write_part(path: Path, content: bytes) -> None:
    """Write the `.part` sibling of `path`, down to the disk; where that fails, nothing of it stays."""
    part = part_of(path)
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        part.unlink(missing_ok=True)
        raise
