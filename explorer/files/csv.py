"""Tables as CSV files."""

from pathlib import Path

import pandas as pd

from explorer.files import whole
from explorer.language.saying import say


def csv_bytes(table: pd.DataFrame) -> bytes:
    """The table as UTF-8 CSV, numbers in full precision, without the index."""
    return table.to_csv(index=False, lineterminator="\n").encode()


def check_writable(path: str | Path) -> None:
    """ValueError where `write_csv` could not write, to be found out before the work and not after it."""
    try:
        whole.check_writable(path)
    except OSError as error:
        named = path if str(path) else "''"
        raise ValueError(
            say(
                "cannot write {named} ({strerror}); name a file in a folder you can write to",
                named=named,
                strerror=error.strerror,
            )
        ) from error


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write the table whole or not at all; `-` is standard output. OSError where the place cannot be written."""
    whole.write_whole(path, csv_bytes(table))
