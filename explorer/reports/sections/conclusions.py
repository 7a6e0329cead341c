"""What was assumed, what follows, and how to get there again."""

from collections.abc import Iterator

from explorer.answers.choices import criterion_named
from explorer.engine.schedule import SCHEDULES
from explorer.pruning.modes import mode_info
from explorer.reports.document import Block, Heading, Paragraph, Question
from explorer.reports.findings import Finding, findings
from explorer.reports.texts import Language
from explorer.reports.writer import Writer, criterion_sentence, criterion_title


def assumed(writer: Writer) -> Iterator[Block]:
    """Ranking, mode, ties, images and intervals: what the numbers hold for."""
    facts, say, curve = writer.facts, writer.say, writer.facts.curve
    asked, said = facts.experiment, writer.language.said
    yield Heading(say("heading.assumed"))
    title, sentence = writer.criterion(asked.criterion), criterion_sentence(writer.language, asked.criterion)
    yield Paragraph(say("assumed.criterion", title=title, sentence=sentence))
    if criterion_named(asked.criterion).needs_data:
        yield Paragraph(say("assumed.ranked_on", split=writer.word(asked.ranked_on)))
    else:
        yield Paragraph(say("assumed.no_images"))
    yield Paragraph(say("assumed.schedule", sentence=said(SCHEDULES[asked.schedule])))
    yield Paragraph(say("assumed.mode", sentence=said(mode_info(asked.mode).sentence)))
    yield Paragraph(say("assumed.ties"))
    yield Paragraph(say("assumed.ks", ks=len(curve.ks), first=curve.ks[0], last=curve.ks[-1], channels=curve.channels))
    values = {"n": curve.done, "split": writer.word(asked.split), "examples": writer.examples, "dtype": asked.dtype}
    yield Paragraph(say("assumed.measured", **values))
    if asked.limit is not None:
        yield Paragraph(say("assumed.limit", limit=asked.limit))
    if curve.slow:
        yield Paragraph(say("assumed.slow"))
    date, _, made = curve.made.partition(", PyTorch ")
    where = {"date": date, "torch": made.partition(",")[0]}
    yield Paragraph(say("assumed.made", **where) if curve.made else say("assumed.here"))


def analysis(writer: Writer) -> Iterator[Block]:
    """Each measured fact, with a question and room for the answer."""
    yield Heading(writer.say("heading.analysis"))
    for found in findings(writer.facts):
        yield Question(sentence_of(found, writer.language), writer.say(f"question.{found.question}", **found.values))


def sentence_of(found: Finding, language: Language) -> str:
    """A finding in words: what the app calls by name, criteria and ways, in those of the language."""
    values = dict(found.values)
    if "criterion" in values:
        values["criterion"] = criterion_title(language, values["criterion"])
    for key in ("way", "assigned"):
        if key in values:
            values[key] = language.said(values[key])
    return language.say(f"finding.{found.sentence}", **values)


def again(writer: Writer) -> Iterator[Block]:
    """How to compute all of this again, and what it belongs to."""
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.again"))
    yield Paragraph(say("text.again"))
    rows = [(say("versions.checkpoint"), facts.checkpoint), (say("versions.sha256"), facts.card.sha256)]
    rows += [(say(f"versions.{part}"), version) for part, version in facts.versions.items()]
    yield writer.table(say("caption.versions"), ["what", "value"], rows)
