"""Running statistics of a layer's output: the averaged map, and a few numbers for each channel."""

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, fx, nn

from explorer.images.batches import Inputs
from explorer.language.saying import listed, say
from explorer.networks.evaluation import (
    Batch,
    CountedBatches,
    Device,
    forward,
    resolve_device,
    tell_precision,
    to_device,
)
from explorer.networks.graph import Program, UntraceableError, exclusive, layer_calls, placeholders, program_for
from explorer.networks.layers import conv_layer
from explorer.networks.neighbours import activation_node, addition_node, block_node
from explorer.networks.tracing import fits_sizes, sizes_in, taking, trace
from explorer.pruning.points import POINTS, TAYLOR
from explorer.pruning.statistics import ChannelStatistics
from explorer.training.loss import loss_of

NODES: dict[str, Callable[[fx.Node], fx.Node]] = {
    "raw": lambda call: call,
    "activation": activation_node,
    "block": block_node,
    TAYLOR: lambda call: call,
}
AT_ONCE = 250  # images whose sums are taken together, in float32: few enough for exact means and little memory


class RunningStatistics:
    """Sums over the outputs handed to `add`: float32 within a few images, float64 from there on."""

    def __init__(self) -> None:
        self.count = 0
        self.shape = torch.Size()  # of one image's output
        self.shift: Tensor | None = None  # (P,) subtracted before squaring, so that a constant has exactly no variance
        self.sums: dict[str, Tensor] = {}

    def add(self, output: Tensor) -> None:
        """Add outputs (N, P, M, N')."""
        if output.ndim != 4:
            raise ValueError(
                say(
                    "the output has shape {shape}; a convolution's is (N, P, M, N)",
                    shape=tuple(output.shape),
                )
            )
        if self.count and output.shape[1:] != self.shape:
            raise ValueError(
                say(
                    "maps have the shape {shape} for some images and {other} for others: give images of one size",
                    shape=tuple(self.shape),
                    other=tuple(output.shape[1:]),
                )
            )
        for part in output.split(AT_ONCE):
            self._add_part(part)

    def _add_part(self, output: Tensor) -> None:
        # Sums over the first dimension are several times faster than over any other: (N, M · N', P), a view of an
        # output in channels-last order.
        images = output.movedim(1, -1).flatten(1, 2)
        self.count += output.shape[0]
        self.shape = output.shape[1:]
        rows = images.flatten(0, 1)  # (N · M · N', P)
        positive = rows.relu()
        self.shift = rows[0].clone() if self.shift is None else self.shift
        self._keep("map", images.sum(0).cpu().double(), torch.add)  # (M · N', P)
        self._keep("minimum", rows.amin(0).cpu(), torch.minimum)
        self._keep("maximum", rows.amax(0).cpu(), torch.maximum)
        self._keep("square", (rows - self.shift).square().sum(0).cpu().double(), torch.add)
        self._keep("positive", positive.sum(0).cpu().double(), torch.add)
        self._keep("above", positive.sign_().sum(0).cpu().double(), torch.add)

    def _keep(self, name: str, value: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.sums[name] = combine(self.sums[name], value) if name in self.sums else value

    def result(self, done: int, total: int) -> ChannelStatistics:
        """The statistics so far."""
        if not self.count:
            raise ValueError(say("there are no images to average over"))
        maps = (self.sums["map"] / self.count).T.reshape(self.shape)  # (P, M, N')
        n = self.count * maps[0].numel()
        mean = maps.mean((1, 2))
        mean_positive = self.sums["positive"] / n
        assert self.shift is not None, "`add` sets it"
        variance = (self.sums["square"] / n - (mean - self.shift.cpu().double()).square()).clamp(min=0)
        return ChannelStatistics(
            maps=maps.cpu().numpy(),
            mean=mean.cpu().numpy(),
            std=variance.sqrt().cpu().numpy(),
            minimum=self.sums["minimum"].double().cpu().numpy(),
            maximum=self.sums["maximum"].double().cpu().numpy(),
            mean_absolute=(2 * mean_positive - mean).cpu().numpy(),  # |x| = 2 max(x, 0) − x
            mean_positive=mean_positive.cpu().numpy(),
            positive=(self.sums["above"] / n).cpu().numpy(),
            done=done,
            total=total,
        )


def collect_stream(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    point: str = "raw",
    device: Device = None,
) -> Iterator[ChannelStatistics]:
    """Statistics of the layer's output, yielded after each batch; the last is over all images.

    `point` is a key of POINTS: the convolution's raw output, or what leaves its batch norm and activation. A network
    that cannot be traced has the raw point alone. At the point TAYLOR it is not an output that is averaged but, for
    each image, how much a channel matters to the loss. `device` as for `sweep`; the model itself stays where it is.
    """
    target = resolve_device(device)
    tell_precision(model)
    _check_named(model, layer, point)
    counted = CountedBatches(batches)
    running, done = RunningStatistics(), 0
    look, sizes = None, None
    for inputs, labels in counted:
        if look is None or sizes_in(inputs) != sizes:
            sizes = sizes_in(inputs)
            look = _looker(taking(model, sizes), layer, point, target)
        for output in look(to_device(inputs, target), labels.to(target)):
            running.add(output)
        del output  # large, and not needed while this waits for its turn
        done += len(labels)
        yield running.result(done, counted.n)


def collect(
    model: nn.Module,
    layer: str,
    batches: Iterable[Batch],
    point: str = "raw",
    device: Device = None,
) -> ChannelStatistics:
    """Statistics of the layer's output over all batches; parameters and errors as for `collect_stream`.

    >>> import explorer as ex
    >>> net = ex.load("simple-cnn_fashion-mnist")
    >>> found = ex.statistics(net.model, "conv2", ex.batches(net, limit=100))
    >>> found.mean.shape, found.maps.shape, found.done
    ((32,), (32, 14, 14), 100)
    """
    last = None
    for last in collect_stream(model, layer, batches, point, device):  # noqa: B007
        pass
    assert last is not None
    return last


def collect_layers(
    model: nn.Module, layers: Iterable[str], batches: Iterable[Batch], point: str = "raw", device: Device = None
) -> Iterator[tuple[int, dict[str, ChannelStatistics]]]:
    """Statistics of several layers' outputs, as `collect` gives for each, from one pass where the network is traced.

    Yields the number of images of each batch, and with a last 0 the statistics; a layer that puts nothing out has none.
    """
    names, counted, target = list(layers), CountedBatches(batches), resolve_device(device)
    known = taking(model, sizes_in(next(iter(counted))[0]))
    together = _Together(known, names, point, target)
    for inputs, labels in counted:
        together.add(to_device(inputs, target))
        yield len(labels), {}
    found = together.results(counted.n)
    for layer in names:
        if layer not in found:
            with contextlib.suppress(ValueError):  # as of a layer that never runs
                found[layer] = collect(model, layer, counted, point, device)
    yield 0, {layer: found[layer] for layer in names if layer in found}


class _Together:
    """Running statistics of several layers, of those whose calls a traced network shows."""

    def __init__(self, model: nn.Module, layers: Iterable[str], point: str, device: torch.device) -> None:
        self.running: dict[str, RunningStatistics] = {}
        self.looks: dict[fx.Node, list[str]] = {}  # whose output a value is
        try:
            self.traced = trace(model).to(device)
        except UntraceableError:
            return
        for layer in layers if point != TAYLOR else ():
            with contextlib.suppress(ValueError):
                nodes = [NODES[point](call) for call in layer_calls(self.traced, layer)]
                self.running[layer] = RunningStatistics()
                for node in nodes:
                    self.looks.setdefault(node, []).append(layer)
        whole = program_for(self.traced, self.looks)
        self.program = Program(self.traced, whole.nodes, frozenset())  # a value that was looked at is forgotten

    def _look(self, layers: list[str], value: Tensor) -> Tensor:
        for layer in layers:
            self.running[layer].add(value)
        return value

    def add(self, inputs: Inputs) -> None:
        """Look at a batch."""
        if self.looks and not fits_sizes(self.traced, inputs):
            self.running, self.looks = {}, {}  # of images of several sizes each layer is looked at alone
        if self.looks:
            looks = {node: partial(self._look, layers) for node, layers in self.looks.items()}
            with exclusive, torch.inference_mode():
                self.program.run(placeholders(self.traced, inputs), looks)

    def results(self, images: int) -> dict[str, ChannelStatistics]:
        """The statistics of each layer."""
        return {layer: each.result(images, images) for layer, each in self.running.items()}


def outputs(model: nn.Module, layer: str, inputs: Inputs, point: str = "raw") -> Tensor:
    """The layer's output (N · calls, P, M, N') for one batch; `point` is a key of POINTS."""
    if point not in POINTS:
        raise ValueError(say("unknown point {point!r}; choose one of: {known}", point=point, known=listed(POINTS)))
    conv_layer(model, layer)
    return torch.cat(_looker(taking(model, sizes_in(inputs)), layer, point, torch.device("cpu"))(inputs))


def fitting_points(model: nn.Module, layer: str) -> list[str]:
    """The points at which the layer's output can be looked at, in the registry's order."""
    try:
        call = layer_calls(trace(model), layer)[0]
    except UntraceableError:
        return ["raw"]
    return [point for point in POINTS if point != "block" or addition_node(call) is not None]


def _check_named(model: nn.Module, layer: str, point: str) -> None:
    if point not in NODES:
        raise ValueError(say("unknown point {point!r}; choose one of: {known}", point=point, known=listed(POINTS)))
    conv_layer(model, layer)


def check_point(model: nn.Module, layer: str, point: str) -> None:
    """ValueError where there is no such point, or the layer has no output there."""
    if point not in NODES:
        raise ValueError(say("unknown point {point!r}; choose one of: {known}", point=point, known=listed(POINTS)))
    if point != "raw":
        NODES[point](layer_calls(_traced_to(point, model), layer)[0])


def _traced_to(point: str, model: nn.Module) -> fx.GraphModule:
    """The traced network; where there is none, say which point is left to look at."""
    try:
        return trace(model)
    except UntraceableError as error:
        raise UntraceableError(
            say(
                "the point {point!r} is found in a traced network only, and {error}; choose the point 'raw'",
                point=point,
                error=error,
            )
        ) from error


def _looker(model: nn.Module, layer: str, point: str, device: torch.device) -> Callable[..., list[Tensor]]:
    """Gives for a batch, inputs and labels, what each call of the layer puts out (N, P, M, N')."""
    try:
        traced = _traced_to(point, model).to(device)
        return _Effects(traced, layer) if point == TAYLOR else _Outputs(traced, layer, point)
    except UntraceableError:
        if point != "raw":
            raise
        return _HookedCopy(model, layer, device)


class _Outputs:
    """Runs a traced network just far enough to see what one layer puts out."""

    def __init__(self, traced: fx.GraphModule, layer: str, point: str) -> None:
        self.traced = traced
        self.targets = [NODES[point](call) for call in layer_calls(traced, layer)]
        self.program = program_for(traced, self.targets)

    def __call__(self, inputs: Inputs, labels: Tensor | None = None) -> list[Tensor]:
        """(N, P, M, N') of each call, for one batch; what the images show does not matter here."""
        with exclusive, torch.inference_mode():
            env = self.program.run(placeholders(self.traced, inputs))
        return [env[target] for target in self.targets]


class _HookedCopy:
    """Runs a copy of a network that cannot be traced, with a hook on one layer: the model itself may be shared."""

    def __init__(self, model: nn.Module, layer: str, device: torch.device) -> None:
        self.copy = copy.deepcopy(model).eval().float().to(device)
        self.layer = layer
        self.seen: list[Tensor] = []
        conv_layer(self.copy, layer).register_forward_hook(self._see)

    def __call__(self, inputs: Inputs, labels: Tensor | None = None) -> list[Tensor]:
        """See _Outputs."""
        self.seen = []
        forward(self.copy, inputs)
        if not self.seen:
            raise ValueError(
                say(
                    "layer {layer!r} was not called in the forward pass, so it puts nothing out",
                    layer=self.layer,
                )
            )
        return self.seen

    def _see(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.seen.append(output.clone())  # what follows may change it in place


class _Effects:
    """To first order, how much each image's loss would change if a channel of the layer put out zero.

    |mean over positions (of every call) of output × gradient of the loss with respect to it|: Molchanov et al. (2017),
    *Pruning convolutional neural networks for resource efficient inference*, their criterion TE. They look behind the
    ReLU; where it comes right after the convolution, output × gradient is the same before and behind it.
    """

    def __init__(self, traced: fx.GraphModule, layer: str) -> None:
        self.traced = traced.requires_grad_(False)  # a copy of its own
        self.calls = layer_calls(self.traced, layer)
        self.output = next(node for node in self.traced.graph.nodes if node.op == "output")
        self.program = program_for(self.traced, [self.output])

    def __call__(self, inputs: Inputs, labels: Tensor) -> list[Tensor]:
        """(N, P, 1, 1) for one batch, as the only item."""
        values: list[Tensor] = []

        def follow(value: Tensor) -> Tensor:
            values.append(value if value.requires_grad else value.requires_grad_())
            return values[-1]

        with exclusive, torch.enable_grad():
            env = self.program.run(placeholders(self.traced, inputs), dict.fromkeys(self.calls, follow))
            loss = loss_of(env[self.output], labels, reduction="sum")  # of which each image has a gradient of its own
            gradients = torch.autograd.grad(loss, values, allow_unused=True, materialize_grads=True)
        parts = [(value.detach() * slope).flatten(2) for value, slope in zip(values, gradients, strict=True)]
        return [torch.cat(parts, dim=2).mean(2).abs()[:, :, None, None]]
