"""What was expected of the curve before it was shown, where somebody did the exercise."""

from collections.abc import Iterator

from explorer.reports.document import Block, Heading, Paragraph, Question
from explorer.reports.exercised import sentences
from explorer.reports.writer import Writer


def expected(writer: Writer) -> Iterator[Block]:
    """Each K that an accuracy was expected at, how far off that was, and why."""
    facts, say = writer.facts, writer.say
    if facts.exercise is None:
        return
    yield Heading(say("heading.exercise"))
    columns = ["k", "expected", "accuracy", "interval", "error"]
    rows = []
    for point in facts.exercise.points:
        shares = [writer.number("percent", share) for share in (point.expected, point.accuracy)]
        error = writer.number("change", point.error)
        rows.append([f"{point.k:,}", *shares, writer.interval(point.low, point.high), error])
    yield writer.table(say("caption.exercise_table"), columns, rows, columns)
    *first, last = sentences(facts.exercise, writer.language, writer.examples)
    yield from map(Paragraph, first)
    yield Question(last, say("question.expected"))
