"""A question: which checkpoint, layer, criterion and mode, ranked and measured on which images."""

from collections.abc import Collection
from dataclasses import dataclass, fields

from explorer.language.saying import listed, say

SPLITS = ("test", "train")
HELD_OUT = "held-out"  # the images that the network was validated on as it was trained
RANKED_ON = (*SPLITS, HELD_OUT)


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a sweep's numbers. Hashable, so that it can name a cached result.

    >>> import explorer as ex
    >>> ex.Experiment("simple-cnn_fashion-mnist", "conv2").criterion
    'mean'
    """

    checkpoint: str
    layer: str
    criterion: str = "mean"
    mode: str = "filter"
    ranked_on: str = "test"
    split: str = "test"
    seed: int = 0
    ks: tuple[int, ...] | None = None  # None means 0…P
    limit: int | None = None  # the first images only, of both splits; None means all
    schedule: str = "once"  # a key of schedule.SCHEDULES
    dtype: str = "float32"  # a key of evaluation.DTYPES


HOW = tuple(each.name for each in fields(Experiment) if each.name not in ("checkpoint", "layer", "ks"))


def check_split(split: str, known: Collection[str] = SPLITS) -> None:
    """ValueError unless it is one of the `known` ones."""
    if split not in known:
        raise ValueError(say("unknown split {split!r}; choose one of: {known}", split=split, known=listed(known)))
