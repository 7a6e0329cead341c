"""A report in a language: the facts, put into its words as blocks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from explorer.answers.choices import criterion_named
from explorer.engine import tables
from explorer.engine.curves import Band, Sweep
from explorer.engine.schedule import SCHEDULES
from explorer.networks.intervals import wilson
from explorer.networks.registry import MODELS
from explorer.pruning.criteria import REVERSED
from explorer.pruning.modes import mode_info
from explorer.reports.document import Block, Document, Figure, Heading, Note, Paragraph, Question, Table
from explorer.reports.facts import Facts
from explorer.reports.findings import Finding, findings
from explorer.reports.texts import Language, name

FIELDS = ("course", "experiment", "department", "class", "number", "name", "teacher", "date")
MOST_ROWS = 40  # of a table; its CSV file has all
MANY_K = 17  # rows of a curve's table
CHANNELS_SHOWN = 256  # averaged maps in one figure
SHARES = ("accuracy", "low", "high", "before")


def write(facts: Facts, language: Language, drawn: Iterable[str]) -> Document:
    """The report in a language; `drawn` are the names of its figures, those that could be made."""
    writer = _Writer(facts, language, frozenset(drawn))
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


def shown_rows(count: int, most: int = MOST_ROWS) -> list[int]:
    """The rows of a long table that are shown: the first and the last."""
    if count <= most:
        return list(range(count))
    return [*range(most // 2), *range(count - most // 2, count)]


def shown_ks(ks: Sequence[int], chosen: int) -> list[int]:
    """The K of a table: evenly spread over all, with both ends and the chosen one."""
    places = np.linspace(0, len(ks) - 1, min(len(ks), MANY_K)).round().astype(int)
    return sorted({*(ks[place] for place in places), chosen})


class _Writer:
    """The facts with the words of a language at hand."""

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
            yield Figure(figure, caption, self.say(f"alt.{figure}"))

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

    def left_out(self, shown: int, whole: int, file: str) -> Iterator[Paragraph]:
        """That a table has more rows than it shows."""
        if shown < whole:
            yield Paragraph(self.say("text.rows_left_out", shown=shown, all=whole, file=f"tables/{file}.csv"))


# Sections


def _missing(writer: _Writer) -> Iterator[Block]:
    yield from writer.missing("whole")
    if writer.say("text.figures_english") and not writer.language.figures_speak:
        yield Note(writer.say("text.figures_english"))


def _network(writer: _Writer) -> Iterator[Block]:
    facts, say, card = writer.facts, writer.say, writer.facts.card
    yield Heading(say("heading.network"))
    known = facts.dataset.name in writer.language.texts["task"]
    task = say(f"task.{facts.dataset.name if known else 'other'}", classes=len(card.classes))
    layer, channels = facts.experiment.layer, facts.curve.channels
    values = {"network": writer.network, "task": task, "parameters": parameters_of(facts)}
    yield Paragraph(say("text.network", **values, layer=layer, channels=channels))
    if card.description:
        yield Paragraph(name(card.description, 600))
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
        yield writer.table(say("caption.layers"), columns, cells, ["parameters"])
        yield from writer.left_out(len(rows), len(table), "layers")


def parameters_of(facts: Facts) -> int:
    """How many weights and biases the network has."""
    return 0 if facts.layers is None else int(facts.layers["parameters"].sum())


def _images(writer: _Writer) -> Iterator[Block]:
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


def _training(writer: _Writer) -> Iterator[Block]:
    say, card = writer.say, writer.facts.card
    yield Heading(say("heading.training"))
    if card.imported:
        yield Paragraph(say("text.imported"))
    else:
        values = {"epochs": card.epochs, "train": card.train_images, "held_out": card.validation_images}
        yield Paragraph(say("text.training", **values, kept=card.kept_epoch, examples=writer.examples))
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


def _channels(writer: _Writer) -> Iterator[Block]:
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.channels"))
    yield from writer.missing("statistics")
    if facts.statistics is not None:
        channels = facts.curve.channels
        yield Paragraph(say("text.maps", n=facts.statistics.done, examples=writer.examples, channels=channels))
        if channels > CHANNELS_SHOWN:
            yield Paragraph(say("text.some_maps", shown=CHANNELS_SHOWN))
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
    yield writer.table(say("caption.channels_table"), columns, cells, columns[:-1], facts.k)
    yield from writer.left_out(len(rows), len(table), "channels")


def _accuracy(writer: _Writer) -> Iterator[Block]:
    facts, say, curve = writer.facts, writer.say, writer.facts.curve
    yield Heading(say("heading.accuracy"))
    row = curve.index(facts.k)
    low, high = (float(ends[row]) for ends in curve.intervals)
    values = {"n": curve.done, "examples": writer.examples, "channels": curve.channels, "k": facts.k}
    values |= {"accuracy": float(curve.accuracy[row]), "low": low, "high": high, "before": float(curve.accuracy[0])}
    yield Paragraph(say("text.accuracy", **values, change=curve.change(facts.k)))
    if curve.gone_at(facts.k) != facts.k:
        yield Paragraph(say("text.ranked_again", k=facts.k, gone=curve.gone_at(facts.k)))
    yield from writer.figure("accuracy", k=facts.k)
    ks = shown_ks(curve.ks, facts.k)
    yield writer.table(say("caption.accuracy_table"), *_curve_rows(writer, curve, ks))
    yield from writer.left_out(len(ks), len(curve.ks), "accuracy")


def _curve_rows(writer: _Writer, curve: Sweep, ks: Sequence[int]) -> tuple[Any, ...]:
    """Columns, cells and columns of numbers of a curve's table."""
    low, high = curve.intervals
    columns = ["k", *(["gone"] if curve.gone else []), "accuracy", "interval", "change"]
    rows = []
    for k in ks:
        at = curve.index(k)
        gone = [f"{curve.gone_at(k):,}"] if curve.gone else []
        share = writer.number("percent", float(curve.accuracy[at]))
        change = writer.number("change", curve.change(k))
        rows.append([f"{k:,}", *gone, share, writer.interval(float(low[at]), float(high[at])), change])
    return columns, rows, columns


