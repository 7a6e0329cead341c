"""The layers of an `nn.Sequential` as one call, where a trace has them one after another and nothing reads between."""

from collections.abc import Iterator, Sequence

from torch import fx, nn


def gather(model: nn.Module, graph: fx.Graph) -> list[str]:
    """Let the network's graph call its sequences as one wherever it can, the outermost first; returns their names."""
    found: list[str] = []
    read = [str(node.target) for node in graph.nodes if node.op == "get_attr"]  # tensors that something else reads
    for name, module in model.named_modules():
        whole = name and is_sequence(module) and not any(tensor.startswith(f"{name}.") for tensor in read)
        if whole and not any(name.startswith(f"{outer}.") for outer in found):
            runs = _runs(graph, list(leaves(name, module)))
            for run in runs:
                _call(graph, name, run)
            found += [name] if runs else []
    return found


def is_sequence(module: nn.Module) -> bool:
    """Whether the module does nothing but call its layers, which have numbers for names, one after another."""
    numbers = [str(place) for place in range(len(list(module.children())))]
    plain = isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward
    return plain and [name for name, _ in module.named_children()] == numbers


def leaves(name: str, module: nn.Module) -> Iterator[str]:
    """The names of a sequence's layers, those of the sequences within it among them."""
    for own, inner in module.named_children():
        if is_sequence(inner):
            yield from leaves(f"{name}.{own}", inner)
        else:
            yield f"{name}.{own}"


def _runs(graph: fx.Graph, names: Sequence[str]) -> list[list[fx.Node]]:
    """The calls of these layers, from the first to the last in each; none where some are called in another way."""
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target in names]
    runs = [_run(node, names) for node in calls if node.target == names[0]]
    return runs if all(runs) and sum(map(len, runs)) == len(calls) else []


def _run(first: fx.Node, names: Sequence[str]) -> list[fx.Node]:
    """The calls of all these layers, each on what the one before gave and alone in reading that; else none."""
    run: list[fx.Node] = []
    node = first
    for name in names:
        alone = len(node.args) == 1 and isinstance(node.args[0], fx.Node) and not node.kwargs
        if node.target != name or not alone or (run and len(run[-1].users) > 1):
            return []
        run.append(node)
        node = next(iter(node.users), first)
    return run


def _call(graph: fx.Graph, name: str, run: Sequence[fx.Node]) -> None:
    """One call in the place of the run's."""
    with graph.inserting_after(run[-1]):
        whole = graph.call_module(name, run[0].args)
    run[-1].replace_all_uses_with(whole)
    for node in reversed(run):
        graph.erase_node(node)
