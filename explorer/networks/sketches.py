"""A network in outline, as it is drawn; `sketch` makes it of a network."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, eq=False)
class Sketch:
    """A network as boxes in a row, with shortcuts that lead around some of them to a residual addition.

    `boxes` has one row a box: layer (empty for the input), kind ("input", "convolution" or "linear"), channels (or
    features), side (of its output, 1 where there is none), output (its shape, in words), runs (how often it runs for
    one example), place (from 0, half of one on a shortcut) and on_shortcut. `shortcuts` has start and end: the places
    of the box behind which each begins, and of the one behind which it is added.
    """

    boxes: pd.DataFrame
    shortcuts: pd.DataFrame
