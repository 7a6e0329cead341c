"""A network and its narrowed form on the scales: what each weighs and how long it takes, per layer and in total."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from torch import nn

from explorer.compression.counting import FLOPS_A_MAC, Count, LayerCount, count
from explorer.compression.plans import MULTIPLE
from explorer.compression.timing import BATCHES, Machine, Spread, Timing, measure_machine, time_networks, time_wider
from explorer.images.batches import Inputs
from explorer.language.saying import say

NO_FASTER = 1.25  # a layer whose time shrinks so many times less than its MACs needs a reason
SMALL = 2.0  # times the smallest call: a layer that takes less is all calling
BUSY = 0.5  # of the bandwidth: a layer that moves its bytes faster waits for memory
Quartiles = tuple[float, float | None, float | None]  # the median, and both of them; of what is counted, itself alone


@dataclass(frozen=True)
class Scales:
    """Two networks weighed. `reasons` says why, by batch size and layer, where time does not follow MACs."""

    before: Count
    after: Count
    timings: tuple[Timing, ...] = ()
    reasons: tuple[dict[str, str], ...] = ()  # one by layer for each timing
    total: int = len(BATCHES) + 1  # steps to weigh everything

    @property
    def done(self) -> int:
        """How many of the steps are done."""
        return 1 + len(self.timings)

    def totals(self) -> pd.DataFrame:
        """One row a quantity: before, after and after / before; of what is timed, the quartiles, too.

        The share of a time is the median of those of single turns: what slows both networks of a turn is not in it.
        Columns: quantity, unit, batch, and before, after and share, each with _low and _high.
        """
        rows = [_row(*each) for each in self._counted()]
        for timing in self.timings:
            first, second = timing.whole
            share = _quartiles(timing.ratios[1])
            rows.append(_row("latency", "ms", _milliseconds(first), _milliseconds(second), share, timing.batch))
            rates, gain = (_rate(first, timing), _rate(second, timing)), _inverse(share)
            rows.append(_row("throughput", "examples/s", *rates, gain, timing.batch))
        return pd.DataFrame(rows).astype({"batch": "Int64"})

    def frame(self) -> pd.DataFrame:
        """One row a layer: its width, parameters and MACs before and after, milliseconds a batch, and the reasons.

        Columns: layer, kind, channels_before … macs_after, macs_a_byte (of the narrowed layer, for one example), and
        for each batch size B ms_bB_before, ms_bB_after and reason_bB.
        """
        after = {each.layer: each for each in self.after.layers}
        rows = []
        for old in self.before.layers:
            new = after[old.layer]
            row: dict[str, object] = {"layer": old.layer, "kind": old.kind}
            for name in ("channels", "parameters", "macs"):
                row |= {f"{name}_before": getattr(old, name), f"{name}_after": getattr(new, name)}
            row["macs_a_byte"] = new.macs / new.traffic if new.traffic else 0.0
            for timing, reasons in zip(self.timings, self.reasons, strict=True):
                first, second = timing.layers
                row[f"ms_b{timing.batch}_before"] = 1000 * first[old.layer]
                row[f"ms_b{timing.batch}_after"] = 1000 * second[old.layer]
                row[f"reason_b{timing.batch}"] = reasons.get(old.layer, "")
            rows.append(row)
        return pd.DataFrame(rows).astype({"channels_before": "Int64", "channels_after": "Int64"})

    def _counted(self) -> list[tuple[str, str, Quartiles, Quartiles, Quartiles]]:
        first, second = self.before, self.after
        counted = [
            ("parameters", "", first.parameters, second.parameters),
            ("MACs", "multiply-adds", first.macs, second.macs),
            ("FLOPs", "operations", FLOPS_A_MAC * first.macs, FLOPS_A_MAC * second.macs),
            ("file", "bytes", first.file_bytes, second.file_bytes),
            ("peak activations", "bytes", first.peak_bytes, second.peak_bytes),
        ]
        return [
            (quantity, unit, _exact(old), _exact(new), _exact(new / old if old else float("nan")))
            for quantity, unit, old, new in counted
        ]


def weigh(before: nn.Module, after: nn.Module, example: Inputs, device: str = "cpu") -> Iterator[Scales]:
    """Weigh two networks of the same layers, and time them in turns: what is counted first, then each batch size."""
    scales = Scales(count(before, example), count(after, example))
    yield scales
    machine = measure_machine(device)
    for batch in BATCHES:
        timing = time_networks((before, after), example, batch, device)
        reasons = _reasons(scales, timing, machine, after)
        scales = Scales(scales.before, scales.after, (*scales.timings, timing), (*scales.reasons, reasons))
        yield scales


def _exact(value: float) -> Quartiles:
    return value, None, None


def _quartiles(spread: Spread, times: float = 1) -> Quartiles:
    return times * spread.median, times * spread.low, times * spread.high


def _milliseconds(spread: Spread) -> Quartiles:
    return _quartiles(spread, 1000)


def _rate(spread: Spread, timing: Timing) -> Quartiles:
    """Examples a second."""
    return _inverse(_quartiles(spread, 1 / timing.batch))


def _inverse(quartiles: Quartiles) -> Quartiles:
    middle, low, high = quartiles
    assert low and high
    return 1 / middle, 1 / high, 1 / low


def _row(
    quantity: str, unit: str, before: Quartiles, after: Quartiles, share: Quartiles, batch: int | None = None
) -> dict[str, object]:
    row: dict[str, object] = {"quantity": quantity, "unit": unit, "batch": batch}
    for name, value in (("before", before), ("after", after), ("share", share)):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), value, strict=True))
    return row


def _reasons(scales: Scales, timing: Timing, machine: Machine, after: nn.Module) -> dict[str, str]:
    """Why a layer whose MACs shrank is not as much faster, by layer, from what was measured."""
    first, second = timing.layers
    old = {each.layer: each for each in scales.before.layers}
    return {
        new.layer: _reason(new, second[new.layer], timing, machine, after)
        for new in scales.after.layers
        if new.macs < old[new.layer].macs
        and second[new.layer] / first[new.layer] > NO_FASTER * new.macs / old[new.layer].macs
    }


def _reason(layer: LayerCount, seconds: float, timing: Timing, machine: Machine, after: nn.Module) -> str:
    if seconds < SMALL * machine.call:
        return say(
            "calling any layer takes {call:.0f} µs, and this one {taken:.0f}",
            call=1e6 * machine.call,
            taken=1e6 * seconds,
        )
    speed = timing.batch * layer.traffic / seconds
    if speed > BUSY * machine.bandwidth:
        return say(
            "it waits for data: {each:.2g} multiply-adds a byte, {speed:.1f} GB/s, where copying a large tensor moves "
            "{copying:.1f}",
            each=layer.macs / layer.traffic,
            speed=speed / 1e9,
            copying=machine.bandwidth / 1e9,
        )
    conv = after.get_submodule(layer.layer)
    if isinstance(conv, nn.Conv2d) and _is_odd(conv) and timing.device == "CPU":
        as_is, rounded = time_wider(conv, layer.reads, timing.batch)
        if rounded <= as_is:
            return say(
                "{reads} → {writes} channels take as long as the next multiples of {multiple}",
                reads=conv.in_channels,
                writes=conv.out_channels,
                multiple=MULTIPLE,
            )
    return say("none of the reasons looked for: calls, memory, widths")


def _is_odd(conv: nn.Conv2d) -> bool:
    """Whether it is a plain convolution with a width that is no multiple of 8."""
    return conv.groups == 1 and any(width % MULTIPLE for width in (conv.in_channels, conv.out_channels))
