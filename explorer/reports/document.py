"""A report as blocks of plain text, tables and figures, before it becomes a file of any kind."""

import unicodedata
from dataclasses import dataclass

FEW_ROWS = 14  # of a table that is not torn between two pages
BOLD = 1.3  # how much broader the letters of a head are
BROADEST, AROUND = 66, 3  # letters of a column that count for its width at most, and those that its margins take


@dataclass(frozen=True)
class Heading:
    """A section's title."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Note:
    """What is missing here, or should be known before the rest is read."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns, with a caption; `numbers` are the columns whose cells stand on the right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()

    @property
    def short(self) -> bool:
        """Whether the table stays on one page."""
        return len(self.rows) <= FEW_ROWS

    @property
    def shares(self) -> list[float]:
        """The share of the page's width that each column takes, by its longest text; 1 in all."""
        longest = [
            max([BOLD * letters(head), *map(letters, cells)])
            for head, *cells in zip(self.columns, *self.rows, strict=True)
        ]
        broad = [min(length, BROADEST) + AROUND for length in longest]
        return [each / sum(broad) for each in broad]


def letters(text: str) -> int:
    """How broad a text is, in letters; Chinese ones are twice as broad as Latin ones."""
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


@dataclass(frozen=True)
class Figure:
    """A figure's file name without its ending, its caption, and what it shows in words."""

    name: str
    caption: str
    alt: str
    tallest: int = 88  # millimetres on paper


@dataclass(frozen=True)
class Question:
    """A measured fact, a question about it, and room for the answer."""

    fact: str
    question: str


Block = Heading | Paragraph | Note | Table | Figure | Question


@dataclass(frozen=True)
class Document:
    """A whole report: what stands on its cover, fields to fill in with what is filled in already, and its blocks."""

    kind: str  # "Lab report"
    title: str
    subtitle: str
    fields: tuple[tuple[str, str], ...]
    about: str
    answer: str  # the words over the room for an answer
    language: str  # en or zh
    words: dict[str, str]  # what stands before the numbers of figures and tables: Figure, Table
    blocks: tuple[Block, ...]
