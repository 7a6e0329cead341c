import gc
import math

import numpy as np
import pytest
import torch
from by_hand import of_counts, sweep_by_hand
from torch import nn
from torch.utils.data import DataLoader

from explorer.engine.curves import Band, Run, difference
from explorer.engine.cut_network import CutNetwork
from explorer.engine.greedy import greedy
from explorer.engine.ks import coarse_to_fine
from explorer.engine.plan import make_plan
from explorer.engine.sweep import Course, images_at_once, sweep, sweep_orders_stream, sweep_stream
from explorer.networks.evaluation import logits, predict
from explorer.networks.intervals import change_interval, wilson
from explorer.networks.registry import build
from explorer.pruning.prune import prune
from explorer.pruning.ranking import rank


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build("simple-cnn").eval()


@pytest.fixture(scope="module")
def batches():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(25, 3, 32, 32, generator=generator)
    labels = torch.randint(0, 10, (25,), generator=generator)
    return [(images[i : i + 10], labels[i : i + 10]) for i in (0, 10, 20)]


ORDER = np.random.default_rng(0).permutation(32)


def test_predictions_are_those_of_pruned_copies(model, batches):
    got = sweep(model, "conv2", batches, ORDER)
    assert got.predictions.shape == (33, 25) and got.predictions.dtype == np.uint8
    for k in got.ks:
        expected = predict(logits(prune(model, "conv2", ORDER[:k].tolist()), batches))
        assert got.predictions[k].tolist() == expected.tolist()
    assert got.predictions[0].tolist() == predict(logits(model, batches)).tolist()


def test_a_k_can_prune_more_channels_than_k(model, batches):
    got = sweep(model, "conv2", batches, ORDER, ks=[0, 1, 2, 3, 5], gone=[0, 0, 1, 4, 4])
    every = sweep(model, "conv2", batches, ORDER)
    assert np.array_equal(got.predictions, every.predictions[[0, 0, 1, 4, 4]])
    assert [got.gone_at(k) for k in got.ks] == [0, 0, 1, 4, 4] and every.gone_at(7) == 7


def test_the_whole_curve_stands_after_each_batch(model, batches):
    parts = list(sweep_stream(model, "conv2", iter(batches), ORDER, ks=[0, 32, 5]))
    assert [(part.done, part.total, part.ks) for part in parts] == [(n, 25, (0, 5, 32)) for n in (10, 20, 25)]
    assert np.array_equal(parts[0].predictions, parts[-1].predictions[:, :10])
    widths = [(part.intervals[1] - part.intervals[0])[1] for part in parts]
    assert widths[0] > widths[-1]


def test_another_dtype_says_how_far_it_agrees_at_each_k(model, batches):
    exact = sweep(model, "conv2", batches, ORDER)
    got = sweep(model, "conv2", batches, ORDER, dtype="bfloat16")
    assert exact.agreement is None and got.run.dtype == "bfloat16"
    assert got.agreement.images == 10
    assert got.agreement.shares.tolist() == (exact.predictions == got.predictions)[:, :10].mean(1).tolist()
    assert sweep(model, "conv2", batches, ORDER, dtype=torch.float32).agreement is None


def test_too_few_names_of_classes_are_refused(model, batches):
    with pytest.raises(ValueError, match="2 classes are named, but the network has 10 logits; name them all"):
        sweep(model, "conv2", batches, ORDER, classes=("a", "b"))


@pytest.mark.parametrize("layer", ["encoder.features.0", "encoder.features.3"])
def test_pairs_may_come_as_a_data_loader_hands_them_out(layer):
    torch.manual_seed(0)
    pairs = build("siamese", (1, 28, 28), 2).eval()
    one, other, labels = torch.randn(2, 12, 1, 28, 28).unbind() + (torch.arange(12) % 2,)
    loader = DataLoader([((a, b), int(n)) for a, b, n in zip(one, other, labels, strict=True)], 5)
    ranked = rank(pairs, layer, loader)
    channels = len(ranked.order)
    found = sweep(pairs, layer, loader, ranked.order, coarse_first=True)
    want = sweep(pairs, layer, [((one, other), labels)], ranked.order)
    assert np.array_equal(found.predictions, want.predictions) and found.predictions.shape == (channels + 1, 12)
    assert greedy(pairs, layer, loader).order.tolist() == greedy(pairs, layer, [((one, other), labels)]).order.tolist()


