"""A network as PyTorch source that imports torch alone, so that whoever has it goes on training in their own script.

It is written from the network's trace: a constructor with every layer, and a forward pass with every operation, in
which an `nn.Sequential` is one.
"""

import builtins
import inspect
import math
import operator
from collections.abc import Collection, Iterator, Mapping
from itertools import chain, count
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from explorer.compression.sequences import gather, is_sequence
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.cards import Card
from explorer.networks.evaluation import forward
from explorer.networks.graph import module_of
from explorer.networks.tracing import trace

CLASS = "Network"
STEM = "network"  # of the file of the source, and of that of its weights
TEMPLATE = '''"""{title}.

Needs PyTorch alone; {stem}.pt beside this file holds the weights:

    import torch
    from {stem} import {name}

    net = {name}()
    net.load_state_dict(torch.load("{stem}.pt", weights_only=True))

It takes {takes}, and gives logits (N, {outputs}).
Images are numbers in 0…1, less MEAN, divided by STD, channel by channel; labels count CLASSES from 0.
To train it on, from a small learning rate:

    loss = nn.functional.{loss}
"""

{imports}

MEAN = {mean!r}
STD = {std!r}
CLASSES = {classes!r}


class {name}(nn.Module):
    def __init__(self) -> None:
        super().__init__()
{layers}

    def forward(self, {inputs}) -> torch.Tensor:
{operations}
'''
INFIX = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//",
    operator.mod: "%", operator.pow: "**", operator.matmul: "@",
}  # fmt: skip
SPACES: dict[str, Any] = {"torch.": torch, "F.": F, "operator.": operator, "math.": math, "": builtins}
IMPORTS = {"math.": "import math", "operator.": "import operator", "F.": "import torch.nn.functional as F"}
TAKEN = {"self", "torch", "nn", "F", "math", "operator"}  # names that no variable may have
MORE = ("y", "z")  # variables beside the inputs; after them y1, y2 …
LOSS = "cross_entropy(net(images), labels)"
LOSS_OF_ONE = "binary_cross_entropy_with_logits(net({})[:, 0], labels.float())"  # logit
Tree = dict[str, Any]  # layers by name: a module, a list of those of a sequence, or the tree of those within


def source_of(model: nn.Module, card: Card, title: str, example: Inputs) -> tuple[str, dict[str, Tensor]]:
    """The source of a network, and the weights that its class takes, under the network's own names.

    Raises UntraceableError where it cannot be traced, and ValueError where it calls what is not PyTorch's.
    """
    traced = trace(model, example)
    nodes = list(traced.graph.nodes)
    layers = {str(node.target): module for node in nodes if (module := module_of(node)) is not None}
    tensors = {str(node.target): _held(traced, node) for node in nodes if node.op == "get_attr"}
    sequences = gather(model, traced.graph)
    nodes = list(traced.graph.nodes)
    body = "\n".join(f"        {line}" for line in _operations(nodes))
    named = [_argument(node) for node in nodes if node.op == "placeholder"]
    images = " and ".join(each.partition(":")[0] for each in named)
    outputs = forward(model, example).shape[1]
    text = TEMPLATE.format(
        title=title,
        name=CLASS,
        stem=STEM,
        takes=f"images {images} (N, {', '.join(map(str, card.shape))})",
        outputs=outputs,
        loss=LOSS if outputs > 1 else LOSS_OF_ONE.format(images.replace(" and", ",")),
        imports=_imports(body),
        mean=card.mean,
        std=card.std,
        classes=card.classes,
        layers="\n".join(f"        {line}" for line in _constructor(layers, tensors, model, sequences)),
        inputs=", ".join(named),
        operations=body,
    )
    kept = {f"{name}.{key}": value for name, module in layers.items() for key, value in module.state_dict().items()}
    return text, {key: value.detach().contiguous().clone() for key, value in {**kept, **tensors}.items()}


def network_from(text: str) -> nn.Module:
    """The network that a source from `source_of` describes, weights drawn at random."""
    space: dict[str, Any] = {"__name__": STEM}
    exec(compile(text, f"{STEM}.py", "exec"), space)  # which was written here
    network: nn.Module = space[CLASS]()
    return network


