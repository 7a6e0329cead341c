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
    nn.Softshrink, nn.Hardshrink, nn.Tanhshrink, nn.Threshold,
)  # fmt: skip
ELEMENTWISE_MODULES = (*ACTIVATION_MODULES, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
POOLING_MODULES = (  # which make each channel's map another one, alone
    nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.ConstantPad2d,
    nn.ReflectionPad2d, nn.ReplicationPad2d, nn.Upsample, nn.InstanceNorm2d,
)  # fmt: skip
MOVING_MODULES = (nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle)
ACTIVATION_FUNCTIONS: frozenset[Any] = frozenset({
    F.relu, torch.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh,
    F.sigmoid, torch.sigmoid, F.tanh, torch.tanh, F.softplus, F.selu, F.celu, F.prelu, F.logsigmoid, F.softsign,
    F.softshrink, F.hardshrink, F.tanhshrink, F.threshold, "relu", "sigmoid", "tanh",
})  # fmt: skip
ELEMENTWISE_FUNCTIONS = ACTIVATION_FUNCTIONS | {
    in_type,
    torch.abs, abs, operator.abs, operator.neg, torch.neg, torch.square, torch.clamp, torch.clone, torch.exp,
    torch.sqrt, torch.rsqrt, "abs", "neg", "square", "clamp", "clone", "exp", "sqrt", "rsqrt", "contiguous", "detach",
    "float", "to", "type_as",
}  # fmt: skip
BINARY_FUNCTIONS: frozenset[Any] = frozenset({
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, torch.add, torch.sub, torch.mul,
    torch.div, torch.pow, torch.maximum, torch.minimum, "add", "sub", "mul", "div", "pow", "maximum", "minimum",
})  # fmt: skip
POOLING_FUNCTIONS: frozenset[Any] = frozenset({
    F.max_pool2d, F.avg_pool2d, F.lp_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.interpolate,
    F.instance_norm,
})  # fmt: skip
REDUCING_FUNCTIONS: frozenset[Any] = frozenset({  # over the dimensions they are given
    torch.mean, torch.sum, torch.amax, torch.amin, torch.std, torch.var, "mean", "sum", "amax", "amin", "std", "var",
})  # fmt: skip
CONCATENATIONS: frozenset[Any] = frozenset({torch.cat, torch.concat, torch.concatenate})
MOVING_FUNCTIONS = CONCATENATIONS | {  # whose values are those they were given, in other places
    torch.flatten, torch.reshape, torch.transpose, torch.permute, torch.squeeze, torch.unsqueeze, torch.chunk,
    torch.split, torch.tensor_split, torch.unbind, torch.stack, torch.narrow, torch.index_select, torch.flip,
    torch.roll, operator.getitem, F.pixel_shuffle, F.pixel_unshuffle, F.channel_shuffle, "flatten", "view", "reshape",
    "unflatten", "transpose", "permute", "squeeze", "unsqueeze", "chunk", "split", "tensor_split", "unbind", "narrow",
    "index_select", "flip", "roll", "expand", "expand_as", "repeat", "contiguous",
}  # fmt: skip
DROPOUTS: frozenset[Any] = frozenset({F.dropout, F.dropout1d, F.dropout2d, F.alpha_dropout, F.feature_alpha_dropout})
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
    (ELEMENTWISE_FUNCTIONS - {in_type, "contiguous", "detach", "float", "to", "type_as"})
    | BINARY_FUNCTIONS
    | POOLING_FUNCTIONS
    | REDUCING_FUNCTIONS
    | CONCATENATIONS
    | {F.conv2d, F.linear, F.batch_norm, F.group_norm, F.layer_norm, F.softmax, torch.matmul, torch.bmm}
)
