"""Tables that pages make of results: several curves side by side, summaries, classes, confusion."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import numpy as np
import pandas as pd

from explorer.engine.curves import Band, Sweep
from explorer.language.saying import listed, say
from explorer.networks.intervals import wilson

AGAINST = ("true", "unpruned")


def curve_table(curves: Mapping[str, Sweep | Band]) -> pd.DataFrame:
    """What a chart of several curves draws: criterion (the curve's name), k, channels, accuracy, low and high.

    Of a sweep the interval is that of its accuracy; of a band the accuracy is the mean, and the interval where a
    further order falls.
    """
    return pd.concat([_named(name, curve.points()) for name, curve in curves.items()], ignore_index=True)


def rows_of(curves: Iterable[Sweep | Band]) -> pd.DataFrame:
    """The rows of several curves, each of which says how it was made: one row a K, and of a band one a K and seed.

    Where one of them was ranked again after each step, or computed in another type than float32, the columns that tell
    of it are filled for all.
    """
    rows = pd.concat([curve.frame() for curve in curves], ignore_index=True)
    if "schedule" in rows:
        rows["schedule"] = rows["schedule"].fillna("once")
        rows["gone"] = rows["gone"].fillna(rows["k"]).astype(int)
    if "dtype" in rows:
        rows["dtype"] = rows["dtype"].fillna("float32")
    return rows


def _named(name: str, points: pd.DataFrame) -> pd.DataFrame:
    points.insert(0, "criterion", name)
    return points


def summary_table(curves: Mapping[str, Sweep | Band], ks: Sequence[int]) -> pd.DataFrame:
    """One row a curve: criterion (its name), accuracy at each of the `ks` ("K = 8", …), area and cliff (see Sweep).

    Of a band these are means over its orders, and for `cliff` the median. What a curve does not have is NaN.
    """
    rows = []
    for name, curve in curves.items():
        sweeps = curve.sweeps if isinstance(curve, Band) else (curve,)
        at = {f"K = {k}": np.mean([_accuracy_at(each, k) for each in sweeps]) for k in ks}
        cliffs = [each.cliff() if each.ks[0] == 0 else float("nan") for each in sweeps]
        rows.append(
            {"criterion": name, **at, "area": np.mean([each.area for each in sweeps]), "cliff": np.median(cliffs)}
        )
    return pd.DataFrame(rows)


def _accuracy_at(sweep: Sweep, k: int) -> float:
    return float(sweep.accuracy[sweep.index(k)]) if k in sweep.ks else float("nan")


def usual_table(curves: Mapping[str, Sweep | Band]) -> pd.DataFrame:
    """What one asks of a curve first, one row a curve: answer (its name), channels, n, and its usual figures.

    Those are its accuracy at the smallest K (`unpruned`, with its interval from `low` to `high`), `cliff`, the steepest
    drop `steepest_from` one K `steepest_to` another (empty where accuracy never falls), and `area`: see Sweep. Of a
    band, `cliff` is the median of its orders, `area` their mean, and each has a steepest drop of its own, so that there
    is none.
    """
    rows = []
    for name, curve in curves.items():
        sweeps = curve.sweeps if isinstance(curve, Band) else (curve,)
        first = sweeps[0]
        low, high = first.intervals
        start, end = (first.steepest() if len(sweeps) == 1 else None) or (None, None)
        rows.append({
            "answer": name,
            "channels": curve.channels,
            "n": curve.done,
            "unpruned": first.accuracy[0],
            "low": low[0],
            "high": high[0],
            "cliff": median(each.cliff() for each in sweeps),
            "steepest_from": start,
            "steepest_to": end,
            "area": np.mean([each.area for each in sweeps]),
        })  # fmt: skip
    return pd.DataFrame(rows).astype({"steepest_from": "Int64", "steepest_to": "Int64"})


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
        raise ValueError(
            say(
                "unknown comparison {against!r}; choose one of: {known}",
                against=against,
                known=listed(AGAINST),
            )
        )
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
