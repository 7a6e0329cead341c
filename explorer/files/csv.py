"""Tables as CSV files, written whole or not at all."""

import errno
import os
import sys
from pathlib import Path

import pandas as pd


def csv_bytes(table: pd.DataFrame) -> bytes:
    """The table as UTF-8 CSV, numbers in full precision, without the index."""
    return table.to_csv(index=False, lineterminator="\n").encode()


def check_writable(path: str | Path) -> None:
    """ValueError where `write_csv` could not write, to be found out before the work and not after it."""
    if str(path) == "-":
        return
    target = Path(path).resolve()  # of a link, the file it points to
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            raise OSError(errno.EINVAL, "not an ordinary file")  # a device, say, which a rename would replace
        _part(target).touch()
        _part(target).unlink()
    except OSError as error:
        named = path if str(path) else "''"
        raise ValueError(
            f"cannot write {named} ({error.strerror}); name a file in a folder you can write to"
        ) from error


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write the table whole or not at all; `-` is standard output. OSError where the place cannot be written."""
    content = csv_bytes(table)
    if str(path) == "-":
        sys.stdout.write(content.decode())
        return
    target = Path(path).resolve()  # of a link, the file it points to
    part = _part(target)
    try:
        part.write_bytes(content)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.{os.getpid()}.part")  # which is nobody else's