def _imports(body: str) -> str:
    """What the operations need, beside torch and its modules."""
    first = [line for prefix, line in IMPORTS.items() if prefix in body and prefix != "F."]
    functional = [IMPORTS["F."]] if "F." in body else []
    return "\n".join([*first, *([""] if first else []), "import torch", *functional, "from torch import nn"])


def _held(traced: fx.GraphModule, node: fx.Node) -> Tensor:
    value = operator.attrgetter(str(node.target))(traced)
    if not isinstance(value, Tensor):
        raise ValueError(
            say(
                "{target} is a {kind}, which cannot be written as source",
                target=node.target,
                kind=type(value).__name__,
            )
        )
    return value


# The constructor


def _constructor(
    layers: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], model: nn.Module, sequences: Collection[str]
) -> Iterator[str]:
    tree: Tree = {}
    for layer in layers:
        name = next((each for each in sequences if layer.startswith(f"{each}.")), layer)
        *owners, last = name.split(".")
        _within(tree, owners)[last] = _part(name, layers, model)
    for name in tensors:
        _within(tree, name.split(".")[:-1])
    for name, part in tree.items():
        written = "\n".join(_written(part)).replace("\n", "\n        ")
        yield f"self.{name} = {written}" if name.isidentifier() else f"self.add_module({name!r}, {written})"
    for name, value in tensors.items():
        owner, _, own = name.rpartition(".")
        zeros = f"torch.zeros({tuple(value.shape)}, dtype={value.dtype})"
        if isinstance(value, nn.Parameter):
            yield f"{_path(owner)}.register_parameter({own!r}, nn.Parameter({zeros}))"
        else:
            yield f"{_path(owner)}.register_buffer({own!r}, {zeros})"


def _part(name: str, layers: Mapping[str, nn.Module], model: nn.Module) -> nn.Module | list[Any]:
    """A layer, or the parts of a sequence."""
    if name in layers:
        return layers[name]
    inner = model.get_submodule(name)
    assert is_sequence(inner), "what is no layer of the trace's is one that was gathered"
    return [_part(f"{name}.{own}", layers, model) for own, _ in inner.named_children()]


def _within(tree: Tree, owners: list[str]) -> Tree:
    """The tree of the layers within those named."""
    for owner in owners:
        tree = tree.setdefault(owner, {})
        if isinstance(tree, nn.Module):
            raise ValueError(say("a {kind} with layers within cannot be written as source", kind=type(tree).__name__))
    return tree


def _written(part: Tree | list[Any] | nn.Module) -> Iterator[str]:
    """The lines that make a layer, a sequence of layers, or a dictionary of them."""
    if isinstance(part, nn.Module):
        yield _made(part)
        return
    named = isinstance(part, dict)
    yield "nn.ModuleDict({" if named else "nn.Sequential("
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part):
        first, *rest = _written(inner)
        lines = [f'"{name}": {first}' if named else first, *rest]
        yield from (f"    {line}" for line in lines[:-1])
        yield f"    {lines[-1]},"
    yield "})" if named else ")"


def _made(module: nn.Module) -> str:
    """The call that makes a layer of PyTorch's: what its class takes, where that is not as usual."""
    kind = next(kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn"))
    given = []
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in ("device", "dtype") or not hasattr(module, name):
            continue
        value = _plain(module, name)
        if parameter.default is parameter.empty:
            given.append(_value(value, {}))
        elif value != parameter.default:
            given.append(f"{name}={_value(value, {})}")
    return f"nn.{kind.__name__}({', '.join(given)})"


def _plain(module: nn.Module, name: str) -> Any:
    """An argument as it was given: whether there are biases, one number where both sides are alike."""
    value = getattr(module, name)
    if name == "bias":
        return value is not None
    alike = isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]
    return value[0] if alike and (hasattr(module, "kernel_size") or hasattr(module, "output_size")) else value


# The forward pass


