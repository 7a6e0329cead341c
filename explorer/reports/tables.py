"""The tables of a report as they lie beside it, tidy, one a CSV file."""

import pandas as pd

from explorer.engine import tables
from explorer.engine.curves import Sweep
from explorer.reports.facts import RANDOM, Facts
from explorer.reports.writing import compared_table


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
    return found


def _named(curves: dict[str, Sweep], column: str) -> pd.DataFrame:
    """The rows of several curves with what each is called in the first column."""
    rows = tables.rows_of(curves.values())
    names = [title for title, curve in curves.items() for _ in curve.ks]
    rows.insert(0, column, names)
    return rows
