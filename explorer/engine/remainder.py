"""How to get a network's logits with one layer pruned whole, for many layers: what they share is computed once a batch.

With every channel pruned, a layer's sites (see `zeroing`) emit a constant, whatever the image. So of the operations
behind them

- what depends on constants alone is the same for every image, and is computed once and for all;
- the rest is run for each batch, from values that one pass of the unpruned network has left.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import torch
from torch import Tensor, fx, nn

from explorer.engine.masked_copies import check_is_read, running_type
from explorer.engine.steps import agree, check_logits, copied, two_images
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.evaluation import forward
from explorer.networks.fitting import fits
from explorer.networks.graph import (
    Env,
    NeverCalledError,
    Override,
    Program,
    UntraceableError,
    ancestors,
    descendants,
    exclusive,
    output_of,
    placeholders,
    program_for,
)
from explorer.networks.layers import conv_layer
from explorer.networks.tracing import fits_sizes, sizes_in, taking, trace
from explorer.pruning.prune import prune
from explorer.pruning.zeroing import ZEROING, check_mode, emitting, zeroing_of

Sites = dict[fx.Node, Tensor]  # with the owners of each, see `zeroing`
KEPT_BYTES = 2**26  # of the unpruned network's values at once: large batches come in parts
Fit = TypeVar("Fit")


class LayersPlan(Protocol):
    """Gives the logits with each of its layers pruned, for one batch after the other."""

    slow: bool  # whether pruned copies of the whole network are run
    layers: tuple[str, ...]
    left_out: dict[str, str]  # layers that the mode does not fit, and why
    at_once: int  # images that fit into memory together

    def logits(self, inputs: Inputs) -> Iterator[Tensor]:
        """Logits (N, classes) of the unpruned network, then those with each layer pruned."""
        ...


def plan_layers(
    model: nn.Module, layers: Iterable[str], mode: str, example: Inputs, device: torch.device | str = "cpu"
) -> LayersPlan:
    """The fastest plan known for pruning each of `layers` whole in `mode`; `example` is any batch, on `device`.

    A network that torch.fx cannot trace as it is, or in which it does not find one of the layers, gets pruned copies.
    ValueError for an unknown layer or mode, and where the mode fits none of the layers.
    """
    chosen, two = zeroing_of(mode), two_images(example)
    model = taking(model, sizes_in(two))
    try:
        traced = trace(model, two).to(device)
    except UntraceableError:
        fits, left_out = _fitting(layers, lambda layer: check_mode(model, layer, mode))
        return PrunedCopies(model, tuple(fits), mode, left_out, device, running_type(model, two, device))

    def sites_of(layer: str) -> Sites:
        try:
            return chosen.sites(traced, layer)
        except NeverCalledError as error:
            check_is_read(model, layer, two, device, error)
            check_mode(model, layer, mode)
            return {}

    sites, left_out = _fitting(layers, sites_of)
    copies = PrunedCopies(model, tuple(sites), mode, left_out, device, running_type(model, two, device))
    if not all(sites.values()):
        return copies
    emits = {layer: chosen.emits(conv_layer(model, layer)) for layer in sites}
    plan = SharedPass(traced, sites, emits, example, copies)
    return plan if _is_sound(plan, copies, two) else copies


def _is_sound(plan: "SharedPass", copies: "PrunedCopies", two: Inputs) -> bool:
    """Whether the trace gives on two images the logits of copies, for the first, middle and last layer; see plan.py."""
    size = len(plan.layers)
    places = sorted({0, size // 2, size - 1})
    layers = tuple(plan.layers[i] for i in places)
    some = PrunedCopies(copies.model, layers, copies.mode, {}, copies.device, copies.dtype)
    try:
        wanted = list(some.logits(two))
        unpruned, *found = plan.logits(two)
    except Exception:  # whatever a forward pass raises; of copies, it will be raised again
        return False
    return agree([unpruned, *(found[i] for i in places)], wanted)


def fitting_modes(model: nn.Module, layers: Iterable[str]) -> list[str]:
    """The modes that fit at least one of the layers, in the registry's order."""
    names = list(layers)
    try:
        traced = trace(model)
    except UntraceableError:
        return [mode for mode in ZEROING if any(fits(check_mode, model, layer, mode) for layer in names)]
    return [mode for mode in ZEROING if any(_fits_traced(model, traced, layer, mode) for layer in names)]


