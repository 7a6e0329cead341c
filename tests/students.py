"""What students bring: files of code, and ways to save the weights of what is in them."""

import argparse
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

NET = """
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Net(nn.Module):
        def __init__(self, num_classes=2, width=4):
            super().__init__()
            self.conv1 = nn.Conv2d(3, width, 3, padding=1)
            self.bn = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, 6, 3, padding=1)
            self.fc = nn.Linear(6, num_classes)

        def features(self, x):
            return F.relu(self.conv2(F.relu(self.bn(self.conv1(x))))).mean((2, 3))

        def forward(self, x):
            return self.fc(self.features(x))
"""
TRAINS = """
    print("epoch 1")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Net().to(device)
    raise SystemExit("the script trains here, and must not run")
"""


def text(*parts: str) -> str:
    """Code, each part dedented."""
    return "\n".join(textwrap.dedent(part) for part in parts)


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder; returns the path of the first."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder / next(iter(files))


def notebook(*cells: str) -> str:
    """A notebook with a title and these cells of code."""
    code = [{"cell_type": "code", "source": text(cell).splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Lab"]}, *code], "nbformat": 4})


def net_of(code: str, name: str = "Net", **options: Any) -> nn.Module:
    """The network that the code itself gives, with weights and batch norm as after training."""
    space: dict[str, Any] = {"__name__": "students"}
    exec(code, space)
    torch.manual_seed(3)
    net = space[name](**options).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    return net


def masked(net: nn.Module) -> dict[str, Tensor]:
    """The weights of a network that `torch.nn.utils.prune` has pruned, in part and as a whole filter."""
    prune.l1_unstructured(net.conv1, "weight", 0.5)
    prune.ln_structured(net.conv2, "weight", 0.5, n=2, dim=0)
    net.eval()(torch.zeros(1, 3, 32, 32))
    return net.state_dict()


def normed(net: nn.Module, how: Callable[..., Any]) -> dict[str, Tensor]:
    """The weights of a network one layer of which is under a norm of torch's, as after a step of training."""
    how(net.conv2)
    net.train()(torch.rand(2, 3, 32, 32))
    net.eval()(torch.rand(2, 3, 32, 32))
    return net.state_dict()


def prefixed(prefix: str) -> Callable[[nn.Module], Any]:
    return lambda net: {f"{prefix}{key}": value for key, value in net.state_dict().items()}


def under(*keys: str) -> Callable[[nn.Module], Any]:
    """Within containers, beside what scripts keep there besides."""

    def wrap(net: nn.Module) -> Any:
        content: Any = net.state_dict()
        momentum = {"state": {0: {"exp_avg": torch.zeros(3), "step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]}
        for key in reversed(keys):
            content = {"epoch": 3, "optimizer": momentum, key: content, "best": np.float64(0.9)}
        return content

    return wrap


class AttributeDict(dict):
    """As Lightning keeps the arguments of a module."""


AttributeDict.__module__ = "lightning.fabric.utilities.data"


def lightning(net: nn.Module) -> Any:
    return {
        "epoch": 1,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": prefixed("model.")(net) | {"loss.weight": torch.ones(2)},
        "optimizer_states": [{"state": {}}],
        "hyper_parameters": {"lr": 0.1, "args": argparse.Namespace(width=4)},
    }


def cast(kind: torch.dtype) -> Callable[[nn.Module], Any]:
    return lambda net: {
        key: value.to(kind) if value.is_floating_point() else value for key, value in net.state_dict().items()
    }


# How weights lie in a file: (how they are saved, the file's name, whether only nearly the same numbers come back)
WEIGHTS: dict[str, tuple[Callable[[nn.Module], Any], str, bool]] = {
    "a state_dict": (lambda net: net.state_dict(), "net.pth", False),
    "safetensors": (lambda net: net.state_dict(), "net.safetensors", False),
    "a .pt file": (lambda net: net.state_dict(), "net.pt", False),
    "a .bin file": (lambda net: net.state_dict(), "pytorch_model.bin", False),
    "a .tar file": (under("state_dict"), "net.pth.tar", False),
    "no ending at all": (lambda net: net.state_dict(), "weights", False),
    **{
        f"under {key}": (under(key), "net.pt", False)
        for key in ("state_dict", "model", "net", "model_state", "model_state_dict", "weights", "params", "ema")
    },
    "under two keys": (under("checkpoint", "model"), "net.pt", False),
    "under ema beside model": (
        lambda net: {"model": net.state_dict(), "ema": cast(torch.float16)(net)},
        "net.pt",
        False,
    ),
    **{
        f"below {prefix}": (prefixed(prefix), "net.pt", False)
        for prefix in ("module.", "_orig_mod.", "module._orig_mod.", "model.", "net.", "backbone.encoder.")
    },
    "a Lightning checkpoint": (lightning, "last.ckpt", False),
    "masks of torch's prune": (masked, "net.pt", False),
    "weight norm of old": (lambda net: normed(net, weight_norm), "net.pt", True),
    "weight norm": (lambda net: normed(net, parametrizations.weight_norm), "net.pt", True),
    "spectral norm of old": (lambda net: normed(net, spectral_norm), "net.pt", True),
    "spectral norm": (lambda net: normed(net, parametrizations.spectral_norm), "net.pt", True),
    "float16": (cast(torch.float16), "net.pt", True),
    "bfloat16": (cast(torch.bfloat16), "net.safetensors", True),
    "float64": (cast(torch.float64), "net.pt", False),
}
