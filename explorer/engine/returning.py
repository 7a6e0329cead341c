"""What the suffix of a cut network reads, as one pruned channel after the other comes back."""

from collections.abc import Collection

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from explorer.engine.cut import Cut
from explorer.networks.graph import Env, exclusive, module_of


class Returning:
    """The zone's values at one K after the other, from the largest down, and the `sums` that follow from them.

    A sum is the output of a convolution that reads the zone: what each channel that comes back adds to it is a
    convolution of that channel alone. From K = P down, a sum has in it what is left, and no rounding error of what is
    gone, however large.
    """

    @torch.inference_mode()
    def __init__(self, cut: Cut, kept: Env, pruned: Env, order: np.ndarray, sums: Collection[fx.Node]) -> None:
        self.kept, self.pruned, self.last = kept, pruned, len(order)
        self.places = {node: _Places(cut.owners[node], order, kept[node].device) for node in cut.boundary}
        read = {arg for node in cut.suffix.nodes if node not in sums for arg in node.all_input_nodes}
        self.values = {node: kept[node].clone() for node in cut.boundary if node in read}
        for node, value in self.values.items():
            places = self.places[node].between(0, self.last)
            value[:, places] = pruned[node][:, places]
        self.sums = {node: self._with_nothing(node) for node in sums}

    @torch.inference_mode()
    def values_at(self, k: int) -> Env:
        """What the suffix reads, and the sums that it need not compute, with k channels pruned: never more than before.

        The tensors are those of the next call, too.
        """
        for node, value in self.values.items():
            places = self.places[node].between(k, self.last)
            value[:, places] = self.kept[node][:, places]
        if k == 0:  # exactly the network as it is
            return dict(self.values)
        for node, total in self.sums.items():
            places = self.places[node.all_input_nodes[0]].between(k, self.last)
            if len(places):
                total += self._added(node, places)
        self.last = k
        return self.values | {node: total.to(_convolution(node).weight.dtype) for node, total in self.sums.items()}

    def _with_nothing(self, node: fx.Node) -> Tensor:
        """A convolution's output with every channel pruned, in float32: sums of many small parts do not lose them."""
        source = node.all_input_nodes[0]
        with exclusive:
            least = _convolution(node)(self.pruned[source]).float()
        return least.expand(len(self.kept[source]), *least.shape[1:]).clone(memory_format=torch.channels_last)

    def _added(self, node: fx.Node, places: Tensor) -> Tensor:
        """What channels in these places add to a convolution's output as they come back."""
        source, conv = node.all_input_nodes[0], _convolution(node)
        change = self.kept[source][:, places] - self.pruned[source][:, places]
        filters = conv.weight[:, places]
        if len(places) == 1:  # of a single channel, no memory order is channels-last: twice as slow, or far worse
            change, filters = (F.pad(each, (0, 0, 0, 0, 0, 1)) for each in (change, filters))
        change, filters = (each.contiguous(memory_format=torch.channels_last) for each in (change, filters))
        return F.conv2d(change, filters, None, conv.stride, conv.padding, conv.dilation)


def adds_up(node: fx.Node) -> bool:
    """Whether a node is a convolution whose output is a sum over the channels that it reads."""
    module = module_of(node)
    plain = type(module) is nn.Conv2d and module.groups == 1 and module.padding_mode == "zeros"
    return plain and len(node.all_input_nodes) == 1


class _Places:
    """The places along dimension 1 that belong to each channel, in the order in which channels go."""

    def __init__(self, owner: Tensor, order: np.ndarray, device: torch.device) -> None:
        owned = (owner >= 0).nonzero()[:, 0]
        ranks = torch.as_tensor(order).argsort()[owner[owned]]  # when each place goes
        self.places = owned[ranks.argsort(stable=True)].to(device)
        self.starts = torch.searchsorted(ranks.sort().values, torch.arange(len(order) + 1)).tolist()

    def between(self, first: int, last: int) -> Tensor:
        """The places of the channels that go from K = first up to K = last."""
        return self.places[self.starts[first] : self.starts[last]]


def _convolution(node: fx.Node) -> nn.Conv2d:
    module = module_of(node)
    assert isinstance(module, nn.Conv2d)
    return module