def test_a_result_knows_the_memory_it_takes():
    one = sweep_by_hand()
    one.correct  # noqa: B018 - which keeps what is right
    assert one.nbytes == one.predictions.nbytes + one.right.nbytes == 36 and Band((one, one)).nbytes == 72


def test_rounds_of_k_are_coarse_first_and_have_each_k_once():
    assert coarse_to_fine(range(17), 3) == [(0, 8, 16), (4, 12), (2, 6, 10, 14), (1, 3, 5, 7, 9, 11, 13, 15)]
    assert coarse_to_fine((0, 5), 9) == [(0, 5)] and coarse_to_fine((4,), 9) == [(4,)]
    rounds = coarse_to_fine(range(1, 128, 2))
    assert len(rounds[0]) == 9 and rounds[0][0] == 1 and rounds[0][-1] == 127
    assert sorted(k for some in rounds for k in some) == list(range(1, 128, 2))


@pytest.mark.parametrize("options", [{}, {"gone": [0, *range(2, 17), 16]}, {"dtype": "bfloat16"}])
def test_dear_k_come_coarse_first_and_end_the_same(model, batches, monkeypatch, options):
    monkeypatch.setattr("explorer.engine.sweep.COARSE", 3)
    monkeypatch.setattr("explorer.engine.sweep.EAGER", 6)
    monkeypatch.setattr("explorer.engine.sweep.BEAT", float("inf"))  # a slow machine would show more on the way
    monkeypatch.setattr(coarse_to_fine, "__defaults__", (3,))
    order = ORDER[ORDER < 16]
    *_, whole = sweep_stream(model, "conv1", batches, order, **options)
    parts = list(sweep_stream(model, "conv1", iter(batches), order, coarse_first=True, **options))
    first = (10,) if "dtype" in options else (6, 10)
    assert [part.done for part in parts] == [*first, 20, *[25] * 10]
    assert [len(part.ks) for part in parts[len(first) :]] == [3, 3, 3, 3, 5, 5, 5, 9, 9, 9, 17]
    shares = [part.progress for part in parts]
    assert shares[0] == pytest.approx(3 / 17 * first[0] / 25) and shares == sorted(shares) and shares[-1] == 1
    for part in parts:
        rows = [whole.index(k) for k in part.ks]
        assert np.array_equal(part.predictions, whole.predictions[rows][:, : part.done])
        assert part.gone == (whole.gone and tuple(whole.gone[row] for row in rows))
    if whole.agreement:
        assert parts[-1].agreement.shares.tolist() == whole.agreement.shares.tolist()


def tensor_bytes() -> int:
    """Bytes of all tensors there are."""
    storages = [each.untyped_storage() for each in gc.get_objects() if type(each) is torch.Tensor]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def test_a_sweep_that_waits_for_its_turn_holds_few_images_however_wide_the_layer(model, batches, monkeypatch):
    monkeypatch.setattr("explorer.engine.sweep.BEAT", 0.0)  # it may wait at every K
    order, ks, before = ORDER[ORDER < 16], (0, 8, 16), tensor_bytes()
    *_, whole = sweep_stream(model, "conv1", batches, order, ks)
    per_image = 4 * 16 * 32 * 32  # bytes of what the layer puts out, in float32
    monkeypatch.setattr("explorer.engine.sweep.KEPT_BYTES", 10 * per_image)
    parts, held = [], []
    for part in sweep_stream(model, "conv1", batches, order, ks):
        parts.append(part)
        held.append(tensor_bytes() - before)
    sizes = np.diff([0, *dict.fromkeys(part.done for part in parts)])
    assert len(parts) > 2 * len(sizes) and 1 < max(sizes) < 10, "in parts, and it waits within them"
    assert max(held) < 3 * 10 * per_image
    assert np.array_equal(parts[-1].predictions, whole.predictions)
    assert np.array_equal(parts[-1].labels, whole.labels)


