"""The operations that the engine knows: which act on each channel alone, and which change tensors in place.

What is missing here is slower, and never wrong.
"""

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def in_type(value: Any, dtype: torch.dtype) -> Any:
    """The value itself, a floating-point tensor in `dtype`: stands in a graph where the type changes."""
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


ACTIVATION_MODULES: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.LogSigmoid,
    nn.Softshrink,
)  # fmt: skip
ELEMENTWISE_MODULES = (*ACTIVATION_MODULES, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
POOLING_MODULES = (
    nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.ZeroPad2d, nn.Upsample,
)  # fmt: skip
ACTIVATION_FUNCTIONS: frozenset[Any] = frozenset({
    F.relu, torch.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh,
    F.sigmoid, torch.sigmoid, F.tanh, torch.tanh, F.softplus, "relu", "sigmoid", "tanh",
})  # fmt: skip
ELEMENTWISE_FUNCTIONS = ACTIVATION_FUNCTIONS | {
    in_type,
    torch.abs, abs, operator.abs, operator.neg, torch.neg, torch.square, torch.clamp, torch.clone, "abs", "neg",
    "square", "clamp", "clone", "contiguous", "detach",
}  # fmt: skip
BINARY_FUNCTIONS: frozenset[Any] = frozenset({
    operator.add, operator.sub, operator.mul, operator.truediv, torch.add, torch.sub, torch.mul, torch.div,
    torch.maximum, torch.minimum, "add", "sub", "mul", "div",
})  # fmt: skip
POOLING_FUNCTIONS: frozenset[Any] = frozenset({
    F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d,
})  # fmt: skip
RESHAPING_FUNCTIONS: frozenset[Any] = frozenset({torch.flatten, torch.reshape, "flatten", "view", "reshape"})
MEAN_FUNCTIONS: frozenset[Any] = frozenset({torch.mean, "mean"})
CONCATENATIONS: frozenset[Any] = frozenset({torch.cat, torch.concat, torch.concatenate})
ADDITIONS: frozenset[Any] = frozenset({operator.add, torch.add, "add"})
SHAPE_FUNCTIONS: frozenset[Any] = frozenset({"size", "dim"})


# In-place operations would overwrite values that several K share, and a view does not exist of every memory order, so
# the traced copy uses their plain twins.
PLAIN_TWINS: dict[Any, Any] = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv, torch.relu_: torch.relu, F.relu_: F.relu, "view": "reshape", "add_": "add",
    "sub_": "sub", "mul_": "mul", "div_": "div", "relu_": "relu", "sigmoid_": "sigmoid", "tanh_": "tanh",
    "clamp_": "clamp",
}  # fmt: skip

STOCHASTIC_DEPTH = "stochastic_depth"  # torchvision's function that drops branches in training, and else does nothing


# What may return the very tensor it was given, or a view of it, and what never does.
PASSING_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.Flatten, nn.Unflatten)
COMPUTING_FUNCTIONS = (
    (ELEMENTWISE_FUNCTIONS - {in_type, "contiguous", "detach"})
    | BINARY_FUNCTIONS
    | POOLING_FUNCTIONS
    | MEAN_FUNCTIONS
    | CONCATENATIONS
)
