"""A report as blocks of plain text, tables and figures, before it becomes a file of any kind."""

from dataclasses import dataclass


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


@dataclass(frozen=True)
class Figure:
    """A figure's file name without its ending, its caption, and what it shows in words."""

    name: str
    caption: str
    alt: str


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
