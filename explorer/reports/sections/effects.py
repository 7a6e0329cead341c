"""What pruning does to classes, to single images, and to other layers."""

from collections.abc import Iterator

import pandas as pd

from explorer.reports.document import Block, Heading, Paragraph
from explorer.reports.tables import class_rows
from explorer.reports.texts import name
from explorer.reports.writer import Writer


def classes(writer: Writer) -> Iterator[Block]:
    """What each class loses at the chosen K."""
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.classes"))
    yield Paragraph(say("text.classes", k=facts.k))
    yield from writer.figure("classes", k=facts.k)
    table = class_rows(facts)
    columns = ["class", "n", "before", "after", "interval", "change"]
    rows = []
    for row in table.to_dict("records"):
        shares = [writer.number("percent", row[key]) for key in ("before", "accuracy")]
        change = "–" if pd.isna(row["change"]) else writer.number("change", row["change"])
        interval = "–" if pd.isna(row["low"]) else writer.interval(row["low"], row["high"])
        rows.append([name(row["class"], 40), f"{row['n']:,}", *shares, interval, change])
    caption = writer.some(say("caption.classes_table"), len(table), len(facts.card.classes), "classes")
    yield writer.table(caption, columns, rows, columns[1:], facts.k)


def changed(writer: Writer) -> Iterator[Block]:
    """Images whose prediction pruning breaks or repairs."""
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.changed"))
    broken, repaired = map(len, facts.curve.flipped(facts.k))
    table = facts.changed
    if table.empty:
        yield Paragraph(say("text.unchanged", k=facts.k))
        return
    values = {"k": facts.k, "examples": writer.examples, "broken": broken, "repaired": repaired}
    yield Paragraph(say("text.changed", **values, n=facts.curve.done, shown=len(table)))
    yield from writer.missing("pictures")
    yield from writer.figure("changed", k=facts.k)
    columns = ["number", "image", "true", "before", "after", "flip"]
    rows = []
    for place, row in enumerate(table.to_dict("records"), start=1):
        classes = [name(row[key], 40) for key in ("label", "before", "after")]
        rows.append([str(place), str(row["image"]), *classes, writer.word(row["flip"])])
    yield writer.table(say("caption.changed_table"), columns, rows, ["number", "image"], facts.k)


def layers(writer: Writer) -> Iterator[Block]:
    """What each layer is worth, pruned whole."""
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.layers"))
    yield from writer.missing("scan")
    if facts.scan is None:
        return
    yield Paragraph(say("text.layers"))
    yield from writer.figure("scan")
    columns = ["layer", "accuracy", "interval", "change"]
    rows = []
    for row in facts.scan.frame()[1:].to_dict("records"):
        share, interval = writer.number("percent", row["accuracy"]), writer.interval(row["low"], row["high"])
        rows.append([name(row["layer"]), share, interval, writer.number("change", row["change"])])
    yield writer.table(say("caption.scan_table"), columns, rows, columns[1:])
