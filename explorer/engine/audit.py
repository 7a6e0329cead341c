"""Float32's predictions at the speed of a faster type, where an audit can vouch for them.

Networks run in the faster type first. How far its logits are from float32's is learned from the first images, at every
K, and goes on being looked at on a few of all others. Where the two best logits are further apart than a safe multiple
of that, float32 would predict the same; all other images are run again in float32.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.engine.cards import is_card
from explorer.engine.layer_plans import LayerPlans
from explorer.engine.plan import Plan
from explorer.engine.predictions import Audit
from explorer.engine.steps import Step, in_order, together
from explorer.images.batches import Inputs
from explorer.networks.evaluation import predict

SAMPLE = 50  # images from which the difference is learned
EVERY = 100  # of the images after those, one in so many is run in float32, too, whatever its logits
SAFE = 3  # times the largest difference so far: what two logits must be apart at least
TOGETHER = 4  # K settled at once on a graphics card: they doubt much the same images, and it is asked once for all


class DistrustError(Exception):
    """Logits differ by more than predictions that were trusted allow for; `audit` is that of float32 alone."""

    def __init__(self, found: Audit) -> None:
        super().__init__("the faster type differs by more than was to be expected")
        self.audit = replace(found, again=found.settled, compared=0)


class Auditor:
    """Settles logits in a faster type: those that it does not trust become float32's."""

    def __init__(self) -> None:
        self.difference = 0.0  # the largest so far between two logits, in how far they are apart
        self.least = float("inf")  # by how much the two best logits were apart where they were trusted, at the least
        self.sampled = self.settled = self.again = self.compared = 0

    @property
    def audit(self) -> Audit:
        """What there is to say of it so far."""
        return Audit(self.sampled, self.difference, self.settled, self.again, self.compared)

    @torch.inference_mode()
    def learn(self, fast: Tensor, exact: Tensor) -> None:
        """Learn from logits (number of K, N, classes) in both types; DistrustError where trust was misplaced."""
        self._note(float(_changed(fast, exact)))

    def _note(self, changed: float) -> None:
        self.difference = max(changed, self.difference)
        if self.difference > self.least:
            raise DistrustError(self.audit)

    @torch.inference_mode()
    def settle(self, fast: Tensor, run_again: Callable[[Tensor], Tensor]) -> Tensor:
        """Logits (number of K, N, classes) that predict what float32 does; `run_again(rows)` has some images' there."""
        apart = _lead(fast)
        doubtful = ~(apart > SAFE * self.difference)  # and where they are NaN
        checked = torch.zeros_like(doubtful[0])
        checked[::EVERY] = True
        rows = (doubtful.any(0) | checked).nonzero()[:, 0]
        exact = run_again(rows)
        changed, least, compared = torch.stack(
            [_changed(fast[:, rows], exact), apart.where(~doubtful, torch.inf).min(), (~doubtful[:, rows]).sum()]
        ).tolist()  # in one, for a graphics card is waited for
        self.least = min(self.least, least)
        self._note(changed)
        self.settled += doubtful.numel()
        self.again += len(fast) * len(rows)
        self.compared += int(compared)
        return fast.index_copy(1, rows, exact.to(fast))


