"""The words of a report in each language: two tables of the same keys, and what stands in their sentences.

A text may hold values in braces with how they are written: {k:count}, {accuracy:percent}, {cost:points}.
What the app itself says of its labs, criteria and modes comes from the catalogues of `explorer.language`.
"""

import re
import string
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from explorer.files.json import printable
from explorer.language.catalogue import translated
from explorer.show import fonts
from explorer.show.words import decimal, percent, points

TIED = re.compile(
    r"(?<=\d) (?=%)|(?<=\b[KP]) (?==)|(?<=\b[KP] =) |(?<=<) (?=\d)|(?<=\bp) (?=[<=])"
)  # spaces at which no line is broken
MIXED = re.compile(r"(?<=[A-Za-z0-9])(?=[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff])(?=[A-Za-z0-9])")
FOLDER = Path(__file__).parent / "texts"
LANGUAGES = {"en": "English", "zh": "简体中文"}
LONGEST = 120  # characters of a name from a file in a sentence

FORMATS: dict[str, Callable[[Any], str]] = {
    "percent": percent,
    "change": points,
    "points": lambda value: f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00"),
    "decimal": decimal,
    "text": lambda value: str(printable(value)),
    "count": lambda value: f"{value:,}",
    "p": lambda value: "< 0.0001" if value < 0.0001 else f"= {value:.4f}",
}


def name(text: str, longest: int = LONGEST) -> str:
    """A name that may come from anybody's file: printable, and cut where it is long."""
    plain = str(printable(text))
    return plain if len(plain) <= longest else f"{plain[:longest]}…"


@dataclass(frozen=True)
class Language(string.Formatter):
    """A language's table."""

    code: str
    texts: dict[str, dict[str, str]]  # by section and key

    def say(self, key: str, **values: Any) -> str:
        """The text called SECTION.NAME with its values; a number stays on one line with what it belongs to.

        In Chinese a space stands between Chinese letters and others.
        """
        section, _, text = key.partition(".")
        said = TIED.sub("\u00a0", self.vformat(self.texts[section][text], (), values))
        return MIXED.sub(" ", said) if self.code == "zh" else said

    def format_field(self, value: Any, spec: str) -> str:
        """A value in a sentence; a name, which may come from a file, is printable, and cut where it is long."""
        if spec in FORMATS:
            return self.number(spec, value)
        return name(value) if isinstance(value, str) else str(format(value, spec))

    def number(self, kind: str, value: Any) -> str:
        """A number as people who read this language write it; `kind` is a key of FORMATS."""
        return FORMATS[kind](value).replace(" %", "%").replace("%", self.texts["list"]["percent"])

    def said(self, english: str) -> str:
        """What the app says in English of a lab, a criterion or the like; as it is where this language lacks it."""
        return translated(english, self.code)

    def list(self, words: Sequence[str]) -> str:
        """Words in a row."""
        return self.texts["list"]["and"].join(words)

    @property
    def figures_speak(self) -> bool:
        """Whether figures on this machine have the letters of the language."""
        return fonts.speak(self.code)


@lru_cache(maxsize=4)
def language(code: str) -> Language:
    """The language called `code`; ValueError lists those there are."""
    if code not in LANGUAGES:
        raise ValueError(f"unknown language {code[:40]!r}; choose one of: {', '.join(LANGUAGES)}, both")
    return Language(code, tomllib.loads((FOLDER / f"{code}.toml").read_text(encoding="utf-8")))
