"""Plans for several layers, pruned one at a time: what they share of a network is computed once a batch."""

import contextlib
import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, fx, nn

from explorer.engine.cut_network import CutNetwork
from explorer.engine.masked_copies import MaskedCopies, running_type
from explorer.engine.plan import Plan, cut_as_traced, sound_cut
from explorer.engine.steps import Step, check_logits, in_order, two_images
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.folding import learn_folds
from explorer.networks.graph import Env, Program, UntraceableError, exclusive, output_of, placeholders, program_for
from explorer.networks.tracing import fits_sizes, lower, sizes_in, taking, trace
from explorer.pruning.zeroing import check_mode, zeroing_of

KEPT_BYTES = 2**28  # of the unpruned network's values at once: large batches come in parts


class LayerPlans:
    """A plan for each layer that the mode fits; `left_out` says why it does not fit the others.

    Those that cut the network start from the values that one pass of the unpruned network leaves for all of them. The
    others run masked copies, see plan.make_plan. ValueError for an unknown layer or mode, and where no layer fits.
    """

    def __init__(
        self, model: nn.Module, layers: Iterable[str], mode: str, example: Inputs, device: torch.device | str = "cpu"
    ) -> None:
        two, names = two_images(example), list(layers)
        torch.backends.cudnn.allow_tf32 = False  # as in plan.make_plan
        self.two, self._remake = two, partial(_Maker, model, mode, two, device)
        maker = self._remake()
        self.plans, self.left_out = maker.plans(names, {0, len(names) // 2, len(names) - 1})
        if any(plan.exact_copy for plan in self.plans.values()):  # a network that is traced wrongly is so for all
            self.plans, self.left_out = maker.plans(names, set(range(len(names))))
        if not self.plans:
            why = next(iter(self.left_out.values()), "the network has no convolution")
            raise ValueError(say("there is no layer to prune: {why}", why=why))
        self.slow = any(plan.exact_copy for plan in self.plans.values())
        cuts = {layer: plan for layer, plan in self.plans.items() if isinstance(plan, CutNetwork)}
        self.shared = _SharedPass(maker.traced, cuts, two) if maker.traced is not None and cuts else None

    @property
    def at_once(self) -> int:
        """How many images can be under way together."""
        return self.shared.at_once if self.shared else 2**31

    def lowered(self, dtype: torch.dtype) -> "LayerPlans":
        """The same in another type, where networks are cut; layers for which copies run are left in float32."""
        twin, maker = copy.copy(self), self._remake(dtype)
        cut = {layer: maker.cut(layer) for layer, plan in self.plans.items() if isinstance(plan, CutNetwork)}
        cuts = {layer: plan for layer, plan in cut.items() if plan is not None}
        twin.plans = {**self.plans, **cuts}
        twin.shared = _SharedPass(maker.lowered(), cuts, self.two) if cuts else None
        return twin

    def logits(
        self, inputs: Inputs, orders: Mapping[str, np.ndarray], ks: Mapping[str, Sequence[int]]
    ) -> Iterator[tuple[str, Step]]:
        """Logits of the unpruned network, under the name "", then of each layer's `ks` along its order, some at once.

        The K of a layer ascend; a step's index is a place among them.
        """
        shared = self.shared if self.shared and fits_sizes(self.shared.traced, inputs) else None
        if shared:
            kept = shared.run(inputs)
            yield "", (0, check_logits(kept[shared.output])[None])
        else:
            layer, plan = next(iter(self.plans.items()))
            yield "", (0, in_order(plan.logits(inputs, orders[layer], [0])))
        for layer, plan in self.plans.items():
            if shared and layer in shared.cuts and isinstance(plan, CutNetwork):
                prepared = plan.prepare_from(shared.values(layer, kept))
            else:
                prepared = plan.prepare(inputs)
            for step in plan.steps(prepared, orders[layer], ks[layer]):
                yield layer, step


class _SharedPass:
    """The unpruned network, run once a batch for the values that the plans of several layers start from.

    Each plan has a graph of its own, for a mode may add to it; a value is that of the node with the same name.
    """

    def __init__(self, traced: fx.GraphModule, cuts: Mapping[str, CutNetwork], two: Inputs) -> None:
        self.traced, self.cuts, self.output = traced, cuts, output_of(traced)
        self.nodes = {node.name: node for node in traced.graph.nodes}
        self.added = {layer: self._added(plan) for layer, plan in cuts.items()}
        self.reads = {layer: self._reads(layer) for layer in cuts}
        kept = {self.output, *(node for reads in self.reads.values() for node in reads.values())}
        self.program = program_for(traced, kept)
        values = self.run(two).values()
        per_image = sum(value.nbytes for value in values if isinstance(value, Tensor)) // 2
        self.at_once = max(1, KEPT_BYTES // max(1, per_image))

    def _added(self, plan: CutNetwork) -> Program:
        """The operations of a plan's head that the traced network does not have."""
        head = plan.cut.head
        return Program(head.traced, tuple(node for node in head.nodes if node.name not in self.nodes), head.keep)

    def _reads(self, layer: str) -> dict[fx.Node, fx.Node]:
        """The values that a plan starts from: the node in its own graph, and the one in the traced network."""
        added = self.added[layer]
        wanted = {*added.keep, *(arg for node in added.nodes for arg in node.all_input_nodes)} - set(added.nodes)
        return {node: self.nodes[node.name] for node in wanted}

    @torch.inference_mode()
    def run(self, inputs: Inputs) -> Env:
        """All that is kept of a batch."""
        with exclusive:
            return self.program.run(placeholders(self.traced, inputs))

    @torch.inference_mode()
    def values(self, layer: str, kept: Env) -> Env:
        """What a layer's plan starts from."""
        env = {node: kept[shared] for node, shared in self.reads[layer].items()}
        with exclusive:
            return self.added[layer].run(env)


class _Maker:
    """Makes a plan for each of several layers, from one traced network."""

    def __init__(
        self,
        model: nn.Module,
        mode: str,
        two: Inputs,
        device: torch.device | str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.dtype, known = dtype, taking(model, sizes_in(two))
        self.model, self.name, self.mode, self.two, self.device = known, mode, zeroing_of(mode), two, device
        self.runs_in = running_type(model, two, device)
        self.traced: fx.GraphModule | None = None
        with contextlib.suppress(UntraceableError):
            self.traced = trace(model, two).to(device)
            learn_folds(self.traced)

    def plans(self, layers: Sequence[str], checked: Collection[int]) -> tuple[dict[str, Plan], dict[str, str]]:
        """A plan for each layer that the mode fits, in some places `checked`; and why it does not fit the others."""
        plans: dict[str, Plan] = {}
        left_out: dict[str, str] = {}
        for place, layer in enumerate(layers):
            try:
                check_mode(self.model, layer, self.name)
                found = None if place in checked else self.cut(layer)
                found = found or self._sound_cut(layer)
                plans[layer] = found or MaskedCopies(self.model, layer, self.mode, self.device, self.runs_in)
            except ValueError as error:
                left_out[layer] = str(error)
        return plans, left_out

    def lowered(self) -> fx.GraphModule:
        """The traced network itself, in the type of the cuts."""
        assert self.traced is not None
        twin = _twin(self.traced)
        lower(twin, self.dtype)
        return twin

    def cut(self, layer: str) -> CutNetwork | None:
        """The network cut as it was traced."""
        if self.traced is None:
            return None
        twin = _twin(self.traced)
        try:
            return cut_as_traced(self.model, layer, self.mode, self.two, self.device, self.dtype, twin)
        except Exception:  # as in plan.sound_cut, which knows what to make of it
            return None

    def _sound_cut(self, layer: str) -> CutNetwork | None:
        """The network cut, if that gives what masked copies do; see plan.sound_cut."""
        if self.traced is None:
            return None
        twin = _twin(self.traced)
        return sound_cut(self.model, layer, self.mode, self.two, self.device, self.runs_in, twin)


def _twin(traced: fx.GraphModule) -> fx.GraphModule:
    """The same network with a graph of its own; their weights are one and the same."""
    twin = fx.GraphModule(traced, copy.deepcopy(traced.graph))
    twin.meta.update(traced.meta)
    return twin
