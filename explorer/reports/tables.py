"""The tables of a report as they lie beside it, tidy, one a CSV file; and which rows of long ones it shows."""

from dataclasses import asdict

import pandas as pd

from explorer.engine import tables
from explorer.engine.curves import Band, Sweep
from explorer.reports.facts import RANDOM, Facts

MOST_ROWS = 40  # of a table in the report; its CSV file has all


def tables_of(facts: Facts) -> dict[str, pd.DataFrame]:
    """By name, every table that the report's numbers stand in, whole; what the facts lack has none."""
    found = {
        "accuracy": facts.curve.frame().assign(change=[facts.curve.change(k) for k in facts.curve.ks]),
        "channels": facts.channels,
        "classes": tables.class_table(facts.curve, facts.k).assign(k=facts.k),
        "changed": facts.changed,
    }
    ways = {title: way for title, way in facts.ways.items() if len(facts.ways) > 1}
    if ways:
        found["ways"] = _named(ways, "way")
        found["ways-summary"] = compared_table(dict(ways), facts.k)
    if len(facts.compared) > 1:
        found["criteria"] = tables.rows_of(curve for name, curve in facts.compared.items() if name != RANDOM)
        found["criteria-summary"] = compared_table(dict(facts.compared), facts.k)
    if RANDOM in facts.compared:
        found["random-orders"] = facts.compared[RANDOM].frame()
        found["random-band"] = facts.compared[RANDOM].points()
    for name, table in (("layers", facts.layers), ("history", facts.history)):
        if table is not None:
            found[name] = table
    if facts.scan is not None:
        found["scan"] = facts.scan.frame()
    if facts.removal is not None:
        found |= {"compression": facts.removal.stages, "scales": facts.removal.totals}
    if facts.exercise is not None:
        found["exercise"] = pd.DataFrame([asdict(point) | {"error": point.error} for point in facts.exercise.points])
    return found


def _named(curves: dict[str, Sweep], column: str) -> pd.DataFrame:
    """The rows of several curves with what each is called in the first column."""
    rows = tables.rows_of(curves.values())
    names = [title for title, curve in curves.items() for _ in curve.ks]
    rows.insert(0, column, names)
    return rows


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


def class_rows(facts: Facts) -> pd.DataFrame:
    """The classes that are shown: all, or of many those that change most."""
    table = tables.class_table(facts.curve, facts.k)
    if len(table) <= MOST_ROWS:
        return table
    most = table["change"].abs().sort_values(ascending=False, kind="stable").index[:MOST_ROWS]
    return table.loc[sorted(most)]


def shown_rows(count: int, most: int = MOST_ROWS) -> list[int]:
    """The rows of a long table that are shown: the first and the last."""
    if count <= most:
        return list(range(count))
    return [*range(most // 2), *range(count - most // 2, count)]