def test_a_graphics_card_gets_as_many_images_as_part_of_its_free_memory_holds(model, batches, monkeypatch):
    plan = make_plan(model, "conv1", "filter", batches[0][0])
    sizes = []
    for free in (0, 10**8, 10**9):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10**10))
        sizes.append(images_at_once(plan, batches[0][0], torch.device("cuda")))
    per_image = (plan.nbytes + 2 * plan.prepare(batches[0][0][:2]).nbytes) / 2
    assert sizes == [1, int(0.5 * 10**8 / per_image), int(0.5 * 10**9 / per_image)]
    assert per_image > 4 * (3 + 16 + 16) * 32 * 32, "the inputs, and what the first layer and its activation put out"


def test_batches_that_are_shuffled_anew_are_refused_where_they_are_gone_over_again(model, batches, monkeypatch):
    class Shuffled(list):
        def __iter__(self):
            self.reverse()
            return super().__iter__()

    monkeypatch.setattr("explorer.engine.sweep.COARSE", 3)
    with pytest.raises(ValueError, match="hand over batches that are not shuffled"):
        list(sweep_stream(model, "conv1", Shuffled(batches), range(16), coarse_first=True, ks=range(17)))


def test_k_that_cost_next_to_nothing_come_all_at_once(model, batches):
    parts = list(sweep_stream(model, "conv2", batches, ORDER, coarse_first=True))
    assert [len(part.ks) for part in parts] == [33] * 3 and parts[-1].progress is None


def test_what_is_derived_by_hand():
    result = sweep_by_hand()
    assert result.correct.tolist() == [5, 4, 2]
    assert result.accuracy.tolist() == pytest.approx([5 / 6, 4 / 6, 2 / 6])
    assert np.array_equal(result.intervals[0], wilson(np.array([5, 4, 2]), 6)[0])
    assert result.change(2) == pytest.approx(-50)
    assert result.class_totals.tolist() == [2, 2, 2]
    assert result.class_correct(1).tolist() == [1, 2, 1]
    assert result.confusion(1).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert result.transitions(1).tolist() == [[1, 1, 1], [0, 2, 0], [1, 0, 0]]
    assert np.array_equal(result.transitions(0), np.diag(np.bincount(result.predictions[0], minlength=3)))
    broken, repaired = result.flipped(1)
    assert (broken.tolist(), repaired.tolist()) == ([1, 4], [5])
    assert result.flipped(0)[0].size == 0


def test_mcnemar_by_hand():
    # K = 1 breaks 2 and repairs 1: p = 2 · (C(3,0) + C(3,1)) / 2³ = 1; K = 2 breaks 3 and repairs 0: p = 2 / 2³
    result = sweep_by_hand()
    assert (result.mcnemar(0), result.mcnemar(1), result.mcnemar(2)) == (1.0, 1.0, 0.25)


@pytest.mark.parametrize(
    ("counts", "where"),
    [
        ([90, 89, 60, 31, 30], (1, 2)),  # of two as steep the first; a tenth of four channels is one
        ([90, 90, 90], None),
        ([80, 90], None),
        ([90, 88, 86, 84, 82, 80, 60, 40, 38, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25], (5, 7)),  # of 20: two
    ],
)
def test_the_steepest_drop_is_over_a_tenth_of_the_channels(counts, where):
    assert of_counts(counts).steepest() == where


def test_the_steepest_drop_is_between_k_that_were_computed():
    assert of_counts([90, 80, 70, 30, 20]).at([0, 2, 4]).steepest() == (2, 4)


def test_cliff_is_the_last_k_before_the_first_fall():
    result = sweep_by_hand()
    assert result.cliff(points=10) == 0
    assert result.cliff(points=17) == 1
    assert result.cliff(points=100) == 2


def test_all_pruned_is_the_same_for_every_image(model, batches):
    assert len(set(sweep(model, "conv2", batches, ORDER, ks=[32]).predictions[0])) == 1


