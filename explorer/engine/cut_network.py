"""The fast way: a network cut at the pruned layer, of which only the rest is run for each K."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from explorer.engine import cards
from explorer.engine.cut import Cut
from explorer.engine.masked_copies import MaskedCopies
from explorer.engine.returning import Returning, adds_up
from explorer.engine.steps import IMAGES_OF_EXAMPLE, Step, check_logits
from explorer.images.batches import Inputs
from explorer.networks.graph import Env, Program, ancestors, exclusive, function_of, module_of, placeholders
from explorer.networks.operations import BINARY_FUNCTIONS, CONCATENATIONS, ELEMENTWISE_FUNCTIONS, ELEMENTWISE_MODULES
from explorer.networks.tracing import fits_sizes
from explorer.pruning.zeroing import emitting

FEW = 2  # K, for which the convolutions that read the zone are run as they are
FLATTENINGS = (torch.flatten, "flatten")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A batch that has been run up to the cut, with what the suffix reads of it.

    Where the zone ends in linear layers, `sums` are their outputs z_0, `least` their outputs z_P with every channel
    pruned, and `changes` what pruning a channel adds to their inputs; `kept` is then only what is read besides them.
    """

    kept: Env  # with every channel kept
    pruned: Env  # with every channel pruned
    sums: dict[fx.Node, Tensor] = field(default_factory=dict)  # (N, out)
    least: dict[fx.Node, Tensor] = field(default_factory=dict)  # (N, out)
    changes: dict[fx.Node, Tensor] = field(default_factory=dict)  # (P, N, f)

    @property
    def nbytes(self) -> int:
        """Bytes of the values that it holds on to."""
        values = (*self.kept.values(), *self.pruned.values(), *self.changes.values())
        return sum(value.nbytes for value in values if isinstance(value, Tensor))


