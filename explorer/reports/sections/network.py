"""The network: what it is for, what it is made of, and what is pruned of it."""

from collections.abc import Iterator

from explorer.reports.document import Block, Heading, Paragraph
from explorer.reports.tables import shown_rows
from explorer.reports.texts import name
from explorer.reports.writer import Writer


def network(writer: Writer) -> Iterator[Block]:
    """Its task, the lab, and its layers as a drawing and a table."""
    facts, say, card = writer.facts, writer.say, writer.facts.card
    yield Heading(say("heading.network"))
    known = facts.dataset.name in writer.language.texts["task"]
    task = say(f"task.{facts.dataset.name if known else 'other'}", classes=len(card.classes))
    layer, channels = facts.experiment.layer, facts.curve.channels
    values = {"network": writer.network, "task": task, "parameters": facts.parameters}
    yield Paragraph(say("text.network", **values, layer=layer, channels=channels))
    if card.description:
        yield Paragraph(name(writer.language.said(card.description), 600))
    if facts.lab:
        yield Paragraph(say("text.did", did=writer.language.said(facts.lab.did)))
    yield from writer.figure("network")
    if facts.sketch is not None and len(facts.sketch.shortcuts):
        yield Paragraph(say("text.shortcuts"))
    if facts.layers is not None:
        table = facts.layers
        rows = shown_rows(len(table))
        columns = ["layer", "kind", "kernel", "stride", "padding", "output", "parameters"]
        cells = [[*map(name, row[:-1]), f"{row[-1]:,}"] for row in table[columns].iloc[rows].itertuples(index=False)]
        caption = writer.some(say("caption.layers"), len(rows), len(table), "layers")
        yield writer.table(caption, columns, cells, ["parameters"])