def _ways(writer: _Writer) -> Iterator[Block]:
    facts, say = writer.facts, writer.say
    if facts.lab is None or len(facts.lab.variants) < 2:
        return
    yield Heading(say("heading.ways"))
    yield Paragraph(say("text.differs", differs=writer.language.said(facts.lab.differs)))
    yield from writer.missing("way")
    yield from writer.figure("ways")
    named = {writer.language.said(title): way for title, way in facts.ways.items()}
    yield writer.table(say("caption.ways_table", k=facts.k), *_compared_rows(writer, named, "way", facts.k))


def _criteria(writer: _Writer) -> Iterator[Block]:
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.criteria"))
    yield from writer.missing("criteria")
    if len(facts.compared) > 1:
        yield Paragraph(say("text.criteria"))
        yield from writer.figure("criteria")
        named = {writer.criterion(criterion): curve for criterion, curve in facts.compared.items()}
        rows = _compared_rows(writer, named, "criterion", facts.k)
        yield writer.table(say("caption.criteria_table", k=facts.k), *rows)


def _compared_rows(writer: _Writer, curves: dict[str, Any], first: str, k: int) -> tuple[Any, ...]:
    """Columns, cells and columns of numbers of several curves at K = k; what a curve does not have is a dash."""
    columns = [first, "n", "accuracy", "interval", "area", "cliff"]
    table = compared_table(curves, k)
    rows = []
    for row in table.to_dict("records"):
        known = not pd.isna(row["accuracy"])
        interval = writer.interval(row["low"], row["high"]) if known else "–"
        share, area = writer.number("percent", row["accuracy"]), writer.number("decimal", row["area"])
        cliff = "–" if pd.isna(row["cliff"]) else f"{row['cliff']:g}"
        rows.append([row["name"], f"{row['n']:,}", share, interval, area, cliff])
    if table["area"].isna().all():  # the curves do not go from K = 0 to P
        columns.remove("area")
        rows = [[*row[:4], row[5]] for row in rows]
    return columns, rows, columns[1:]


def compared_table(curves: dict[str, Sweep | Band], k: int) -> pd.DataFrame:
    """One row a curve: name, n, at K = k accuracy, low and high (of a band its mean and interval), area and cliff."""
    summary = tables.summary_table(curves, [k])
    rows = []
    for (title, curve), area, cliff in zip(curves.items(), summary["area"], summary["cliff"], strict=True):
        points = curve.points()
        found = points[points["k"] == k]
        at = {key: float(found[key].iloc[0]) if len(found) else float("nan") for key in ("accuracy", "low", "high")}
        rows.append({"name": title, "k": k, "n": curve.done, **at, "area": area, "cliff": cliff})
    return pd.DataFrame(rows)


def _classes(writer: _Writer) -> Iterator[Block]:
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
    yield writer.table(say("caption.classes_table"), columns, rows, columns[1:], facts.k)
    yield from writer.left_out(len(table), len(facts.card.classes), "classes")


def class_rows(facts: Facts) -> pd.DataFrame:
    """The classes that are shown: all, or of many those that change most."""
    table = tables.class_table(facts.curve, facts.k)
    if len(table) <= MOST_ROWS:
        return table
    most = table["change"].abs().sort_values(ascending=False, kind="stable").index[:MOST_ROWS]
    return table.loc[sorted(most)]


def _changed(writer: _Writer) -> Iterator[Block]:
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


def _layers(writer: _Writer) -> Iterator[Block]:
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


def _assumed(writer: _Writer) -> Iterator[Block]:
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


def _analysis(writer: _Writer) -> Iterator[Block]:
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


def _again(writer: _Writer) -> Iterator[Block]:
    facts, say = writer.facts, writer.say
    yield Heading(say("heading.again"))
    yield Paragraph(say("text.again"))
    rows = [(say("versions.checkpoint"), facts.checkpoint), (say("versions.sha256"), facts.card.sha256)]
    rows += [(say(f"versions.{part}"), version) for part, version in facts.versions.items()]
    yield writer.table(say("caption.versions"), ["what", "value"], rows)


SECTIONS: tuple[Callable[[_Writer], Iterator[Block]], ...] = (
    _missing, _network, _images, _training, _channels, _accuracy, _ways, _criteria, _classes, _changed, _layers,
    _assumed, _analysis, _again,
)  # fmt: skip