def _fits_traced(model: nn.Module, traced: fx.GraphModule, layer: str, mode: str) -> bool:
    try:
        zeroing_of(mode).sites(traced, layer)
    except NeverCalledError:  # as a module; it may run all the same
        return fits(check_mode, model, layer, mode)
    except ValueError:
        return False
    return True


def _fitting(layers: Iterable[str], fit: Callable[[str], Fit]) -> tuple[dict[str, Fit], dict[str, str]]:
    """What `fit(layer)` gives for the layers that fit, and what it says of the others."""
    found: dict[str, Fit] = {}
    left_out: dict[str, str] = {}
    for layer in layers:
        try:
            found[layer] = fit(layer)
        except ValueError as error:
            left_out[layer] = str(error)
    if not found:
        why = next(iter(left_out.values()), "the network has no convolution")
        raise ValueError(say("there is no layer to scan: {why}", why=why))
    return found, left_out


class PrunedCopies:
    """Runs a pruned copy of the whole network for each layer."""

    slow = True
    at_once = 2**31

    def __init__(
        self,
        model: nn.Module,
        layers: tuple[str, ...],
        mode: str,
        left_out: dict[str, str],
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> None:
        self.model, self.layers, self.mode, self.left_out = model, layers, mode, left_out
        self.device, self.dtype = device, dtype

    def logits(self, inputs: Inputs) -> Iterator[Tensor]:
        """See LayersPlan."""
        yield self._run(self.layers[0], 0, inputs)
        for layer in self.layers:
            yield self._run(layer, conv_layer(self.model, layer).out_channels, inputs)

    def _run(self, layer: str, channels: int, inputs: Inputs) -> Tensor:
        pruned = prune(self.model, layer, range(channels), self.mode).eval()
        return check_logits(forward(pruned.to(self.device, self.dtype), copied(inputs))).float()


class SharedPass:
    """Runs the unpruned network once a batch, and from the values it leaves each layer's remainder."""

    slow = False

    def __init__(
        self,
        traced: fx.GraphModule,
        sites: dict[str, Sites],
        emits: dict[str, Tensor],
        example: Inputs,
        copies: PrunedCopies,
    ) -> None:
        self.traced, self.copies, self.layers, self.left_out = traced, copies, copies.layers, copies.left_out
        self.output = output_of(traced)
        values = self._values(example)
        self.remainders = [
            make_remainder(traced, *_whole_and_partly(nodes, emits[layer], values)) for layer, nodes in sites.items()
        ]
        kept = {self.output}.union(*(remainder.reads for remainder in self.remainders))
        self.shared = program_for(traced, kept)
        per_image = sum(values[node].nbytes for node in kept if isinstance(values[node], Tensor)) // 2
        self.at_once = max(1, KEPT_BYTES // max(1, per_image))

    @torch.inference_mode()
    def _values(self, example: Inputs) -> Env:
        """Every value of the network for two images."""
        everything = Program(self.traced, tuple(self.traced.graph.nodes), frozenset(self.traced.graph.nodes))
        with exclusive:
            return everything.run(placeholders(self.traced, two_images(example)))

    def logits(self, inputs: Inputs) -> Iterator[Tensor]:
        """See LayersPlan; images of a size for which the network was not traced go through pruned copies."""
        if not fits_sizes(self.traced, inputs):
            yield from self.copies.logits(inputs)
            return
        images = len(inputs[0]) if isinstance(inputs, tuple) else len(inputs)
        kept = self._pass(inputs)
        yield check_logits(kept[self.output])
        for remainder in self.remainders:
            yield check_logits(remainder.run(kept, images))

    @torch.inference_mode()
    def _pass(self, inputs: Inputs) -> Env:
        with exclusive:
            return self.shared.run(placeholders(self.traced, inputs))


@dataclass(frozen=True)
class Remainder:
    """What is left to run of a network once its sites are constants, wholly or in some of their places."""

    constants: Env  # values that are the same for each image: (1, …)
    override: Override  # by the sites that are constants in some places alone
    reads: frozenset[fx.Node]  # values of the unpruned network that it starts from
    program: Program
    output: fx.Node

    @torch.inference_mode()
    def run(self, kept: Env, images: int) -> object:
        """What the network returns for a batch of `images`, of which the unpruned network has left `kept`."""
        env = {node: kept[node] for node in self.reads} | _for_images(self.constants, images)
        with exclusive:
            return self.program.run(env, self.override)[self.output]


def make_remainder(traced: fx.GraphModule, sites: Env, partly: Override) -> Remainder:
    """The remainder of a network whose nodes `sites` emit the constants given, (1, …) each.

    Those in `partly` emit what is made of their values instead.
    """
    output = output_of(traced)
    needed = ancestors([output], stop=sites)
    changed = (descendants([*sites, *partly]) - set(sites)) & needed
    settled = (_depends_on_no_image(traced, sites, needed) & changed) - descendants(partly)
    constants = _settle(traced, sites, _read_by_others({*sites, *settled}, changed - settled, output))
    if constants is None:
        settled, constants = set(), sites
    rest = changed - settled
    read = {arg for node in rest for arg in node.all_input_nodes} | ({output} - changed)
    return Remainder(
        constants=constants,
        override=partly,
        reads=frozenset(read - rest - set(constants)),
        program=Program(traced, _in_order(traced, rest), frozenset({output})),
        output=output,
    )


def _depends_on_no_image(traced: fx.GraphModule, sites: Env, needed: set[fx.Node]) -> set[fx.Node]:
    found = set(sites)
    for node in _in_order(traced, needed):
        if node.op != "placeholder" and all(arg in found for arg in node.all_input_nodes):
            found.add(node)
    return found


def _read_by_others(nodes: set[fx.Node], others: set[fx.Node], output: fx.Node) -> set[fx.Node]:
    return {node for node in nodes if node is output or not others.isdisjoint(node.users)}


def _settle(traced: fx.GraphModule, sites: Env, targets: set[fx.Node]) -> Env | None:
    """The targets' values for one image; None unless they are one row an image, and each image's row the same.

    They depend on the sites alone, but an operation may have mixed up the rows of the batch.
    """
    nodes = ancestors(targets, stop=sites) - set(sites)
    program = Program(traced, _in_order(traced, nodes), frozenset(targets))
    with exclusive, torch.inference_mode():
        one, two = (program.run(_for_images(sites, images)) for images in (1, 2))
    settled = all(_is_row_an_image(one[node], two[node]) for node in targets)
    return {node: one[node] for node in targets} if settled else None


def _is_row_an_image(one: object, two: object) -> bool:
    if not isinstance(one, Tensor) or not isinstance(two, Tensor) or not one.is_floating_point():
        return False
    if two.shape != (2, *one.shape[1:]) or one.shape[:1] != (1,):
        return False
    return agree(two, [one[0], one[0]])


def _for_images(constants: Env, images: int) -> Env:
    return {node: value.expand(images, *value.shape[1:]) for node, value in constants.items()}


def _whole_and_partly(sites: Sites, emits: Tensor, values: Env) -> tuple[Env, Override]:
    """What each site emits for one image without any of the channels, or how its value is changed by that."""
    everything = torch.arange(len(emits))
    changes = {site: partial(emitting, owner=owner, channels=everything, emits=emits) for site, owner in sites.items()}
    whole = {site for site, owner in sites.items() if bool((owner >= 0).all())}
    constants = {site: change(values[site][:1]) for site, change in changes.items() if site in whole}
    return constants, {site: change for site, change in changes.items() if site not in whole}


def _in_order(traced: fx.GraphModule, nodes: Collection[fx.Node]) -> tuple[fx.Node, ...]:
    return tuple(node for node in traced.graph.nodes if node in nodes)