IMAGES, LABELS = torch.zeros(2, 3, 32, 32), torch.tensor([3, 9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ks": [1, 2], "gone": [2]}, r"the channels gone must be 2 numbers in 0…32, none smaller than the last, not"),
        ({"ks": [1, 2], "gone": [2, 1]}, r"not \(2, 1\)"),
        ({"ks": [1, 2], "gone": [2, 33]}, r"not \(2, 33\)"),
        ({"ks": [33]}, r"K = 33 is outside 0…32"),
        ({"ks": [-1]}, r"K = -1 is outside 0…32"),
        ({"ks": []}, "no K to compute"),
        ({"order": [0, 0, *range(2, 32)]}, r"each of the channels 0…31 once"),
        ({"order": range(31)}, r"each of the channels 0…31 once"),
        ({"layer": "fc1"}, "not a Conv2d"),
        ({"mode": "none"}, "unknown mode 'none'"),
        ({"dtype": "int8"}, "unknown dtype 'int8'; choose one of: float32, bfloat16"),
        ({"device": "abacus"}, "device 'abacus' is not available here"),
        ({"ks": [0.5]}, "K = 0.5 is not a whole number"),
        ({"order": [0.5, *range(1, 32)]}, r"each of the channels 0…31 once"),
        ({"batches": []}, "no images"),
        ({"batches": [(IMAGES[:0], LABELS[:0])]}, "no images"),
        (
            {"batches": [(IMAGES, LABELS[:1])]},
            r"2 whole numbers, one for each image, not torch.int64 \(1,\)",
        ),
        ({"batches": [(IMAGES, LABELS.float())]}, r"not torch.float32 \(2,\)"),
        ({"batches": [(IMAGES, [3, 9])]}, "not list"),
        ({"batches": [(IMAGES, LABELS - 4)]}, "from 0 on, not -1"),
        ({"batches": [(IMAGES, LABELS + 1)]}, "label 10 is not in 0…9, the network's classes"),
    ],
)
def test_bad_requests_are_named(model, batches, change, message):
    request = {"model": model, "layer": "conv2", "batches": batches, "order": ORDER, **change}
    with pytest.raises(ValueError, match=message):
        sweep(**request)


def test_batches_without_an_image_are_left_out(model, batches):
    empty = (IMAGES[:0], LABELS[:0])
    got = sweep(model, "conv2", [empty, batches[0], empty, *batches[1:]], ORDER)
    assert np.array_equal(got.predictions, sweep(model, "conv2", batches, ORDER).predictions)


def test_a_k_that_was_not_computed_names_the_nearest():
    with pytest.raises(ValueError, match="K = 7 was not computed in this sweep; the nearest that was is 2"):
        sweep_by_hand().index(7)
    assert sweep_by_hand().nearest(7) == 2 and sweep_by_hand().nearest(1) == 1


# Several orders at once


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_several_orders_share_one_look_and_equal_single_sweeps(model, batches, layer, monkeypatch):
    looks = []
    prepare = CutNetwork.prepare
    monkeypatch.setattr(CutNetwork, "prepare", lambda plan, inputs: looks.append(len(inputs)) or prepare(plan, inputs))
    size = {"conv1": 16, "conv2": 32}[layer]
    orders = [np.random.default_rng(seed).permutation(size) for seed in range(3)]
    courses = [Course(order, run=Run(seed=seed)) for seed, order in enumerate(orders)]
    parts = list(sweep_orders_stream(model, layer, batches, courses, ks=[0, 3, 9]))
    assert looks == [2, 2, 10, 10, 5], "two images to check the plan and two to weigh it, then each batch once"
    assert [part[0].done for part in parts] == [10, 20, 25]
    for seed, (order, got) in enumerate(zip(orders, parts[-1], strict=True)):
        alone = sweep(model, layer, batches, order, ks=[0, 3, 9])
        assert np.array_equal(got.predictions, alone.predictions) and got.run.seed == seed
        assert np.array_equal(got.order, order)


def test_no_order_is_named(model, batches):
    with pytest.raises(ValueError, match="no order to prune in"):
        next(sweep_orders_stream(model, "conv2", batches, []))


def test_area_is_by_trapezoids_over_the_whole_range():
    result = sweep_by_hand()
    assert result.area == pytest.approx((5 / 6 + 2 * 4 / 6 + 2 / 6) / 4)
    assert result.at([0, 2]).area == pytest.approx((5 / 6 + 2 / 6) / 2)
    assert math.isnan(result.at([0, 1]).area) and math.isnan(result.at([1, 2]).area)


def test_a_sweep_at_fewer_k_is_the_same_there():
    result = sweep_by_hand()
    some = result.at([2, 0])
    assert some.ks == (0, 2) and some.correct.tolist() == [5, 2] and some.change(2) == result.change(2)
    assert result.at(range(3)) is result and some.at([0, 1]).ks == (0,)
    with pytest.raises(ValueError, match="none of these K was computed in this sweep, which has 0…2"):
        some.at([1])
    with pytest.raises(ValueError, match="K = 3 is outside 0…2"):
        result.at([3])


