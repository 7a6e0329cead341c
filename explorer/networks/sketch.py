"""A network in outline, to be drawn: its convolutions and linear layers in the order they run, and its shortcuts."""

import pandas as pd
from torch import fx, nn

from explorer.networks.checkpoints import Checkpoint
from explorer.networks.graph import UntraceableError, ancestors, module_of
from explorer.networks.layers import layer_table
from explorer.networks.neighbours import addition_node
from explorer.networks.sketches import Sketch
from explorer.networks.tracing import trace


def sketch(checkpoint: Checkpoint) -> Sketch:
    """The sketch of a network; one that cannot be traced has no shortcuts, whether it adds or not."""
    rows = layer_table(checkpoint).drop_duplicates("layer")
    rows = rows[rows["kind"].isin(["Conv2d", "Linear"]) & (rows["output"] != "")]
    try:
        calls = _calls(checkpoint.model)
    except UntraceableError:
        calls = {}
    around = _shortcuts(calls)
    aside = {layer for _, _, on_it in around for layer in on_it}
    places: dict[str, float] = {}
    for layer in rows["layer"]:
        if layer not in aside:
            places[layer] = len(places) + 1
    ends = []
    for before, last, on_it in around:
        start, end = max((places.get(layer, 0) for layer in before), default=0), places[last]
        ends.append((start, end))
        places |= dict.fromkeys(on_it, (start + end + 1) / 2)
    card = checkpoint.card
    boxes = [("", "input", card.shape[0], card.shape[1], " × ".join(map(str, card.shape)), 1, 0.0, False)]
    for layer, kind, output in rows[["layer", "kind", "output"]].itertuples(index=False):
        sizes = [int(size) for size in output.split(" × ")]
        what = "convolution" if kind == "Conv2d" else "linear"
        runs = len(calls.get(layer, [layer]))
        boxes.append((layer, what, sizes[0], (sizes + [1])[1], output, runs, float(places[layer]), layer in aside))
    columns = ["layer", "kind", "channels", "side", "output", "runs", "place", "on_shortcut"]
    return Sketch(pd.DataFrame(boxes, columns=columns), pd.DataFrame(ends, columns=["start", "end"], dtype=float))


def _calls(model: nn.Module) -> dict[str, list[fx.Node]]:
    """The calls of each convolution and linear layer, in the order they run."""
    calls: dict[str, list[fx.Node]] = {}
    for node in trace(model).graph.nodes:
        if isinstance(module_of(node), nn.Conv2d | nn.Linear):
            calls.setdefault(str(node.target), []).append(node)
    return calls


def _shortcuts(calls: dict[str, list[fx.Node]]) -> list[tuple[list[str], str, list[str]]]:
    """Each shortcut: the layers that run before it begins, the last layer it leads around, and those on it."""
    nodes = {call: layer for layer, each in calls.items() for call in each}
    additions = dict.fromkeys(filter(None, map(addition_node, nodes)))
    found = []
    for addition in additions:
        one, other = (ancestors([side]) for side in addition.all_input_nodes[:2])
        common = one & other
        inner = [[nodes[call] for call in nodes if call in side - common] for side in (one, other)]
        around, on_it = sorted(inner, key=len, reverse=True)
        if around:
            found.append(([nodes[call] for call in nodes if call in common], around[-1], on_it))
    return found
