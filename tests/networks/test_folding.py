"""Batch norm folded into the convolution before it."""

import torch
from nets import Residual, warm_up
from torch import nn

from explorer.networks.folding import fold, learn_folds
from explorer.networks.graph import Program, layer_calls, module_of, placeholders
from explorer.networks.tracing import trace


def values(traced, x) -> dict[str, torch.Tensor]:
    """The value of each operation, by its name."""
    program = Program(traced, tuple(traced.graph.nodes), frozenset(traced.graph.nodes))
    with torch.inference_mode():
        return {node.name: value for node, value in program.run(placeholders(traced, x)).items()}


def test_a_folded_convolution_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0)).eval()
    for tensor, value in zip((net[0].weight, net[0].bias, net[1].weight, net[1].bias), (2, 3, 5, 7), strict=True):
        tensor.data.fill_(value)
    net[1].running_mean.fill_(1), net[1].running_var.fill_(4)
    traced = trace(net)
    fold(traced, ())
    (conv,) = (module for node in traced.graph.nodes if isinstance(module := module_of(node), nn.Conv2d))
    assert (conv.weight.item(), conv.bias.item()) == (5, 12)  # (2x + 3 − 1) / 2 · 5 + 7
    assert [module for module in traced.modules() if isinstance(module, nn.Conv2d)] == [conv], "no other is kept"


def test_every_value_that_is_left_is_the_same_but_for_rounding():
    torch.manual_seed(0)
    model, x = warm_up(Residual("both")), torch.randn(3, 3, 6, 6)
    whole, folded = trace(model), trace(model)
    fold(folded, ())
    before, after = values(whole, x), values(folded, x)
    assert before.keys() - after.keys() == {"conv"}, "which stands where its batch norm was"
    for name, value in after.items():
        torch.testing.assert_close(value, before[name], rtol=1e-5, atol=1e-5)


def test_a_site_stays_a_node_of_its_own():
    traced = trace(warm_up(Residual("conv")))
    sites = layer_calls(traced, "conv")
    fold(traced, sites)
    assert layer_calls(traced, "conv") == sites and isinstance(module_of(next(iter(sites[0].users))), nn.BatchNorm2d)


class Shared(nn.Module):
    """A batch norm that runs twice, a convolution that more than its batch norm reads, and one as it should be."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three, self.four = (nn.Conv2d(2, 2, 1) for _ in range(4))
        self.twice, self.alone, self.own = (nn.BatchNorm2d(2) for _ in range(3))

    def forward(self, x):
        x = self.twice(self.two(self.twice(self.one(x))))
        y = self.three(x)
        return self.own(self.four(self.alone(y) + y))


def test_only_what_nothing_else_reads_is_folded():
    traced = trace(warm_up(Shared()))
    learn_folds(traced)
    assert list(traced.meta["folded"]) == ["own"]
