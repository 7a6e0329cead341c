"""What compressing gained: accuracy, and what the network weighs before and after, as metrics, bars and tables."""

from collections.abc import Iterable
from functools import reduce
from typing import Any

import pandas as pd
import streamlit as st

from explorer.answers.compressing import Compressed
from explorer.app import compressions, drawing, pickers, reporting, titles
from explorer.compression.scales import Scales
from explorer.language.saying import again, english, say
from explorer.networks.checkpoints import Checkpoint
from explorer.reports.asked import asked_of
from explorer.reports.brought import Brought
from explorer.reports.removing import of_plan
from explorer.show import charts
from explorer.show.words import percent

METRICS = (
    ("parameters", english("Parameters"), english("Weights and biases.")),
    ("MACs", english("Multiply-adds"), english("For one image; each is two FLOPs.")),
    ("file", english("File"), english("As safetensors, in float32.")),
    (
        "latency",
        english("Time for one image"),
        english("The median of runs that both networks take in turns, on this machine."),
    ),
)
MEASURES = {
    "macs": "MACs",
    "parameters": english("Parameters"),
    "channels": english("Channels"),
    "ms_b1": english("Time (ms)"),
}
COLUMNS = {  # of the table of layers, whose other names are words
    "ms_b1": english("ms, one image"),
    "ms_b64": english("ms, 64 images"),
    "macs": english("Multiply-adds"),
    "macs_a_byte": english("multiply-adds a byte"),
    "reason_b1": english("why no faster, one image"),
    "reason_b64": english("why no faster, 64 images"),
}
QUIET: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
ROUND = 1000  # from which a measured number is told without decimals, so that a row fits on the page
SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def metrics(found: Compressed, examples: str) -> None:
    """Accuracy, and what the network weighs, after and before."""
    totals = pd.DataFrame({"quantity": []}) if found.scales is None else found.scales.totals()
    first, *others = st.columns(1 + len(METRICS))
    with first:
        accuracy(found, examples)
    for column, (quantity, label, words) in zip(others, METRICS, strict=True):
        rows = totals[totals["quantity"] == quantity].head(1)
        with column:
            if rows.empty:
                st.metric(say(label), "…", help=say(words))
            for row in rows.itertuples():
                change = say("{percent} %", percent=f"{100 * (row.share - 1):+.0f}".replace("-", "−"))
                before = say("{change}, was {before}", change=change, before=short(quantity, row.before))
                st.metric(say(label), short(quantity, row.after), before, help=say(words), **QUIET)


def accuracy(found: Compressed, examples: str) -> None:
    """The accuracy of what is left, with its interval."""
    if found.merits is None:
        st.metric(say("Accuracy"), "…")
        return
    rows = found.merits.frame()
    row = rows.iloc[-1]
    words = say(
        "95 % interval {low} to {high}, over {n:,} test {examples}.",
        low=percent(row["low"]),
        high=percent(row["high"]),
        n=row["n"],
        examples=say(examples),
    )
    before = say("was {before}", before=percent(rows["accuracy"].iloc[0]))
    st.metric(say("Accuracy"), percent(row["accuracy"]), before, help=words, **QUIET)


def short(quantity: str, value: float) -> str:
    """A number as a metric shows it: three digits and a unit."""
    if quantity == "latency":
        return f"{value:.3g} ms" if value >= 1 else f"{1000 * value:.3g} µs"
    bytes_ = "B" if quantity == "file" else ""
    size, letter = next(((size, letter) for size, letter in SIZES if value >= size), (1, ""))
    return f"{value / size:.3g} {letter}{bytes_}".strip()


def layer_bars(found: Compressed) -> None:
    """What is left of each layer that has less than before, or of whatever else is measured."""
    assert found.scales is not None
    look: dict[str, Any] = {"format_func": titles.named(MEASURES), "label_visibility": "collapsed"}
    measure = pickers.pick_option(say("Of each layer"), "measure", list(MEASURES), **look)
    table = found.scales.frame()
    rows = table[["layer", f"{measure}_before", f"{measure}_after"]].set_axis(["layer", "before", "after"], axis=1)
    rows = (
        rows[table["parameters_after"] < table["parameters_before"]].dropna().astype({"before": float, "after": float})
    )
    drawing.draw(charts.before_after_bars(rows[rows["before"] > 0], say(MEASURES[measure])), key="layer bars")
    st.caption(say("The pale bar is the layer before, the bar in it what is left."))