def test_the_largest_k_that_surely_costs_at_most_a_point():
    # losing 2, 9 and 12 images of 1,000, all of them broken and none repaired; then back to a loss of 1
    result = of_counts([900, 898, 891, 888, 899])
    lows = [change_interval(broken, 0, 1000)[0] for broken in (0, 2, 9, 12, 1)]
    assert [low >= -0.01 for low in lows] == [True, True, False, False, True]
    assert result.within() == 4 and result.at([0, 1, 2, 3]).within() == 1
    assert result.at([1, 2]).within() is None, "there is no unpruned network to compare with"
    assert of_counts([900, 100, 100]).within() == 0


def test_a_few_images_are_not_sure_of_a_point():
    assert of_counts([9, 9, 9], n=10).within() == 0


def test_difference_of_two_curves_by_hand():
    one, other = of_counts([900, 800, 600]), of_counts([900, 790, 630])
    found = difference(one, other)
    assert (found.largest, found.k) == (pytest.approx(-3), 2)
    assert found.mean == pytest.approx((0 + 1) / 4 + (1 - 3) / 4)
    assert difference(one, other.at([1])).mean == pytest.approx(1)


# The band of random orders


P, M = 40, 20


@pytest.fixture(scope="module")
def hypergeometric():
    """A network that needs one channel for each of M images, of P in all: it is right where that channel is kept."""
    net = nn.Sequential(nn.Conv2d(P, P, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(P, 1)).eval()
    net[0].weight.data = torch.eye(P)[:, :, None, None]
    nn.init.ones_(net[3].weight)
    nn.init.constant_(net[3].bias, -0.5)
    images = torch.eye(P)[:M, :, None, None]
    return net, [(images, torch.ones(M, dtype=torch.int64))]


def band_of_orders(hypergeometric, seeds):
    net, batches = hypergeometric
    courses = [Course(rank(net, "0", criterion="random", seed=seed).order) for seed in seeds]
    *_, sweeps = sweep_orders_stream(net, "0", batches, courses)
    return Band(sweeps)


def chance(right: int, k: int) -> float:
    """That so many of the M channels that matter are among the P − k kept."""
    return math.comb(M, right) * math.comb(P - M, P - k - right) / math.comb(P, P - k) if right <= P - k else 0.0


def test_the_bands_mean_is_what_theory_says(hypergeometric):
    band = band_of_orders(hypergeometric, range(200))
    ks = np.array(band.ks)
    spread = np.sqrt(ks * (M / P) * (1 - M / P) * (P - ks) / (P - 1)) / M  # of the share of the M that is gone
    assert (np.abs(band.mean - (1 - ks / P)) <= 4 * spread / np.sqrt(200) + 1e-12).all()


def test_the_band_covers_a_further_order_as_often_as_it_says(hypergeometric):
    covered = []
    for first in range(0, 200, 20):
        low, high = band_of_orders(hypergeometric, range(first, first + 20)).interval
        for k in range(1, P):
            inside = [right for right in range(M + 1) if low[k] <= right / M <= high[k]]
            covered.append(sum(chance(right, k) for right in inside))
    assert 0.94 <= np.mean(covered) <= 0.975


def test_a_band_by_hand():
    sweeps = tuple(of_counts(counts, n=10) for counts in ([9, 4], [9, 6], [9, 5]))
    band = Band(sweeps)
    low, high = band.interval
    half = 4.3027 * 0.1 * math.sqrt(1 + 1 / 3)  # t with 2 degrees of freedom; the standard deviation is 0.1
    assert band.mean.tolist() == pytest.approx([0.9, 0.5])
    assert low[0] == high[0] == pytest.approx(0.9)
    assert (low[1], high[1]) == (pytest.approx(0.5 - half, abs=0.01), pytest.approx(0.5 + half, abs=0.01))
    assert Band(tuple(of_counts(counts, n=10) for counts in ([9, 0], [9, 10]))).interval[0][1] == 0, "cut to 0…1"
    assert (band.ks, band.done, band.total) == ((0, 1), 10, 10) and band.at([1]).mean.tolist() == pytest.approx([0.5])
    assert np.isnan(Band(sweeps[:1]).interval[0]).all()
