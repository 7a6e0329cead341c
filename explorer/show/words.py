"""Numbers as people read them."""

from __future__ import annotations

import pandas as pd

from explorer.language.saying import say


def percent(share: float) -> str:
    """A share 0…1 in percent with two decimals, as text; an unknown one is a dash."""
    return "–" if pd.isna(share) else say("{percent:.2f} %", percent=100 * share)


def decimal(value: float) -> str:
    """A number with four decimals, as text; an unknown one is a dash."""
    return "–" if pd.isna(value) else f"{value:.4f}".replace("-", "−")


def whole(number: float) -> str:
    """A count, or a median of counts, as text; an unknown one is a dash."""
    return "–" if pd.isna(number) else f"{number:,.10g}"


def points(change: float) -> str:
    """A change in percentage points with its sign and two decimals, as text."""
    return f"{change:+.2f}".replace("-", "−")
