import pytest
import torch
from torch import nn

from explorer.networks.registry import build
from explorer.pruning.modes import MODES
from explorer.pruning.prune import prune
from explorer.pruning.zeroing import ZEROING, fitting_modes


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build("simple-cnn").eval()


def test_filter_mode_silences_the_channel_and_nothing_else(model):
    pruned, x = prune(model, "conv2", [3, 7]), torch.randn(2, 16, 8, 8)
    before, after = model.conv2(x), pruned.conv2(x)
    assert not after[:, [3, 7]].any()
    others = [c for c in range(32) if c not in (3, 7)]
    assert torch.equal(before[:, others], after[:, others])


def test_weights_mode_leaves_the_bias(model):
    pruned = prune(model, "conv2", [3], "weights")
    after = pruned.conv2(torch.randn(2, 16, 8, 8))
    assert torch.equal(after[:, 3], model.conv2.bias[3].expand(2, 8, 8))


def test_pruning_returns_a_copy(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prune(model, "conv2", range(32))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("mode", ["filter", "weights"])
def test_batch_norm_leaks_a_constant_for_a_zeroed_filter(mode):
    """By hand: a conv without bias emits 0, so BN emits β − γ μ / σ = 0.5 − 2 · 3 / 2 = −2.5 (eps = 0)."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0)).eval()
    net[1].load_state_dict({
        "weight": torch.tensor([2.0]), "bias": torch.tensor([0.5]), "running_mean": torch.tensor([3.0]),
        "running_var": torch.tensor([4.0]), "num_batches_tracked": torch.tensor(1),
    })  # fmt: skip
    assert prune(net, "0", [0], mode)(torch.randn(1, 1, 2, 2)).unique().tolist() == [-2.5]


def test_modes_say_what_a_pruned_channel_emits(model):
    x = torch.randn(1, 16, 4, 4)
    for mode in ("filter", "weights"):
        emitted = prune(model, "conv2", range(32), mode).conv2(x)
        assert torch.equal(emitted, ZEROING[mode].emits(model.conv2).view(1, 32, 1, 1).expand_as(emitted))


def test_inputs_mode_cuts_what_is_read_not_what_is_written():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 1)).eval()
    pruned, x = prune(net, "1", [2], "inputs"), torch.randn(1, 2, 4, 4)
    y = net[0](x)
    y[:, 2] = 0
    torch.testing.assert_close(pruned(x), net[1](y))
    assert torch.equal(pruned[0].weight, net[0].weight)


def test_filter_and_shortcut_silences_both_branches():
    from nets import PrunedShortcut

    net = PrunedShortcut().eval()
    pruned = prune(net, "feature.0", [1, 4], "filter+shortcut")
    for conv in (pruned.feature[0], pruned.down_sample[0]):
        assert not conv.weight[[1, 4]].any() and not conv.bias[[1, 4]].any()
        assert conv.weight[[0, 2, 3, 5]].all()


def test_modes_that_fit_a_layer(model):
    from nets import PrunedShortcut, Residual

    assert fitting_modes(model, "conv2") == ["filter", "weights", "channel"]
    assert fitting_modes(Residual("linear"), "conv") == ["filter", "weights", "inputs", "channel"]
    assert fitting_modes(PrunedShortcut(), "feature.0") == ["filter", "weights", "filter+shortcut", "channel"]


@pytest.mark.parametrize(
    ("layer", "channels", "mode", "message"),
    [
        ("conv9", [0], "filter", "unknown layer 'conv9'"),
        ("fc1", [0], "filter", "not a Conv2d"),
        ("conv2", [32], "filter", r"channel 32 is not in 0…31"),
        ("conv2", [-1], "filter", r"channel -1 is not in 0…31"),
        ("conv2", [4, 4], "filter", "channel 4 is named twice"),
        ("conv2", [0], "inputs", "needs as many of both in one group; conv2 reads 16, writes 32"),
        ("conv2", [0], "filter+shortcut", "'conv2' has no shortcut convolution added to its output"),
        ("conv2", [0], "fliter", "unknown mode 'fliter'; choose one of: filter, weights"),
    ],
)
def test_bad_requests_are_named(model, layer, channels, mode, message):
    with pytest.raises(ValueError, match=message):
        prune(model, layer, channels, mode)


@pytest.mark.parametrize("norm", [torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weights_that_are_computed_cannot_be_zeroed(norm):
    model = build("simple-cnn")
    norm(model.conv2)
    with pytest.raises(
        ValueError, match="layer 'conv2' computes its weights from others, .* remove the parametrization"
    ):
        prune(model, "conv2", [1])


def test_every_mode_has_words_and_does_something():
    assert list(ZEROING) == list(MODES)


def test_what_a_grouped_convolution_reads_of_a_channel_by_hand():
    """Filters 0 and 1 read channels 0 and 1, the others 2 and 3: channel 2 is the first slice of those two."""
    net = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1, groups=2), nn.Flatten(), nn.Linear(4, 2)).eval()
    pruned = prune(net, "0", [2], "channel")
    before, after = net[1].weight[..., 0, 0].tolist(), pruned[1].weight[..., 0, 0].tolist()
    assert after[:2] == before[:2]
    assert after[2:] == [[0, before[2][1]], [0, before[3][1]]]
    x = torch.randn(3, 1, 1, 1)
    gone = net[0](x)
    gone[:, 2] = 0
    torch.testing.assert_close(pruned(x), net[3](net[2](net[1](gone))))
