"""Small tables, as charts and figures draw them."""

import pandas as pd


def curve(ks=range(5), accuracy=(0.9, 0.88, 0.7, 0.4, 0.1), **columns) -> pd.DataFrame:
    table = pd.DataFrame({"k": list(ks), "accuracy": accuracy, "channels": 4})
    return table.assign(low=table["accuracy"] - 0.02, high=table["accuracy"] + 0.02, **columns)


def classes() -> pd.DataFrame:
    table = pd.DataFrame({"class": ["cat", "dog"], "accuracy": [0.5, 0.8], "before": [0.9, 0.7], "n": [10, 20]})
    return table.assign(change=100 * (table["accuracy"] - table["before"]))


def scanned(**columns) -> pd.DataFrame:
    table = pd.DataFrame({
        "layer": ["stem", "block.2", "block.1"],
        "position": [1, 2, 5],
        "channels": [4, 8, 8],
        "parameters": [100, 2000, 3000],
        "accuracy": [0.1, 0.85, 0.93],
        "change": [-80.0, -5.0, 3.0],
        "change_low": [-82.0, -7.0, 1.0],
        "change_high": [-78.0, -3.0, 5.0],
    })  # fmt: skip
    return table.assign(**columns)


def shares_pruned(**columns) -> pd.DataFrame:
    """A layer, and two that go together, at three shares."""
    table = pd.DataFrame({
        "layer": ["stem"] * 3 + ["block.1"] * 3,
        "layers": ["stem"] * 3 + ["block.1 block.2"] * 3,
        "share": [0, 0.5, 1.0] * 2,
        "k": [0, 2, 4, 0, 4, 8],
        "channels": [4] * 3 + [8] * 3,
        "n": 100,
        "accuracy": [0.9, 0.9, 0.1, 0.9, 0.8, 0.3],
        "change": [0.0, 0.0, -80.0, 0.0, -10.0, -60.0],
    })  # fmt: skip
    return table.assign(low=table["accuracy"] - 0.05, high=table["accuracy"] + 0.05, **columns)