class Audited:
    """A plan in a faster type, and one in float32 that it is audited by; see Plan."""

    def __init__(self, fast: Plan, exact: Plan) -> None:
        self.fast, self.exact, self.auditor = fast, exact, Auditor()
        self.exact_copy, self.one_by_one = fast.exact_copy, fast.one_by_one
        self.seen: set[bytes] = set()  # the orders whose difference was learned, at which K

    def prepare(self, inputs: Inputs) -> Any:
        """See Plan."""
        return self.fast.prepare(inputs), inputs

    def steps(self, prepared: Any, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """See Plan. Raises DistrustError where float32 has to do all of it."""
        fast, inputs = prepared
        asked = np.array([*order, *ks]).tobytes()
        if asked not in self.seen:
            self.seen.add(asked)
            sample = some(inputs, slice(SAMPLE))
            self.auditor.learn(*(in_order(plan.logits(sample, order, ks)) for plan in (self.fast, self.exact)))
            self.auditor.sampled += len(sample if isinstance(sample, Tensor) else sample[0])
        for index, logits in together(self.fast.steps(fast, order, ks), _at_once(inputs)):
            few = list(ks[index : index + len(logits)])
            yield index, self.auditor.settle(logits, self._running(inputs, order, few))

    def logits(self, inputs: Inputs, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """See Plan."""
        yield from self.steps(self.prepare(inputs), order, ks)

    def _running(self, inputs: Inputs, order: np.ndarray, ks: list[int]) -> Callable[[Tensor], Tensor]:
        return lambda rows: in_order(self.exact.logits(some(inputs, rows), order, ks))


class AuditedLayers:
    """As `Audited`, for plans of several layers that are pruned one at a time; see LayerPlans.

    The difference is learned for each layer; and for the unpruned network, under the name "".
    """

    def __init__(self, exact: LayerPlans, dtype: torch.dtype) -> None:
        self.exact, self.fast = exact, exact.lowered(dtype)
        self.plans, self.left_out, self.slow, self.at_once = exact.plans, exact.left_out, exact.slow, self.fast.at_once
        self.auditors = {layer: Auditor() for layer in ("", *exact.plans)}
        self.seen: set[str] = set()

    @property
    def audit(self) -> Audit:
        """What there is to say of all of them so far."""
        return reduce(Audit.and_of, (each.audit for each in self.auditors.values()))

    def logits(
        self, inputs: Inputs, orders: Mapping[str, np.ndarray], ks: Mapping[str, Sequence[int]]
    ) -> Iterator[tuple[str, Step]]:
        """See LayerPlans. Raises DistrustError where float32 has to do all of it."""
        if str(ks) not in self.seen:
            self.seen.add(str(ks))
            self._learn(some(inputs, slice(SAMPLE)), orders, ks)
        for layer, steps in groupby(self.fast.logits(inputs, orders, ks), itemgetter(0)):
            for index, fast in together((step for _, step in steps), _at_once(inputs)):
                few = list(ks[layer][index : index + len(fast)]) if layer else [0]
                yield layer, (index, self.auditors[layer].settle(fast, self._running(layer, inputs, orders, few)))

    def _learn(self, sample: Inputs, orders: Mapping[str, np.ndarray], ks: Mapping[str, Sequence[int]]) -> None:
        fast, exact = (_by_layer(plans.logits(sample, orders, ks)) for plans in (self.fast, self.exact))
        for layer, logits in fast.items():
            self.auditors[layer].sampled += logits.shape[1]
            self.auditors[layer].learn(logits, exact[layer])

    def _running(
        self, layer: str, inputs: Inputs, orders: Mapping[str, np.ndarray], ks: list[int]
    ) -> Callable[[Tensor], Tensor]:
        layer = layer or next(iter(self.plans))  # of which no channel goes, where it stands for the unpruned network
        return lambda rows: in_order(self.plans[layer].logits(some(inputs, rows), orders[layer], ks))


def _at_once(inputs: Inputs) -> int:
    """How many K are settled at once: a processor waits for nothing, and K by K it runs fewer images again."""
    first = inputs if isinstance(inputs, Tensor) else inputs[0]
    return TOGETHER if is_card(first.device) else 1


def _by_layer(steps: Iterable[tuple[str, Step]]) -> dict[str, Tensor]:
    """Logits (number of K, N, classes) of each layer, K ascending."""
    found: dict[str, list[Step]] = {}
    for layer, step in steps:
        found.setdefault(layer, []).append(step)
    return {layer: in_order(each) for layer, each in found.items()}


def some(inputs: Inputs, rows: Tensor | slice) -> Inputs:
    """Some images of a batch."""
    return inputs[rows] if isinstance(inputs, Tensor) else tuple(part[rows] for part in inputs)


def _changed(fast: Tensor, exact: Tensor) -> Tensor:
    """The largest difference between logits (…, classes) in how far the best of `fast` is ahead; of NaN, infinite."""
    best = predict(fast)[..., None]
    fast, exact = _at_least_two(fast), _at_least_two(exact)
    lead, true_lead = (each.gather(-1, best) - each for each in (fast, exact))
    return (lead - true_lead).abs().max().nan_to_num(float("inf"))


def _at_least_two(logits: Tensor) -> Tensor:
    """Of a single logit, which says yes where it is at least 0, that of no as well: 0."""
    return logits if logits.shape[-1] > 1 else torch.cat([torch.zeros_like(logits), logits], -1)


def _lead(logits: Tensor) -> Tensor:
    """How far the two best logits (…, classes) are apart, (…,)."""
    best = _at_least_two(logits).topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]
