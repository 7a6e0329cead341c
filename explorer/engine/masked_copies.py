"""The slow way, which fits every network: a masked copy of all of it for each K."""

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from explorer.engine.steps import Step, check_logits, copied
from explorer.images.batches import Inputs
from explorer.language.saying import say
from explorer.networks.evaluation import forward, precision_of
from explorer.networks.graph import NeverCalledError, exclusive
from explorer.networks.layers import conv_layer
from explorer.pruning.zeroing import Zeroing


class MaskedCopies:
    """Runs a private copy of the whole network for each K."""

    exact_copy = True
    one_by_one = True

    def __init__(
        self, model: nn.Module, layer: str, mode: Zeroing, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        self.copy = copy.deepcopy(model).eval().to(device, dtype)
        self.original = copy.deepcopy(self.copy.state_dict())
        self.slices, self.dtype = mode.slices(self.copy, layer), dtype

    def prepare(self, inputs: Inputs) -> Inputs:
        """See Plan: nothing here, but the batch itself."""
        return inputs

    def steps(self, prepared: Inputs, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """See Plan."""
        for index, k in enumerate(ks):
            yield index, self._run(prepared, torch.as_tensor(order[:k]))[None]

    def logits(self, inputs: Inputs, order: np.ndarray, ks: Sequence[int]) -> Iterator[Step]:
        """See Plan."""
        yield from self.steps(self.prepare(inputs), order, ks)

    @torch.inference_mode()
    def _run(self, inputs: Inputs, channels: Tensor) -> Tensor:
        with exclusive:
            self.copy.load_state_dict(self.original)
            for slices in self.slices:
                slices.zero(self.copy, channels)
            return check_logits(forward(self.copy, copied(inputs, self.dtype))).float()


def running_type(model: nn.Module, inputs: Inputs, device: torch.device | str) -> torch.dtype:
    """Float32, or the type of the model's weights where its forward pass runs in no other."""
    own = precision_of(model)
    if own == torch.float32:
        return own
    try:
        forward(copy.deepcopy(model).eval().to(device, torch.float32), copied(inputs))
    except RuntimeError:
        return own
    return torch.float32


def check_is_read(
    model: nn.Module, layer: str, inputs: Inputs, device: torch.device | str, cause: Exception | None = None
) -> None:
    """ValueError where the forward pass does not read the layer's weights, in whichever way.

    Filled with NaN, they show in the logits of any network that reads them, even behind a gain of zero.
    """
    twin = copy.deepcopy(model).eval().to(device, running_type(model, inputs, device))
    before = forward(twin, copied(inputs))
    conv_layer(twin, layer).weight.data.fill_(torch.nan)
    if torch.equal(forward(twin, copied(inputs)), before):
        raise NeverCalledError(
            say(
                "layer {layer!r} is never called in the forward pass, so pruning it changes nothing",
                layer=layer,
            )
        ) from cause
