"""What the network learned from, how, and how good it is."""

from collections.abc import Iterator
from typing import Any

from explorer.networks.intervals import wilson
from explorer.reports.document import Block, Heading, Paragraph
from explorer.reports.texts import name
from explorer.reports.writer import Writer


def images(writer: Writer) -> Iterator[Block]:
    """The data set, and what is done to an image before the network sees it."""
    say, card = writer.say, writer.facts.card
    yield Heading(say("heading.images"))
    yield Paragraph(say("text.preprocessing"))
    few = [name(each, 40) for each in card.classes[:20]]
    rows = {
        "dataset": writer.dataset,
        "shape": " × ".join(map(str, card.shape)),
        "classes": f"{len(card.classes):,}",
        "names": writer.language.list([*few, *(["…"] if len(card.classes) > len(few) else [])]),
        "mean": numbers(card.mean),
        "std": numbers(card.std),
        "test": f"{card.test_images:,}",
    }
    yield writer.table(say("caption.images"), ["what", "value"], [(say(f"images.{row}"), rows[row]) for row in rows])


def numbers(values: Any) -> str:
    """A number or several, as briefly as they are."""
    return ", ".join(f"{value:g}" for value in (values if isinstance(values, list | tuple) else [values]))


def training(writer: Writer) -> Iterator[Block]:
    """The recipe, its loss curve, and the accuracy before pruning."""
    say, card = writer.say, writer.facts.card
    yield Heading(say("heading.training"))
    if card.imported:
        yield Paragraph(say("text.imported"))
    else:
        values = {"epochs": card.epochs, "train": card.train_images, "held_out": card.validation_images}
        how = "training_kept" if not card.kept_epoch else "training_once" if card.epochs == 1 else "training"
        yield Paragraph(say(f"text.{how}", **values, kept=card.kept_epoch, examples=writer.examples))
        titles = writer.language.texts["recipe"]
        rows = [(titles.get(key, name(key)), _setting(value)) for key, value in card.recipe.items() if value]
        yield writer.table(say("caption.recipe"), ["what", "value"], rows)
    if not card.imported:
        yield from writer.figure("training")
        yield from writer.missing("history")
    scored = []
    for part, score in card.accuracy.items():
        low, high = (float(end) for end in wilson(score.correct, score.n))
        cells = (f"{score.correct:,}", f"{score.n:,}", writer.number("percent", score.accuracy))
        scored.append((writer.word(part), *cells, writer.interval(low, high)))
    columns = ["part", "correct", "n", "accuracy", "interval"]
    yield writer.table(say("caption.scores"), columns, scored, columns[1:])


def _setting(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple):
        return name(str(value))
    return numbers(value)