def numbers(point: Checkpoint, found: Compressed) -> None:
    """The tables, and the files."""
    assert found.scales is not None and found.merits is not None
    totals, layers, ways = found.scales.totals(), found.scales.frame(), found.merits.frame()
    name = drawing.plain_name(point.name, "compressed")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(say("Every number"))
        drawing.csv_button(ways, f"{name}_accuracy", say("Accuracy as CSV"))
        drawing.csv_button(totals, f"{name}_scales", say("Scales as CSV"))
        drawing.csv_button(layers, f"{name}_layers", say("Layers as CSV"))
        brought = Brought(removal=of_plan(point.name, found))
        reporting.report_button(point, asked_of(point), brought, "compress")
    ends = {"low": say("95 % from"), "high": say("95 % to")}
    shares = {"flops_reduction": say("FLOPs saved"), "accuracy": say("Accuracy"), **ends}
    changes = {"change": say("Change in points"), **{f"change_{end}": title for end, title in ends.items()}}
    counts = {"macs": st.column_config.NumberColumn(say("Multiply-adds"), format="localized")}
    columns: dict[str, Any] = {"network": say("Network"), **counts, **shares, **changes}
    named = ways[list(columns)].assign(network=ways["network"].map(compressions.in_words))
    alt = say("FLOPs saved and accuracy of each way to prune")
    st.dataframe(drawing.in_words(named, shares, changes), column_config=columns, hide_index=True, alt=alt)
    alt = say("What the network weighs before and after, in total")
    st.dataframe(totals_in_words(totals), hide_index=True, alt=alt)
    st.caption(
        say(
            "Timed on {place} in float32, both networks in turns: medians of {repeats} runs, and their quartiles. "
            "Whatever else this machine does is in the times, and less in after / before, which is taken turn by turn.",
            place=found.scales.timings[0].place,
            repeats=together(each.whole[0].repeats for each in found.scales.timings),
        )
    )
    formats = {column: "{:,.3f}" for column in layers if column.startswith("ms_")} | {"macs_a_byte": "{:.1f}"}
    st.dataframe(
        layers_in_words(found.scales).style.format(formats, thousands=",", na_rep=""),
        column_config={column: in_table(column) for column in layers},
        hide_index=True,
        alt=say("What each layer weighs before and after"),
    )


def together(numbers: Iterable[int]) -> str:
    """Whole numbers in a sentence: "10,000 and 500"."""
    return reduce(lambda one, other: say("{one} and {other}", one=one, other=other), (f"{n:,}" for n in numbers))


def layers_in_words(scales: Scales) -> pd.DataFrame:
    """The table of layers, with the reasons in the page's language."""
    table = scales.frame()
    reasons = {f"reason_b{timing.batch}": why for timing, why in zip(scales.timings, scales.reasons, strict=True)}
    said = {column: [again(why.get(layer, "")) for layer in table["layer"]] for column, why in reasons.items()}
    return table.assign(**said)


def in_table(column: str) -> str:
    """A column's name as people read it."""
    what, _, when = column.rpartition("_")
    if when not in ("before", "after"):
        return drawing.sentence(say(COLUMNS.get(column, column)))
    words = say("{what} before" if when == "before" else "{what} after", what=say(COLUMNS.get(what, what)))
    return drawing.sentence(words)


def totals_in_words(totals: pd.DataFrame) -> pd.DataFrame:
    """What the network weighs, as people read it."""

    def told(value: float, low: float, high: float) -> str:
        if pd.isna(low):
            return f"{value:,.0f}"
        digits = 0 if value >= ROUND else 2 if value >= 1 else 3
        value_in, low_in, high_in = (f"{number:,.{digits}f}" for number in (value, low, high))
        return say("{value} ({low} to {high})", value=value_in, low=low_in, high=high_in)

    rows = []
    for row in totals.itertuples():
        named = say(row.quantity)
        if not pd.isna(row.batch):
            named = say("{quantity}, {n} at once", quantity=named, n=row.batch)
        if row.unit:
            named = say("{quantity} ({unit})", quantity=named, unit=say(row.unit))
        before = told(row.before, row.before_low, row.before_high)
        after = told(row.after, row.after_low, row.after_high)
        share = percent(row.share)
        if not pd.isna(row.share_low):
            low, high = (f"{100 * end:.1f}" for end in (row.share_low, row.share_high))
            share = say("{value} ({low} to {high})", value=share, low=low, high=high)
        rows.append((drawing.sentence(named), before, after, share))
    columns = [say("Quantity"), say("Before"), say("After"), say("After / before")]
    return pd.DataFrame(rows, columns=columns)
