"""What it gained to remove channels for real."""

from collections.abc import Iterator
from typing import Any

from explorer.reports.document import Block, Heading, Paragraph
from explorer.reports.writer import Writer

QUANTITIES = ("parameters", "MACs", "file", "latency")  # of the scales; their CSV file has more


def compression(writer: Writer) -> Iterator[Block]:
    """The network on the scales and its accuracy, before and after, where the report has a plan."""
    removal, say = writer.facts.removal, writer.say
    notes = list(writer.missing("removal"))
    if removal is None and not notes:
        return
    yield Heading(say("heading.compression"))
    yield from notes
    if removal is None:
        return
    plan = removal.plan.replace(",", ", ")  # may break between layers
    yield Paragraph(say("text.removal", criterion=writer.criterion(removal.criterion), plan=plan))
    if removal.differ is not None:
        n = int(removal.stages["n"].iloc[0])
        same = "same" if removal.differ == 0 else "differ"
        yield Paragraph(say(f"text.removal_{same}", n=n, differ=removal.differ, examples=writer.examples))
    rows = [_stage(writer, row) for row in removal.stages.to_dict("records")]
    columns = ["network", "n", "accuracy", "interval", "change"]
    yield writer.table(say("caption.stages"), columns, rows, columns[1:])
    weighed = [_quantity(writer, row) for row in removal.totals.to_dict("records") if row["quantity"] in QUANTITIES]
    columns = ["what", "unpruned", "left", "share"]
    yield writer.table(
        say("caption.scales", device=removal.device, threads=removal.threads), columns, weighed, columns[1:]
    )


def _stage(writer: Writer, row: dict[Any, Any]) -> list[str]:
    share, interval = writer.number("percent", row["accuracy"]), writer.interval(row["low"], row["high"])
    words = writer.say(f"stage.{row['stage']}", named=row["named"])
    return [words, f"{row['n']:,}", share, interval, writer.number("change", row["change"])]


def _quantity(writer: Writer, row: dict[Any, Any]) -> list[str]:
    timed = row["quantity"] == "latency"
    words = writer.say(f"scale.{row['quantity']}", **({"batch": int(row["batch"])} if timed else {}))
    both = [f"{row[side]:,.2f}" if timed else f"{row[side]:,.0f}" for side in ("before", "after")]
    return [words, *both, writer.number("percent", row["share"])]
