"""Tables of results: what the pages show, and what every CSV holds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from explorer.engine.curves import Band, Sweep
from explorer.engine.scans import Scan
from explorer.networks.intervals import wilson
from explorer.pruning.statistics import ChannelStatistics

AGAINST = ("true", "unpruned")
ACCURACY_COLUMNS = (
    "checkpoint", "checkpoint_sha256", "dataset", "split", "layer", "criterion", "ranked_on", "mode", "seed",
    "k", "channels", "pruned_channel", "n", "correct", "accuracy", "low", "high",
)  # fmt: skip
SCAN_COLUMNS = (
    "checkpoint", "checkpoint_sha256", "dataset", "split", "mode", "layer", "position", "channels", "parameters",
    "n", "correct", "accuracy", "low", "high", "change", "change_low", "change_high", "p_value",
)  # fmt: skip


def accuracy_table(sweep: Sweep) -> pd.DataFrame:
    """One row a K, in ACCURACY_COLUMNS: accuracy 0…1 with its 95 % Wilson interval.

    `pruned_channel` is the channel that this K adds to K − 1, empty at K = 0. Where channels were ranked again after
    each step, two columns more say so: schedule, and gone, how many channels are pruned at this K. As a K may then add
    several channels, `pruned_channel` is empty. Where it was not computed in float32, a column says in which dtype.
    """
    low, high = sweep.intervals
    ks = np.array(sweep.ks)
    added = [None if k == 0 or sweep.gone else int(sweep.order[k - 1]) for k in sweep.ks]
    table = pd.DataFrame({
        "k": ks,
        "channels": sweep.channels,
        "pruned_channel": pd.array(added, dtype="Int64"),
        "n": sweep.done,
        "correct": sweep.correct,
        "accuracy": sweep.accuracy,
        "low": low,
        "high": high,
    })  # fmt: skip
    columns = [*ACCURACY_COLUMNS, *(("schedule", "gone") if sweep.gone else ())]
    columns += ["dtype"] if sweep.run.dtype != "float32" else []
    return table.assign(**vars(sweep.run), gone=sweep.gone)[columns]


def rows_of(curve: Sweep | Band) -> pd.DataFrame:
    """One row a K, as `accuracy_table`; of a band one row a K and seed."""
    sweeps = curve.sweeps if isinstance(curve, Band) else [curve]
    return pd.concat([accuracy_table(each) for each in sweeps], ignore_index=True)


def curve_table(curves: Mapping[str, Sweep | Band]) -> pd.DataFrame:
    """What a chart of several curves draws: criterion (the curve's name), k, channels, accuracy, low and high.

    Of a sweep the interval is that of its accuracy; of a band the accuracy is the mean, and the interval where a
    further order falls.
    """
    return pd.concat([_points(name, curve) for name, curve in curves.items()], ignore_index=True)


def _points(name: str, curve: Sweep | Band) -> pd.DataFrame:
    first = curve.sweeps[0] if isinstance(curve, Band) else curve
    low, high = curve.interval if isinstance(curve, Band) else curve.intervals
    accuracy = curve.mean if isinstance(curve, Band) else curve.accuracy
    columns = {"k": curve.ks, "channels": first.channels, "accuracy": accuracy, "low": low, "high": high}
    return pd.DataFrame({"criterion": name, **columns})


def summary_table(curves: Mapping[str, Sweep | Band], ks: Sequence[int]) -> pd.DataFrame:
    """One row a curve: criterion (its name), accuracy at each of the `ks` ("K = 8", …), area and within (see Sweep).

    Of a band these are means over its orders, and for `within` the median. What a curve does not have is NaN.
    """
    rows = []
    for name, curve in curves.items():
        sweeps = curve.sweeps if isinstance(curve, Band) else (curve,)
        at = {f"K = {k}": np.mean([_accuracy_at(each, k) for each in sweeps]) for k in ks}
        within = np.array([each.within() for each in sweeps], dtype=float)  # None becomes NaN
        rows.append(
            {"criterion": name, **at, "area": np.mean([each.area for each in sweeps]), "within": np.median(within)}
        )
    return pd.DataFrame(rows)


def _accuracy_at(sweep: Sweep, k: int) -> float:
    return float(sweep.accuracy[sweep.index(k)]) if k in sweep.ks else float("nan")


def class_table(sweep: Sweep, k: int) -> pd.DataFrame:
    """Per true class: n, and accuracy with its interval with K = 0 (`before`) and at K = k; change in points."""
    n = sweep.class_totals
    before, after = sweep.class_correct(sweep.ks[0]), sweep.class_correct(k)
    low, high = wilson(after, n)
    with np.errstate(invalid="ignore"):
        shares = before / n, after / n
    return pd.DataFrame({
        "class": sweep.classes,
        "n": n,
        "correct": after,
        "accuracy": shares[1],
        "low": low,
        "high": high,
        "before": shares[0],
        "change": 100 * (shares[1] - shares[0]),
    })  # fmt: skip


def confusion_table(sweep: Sweep, k: int, against: str = "true") -> pd.DataFrame:
    """One row a cell of a confusion matrix: which class the pruned network predicts, against another class.

    That is `against`, the first column: "true" or "unpruned" (predicted at K = 0). The others are predicted (at
    K = k), count, and share: of all in the row of the matrix, 0…1, empty where there are none.
    """
    if against not in AGAINST:
        raise ValueError(f"unknown comparison {against!r}; choose one of: {', '.join(AGAINST)}")
    counts = sweep.confusion(k) if against == "true" else sweep.transitions(k)  # (classes, classes)
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(1, keepdims=True)
    size = len(sweep.classes)
    return pd.DataFrame({
        against: np.repeat(sweep.classes, size),
        "predicted": np.tile(sweep.classes, size),
        "count": counts.ravel(),
        "share": shares.ravel(),
    })  # fmt: skip


def identified(table: pd.DataFrame, sweep: Sweep, k: int) -> pd.DataFrame:
    """A table about K = k with columns in front that say what it is of: those of `Run`, then k, gone and channels."""
    run = pd.DataFrame({**vars(sweep.run), "k": k, "gone": sweep.gone_at(k), "channels": sweep.channels}, table.index)
    return pd.concat([run, table], axis=1)


def flip_table(sweep: Sweep, k: int) -> pd.DataFrame:
    """The images whose prediction pruning K = k channels made wrong (`broken`) or right (`repaired`).

    Columns: image (index in the split), label, before, after (class names), flip.
    """
    broken, repaired = sweep.flipped(k)
    images = np.concatenate([broken, repaired])
    names = np.array(sweep.classes)
    return pd.DataFrame({
        "image": images,
        "label": names[sweep.labels[images]],
        "before": names[sweep.predictions[0, images]],
        "after": names[sweep.predictions[sweep.index(k), images]],
        "flip": ["broken"] * len(broken) + ["repaired"] * len(repaired),
    })  # fmt: skip


def scan_table(scan: Scan) -> pd.DataFrame:
    """One row a layer in network order, in SCAN_COLUMNS; before them the unpruned network, without a layer's name.

    `position` counts all convolutions of the network from 1 in the order they run, and is 0 for the unpruned network.
    Accuracy 0…1 with its 95 % Wilson interval; `change` of accuracy against the unpruned network in points, with the
    95 % interval of Agresti and Min and McNemar's p-value.
    """
    correct = np.array([scan.correct_before, *scan.correct])
    low, high = wilson(correct, scan.done)
    change_low, change_high = scan.change_intervals
    table = pd.DataFrame({
        "layer": [None, *scan.names],
        "position": [0, *(layer.position for layer in scan.layers)],
        "channels": [0, *(layer.channels for layer in scan.layers)],
        "parameters": [0, *(layer.parameters for layer in scan.layers)],
        "n": scan.done,
        "correct": correct,
        "accuracy": correct / scan.done,
        "low": low,
        "high": high,
        "change": [0.0, *scan.change],
        "change_low": [0.0, *change_low],
        "change_high": [0.0, *change_high],
        "p_value": [1.0, *scan.p_values],
    })  # fmt: skip
    run = {name: getattr(scan.run, name) for name in SCAN_COLUMNS[:5]}
    return table.assign(**run)[list(SCAN_COLUMNS)]


def statistics_table(statistics: ChannelStatistics) -> pd.DataFrame:
    """One row a channel: mean, std, minimum, maximum, mean_absolute, mean_positive, and positive (a share, 0…1)."""
    names = ("mean", "std", "minimum", "maximum", "mean_absolute", "mean_positive", "positive")
    columns = {name: getattr(statistics, name) for name in names}
    return pd.DataFrame({"channel": np.arange(len(statistics.mean)), **columns})
