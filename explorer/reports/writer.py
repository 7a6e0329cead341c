"""What a report's sections are written with: the facts, and the words of a language."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from explorer.answers.choices import criterion_named
from explorer.networks.registry import MODELS
from explorer.pruning.criteria import REVERSED
from explorer.reports.document import Figure, Note, Table
from explorer.reports.facts import Facts
from explorer.reports.texts import Language, name

TALL = 190  # millimetres, what many maps may take


class Writer:
    """The facts with the words of a language at hand; `drawn` are the names of the figures that could be made."""

    def __init__(self, facts: Facts, language: Language, drawn: frozenset[str]) -> None:
        self.facts, self.language, self.drawn = facts, language, drawn
        self.say, self.number = language.say, language.number
        info = MODELS.get(facts.card.model)
        self.network = language.said(info.title) if info else name(facts.card.model)
        self.examples = self.say(f"word.{facts.dataset.examples}")
        self.dataset = language.said(name(facts.dataset.title))

    def word(self, key: str) -> str:
        """A word that stands alone, or the key itself where the language has none for it."""
        return self.language.texts["word"].get(key, key)

    def criterion(self, criterion: str) -> str:
        """What a criterion is called."""
        return criterion_title(self.language, criterion)

    def figure(self, figure: str, **values: Any) -> Iterator[Figure]:
        """The figure of that name, where it could be drawn."""
        if figure in self.drawn:
            caption = self.say(f"caption.{figure}", **values)
            yield Figure(figure, caption, self.say(f"alt.{figure}"), *([TALL] if figure == "maps" else []))

    def missing(self, part: str) -> Iterator[Note]:
        """What is missing of a part of the report."""
        curve = self.facts.curve
        values = {"examples": self.examples, "done": curve.done, "total": curve.total, "dataset": self.dataset}
        for each in self.facts.missing:
            if each.part == part:
                named = self.language.said(each.named)
                yield Note(self.say(f"missing.{part}", **(values | {"named": named})))

    def table(
        self,
        caption: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        numbers: Sequence[str] = (),
        k: int = 0,
    ) -> Table:
        """A table whose columns are called as in the texts; `numbers` are those of numbers."""
        titles = tuple(self.say(f"column.{column}", k=k) for column in columns)
        places = tuple(columns.index(column) for column in numbers)
        return Table(caption, titles, tuple(tuple(row) for row in rows), places)

    def interval(self, low: float, high: float) -> str:
        """An interval of an accuracy."""
        return self.say("text.interval", low=low, high=high)

    def some(self, caption: str, shown: int, whole: int, file: str) -> str:
        """The caption of a table, which says so where the table has more rows than it shows."""
        if shown == whole:
            return caption
        return self.say("text.rows_left_out", caption=caption, shown=shown, all=whole, file=f"tables/{file}.csv")


def criterion_title(language: Language, criterion: str) -> str:
    """What a criterion is called."""
    base = criterion.removesuffix(REVERSED)
    title = language.said(criterion_named(base).title)
    return language.say("criterion.reversed", title=title) if base != criterion else title


def criterion_sentence(language: Language, criterion: str) -> str:
    """How a criterion orders the channels."""
    base = criterion.removesuffix(REVERSED)
    if base != criterion:
        return language.say("criterion.reversed_sentence", title=criterion_title(language, base))
    return language.said(criterion_named(base).sentence)
