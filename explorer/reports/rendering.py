"""A document as the text of a file: HTML, Markdown or LaTeX, each from its template."""

import base64
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from explorer.reports.document import Block, Document, Figure, Heading, Note, Paragraph, Question, Table

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGE_TAGS = {"en": "en", "zh": "zh-Hans"}
KINDS: dict[str, type] = {
    "heading": Heading,
    "paragraph": Paragraph,
    "note": Note,
    "table": Table,
    "figure": Figure,
    "question": Question,
}
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\u00a0": "~",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    "−": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}",
    "±": r"\ensuremath{\pm}",
}
SEPARATE = r"\nobreak{}"  # between signs of which fonts make one: -- is no dash
TWINS = re.compile(r"([-',])(?=\1)")
UNSHOWN = re.compile(  # what neither Latin Modern, the font of LaTeX, nor a Chinese one has
    r"[^\x20-\u017f\u2010-\u2022\u2026\u2030\u20ac\u2122\u2190-\u2193\u2212\u3000-\u9fff\uff00-\uffef]"
)
LONG_WORD = re.compile(r"([!-~]{20,})")
BREAK = r"\allowbreak{}"
CHINESE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$@]|:(?=[\w/])|&(?=[\w#]))")
LIST_MARK = re.compile(r"^(\d*)([-+.)])(?=\s|$)")  # what would begin a list


def html(document: Document, pictures: Mapping[str, bytes]) -> str:
    """A self-contained page, `pictures` being the figures as SVG files by name: no script, nothing from elsewhere."""
    addresses = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}" for name, picture in pictures.items()
    }
    return _rendered("report.html", document, language=LANGUAGE_TAGS[document.language], pictures=addresses)


def markdown(document: Document, figures: str) -> str:
    """Markdown with its figures, PNG files, in the folder `figures`."""
    return _rendered("report.md", document, figures=figures)


def latex(document: Document, figures: str) -> str:
    """A source for XeLaTeX with its figures, PDF files, in the folder `figures`."""
    return _rendered("report.tex", document, figures=figures, chinese=CHINESE.search(str(document)) is not None)


def numbered(document: Document) -> dict[Block, int]:
    """The number of each figure, and of each table, from 1."""
    found: dict[Block, int] = {}
    for kind in (Figure, Table):
        blocks = [block for block in document.blocks if isinstance(block, kind)]
        found |= {block: place for place, block in enumerate(blocks, start=1)}
    return found


def escape_latex(text: str) -> str:
    """Text as LaTeX shows it, whatever is in it; a long word may be broken anywhere.

    A sign that its fonts lack, which it would leave out, is named: an emoji is [U+1F600].
    """
    named = UNSHOWN.sub(lambda sign: f"[U+{ord(sign[0]):04X}]", text)
    pieces = LONG_WORD.split(named)  # every other one is a long word
    escaped = "".join(
        (BREAK if place % 2 else "").join(LATEX.get(sign, sign) for sign in piece) for place, piece in enumerate(pieces)
    )
    return TWINS.sub(lambda sign: sign[0] + SEPARATE, escaped)


def escape_markdown(text: str) -> str:
    """Text as Markdown shows it, whatever is in it: no markup, no HTML, no link."""
    return LIST_MARK.sub(r"\1\\\2", MARKDOWN.sub(r"\\\1", text))


def _rendered(template: str, document: Document, **values: Any) -> str:
    return _templates().get_template(template).render(document=document, numbered=numbered(document), **values)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        comment_start_string="<#",  # LaTeX has {#1}
        comment_end_string="#>",
    )
    environment.tests.update({name: _is(kind) for name, kind in KINDS.items()})
    environment.filters.update(tex=escape_latex, md=escape_markdown)
    return environment


def _is(kind: type) -> Callable[[object], bool]:
    return lambda block: isinstance(block, kind)