class CutNetwork:
    """Runs everything up to the cut once a batch, and only what depends on the pruned channels for each K.

    Where all that the suffix reads of the zone goes into linear layers, which may be written as 1 × 1 convolutions of
    single positions, their outputs are sums over channels:
    z_K = z_P + Σ W_c (kept_c − pruned_c) over the channels c that are left, so that one running sum visits every K.
    """

    exact_copy = False

    def __init__(self, plan: Cut, emits: Tensor) -> None:
        self.cut = plan
        self.emits = emits.cpu()  # (P,)
        readers = [node for node in plan.suffix.nodes if set(node.all_input_nodes) & set(plan.boundary)]
        chained = not set(plan.sources).isdisjoint(plan.suffix.nodes)  # one source depends on another: no single sum
        linear = all(self._is_sum_over_channels(node) and self._has_cheap_rest(node) for node in readers)
        self.linears = tuple(readers) if linear and not chained else ()
        self.one_by_one = not self.linears
        rest = tuple(node for node in plan.suffix.nodes if node not in self.linears)
        self.rest = Program(plan.traced, rest, frozenset({plan.output}))
        self.features = {node: self._features(node) for node in self.linears}
        self.weights = {node: self._weights(node) for node in self.linears}  # (P, f, out)
        self.convolutions = tuple(node for node in readers if adds_up(node))
        self.constants: dict[tuple[torch.Size, ...], Env] = {}  # see `_constant_of`
        self.stacks = bool(self.linears) and all(self._keeps_rows_apart(node) for node in rest)

    @property
    def nbytes(self) -> int:
        """Bytes of all values of a batch like the example: no run of it holds on to more."""
        return sum(4 * shape.numel() for shape in self.cut.shapes.values())

    @property
    def bytes_at_once(self) -> int:
        """Bytes of the values, of a batch like the example, that are there at once in what takes longest, at the most.

        That is the suffix, or all before it.
        """
        sizes = {node: 4 * shape.numel() for node, shape in self.cut.shapes.items()}
        return (self.cut.suffix if self.one_by_one else self.cut.head).most_at_once(sizes)

    @torch.inference_mode()
    def prepare(self, inputs: Inputs) -> Prepared:
        """See Plan."""
        with exclusive:
            kept = self.cut.head.run(placeholders(self.cut.traced, inputs))
        return self.prepare_from(kept)

    @torch.inference_mode()
    def prepare_from(self, kept: Env) -> Prepared:
        """As `prepare`, from the values that the unpruned network has for a batch: those that `cut.head` keeps."""
        with exclusive:
            pruned = self._constant_of(kept) if self.cut.zone_is_closed else self._all_pruned(kept)
        if self.linears and all(_is_flat(kept[node.all_input_nodes[0]].shape) for node in self.linears):
            return self._linear_parts(kept, pruned)
        return Prepared(kept, pruned)

    def steps(self, prepared: Prepared, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """See Plan."""
        yield from (self._running_sums if prepared.sums else self._one_by_one)(prepared, order, list(ks))

    def logits(self, inputs: Inputs, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """See Plan."""
        yield from self.steps(self.prepare(inputs), order, ks)

    def _constant_of(self, kept: Env) -> Env:
        """What `_all_pruned` gives for one image, where it is the same for each image of this size."""
        size = tuple(kept[source].shape[1:] for source in self.cut.sources if source in kept)
        if size not in self.constants:
            self.constants = {size: self._all_pruned(kept, images=1)}
        return self.constants[size]

    def _all_pruned(self, kept: Env, images: int | None = None) -> Env:
        """The zone's values with every channel pruned, for the first `images` (None: all) of the batch."""
        env = {node: value for node, value in kept.items() if node not in self.cut.owners}
        for source in self.cut.sources:
            if source in kept:
                env[source] = self._without(source, kept[source][:images], torch.arange(len(self.emits)))
        return self.cut.zone.run(env)

    def _without(self, source: fx.Node, value: Tensor, channels: Tensor) -> Tensor:
        """A source's value without channels (K,), which emit a constant instead."""
        return emitting(value, self.cut.sources[source], channels, self.emits)

    # One K after the other: any network.

    def _one_by_one(self, prepared: Prepared, order: np.ndarray, ks: list[int]) -> Iterator[Step]:
        """From the largest K down, as channels come back: so a convolution that reads the zone is a running sum."""
        sums = self.convolutions if len(ks) > FEW else ()  # for fewer K, starting a sum takes longer than it saves
        returning = Returning(self.cut, prepared.kept, prepared.pruned, order, sums)
        for index in reversed(range(len(ks))):
            yield index, self._run_suffix(prepared.kept, returning.values_at(ks[index]), order[: ks[index]])[None]

    @torch.inference_mode()
    def _run_suffix(self, kept: Env, values: Env, gone: np.ndarray) -> Tensor:
        again = {  # what reads what another source wrote
            node: partial(self._without, node, channels=torch.as_tensor(gone))
            for node in self.cut.sources
            if node not in kept
        }
        with exclusive:
            return check_logits(self.cut.suffix.run({**kept, **values}, again)[self.cut.output]).clone()  # not a view

    # Every K in one running sum: a zone that ends in linear layers.

    def _is_sum_over_channels(self, node: fx.Node) -> bool:
        """Whether the node is a linear layer reading flat zone features, equally many of each channel."""
        if not _is_linear(module_of(node)) or len(node.all_input_nodes) != 1:
            return False
        source = node.all_input_nodes[0]
        owner = self.cut.owners[source]
        counts = torch.bincount(owner[owner >= 0], minlength=len(self.emits)).tolist()
        return _is_flat(self.cut.shapes[source]) and counts[0] > 0 and len(set(counts)) == 1

    def _has_cheap_rest(self, node: fx.Node) -> bool:
        """Whether what follows is features alone; a convolution within a gate is linear, too, but maps follow it."""
        shapes = [self.cut.shapes[other] for other in self.cut.suffix.nodes if other in self.cut.shapes]
        return isinstance(module_of(node), nn.Linear) or all(map(_is_flat, shapes))

    def _keeps_rows_apart(self, node: fx.Node) -> bool:
        """Whether the node treats each row of (rows, features) alone, so that the rows of many K can be stacked."""
        if node.op == "output":
            return True
        fixed = [arg for arg in node.all_input_nodes if arg not in self.cut.suffix.nodes]
        if not all(self._has_a_row_an_image(arg) for arg in fixed):
            return False
        if any(not _is_flat(self.cut.shapes.get(value, torch.Size())) for value in (node, *node.all_input_nodes)):
            return False
        function = function_of(node)
        if function in CONCATENATIONS:
            dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            return dim in (1, -1)
        if isinstance(module_of(node), nn.Flatten) or function in FLATTENINGS:
            return self.cut.shapes[node][0] == IMAGES_OF_EXAMPLE
        known = ELEMENTWISE_FUNCTIONS | BINARY_FUNCTIONS
        return _is_linear(module_of(node)) or isinstance(module_of(node), ELEMENTWISE_MODULES) or function in known

    def _has_a_row_an_image(self, node: fx.Node) -> bool:
        """Whether a value that no pruning changes is of the images, rather than one for all of them."""
        of_images = any(each.op == "placeholder" for each in ancestors([node]))
        return of_images and self.cut.shapes.get(node, (0,))[:1] == (IMAGES_OF_EXAMPLE,)

    def _running_sums(self, prepared: Prepared, order: np.ndarray, ks: list[int]) -> Iterator[Step]:
        """From K = P down to 0: a sum has in it what is left, and no rounding error of what is gone, however large."""
        sums, channels = prepared.least, order.tolist()
        at_once = cards.at_once(sums.values())
        yield from self._finish_some(prepared, {node: value[None] for node, value in sums.items()}, ks, len(channels))
        for stop in range(len(channels), 1, -at_once):
            start = max(1, stop - at_once)
            added = self._add_up(sums, prepared.changes, channels[start:stop][::-1])
            sums = {node: value[-1] for node, value in added.items()}
            yield from self._finish_some(prepared, added, ks, stop - 1)
        unpruned = {node: value[None] for node, value in prepared.sums.items()}  # exactly the network as it is
        yield from self._finish_some(prepared, unpruned, ks, 0)

    def _finish_some(
        self, prepared: Prepared, values: dict[fx.Node, Tensor], ks: list[int], most: int
    ) -> Iterator[Step]:
        """Logits for those of the ks that the linear layers' outputs (k, N, out) are of: K = most, most − 1, …"""
        fewest = most + 1 - len(next(iter(values.values())))
        wanted = [index for index, k in enumerate(ks) if fewest <= k <= most]
        if wanted:
            rows = [most - ks[index] for index in wanted]
            yield wanted[0], self.finish(prepared.kept, {node: value[rows] for node, value in values.items()})

    @torch.inference_mode()
    def _linear_parts(self, kept: Env, pruned: Env) -> Prepared:
        sums, least, changes = {}, {}, {}
        for node, features in self.features.items():
            source = node.all_input_nodes[0]
            change = (pruned[source] - kept[source]).flatten(1)[:, features]
            changes[node] = change.view(len(change), len(self.emits), -1).transpose(0, 1)
            with exclusive:
                sums[node] = _linear(node)(kept[source]).flatten(1)
                least[node] = _linear(node)(pruned[source]).flatten(1).expand_as(sums[node])
        inside = {*self.rest.nodes, *self.linears}
        read = {arg for node in self.rest.nodes for arg in node.all_input_nodes if arg not in inside}
        return Prepared({node: kept[node] for node in read}, {}, sums, least, changes)

    def _features(self, node: fx.Node) -> Tensor:
        """A linear layer's input features that belong to channels, one channel after the other."""
        owner = self.cut.owners[node.all_input_nodes[0]]
        features = (owner >= 0).nonzero()[:, 0]
        return features[owner[features].argsort(stable=True)].to(_linear(node).weight.device)

    def _weights(self, node: fx.Node) -> Tensor:
        """The weights with which a linear layer reads each channel, (P, f, out)."""
        weight = _linear(node).weight.detach().flatten(1)  # (out, features)
        return weight[:, self.features[node]].T.reshape(len(self.emits), -1, len(weight))

    @torch.inference_mode()
    def _add_up(
        self, sums: dict[fx.Node, Tensor], changes: dict[fx.Node, Tensor], channels: list[int]
    ) -> dict[fx.Node, Tensor]:
        """z (len(channels), N, out) as one channel comes back after the other, to the sums before."""
        added = {}
        for node, change in changes.items():
            add_up = _batched if cards.is_card(change.device) else _one_by_one
            added[node] = add_up(sums[node], change, self.weights[node], channels)
        return added

    @torch.inference_mode()
    def finish(self, kept: Env, values: dict[fx.Node, Tensor]) -> Tensor:
        """Logits (k, N, classes) from the linear layers' outputs (k, N, out)."""
        count, images = next(iter(values.values())).shape[:2]
        values = {node: value.view(*value.shape, *self.cut.shapes[node][2:]) for node, value in values.items()}
        if not self.stacks:
            each = [{node: value[i] for node, value in values.items()} for i in range(count)]
            return torch.stack([self._run_rest({**kept, **one}) for one in each])
        rows = {node: value.flatten(0, 1) for node, value in values.items()}
        fixed = {node: value.repeat(count, *[1] * (value.ndim - 1)) for node, value in kept.items()}
        return self._run_rest({**fixed, **rows}).view(count, images, -1)

    def _run_rest(self, env: Env) -> Tensor:
        with exclusive:
            return check_logits(self.rest.run(env)[self.cut.output])


class SizedNetwork(CutNetwork):
    """A network cut as it runs on images of the example's size; for any other, masked copies run."""

    def __init__(self, plan: Cut, emits: Tensor, copies: MaskedCopies) -> None:
        super().__init__(plan, emits)
        self.copies = copies

    def prepare(self, inputs: Inputs) -> Any:
        """See Plan."""
        return super().prepare(inputs) if fits_sizes(self.cut.traced, inputs) else inputs

    def steps(self, prepared: Any, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """See Plan."""
        if isinstance(prepared, Prepared):
            yield from super().steps(prepared, order, ks)
        else:
            yield from self.copies.steps(prepared, order, ks)


def _is_flat(shape: torch.Size) -> bool:
    """Whether a value is features alone: (N, features), or (N, features, 1, 1) as a pooled map is."""
    return len(shape) in (2, 4) and all(size == 1 for size in shape[2:])


def _is_linear(module: nn.Module | None) -> bool:
    """Whether a module is a linear layer, or a convolution that is one where maps are single positions."""
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1 and module.padding in ((0, 0), "valid", "same")
    return isinstance(module, nn.Linear)


def _linear(node: fx.Node) -> nn.Linear | nn.Conv2d:
    module = module_of(node)
    assert isinstance(module, (nn.Linear, nn.Conv2d))
    return module


def _one_by_one(sums: Tensor, changes: Tensor, weights: Tensor, channels: list[int]) -> Tensor:
    """Sums (len(channels), N, out) as one channel comes back after the other: each is in the cache for the next."""
    running = sums.new_empty((len(channels), *sums.shape))
    for step, channel in enumerate(channels):
        previous = running[step - 1] if step else sums
        torch.addmm(previous, changes[channel], weights[channel], alpha=-1, out=running[step])
    return running


def _batched(sums: Tensor, changes: Tensor, weights: Tensor, channels: list[int]) -> Tensor:
    """The same in one product and one cumulative sum, for graphics cards, on which many small ones take longest."""
    chosen = torch.as_tensor(channels, device=changes.device)
    running = torch.bmm(changes[chosen], weights[chosen]).neg_()
    running[0] += sums
    return running.cumsum_(0)
