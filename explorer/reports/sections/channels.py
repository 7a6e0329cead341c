"""What the channels put out, before anything is pruned."""

from collections.abc import Iterator

from explorer.reports.document import Block, Heading, Paragraph
from explorer.reports.facts import MAPS
from explorer.reports.tables import shown_rows
from explorer.reports.writer import Writer


def channels(writer: Writer) -> Iterator[Block]:
    """The averaged maps and the sorted means, with the pruned ones marked."""
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.channels"))
    yield from writer.missing("statistics")
    if facts.statistics is not None:
        channels = facts.curve.channels
        yield Paragraph(say("text.maps", n=facts.statistics.done, examples=writer.examples, channels=channels))
        if channels > MAPS:
            yield Paragraph(say("text.some_maps", shown=MAPS))
        yield from writer.figure("maps", layer=facts.experiment.layer)
    title = writer.criterion(facts.experiment.criterion)
    yield Paragraph(say("text.channels", criterion=title))
    yield from writer.figure("channels", criterion=title, k=facts.k)
    table = facts.channels
    rows = shown_rows(len(table))
    measured = [column for column in ("mean", "std", "positive") if column in table]
    columns = ["channel", "importance", *measured, "state"]
    cells = []
    for row in table.iloc[rows].to_dict("records"):
        state = writer.word("pruned" if row["pruned"] else "kept")
        looks = [writer.number("percent" if each == "positive" else "decimal", row[each]) for each in measured]
        cells.append([str(row["channel"]), writer.number("decimal", row["importance"]), *looks, state])
    caption = writer.some(say("caption.channels_table"), len(rows), len(table), "channels")
    yield writer.table(caption, columns, cells, columns[:-1], facts.k)
