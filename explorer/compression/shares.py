"""Plans over all layers at once: the same share of each, or whatever lies under one threshold."""

from collections.abc import Mapping, Sequence

import numpy as np

from explorer.compression.plans import Group, Plan
from explorer.language.saying import say

ARTICLE_MINIMUM = 8  # filters that lab E's article leaves each layer


def uniform(groups: Sequence[Group], share: float, criterion: str = "l1", minimum: int = 1) -> Plan:
    """The plan that prunes this share, 0…1, of every group's channels, rounded down, but leaves each the minimum."""
    if not 0 <= share < 1:
        raise ValueError(
            say(
                "a share of {share:g} is outside 0…1: give 0.5 for half the channels of every layer",
                share=share,
            )
        )
    return _plan(groups, {group.name: int(share * group.channels + 1e-9) for group in groups}, criterion, minimum)


def under(
    groups: Sequence[Group],
    importance: Mapping[str, np.ndarray],
    threshold: float,
    criterion: str = "l1",
    minimum: int = 1,
) -> Plan:
    """The plan that prunes whatever counts as unimportant: less than `threshold` times its layer's mean importance.

    `importance` is that of the P channels of each group, by its name. It is compared within a layer, as norms of
    filters with more weights are larger. ValueError where one is negative, such as a mean of raw outputs may be.
    """
    if not threshold >= 0:
        raise ValueError(
            say(
                "a threshold of {threshold:g} is below 0: give 0.5 for half of a layer's mean importance",
                threshold=threshold,
            )
        )
    ks = {}
    for group in groups:
        if group.fixed:
            continue
        values = importance[group.name]
        if values.min() < 0:
            raise ValueError(
                say(
                    "the criterion {criterion!r} gives layer {group!r} negative importances, which no threshold "
                    "parts; choose one such as l1 or l2",
                    criterion=criterion,
                    group=group.name,
                )
            )
        ks[group.name] = int((values < threshold * values.mean()).sum())
    return _plan(groups, ks, criterion, minimum)


def _plan(groups: Sequence[Group], ks: Mapping[str, int], criterion: str, minimum: int) -> Plan:
    """K of each group that may lose channels, lowered to what it can lose."""
    fitting = {}
    for group in groups:
        if not group.fixed:
            k = min(ks[group.name], group.most(minimum))
            fitting[group.name] = k - k % group.sections
    return Plan.of(fitting, criterion)
