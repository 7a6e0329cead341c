"""One sentence for whatever went wrong, the same on the pages and on the command line."""

import errno
import os

import pytest
from safetensors import SafetensorError

from explorer.files.errors import as_os_error, sentence

FULL = "No space left on device"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, FULL, "a.csv"), f"{FULL}: a.csv; free some space on the disk"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "a.csv"), "Read-only file system: a.csv"),
        (SafetensorError(f"I/O error: {FULL} (os error 28)"), f"{FULL}; free some space on the disk"),
        (ValueError("two\n  lines"), "two lines"),
        (KeyError(), "KeyError"),
    ],
)
def test_what_went_wrong_is_one_sentence(error, words):
    assert sentence(error) == words


def test_what_a_library_says_of_a_disk_is_an_os_error():
    found = as_os_error(SafetensorError("I/O error: Permission denied (os error 13)"), "x.safetensors")
    assert isinstance(found, OSError) and (found.errno, found.filename) == (13, "x.safetensors")
    other = SafetensorError("invalid header")
    assert as_os_error(other) is other
