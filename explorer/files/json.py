"""JSON files that anybody may have edited."""

import json
from pathlib import Path
from typing import Any

from explorer.language.saying import say

MOST_BYTES = 1_000_000
LONGEST_TEXT = 4000  # letters


def read_json(path: Path) -> Any:
    """What a JSON file holds, made `printable`; ValueError says what is wrong with it."""
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(say("is larger than the {most_bytes:g} MB that it may have", most_bytes=MOST_BYTES / 1e6))
    try:
        return printable(json.loads(content.decode()))
    except (ValueError, RecursionError) as error:
        raise ValueError(say("is not valid JSON ({error})", error=error)) from error


def printable(value: Any) -> Any:
    """The value with its texts made fit to be shown: what cannot be printed becomes �, and what is too long is cut."""
    if isinstance(value, str):
        cut = value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
        return "".join(sign if sign.isprintable() else "�" for sign in cut)
    if isinstance(value, list):
        return [printable(each) for each in value]
    if isinstance(value, dict):
        return {printable(key): printable(each) for key, each in value.items()}
    return value
