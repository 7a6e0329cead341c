"""Whether figures can show a text, and with which font where the usual one lacks its letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from explorer.language.catalogue import ENGLISH, translated
from explorer.language.saying import english, language, speaking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDS = english("Mean activation")  # of those in figures, one: a font has all of a language's letters or none
USUAL = "DejaVu Sans"  # which Matplotlib brings along
CHINESE = (  # of the systems that people have, the best first; README asks for the first
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans CJK JP",
    "SimHei",
    "SimSun",
    "Arial Unicode MS",
)


@lru_cache(maxsize=1)
def chinese_font() -> str | None:
    """The font on this machine that figures take for Chinese; None where there is none."""
    return _first(CHINESE) or (_first(CHINESE) if _take_new_fonts() else None)


def _first(names: Sequence[str]) -> str | None:
    from matplotlib.font_manager import fontManager

    here = {font.name for font in fontManager.ttflist}
    return next((name for name in names if name in here), None)


def _take_new_fonts() -> bool:
    """Have Matplotlib take fonts that were installed since it made its list, which it keeps; whether there are any."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {font.fname for font in fontManager.ttflist}
    new = [path for path in findSystemFonts() if path not in known]
    for path in new:
        with suppress(OSError, RuntimeError, ValueError):  # a font that Matplotlib cannot read is none for figures
            fontManager.addfont(path)
    return bool(new)


def speak(code: str) -> bool:
    """Whether figures on this machine have the letters of that language."""
    return shows(translated(WORDS, code))


def lettered(draw: Callable[[], Figure]) -> Figure:
    """The figure that `draw()` makes, in the language spoken here, or in English where figures lack its letters."""
    code = language()
    with speaking(code if speak(code) else ENGLISH):
        return with_chinese(draw())


def with_chinese(figure: Figure) -> Figure:
    """The figure, whose texts take letters that the usual font lacks from the Chinese one, where there is one.

    That font and the list of its letters take 10 MB, so that a figure which can do without does not open it.
    """
    from matplotlib.text import Text

    texts = figure.findobj(Text)
    font = None if all(_has(USUAL, text.get_text()) for text in texts) else chinese_font()
    if font is not None:
        for text in texts:
            text.set_fontfamily([USUAL, font])
    return figure


def shows(text: str) -> bool:
    """Whether figures on this machine can show all of a text, and not boxes in its place."""
    if _has(USUAL, text):
        return True
    font = chinese_font()
    return font is not None and all(_has(USUAL, letter) or _has(font, letter) for letter in text)


def _has(font: str, text: str) -> bool:
    return all(ord(letter) in _letters(font) for letter in text if letter != "\n")


@lru_cache(maxsize=2)
def _letters(font: str) -> frozenset[int]:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font  # not `get_font`, which keeps what it has opened for each thread that asks

    return frozenset(FT2Font(findfont(font)).get_charmap())
