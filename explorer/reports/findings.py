"""The analysis: what was measured, each fact with its numbers, before it is put into any language's words.

A finding's name says which sentence of the texts it takes: where a number may lie on either side of something, such as
a cost that may be a gain, each side has a sentence of its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.engine.curves import CLIFF_POINTS, Band, Sweep, difference
from explorer.engine.oracle import ORACLES
from explorer.engine.pairs import alike, first_images
from explorer.engine.tables import class_table
from explorer.networks.intervals import change_interval
from explorer.reports.facts import RANDOM, Facts


@dataclass(frozen=True)
class Finding:
    """One measured fact: the key of its sentence, that of the question behind it, and what stands in both."""

    sentence: str
    question: str
    values: dict[str, Any]


def findings(facts: Facts) -> list[Finding]:
    """Everything measured that is worth a thought, in the order of the report."""
    return [found for look in LOOKS for found in look(facts)]


# Accuracy against K


def cost_at(curve: Sweep, k: int) -> dict[str, Any]:
    """How accuracy changes from the smallest K to k, in points, with its paired 95 % interval, as lost and as won."""
    broken, repaired = map(len, curve.flipped(k))
    low, high = (100 * float(end) for end in change_interval(np.array(broken), np.array(repaired), curve.done))
    change = curve.change(k)
    return {
        "k": k,
        "channels": curve.channels,
        "gone": curve.gone_at(k),
        "accuracy": float(curve.accuracy[curve.index(k)]),
        "before": float(curve.accuracy[0]),
        "cost": -change + 0.0,
        "cost_low": -high,
        "cost_high": -low,
        "gain": change,
        "gain_low": low,
        "gain_high": high,
        "broken": broken,
        "repaired": repaired,
        "n": curve.done,
        "p_value": curve.mcnemar(k),
    }


def _costs(facts: Facts) -> Iterator[Finding]:
    """What the chosen K costs, and half of the channels, where that is another K."""
    curve = facts.curve
    if curve.changes_nothing:
        yield Finding("nothing", "nothing", {"n": curve.done, "last": curve.ks[-1], "channels": curve.channels})
        return
    half = curve.nearest(curve.channels // 2)
    for k in dict.fromkeys(k for k in (half, facts.k) if k != curve.ks[0]):
        values = cost_at(curve, k)
        is_half = 2 * k == curve.channels
        yield Finding(("half_" if is_half else "") + _side(values["gain"], "gain", "cost", "even"), "cost", values)
    if facts.k != curve.ks[0]:
        yield Finding("flips", "flips", cost_at(curve, facts.k))


def _side(value: float, above: str, below: str, none: str) -> str:
    return above if value > 0 else below if value < 0 else none


def _cliff(facts: Facts) -> Iterator[Finding]:
    """Up to which K accuracy stays within a point, and what the next K costs."""
    curve = facts.curve
    if curve.changes_nothing or len(curve.ks) < 2:
        return
    cliff = curve.cliff()
    values: dict[str, Any] = {"k": cliff, "points": CLIFF_POINTS, "channels": curve.channels}
    if cliff == curve.ks[-1]:
        yield Finding("no_cliff", "cliff", values)
        return
    after = curve.ks[curve.index(cliff) + 1]
    values |= {"next": after, "cost": -curve.change(after)}
    yield Finding("cliff_at_once" if cliff == curve.ks[0] else "cliff", "cliff", values)


def _steepest(facts: Facts) -> Iterator[Finding]:
    curve = facts.curve
    if curve.changes_nothing or len(curve.ks) < 2:
        return
    steep = curve.steepest()
    if steep is None:
        yield Finding("never_falls", "steepest", {"first": curve.ks[0], "last": curve.ks[-1]})
        return
    start, end = steep
    values = {"start": start, "end": end, "cost": curve.change(start) - curve.change(end)}
    yield Finding("steepest", "steepest", values)


def _end(facts: Facts) -> Iterator[Finding]:
    """What is left at the last K, against always naming the largest class."""
    curve = facts.curve
    guess, last = float(curve.class_totals.max() / curve.done), curve.ks[-1]
    low, high = (float(ends[-1]) for ends in curve.intervals)
    values = {"k": last, "gone": curve.gone_at(last), "channels": curve.channels, "guess": guess}
    values |= {"accuracy": float(curve.accuracy[-1]), "low": low, "high": high}
    yield Finding(_end_name(low, high, guess), "end", values)


def _end_name(low: float, high: float, guess: float) -> str:
    return "end_above" if low > guess else "end_below" if high < guess else "end_guessing"


# Other ways to rank and to prune


def _ways(facts: Facts) -> Iterator[Finding]:
    """How each other way of the lab differs from the first, at the K that both have."""
    if len(facts.ways) < 2:
        return
    (assigned, base), *others = facts.ways.items()
    for title, way in others:
        one, other = alike(way, base)
        apart = difference(one, other)
        values = {"way": title, "assigned": assigned, "mean": abs(apart.mean), "largest": abs(apart.largest)}
        values |= {"k": apart.k, "n": one.done}
        name = "way_same" if apart.largest == 0 else _side(apart.largest, "way_higher", "way_lower", "")
        yield Finding(name, "ways", values | {"mean_side": apart.mean, "largest_side": apart.largest})


def _band(facts: Facts) -> Iterator[Finding]:
    """Whether the ranking beats random orders, at the K of theirs nearest to the chosen one."""
    band = facts.compared.get(RANDOM)
    ks = [k for k in band.ks if k in facts.curve.ks and 0 < k < facts.curve.channels] if band else []
    if not isinstance(band, Band) or not ks or facts.experiment.criterion == RANDOM:
        return
    k = min(ks, key=lambda one: abs(one - facts.k))
    curve = first_images(facts.curve, min(band.done, facts.curve.done))
    row = band.ks.index(k)
    low, high = (float(ends[row]) for ends in band.interval)
    accuracy = float(curve.accuracy[curve.index(k)])
    values = {"k": k, "criterion": facts.experiment.criterion, "accuracy": accuracy, "mean": float(band.mean[row])}
    values |= {"low": low, "high": high, "orders": len(band.sweeps), "n": curve.done}
    yield Finding(
        "band_above" if accuracy > high else "band_below" if accuracy < low else "band_within", "band", values
    )


def _oracle(facts: Facts) -> Iterator[Finding]:
    """How far the ranking is from the greedy oracle, at the chosen K or the nearest that both have."""
    name = next((name for name in ORACLES if isinstance(facts.compared.get(name), Sweep)), None)
    if name is None or facts.experiment.criterion in ORACLES:
        return
    found = facts.compared[name]
    assert isinstance(found, Sweep)
    oracle, curve = alike(found, facts.curve)
    k = min(set(oracle.ks) & set(curve.ks), key=lambda one: (abs(one - facts.k), one))
    one, other = (float(each.accuracy[each.index(k)]) for each in (oracle, curve))
    values: dict[str, Any] = {"k": k, "oracle": one, "accuracy": other, "gap": 100 * abs(one - other), "n": curve.done}
    values |= {"criterion": facts.experiment.criterion}
    yield Finding(_side(one - other, "oracle_higher", "oracle_lower", "oracle_same"), "oracle", values)


# Channels, classes, layers, training


def _means(facts: Facts) -> Iterator[Finding]:
    """The lowest and the highest channel mean, and how many lie below zero."""
    if facts.statistics is None:
        return
    mean = facts.statistics.mean
    low, high = int(mean.argmin()), int(mean.argmax())
    values: dict[str, Any] = {
        "lowest": float(mean[low]),
        "low_channel": low,
        "highest": float(mean[high]),
        "high_channel": high,
    }
    yield Finding("means", "means", values | {"negative": int((mean < 0).sum()), "channels": len(mean)})


def _classes(facts: Facts) -> Iterator[Finding]:
    """The class that loses most at the chosen K, and the one that loses least."""
    curve = facts.curve
    if facts.k == curve.ks[0] or curve.changes_nothing:
        return
    table = class_table(curve, facts.k).dropna(subset=["change"])
    worst, best = table.loc[table["change"].idxmin()], table.loc[table["change"].idxmax()]
    values = {"k": facts.k, "worst": str(worst["class"]), "best": str(best["class"])}
    values |= {"cost": -float(worst["change"]), "least": -float(best["change"]), "gain": float(best["change"])}
    if worst["change"] == best["change"]:
        yield Finding("classes_even", "classes", values)
    elif worst["change"] >= 0:
        yield Finding("classes_gain", "classes", values)
    else:
        yield Finding("classes_both" if best["change"] > 0 else "classes_lose", "classes", values)


def _layers(facts: Facts) -> Iterator[Finding]:
    """The layers whose pruning costs least and most."""
    if facts.scan is None or len(facts.scan.layers) < 2:
        return
    change, names = facts.scan.change, facts.scan.names
    least, most = int(change.argmax()), int(change.argmin())
    values: dict[str, Any] = {"least": names[least], "little": -float(change[least]), "most": names[most]}
    even = change[least] == change[most]
    yield Finding("layers_even" if even else "layers", "layers", values | {"much": -float(change[most])})


def _removal(facts: Facts) -> Iterator[Finding]:
    """How much less is computed without the channels that were removed, and how much less time that takes."""
    if facts.removal is None:
        return
    totals = facts.removal.totals
    macs = float(totals.loc[totals["quantity"] == "MACs", "share"].iloc[0])
    time = float(totals.loc[totals["quantity"] == "latency", "share"].iloc[0])
    change = float(facts.removal.stages["change"].iloc[-1])
    values = {"macs": macs, "time": time, "change": change, "cost": -change}
    yield Finding(_side(change, "removal_gain", "removal_cost", "removal_even"), "removal", values)


def _training(facts: Facts) -> Iterator[Finding]:
    """How much better the network knows the images it learned from."""
    scores = facts.card.accuracy
    if "train" in scores:
        train, test = scores["train"].accuracy, scores["test"].accuracy
        values = {"train": train, "test": test, "gap": 100 * (train - test), "less": 100 * (test - train)}
        yield Finding(_side(train - test, "gap", "no_gap", "no_gap"), "gap", values)


def _ranking(facts: Facts) -> Iterator[Finding]:
    """Whether the channels were chosen on the very images that accuracy was measured on."""
    if facts.curve.run.ranked_on == facts.curve.run.split:
        yield Finding("ranked_on_test", "ranked_on_test", {"n": facts.curve.done})


LOOKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _training, _means, _costs, _cliff, _steepest, _end, _classes, _ways, _band, _oracle, _layers, _removal, _ranking,
)  # fmt: skip
