"""Results whose numbers are known by hand."""

import numpy as np

from explorer.engine.curves import Run, Sweep
from explorer.engine.scans import Layer, Scan
from explorer.engine.sensitivities import Row, Sensitivity


def scan_by_hand() -> Scan:
    """Six images, of which the unpruned network gets four right; the layers leave it three, none and five."""
    return Scan(
        predictions=np.array([[0, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0]], dtype=np.uint8),
        unpruned=np.array([0, 0, 1, 1, 0, 0], dtype=np.uint8),
        labels=np.array([0, 0, 1, 1, 1, 1]),
        layers=(Layer("a", 1, 4, 40), Layer("b", 2, 8, 80), Layer("c", 4, 8, 88)),
        left_out={"d": "it does not fit"},
        run=Run(checkpoint="net", dataset="data", split="test"),
        total=8,
    )


def sweep_by_hand() -> Sweep:
    """Three classes, six images; K = 0 gets five right, K = 1 four, K = 2 two."""
    return Sweep(
        predictions=np.array([[0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 0, 2], [1, 1, 1, 1, 1, 1]], dtype=np.uint8),
        labels=np.array([0, 0, 1, 1, 2, 2]),
        ks=(0, 1, 2),
        order=np.array([1, 0]),
        importance=None,
        classes=("a", "b", "c"),
        run=Run(),
        total=6,
    )


def of_counts(counts, n=1000, channels=None):
    """A sweep of n images of one class; at each K so many of the first are right."""
    predictions = np.stack([np.arange(n) >= count for count in counts]).astype(np.uint8)
    order = np.arange(channels or len(counts) - 1)
    return Sweep(predictions, np.zeros(n, dtype=np.int64), tuple(range(len(counts))), order, None, ("a", "b"), Run(), n)


def sensitivity_by_hand(broken=((0, 1, 80), (0, 12, 60)), repaired=((0, 1, 0), (0, 2, 0))) -> Sensitivity:
    """A hundred images, 90 right unpruned; 0, 50 and 100 % of two rows' channels, the second of two layers."""
    return Sensitivity(
        broken=np.array(broken),
        repaired=np.array(repaired),
        correct_before=90,
        rows=(Row(("a",), 1, 4, 40), Row(("b", "c"), 2, 8, 160)),
        shares=(0, 50, 100),
        left_out={"d": "it does not fit"},
        run=Run(checkpoint="net", dataset="data", split="test", criterion="mean", ranked_on="test"),
        done=100,
        total=100,
    )
