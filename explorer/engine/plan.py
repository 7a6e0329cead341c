"""How to get a network's logits at every K: made once for a layer and a mode, then applied to each batch."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import fx, nn

from explorer.engine.cut import cut
from explorer.engine.cut_network import CutNetwork, SizedNetwork
from explorer.engine.masked_copies import MaskedCopies, check_is_read, running_type
from explorer.engine.steps import Step, agree, in_order, two_images
from explorer.images.batches import Inputs
from explorer.networks.folding import fold
from explorer.networks.graph import NeverCalledError
from explorer.networks.layers import conv_layer
from explorer.networks.tracing import lower, sizes_in, sizes_of, taking, trace
from explorer.pruning.zeroing import Zeroing, zeroing_of


class Plan(Protocol):
    """Gives logits at every K for one batch after the other."""

    exact_copy: bool  # whether it runs masked copies of the whole network, the slow way
    one_by_one: bool  # whether each K is a run of its own, so that many K take long

    def prepare(self, inputs: Inputs) -> Any:
        """What does not depend on the pruned channels of one batch: done once, however many orders are tried."""
        ...

    def steps(self, prepared: Any, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """Logits of a prepared batch for each K in `ks` (ascending), a few K at a time and these in any order."""
        ...

    def logits(self, inputs: Inputs, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """Both in one, for a single order."""
        ...


def make_plan(
    model: nn.Module,
    layer: str,
    mode: str,
    example: Inputs,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Plan:
    """The fastest plan known for pruning `layer` in `mode`; `example` is any batch, on `device`.

    A network that torch.fx cannot trace, or whose trace does not do on two images what pruned copies of it do, gets
    masked copies, correct and slow. In another `dtype` than float32, logits agree with it only as far as a measurement
    says. ValueError for an unknown layer or mode, a mode that does not fit the layer, and a layer that never runs.
    """
    chosen, two = zeroing_of(mode), two_images(example)
    model = taking(model, sizes_in(two))
    torch.backends.cudnn.allow_tf32 = False  # which would round a GPU's float32 convolutions to 10 bits
    runs_in = running_type(model, two, device)
    sound = sound_cut(model, layer, chosen, two, device, runs_in)
    if sound is None:
        return MaskedCopies(model, layer, chosen, device, dtype if runs_in == torch.float32 else runs_in)
    return sound if dtype == torch.float32 else cut_as_traced(model, layer, chosen, two, device, dtype)


def cut_as_traced(
    model: nn.Module,
    layer: str,
    mode: Zeroing,
    two: Inputs,
    device: torch.device | str,
    dtype: torch.dtype,
    traced: fx.GraphModule | None = None,
) -> "CutNetwork":
    """The network traced and cut, whether or not its trace does what the network does; `traced` as for `sound_cut`."""
    traced = trace(model, two).to(device) if traced is None else traced
    sites = mode.sites(traced, layer)
    fold(traced, sites)
    if dtype != torch.float32:
        lower(traced, dtype)
    plan, emits = cut(traced, sites, two), mode.emits(conv_layer(model, layer))
    if sizes_of(traced) is None:
        return CutNetwork(plan, emits)
    return SizedNetwork(plan, emits, MaskedCopies(model, layer, mode, device, dtype))


def sound_cut(
    model: nn.Module,
    layer: str,
    mode: Zeroing,
    two: Inputs,
    device: torch.device | str,
    runs_in: torch.dtype,
    traced: fx.GraphModule | None = None,
) -> "CutNetwork | None":
    """The network traced and cut, if it gives on two images the logits of masked copies, at K = 0, P/2 and P.

    `traced` is the network where it is traced already, and becomes the plan's own.

    A trace writes down one run with no tensors in it, so it may miss what depends on them; no list of what can go wrong
    would be whole.
    """
    channels = conv_layer(model, layer).out_channels
    order, ks = np.arange(channels), [0, (channels + 1) // 2, channels]
    try:
        wanted = in_order(MaskedCopies(model, layer, mode, device, runs_in).logits(two, order, ks))
    except (RuntimeError, TypeError, AttributeError, IndexError):  # which a whole batch will say again, or has not
        return None
    try:
        plan = cut_as_traced(model, layer, mode, two, device, torch.float32, traced)
        found = in_order(plan.logits(two, order, ks))
    except NeverCalledError as error:
        if torch.equal(wanted[0], wanted[-1]):
            check_is_read(model, layer, two, device, error)
        return None
    except Exception:  # whatever a forward pass raises that is not run as it was written
        return None
    return plan if agree(found, wanted) else None
