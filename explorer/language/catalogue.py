"""The catalogues: each English sentence of the program in the other languages, a TOML file a room.

A key is the English sentence as it stands in the code, fields and all; its value has the same fields, in any order and
as often as the language wants them.
"""

import tomllib
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent
ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "zh": "中文"}


def translated(sentence: str, language: str) -> str:
    """The sentence in that language, with its fields; English where the catalogue lacks it."""
    return sentence if language == ENGLISH else catalogue(language).get(sentence, sentence)


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(language: str) -> dict[str, str]:
    """All sentences in that language, by the English ones."""
    found: dict[str, str] = {}
    for file in sorted((FOLDER / language).glob("*.toml")):
        found |= tomllib.loads(file.read_text(encoding="utf-8"))
    return found
