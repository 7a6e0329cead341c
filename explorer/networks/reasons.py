"""Why layers lose a channel together, in words; needs no torch."""

import re
from collections.abc import Iterable, Sequence
from functools import reduce

from explorer.language.saying import chained, english, say

ADDED = english("{all} are added to the same stream")
COMBINED = english("{all} are combined channel by channel")
READ = english("{all} are read by the same layer")
NORMED = english("{all} go through the same batch norm")
DEPTHWISE = english("{first} filters each channel of {others} by itself")
SCALING = english("{first} scales each channel of {others}")
ALL = (ADDED, COMBINED, READ, NORMED, DEPTHWISE, SCALING)
FEW = 6  # layers that are named


def why(reasons: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Reasons, each one of `ALL` and the layers that it is about, in a sentence without its end; empty for none."""
    return chained([say(words, **_fields(words, layers)) for words, layers in reasons])


def why_of(text: str) -> str:
    """What `why` said in English, such as a file holds, in the language spoken here; other text stays as it is."""
    found = [_parsed(part) for part in text.split("; ")]
    known = [reason for reason in found if reason is not None]
    return why(known) if len(known) == len(found) else text


def _fields(words: str, layers: Sequence[str]) -> dict[str, str]:
    if words in (DEPTHWISE, SCALING):
        return {"first": layers[0], "others": _named(layers[1:])}
    return {"all": _named(layers)}


def _named(layers: Sequence[str]) -> str:
    """Names as people list them, the first few of many."""
    shown, more = (list(layers), 0) if len(layers) <= FEW else (list(layers[: FEW - 1]), len(layers) - FEW + 1)
    *others, last = [*shown, say("{n} more", n=more)] if more else shown
    if not others:
        return last
    names = reduce(lambda one, other: say("{one}, {other}", one=one, other=other), others)
    return say("{names} and {last}", names=names, last=last)


def _parsed(part: str) -> tuple[str, list[str]] | None:
    """The reason in a part of a text of `why`; None where it is none."""
    for words in ALL:
        pattern = re.sub(r"\\{\w+\\}", "(.+)", re.escape(words))
        if found := re.fullmatch(pattern, part):
            return words, [_heard(layer) for names in found.groups() for layer in re.split(", | and ", names)]
    return None


def _heard(layer: str) -> str:
    """A layer of a list, which may end in so many more."""
    more = re.fullmatch(r"(\d+) more", layer)
    return say("{n} more", n=more[1]) if more else layer
