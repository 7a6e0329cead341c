"""Batch norm folded into the convolution before it: one operation does what both do, and logits change by rounding."""

from collections.abc import Collection

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from explorer.networks.functional import AnyBatchNorm
from explorer.networks.graph import module_of

FOLDED = "folded"  # where a traced network keeps those of `learn_folds`


def learn_folds(traced: fx.GraphModule) -> None:
    """Let a traced network know, for each batch norm that can be folded, the convolution that does what both do.

    So the graphs that share the network's weights (see layer_plans) share those of the folded convolutions, too.
    """
    traced.meta[FOLDED] = {node.name: folded for node in traced.graph.nodes if (folded := _folded(node)) is not None}


def fold(traced: fx.GraphModule, sites: Collection[fx.Node]) -> None:
    """Let folded convolutions stand for batch norms and the convolutions before them, but for those among the `sites`.

    A value keeps its node, and so its name: that of the batch norm; the convolution's own is gone.
    """
    if FOLDED not in traced.meta:
        learn_folds(traced)
    for node in list(traced.graph.nodes):
        if node.name not in traced.meta[FOLDED] or _convolution(node) in sites:
            continue
        before = _convolution(node)
        traced.set_submodule(str(node.target), traced.meta[FOLDED][node.name])
        node.args, node.kwargs = before.args, before.kwargs
        traced.graph.erase_node(before)
    traced.delete_all_unused_submodules()  # the convolutions as they were, which are as large as the folded ones
    traced.recompile()


def _folded(node: fx.Node) -> nn.Conv2d | None:
    """The convolution that stands for a batch norm that alone reads one, and that nothing else calls; else None."""
    norm = module_of(node)
    if not isinstance(norm, nn.BatchNorm2d) or type(norm) not in (nn.BatchNorm2d, AnyBatchNorm):
        return None  # a type of one's own may do more
    conv, calls = module_of(_convolution(node)), [each.target for each in node.graph.nodes]
    if type(conv) is not nn.Conv2d or len(_convolution(node).users) > 1 or calls.count(node.target) > 1:
        return None
    return fuse_conv_bn_eval(conv, norm) if norm.running_mean is not None else None


def _convolution(node: fx.Node) -> fx.Node:
    """What a batch norm reads."""
    return node.all_input_nodes[0]
