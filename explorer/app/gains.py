"""What compressing gained: accuracy, and what the network weighs before and after, as metrics, bars and tables."""

from typing import Any

import pandas as pd
import streamlit as st

from explorer.answers.compressing import Compressed
from explorer.app import drawing, pickers, reporting
from explorer.networks.checkpoints import Checkpoint
from explorer.reports.asked import asked_of
from explorer.reports.brought import Brought
from explorer.reports.removing import of_plan
from explorer.show import charts
from explorer.show.words import percent

METRICS = (
    ("parameters", "Parameters", "Weights and biases."),
    ("MACs", "Multiply-adds", "For one image; each is two FLOPs."),
    ("file", "File", "As safetensors, in float32."),
    ("latency", "Time for one image", "The median of runs that both networks take in turns, on this machine."),
)
MEASURES = {"macs": "MACs", "parameters": "Parameters", "channels": "Channels", "ms_b1": "Time (ms)"}
QUIET: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
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
                st.metric(label, "…", help=words)
            for row in rows.itertuples():
                change = f"{100 * (row.share - 1):+.0f} %".replace("-", "−")
                before = f"{change}, was {short(quantity, row.before)}"
                st.metric(label, short(quantity, row.after), before, help=words, **QUIET)


def accuracy(found: Compressed, examples: str) -> None:
    """The accuracy of what is left, with its interval."""
    if found.merits is None:
        st.metric("Accuracy", "…")
        return
    rows = found.merits.frame()
    row = rows.iloc[-1]
    words = f"95 % interval {percent(row['low'])} to {percent(row['high'])}, over {row['n']:,} test {examples}."
    st.metric("Accuracy", percent(row["accuracy"]), f"was {percent(rows['accuracy'].iloc[0])}", help=words, **QUIET)


def short(quantity: str, value: float) -> str:
    """A number as a metric shows it: three digits and a unit."""
    if quantity == "latency":
        return f"{value:.3g} ms"
    unit = "B" if quantity == "file" else ""
    size, letter = next(((size, letter) for size, letter in SIZES if value >= size), (1, ""))
    return f"{value / size:.3g} {letter}{unit}".strip()


def layer_bars(found: Compressed) -> None:
    """What is left of each layer that has less than before, or of whatever else is measured."""
    assert found.scales is not None
    measure = pickers.pick_option(
        "Of each layer", "measure", list(MEASURES), format_func=MEASURES.get, label_visibility="collapsed"
    )
    table = found.scales.frame()
    rows = table[["layer", f"{measure}_before", f"{measure}_after"]].set_axis(["layer", "before", "after"], axis=1)
    rows = (
        rows[table["parameters_after"] < table["parameters_before"]].dropna().astype({"before": float, "after": float})
    )
    drawing.draw(charts.before_after_bars(rows[rows["before"] > 0], MEASURES[measure]), key="layer bars")
    st.caption("The pale bar is the layer before, the bar in it what is left.")


def numbers(point: Checkpoint, found: Compressed) -> None:
    """The tables, and the files."""
    assert found.scales is not None and found.merits is not None
    totals, layers, ways = found.scales.totals(), found.scales.frame(), found.merits.frame()
    name = drawing.plain_name(point.name, "compressed")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Every number")
        for label, table in (("Accuracy", ways), ("Scales", totals), ("Layers", layers)):
            drawing.csv_button(table, f"{name}_{label.lower()}", f"{label} as CSV")
        brought = Brought(removal=of_plan(point.name, found))
        reporting.report_button(point, asked_of(point), brought, "compress")
    shares = {"flops_reduction": "FLOPs saved", "accuracy": "Accuracy", "low": "95 % from", "high": "95 % to"}
    changes = {"change": "Change in points", "change_low": "95 % from", "change_high": "95 % to"}
    counts = {"macs": st.column_config.NumberColumn("Multiply-adds", format="localized")}
    columns: dict[str, Any] = {"network": "Network", **counts, **shares, **changes}
    table = drawing.in_words(ways[list(columns)], shares, changes)
    st.dataframe(table, column_config=columns, hide_index=True, alt="FLOPs saved and accuracy of each way to prune")
    st.dataframe(totals_in_words(totals), hide_index=True, alt="What the network weighs before and after, in total")
    timing = found.scales.timings[0]
    repeats = " and ".join(f"{each.whole[0].repeats:,}" for each in found.scales.timings)
    st.caption(
        f"Timed on {timing.place} in float32, both networks in turns: medians of {repeats} runs, and their quartiles. "
        "Whatever else this machine does meanwhile is in them."
    )
    names = {column: in_table(column) for column in layers}
    formats = {column: "{:,.3f}" for column in layers if column.startswith("ms_")} | {"macs_a_byte": "{:.1f}"}
    st.dataframe(
        layers.style.format(formats, thousands=",", na_rep=""),
        column_config=names, hide_index=True, alt="What each layer weighs before and after",
    )  # fmt: skip


def in_table(column: str) -> str:
    """A column's name as people read it."""
    words = {
        "ms_b1": "ms, one image",
        "ms_b64": "ms, 64 images",
        "macs": "multiply-adds",
        "reason_b1": "why no faster, one image",
    }
    words |= {"reason_b64": "why no faster, 64 images", "macs_a_byte": "multiply-adds a byte"}
    if column in words:
        return drawing.sentence(words[column])
    what, _, when = column.rpartition("_")
    return drawing.sentence(f"{words.get(what, what)} {when}".strip())


def totals_in_words(totals: pd.DataFrame) -> pd.DataFrame:
    """What the network weighs, as people read it."""

    def told(value: float, low: float, high: float, unit: str) -> str:
        if pd.isna(low):
            return f"{value:,.0f} {unit}".strip()
        return f"{value:,.2f} {unit} ({low:,.2f} to {high:,.2f})"

    rows = []
    for row in totals.itertuples():
        batch = "" if pd.isna(row.batch) else f", {row.batch} at once"
        before = told(row.before, row.before_low, row.before_high, row.unit)
        after = told(row.after, row.after_low, row.after_high, row.unit)
        rows.append((drawing.sentence(f"{row.quantity}{batch}"), before, after, percent(row.share)))
    return pd.DataFrame(rows, columns=["Quantity", "Before", "After", "After / before"])