def _operations(nodes: list[fx.Node]) -> Iterator[str]:
    """A line for each operation, and one for each block of layers; the result takes the first variable that is free.

    Free is one whose last reader was before, or this is.
    """
    last = {read: node for node in nodes for read in node.all_input_nodes}
    inputs = [_variable(str(node.target)) for node in nodes if node.op == "placeholder"]
    names: dict[fx.Node, str] = {}  # of what is still to be read
    block = ""
    for node in nodes:
        if node.op == "placeholder":
            names[node] = _variable(str(node.target))
        elif node.op == "output":
            yield f"return {_value(node.args[0], names)}"
        elif node.op == "get_attr":
            names[node] = _path(str(node.target), attribute=True)
        else:
            owner = str(node.target).rpartition(".")[0] if node.op == "call_module" else block
            if owner and owner != block:
                yield f"# {owner}"
            block, expression = owner, _expression(node, names)
            for read in node.all_input_nodes:
                if last[read] is node:
                    del names[read]
            names[node] = next(name for name in _variables(inputs) if name not in names.values())
            yield f"{names[node]} = {expression}"


def _variables(inputs: list[str]) -> Iterator[str]:
    """Names for variables, those of the inputs first."""
    return chain(inputs, (name for name in MORE if name not in inputs), (f"y{place}" for place in count(1)))


def _variable(name: str) -> str:
    return f"{name}_" if name in TAKEN else name


def _argument(node: fx.Node) -> str:
    name = _variable(str(node.target))
    return f"{name}={_value(node.args[0], {})}" if node.args else f"{name}: torch.Tensor"


def _expression(node: fx.Node, names: Mapping[fx.Node, str]) -> str:
    if node.target is operator.getitem:
        return f"{_value(node.args[0], names)}[{_index(node.args[1], names)}]"
    args = [_value(arg, names) for arg in node.args]
    options = [f"{key}={_value(value, names)}" for key, value in node.kwargs.items()]
    if node.op == "call_module":
        return f"{_path(str(node.target))}({', '.join([*args, *options])})"
    if node.op == "call_method":
        return f"{args[0]}.{node.target}({', '.join([*args[1:], *options])})"
    if node.target in INFIX and len(args) == 2:
        return f"{args[0]} {INFIX[node.target]} {args[1]}"
    return f"{_qualified(node.target)}({', '.join([*args, *options])})"


def _qualified(function: Any) -> str:
    """The name by which source calls a function."""
    name = getattr(function, "__name__", str(function))
    for prefix, space in SPACES.items():
        if getattr(space, name, None) is function:
            return f"{prefix}{name}"
    raise ValueError(
        say(
            "it calls {name}, which is not PyTorch's, so it cannot be written as source that needs torch alone",
            name=name,
        )
    )


def _path(name: str, attribute: bool = False) -> str:
    """How the forward pass reaches a layer, or a tensor of one: self.layer1["0"]["conv1"]."""
    if not name:
        return "self"
    first, *rest = name.split(".")
    own = rest.pop() if attribute and rest else ""
    start = f"self.{first}" if first.isidentifier() else f"self.get_submodule({first!r})"
    return start + "".join(f'["{part}"]' for part in rest) + (f".{own}" if own else "")


def _index(value: Any, names: Mapping[fx.Node, str]) -> str:
    """What stands in brackets."""
    if isinstance(value, slice):
        ends = ["" if end is None else _value(end, names) for end in (value.start, value.stop)]
        return ":".join(ends if value.step is None else [*ends, _value(value.step, names)])
    if isinstance(value, tuple) and value:
        return ", ".join(_index(each, names) for each in value)
    return _value(value, names)


def _value(value: Any, names: Mapping[fx.Node, str]) -> str:
    """A value as source."""
    if isinstance(value, fx.Node):
        return names[value]
    if isinstance(value, tuple | list):
        listed = ", ".join(_value(each, names) for each in value)
        return f"[{listed}]" if isinstance(value, list) else f"({listed}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_value(each, names)}" for key, each in value.items()) + "}"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is Ellipsis:
        return "..."
    if isinstance(value, torch.device):
        return f"torch.device({str(value)!r})"
    if value is None or isinstance(value, bool | int | float | str | torch.dtype | torch.memory_format):
        return str(value) if isinstance(value, torch.dtype | torch.memory_format) else repr(value)
    raise ValueError(say("it uses a {kind}, which cannot be written as source", kind=type(value).__name__))
