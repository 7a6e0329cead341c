"""Names and words that users give: what may become a file name, and what fits on a card."""

import re

from explorer.files.places import PLAIN_NAME
from explorer.language.saying import say

LONGEST_NAME, LONGEST_DESCRIPTION = 64, 500
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.")  # no file can be called so on Windows


def check_plain(name: str, of: str = "checkpoint name") -> None:
    """ValueError unless the name is a file name on any system: a-z, 0-9, dot, hyphen and underscore, not too long."""
    if not PLAIN_NAME.fullmatch(name):
        raise ValueError(
            say(
                "{of} {name!r} is not plain; use a-z, 0-9, dot, hyphen and underscore",
                of=of,
                name=name[:80],
            )
        )
    if len(name) > LONGEST_NAME:
        raise ValueError(
            say(
                "{of} {name!r} is longer than {longest_name} characters; choose a shorter one",
                of=of,
                name=name,
                longest_name=LONGEST_NAME,
            )
        )
    if RESERVED.fullmatch(name):
        raise ValueError(say("{of} {name!r} cannot be a file name on Windows; choose another", of=of, name=name))


def check_description(text: str) -> None:
    """ValueError unless the text fits on a card: one line of printable characters."""
    if len(text) > LONGEST_DESCRIPTION or not text.isprintable():
        raise ValueError(
            say(
                "a description is one line of at most {longest_description} characters; shorten it",
                longest_description=LONGEST_DESCRIPTION,
            )
        )
