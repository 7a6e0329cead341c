"""What charts share: a specification with its rows, looks, axes and scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa

from explorer.language.saying import english, say

KEPT, PRUNED = english("kept"), english("pruned")  # in tables and files; a chart says them
STAR = "M0,-1L.235,-.324L.951,-.309L.38,.124L.588,.809L0,.4L-.588,.809L-.38,.124L-.951,-.309L-.235,-.324Z"
SALTIRE = "M-.7,-1L0,-.3L.7,-1L1,-.7L.3,0L1,.7L.7,1L0,.3L-.7,1L-1,.7L-.3,0L-1,-.7Z"


# As many as the theme has colours, so that no two of nine curves look alike in anything; the tenth has its own shape
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4], [2, 6], [16, 3, 4, 3], [6, 8])
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left", STAR,
    SALTIRE,
)  # fmt: skip

LOOK = alt.Config(
    axis=alt.AxisConfig(labelFontSize=15, titleFontSize=16, titlePadding=10),
    legend=alt.LegendConfig(labelFontSize=16, titleFontSize=16),
).to_dict()

MANY = 64  # above this many channels, points and labels would run together


@dataclass(frozen=True, eq=False)
class Chart:
    """A Vega-Lite specification without data, the rows it draws by name, and its message in words.

    The specification is built by Altair once and shared: what changes from one K to the next is only the rows.
    """

    spec: dict[str, Any]
    data: dict[str, pd.DataFrame]
    words: str

    @cached_property
    def arrow(self) -> dict[str, bytes]:
        """The rows by name as Arrow streams, which a browser reads: packed once, whoever looks at the chart."""
        return {name: _packed(rows) for name, rows in self.data.items()}

    def altair(self) -> alt.LayerChart | alt.VConcatChart | alt.FacetChart:
        """The same chart as an Altair object with its data inside, for a notebook or a file."""
        datasets = {name: rows.to_dict("records") for name, rows in self.data.items()}
        if "facet" in self.spec:
            return alt.FacetChart.from_dict({**self.spec, "datasets": datasets})
        kind = alt.VConcatChart if "vconcat" in self.spec else alt.LayerChart
        return kind.from_dict({**self.spec, "datasets": datasets})


def _packed(rows: pd.DataFrame) -> bytes:
    table, stream = pa.Table.from_pandas(rows, preserve_index=False), pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue().to_pybytes()


def in_turn(looks: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """A look for each name, from the first again where there are more names than looks."""
    return [looks[i % len(looks)] for i in range(len(names))]


def check_axis(axis: str) -> None:
    """ValueError unless `axis` is a key of AXES."""
    if axis not in AXES:
        raise ValueError(f"unknown axis {axis!r}; choose one of: {', '.join(AXES)}")


# Shared pieces


AXES = {"k": english("Channels pruned (K)"), "ratio": english("Share of the channels pruned")}


# The theme's first or second colour for a whole mark, without a legend
TONE = alt.Color("tone:N", scale=alt.Scale(domain=[0, 1]), legend=None)
UNIT = alt.Scale(domain=[0, 1], nice=False)
PERCENT = alt.Axis(format=".0%", tickCount=6)


def stated(states: pd.Series) -> pd.Series:
    """What channels are, KEPT or PRUNED, in the language of whoever looks."""
    return states.map({state: say(state) for state in (KEPT, PRUNED)})


def interval_tips() -> list[alt.Tooltip]:
    """What a tooltip says of the interval in which an accuracy lies."""
    return [
        alt.Tooltip("low:Q", title=say("95 % from"), format=".2%"),
        alt.Tooltip("high:Q", title=say("95 % to"), format=".2%"),
    ]


def curve_tips() -> list[alt.Tooltip]:
    """What a tooltip says of a point of one of several curves."""
    return [
        alt.Tooltip("criterion:N", title=say("Ranked by")),
        alt.Tooltip("k:Q", title=say("Channels pruned")),
        alt.Tooltip("ratio:Q", title=say("Share pruned"), format=".1%"),
        alt.Tooltip("accuracy:Q", title=say("Accuracy"), format=".2%"),
        *interval_tips(),
    ]


def layered(*layers: Any, height: int) -> dict[str, Any]:
    """The layers as one Vega-Lite specification."""
    if any(isinstance(layer, alt.LayerChart) for layer in layers):  # curves by name have colours of their own
        return spec_of(alt.layer(*layers, height=height, resolve=apart("color", "shape", "strokeDash")))
    return spec_of(alt.layer(*layers, height=height))


def apart(*channels: str) -> alt.Resolve:
    """That each layer has a scale of its own for these channels.

    It is for a chart's making: whatever is set afterwards, by `resolve_scale` and the like, copies the whole chart.
    """
    each: dict[str, Any] = dict.fromkeys(channels, "independent")
    return alt.Resolve(scale=alt.ScaleResolveMap(**each))


def spec_of(chart: Any) -> dict[str, Any]:
    """A chart's Vega-Lite specification, with text large enough for a projector; tests check it against the schema."""
    spec = chart.to_dict(validate=False)
    return {**spec, "config": {**spec["config"], **LOOK}}


def whole_numbers(highest: int) -> alt.Axis:
    """An axis of whole numbers over a range of `highest`."""
    return alt.Axis(format="d", tickMinStep=1, tickCount=min(17, highest + 1), grid=False)


STEPS = (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000)
MOST_STEPS = 12  # on an axis


def ticks(low: int, high: int) -> list[int]:
    """Whole numbers for an axis from `low` to `high`: both ends, and between them a round step.

    The last step is shorter or longer where no round one fits.
    """
    few = [step for step in STEPS if step * MOST_STEPS >= high - low] or [high - low]
    even = [step for step in few if (high - low) % step == 0 and step <= 2 * few[0]]
    step = even[0] if even else few[0]
    return [*(tick for tick in range(low, high, step) if 2 * (high - tick) > step), high]


def extent(low: float, high: float) -> alt.Scale:
    """A scale from the lowest to the highest value, padded so that no point is cut."""
    return alt.Scale(domain=[low, high], nice=False, padding=12)
