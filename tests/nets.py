"""Networks that tests prune, and the comparison of an engine's plan with the slow truth."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from explorer.engine.plan import make_plan
from explorer.engine.steps import in_order
from explorer.networks.evaluation import forward
from explorer.networks.layers import conv_layer
from explorer.pruning.prune import prune


def assert_equals_prune(model, layer, inputs, mode="filter", ks=None, seed=0):
    """Compare all logits with those of pruned copies; returns the plan."""
    model = model.eval()
    size = conv_layer(model, layer).out_channels
    ks = list(range(size + 1)) if ks is None else ks
    order = np.random.default_rng(seed).permutation(size)
    plan = make_plan(model, layer, mode, inputs)
    steps = list(plan.logits(inputs, order, ks))
    covered = sorted(index + row for index, step in steps for row in range(len(step)))
    assert covered == list(range(len(ks))), "each K once"
    got = in_order(steps)
    want = torch.stack([forward(prune(model, layer, order[:k].tolist(), mode), inputs) for k in ks])
    for found, wanted in zip(got, want, strict=True):
        size = float(wanted.nan_to_num(0, 0, 0).abs().max())
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * size, equal_nan=True)
    return plan


def warm_up(model: nn.Module) -> nn.Module:
    """Batch norm as after training: with statistics and constants of its own, so that its leak shows."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.3, 0.3), (module.running_var, 0.5, 2.0), (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):  # fmt: skip
                tensor.uniform_(low, high, generator=generator)
    return model.eval()


class Residual(nn.Module):
    """A residual stream that the pruned layer writes to, a concatenation, a gate, and a linear head."""

    def __init__(self, head: str):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.next = nn.Conv2d(12, 4, 3, padding=1)
        self.fc = nn.Linear({"linear": 6, "conv": 4, "both": 10}[head], 5)
        self.head = head

    def forward(self, x):
        x = self.relu(self.stem(x))
        y = self.bn(self.conv(x))
        y += x
        y = self.relu(y)
        direct = F.adaptive_avg_pool2d(y, 1).flatten(1)
        mixed = self.next(torch.cat([y, x], 1)).mean([2, 3])
        return self.fc({"linear": direct, "conv": mixed, "both": torch.cat([direct, mixed], 1)}[self.head])


class PrunedShortcut(nn.Module):
    """The last block of lab D: a 1 × 1 convolution with padding, and a 3 × 3 one as its shortcut, each with BN."""

    def __init__(self):
        super().__init__()
        self.feature = nn.Sequential(nn.Conv2d(4, 6, 1, padding=1), nn.BatchNorm2d(6))
        self.down_sample = nn.Sequential(nn.Conv2d(4, 6, 3, padding=2), nn.BatchNorm2d(6))
        self.fc = nn.Linear(6 * 25, 3)

    def forward(self, x):
        return self.fc(F.relu(self.feature(x) + self.down_sample(x)).flatten(1))


class Dense(nn.Module):
    """As in DenseNet, each layer reads all that was written before it, through a batch norm of its own."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = (nn.Conv2d(size, 4, 3, padding=1) for size in (3, 4, 8))
        self.bn, self.last = nn.BatchNorm2d(8), nn.BatchNorm2d(12)
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, self.one(x.relu())], 1)
        x = torch.cat([x, self.two(self.bn(x).sigmoid())], 1)
        return self.fc(self.last(x).relu().mean((2, 3)))


class Inverted(nn.Module):
    """As in MobileNet: two blocks of a widening, a depthwise and a narrowing convolution, with a gate, on a stream."""

    def __init__(self):
        super().__init__()
        self.stem, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(4, 5)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({
                "wide": nn.Conv2d(4, 6, 1), "bn": nn.BatchNorm2d(6), "depth": nn.Conv2d(6, 6, 3, padding=1, groups=6),
                "squeeze": nn.Conv2d(6, 2, 1), "gate": nn.Conv2d(2, 6, 1), "narrow": nn.Conv2d(6, 4, 1),
            })
            for _ in range(2)
        )  # fmt: skip

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            y = F.hardswish(block["bn"](block["depth"](block["wide"](x).relu())))
            y = y * block["gate"](block["squeeze"](F.adaptive_avg_pool2d(y, 1)).relu()).sigmoid()
            x = x + block["narrow"](y)
        return self.fc(x.mean((2, 3)))


class Fickle(nn.Module):
    """Its forward pass depends on the data, so it cannot be traced."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        y = self.conv(x).mean((2, 3))
        return self.fc(y if y.sum() > 0 else -y)


class Untraceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.wide = nn.Conv2d(4, 4, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        y = self.conv(x)
        if y.sum() > 1e9:
            y = -y
        return self.fc(self.wide(y).mean((2, 3)))


@torch.no_grad()
def warm_up_on(model: nn.Module, inputs: torch.Tensor) -> nn.Module:
    """Random weights that keep the signal's size, and batch norm that has seen these images, with its own constants."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        if parameter.ndim in (2, 4):  # of a linear layer or a convolution
            nn.init.kaiming_normal_(parameter)
        else:
            parameter.uniform_(0.5, 1.5)
    for module in model.modules():
        if getattr(module, "bias", None) is not None:
            module.bias.uniform_(-0.5, 0.5)
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = 1.0
    model.train()(inputs)
    return model.eval()
