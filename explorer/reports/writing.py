"""A report in a language: the facts, put into its words as blocks, section by section."""

from collections.abc import Callable, Iterable, Iterator

from explorer.reports.document import Block, Document, Note
from explorer.reports.facts import Facts
from explorer.reports.sections import (
    channels,
    compression,
    conclusions,
    curves,
    effects,
    expected,
    network,
    training,
)
from explorer.reports.texts import Language
from explorer.reports.writer import Writer

FIELDS = ("course", "experiment", "department", "class", "number", "name", "teacher", "date")


def write(facts: Facts, language: Language, drawn: Iterable[str]) -> Document:
    """The report in a language; `drawn` are the names of its figures, those that could be made."""
    writer = Writer(facts, language, frozenset(drawn))
    title = writer.say("cover.title", network=writer.network)
    lab = facts.lab
    subtitle = writer.say("cover.lab", lab=lab.name, title=language.said(lab.title)) if lab else ""
    filled = {"experiment": subtitle or title}
    return Document(
        kind=writer.say("cover.kind"),
        title=title,
        subtitle=subtitle,
        fields=tuple((writer.say(f"cover.{field}"), filled.get(field, "")) for field in FIELDS),
        about=writer.say("cover.about"),
        answer=writer.say("text.answer"),
        language=language.code,
        words={kind: writer.say(f"word.{kind}") for kind in ("figure", "table")},
        blocks=tuple(block for section in SECTIONS for block in section(writer)),
    )


def missing(writer: Writer) -> Iterator[Block]:
    """What is to be known before the rest is read."""
    yield from writer.missing("whole")
    if writer.say("text.figures_english") and not writer.language.figures_speak:
        yield Note(writer.say("text.figures_english"))


SECTIONS: tuple[Callable[[Writer], Iterator[Block]], ...] = (
    missing,
    network.network,
    training.images,
    training.training,
    channels.channels,
    curves.accuracy,
    expected.expected,
    curves.ways,
    curves.criteria,
    effects.classes,
    effects.changed,
    effects.layers,
    compression.compression,
    conclusions.assumed,
    conclusions.analysis,
    conclusions.again,
)
