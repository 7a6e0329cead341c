import numpy as np
import pytest
import torch
from nets import warm_up
from torch import nn

from explorer.compression.comparison import compare
from explorer.compression.proof import prove
from explorer.compression.proofs import Proof
from explorer.compression.removal import masked, remove


class Normed(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU(),
            nn.Flatten(), nn.Linear(5 * 16, 3),
        )  # fmt: skip


def batches(n=3, size=20):
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(size, 1, 8, 8, generator=generator), torch.arange(size) % 3) for _ in range(n)]


CHANNELS = {"0": (1, 3), "3": (0,)}


def test_the_proof_counts_what_differs():
    torch.manual_seed(0)
    model = warm_up(Normed())
    seen = batches()
    smaller = remove(model, CHANNELS, seen[0][0])
    *steps, proof = prove(model, smaller, CHANNELS, seen, "cpu", alone=True)
    assert [each.done for each in (*steps, proof)] == [20, 40, 60] and proof.total == 60
    assert proof.networks == ("unpruned", "compressed", "masked", "filters zeroed", "alone: 0", "alone: 3")
    assert proof.differ == proof.ties == 0 and proof.leaks
    assert proof.apart < 1e-4 * proof.largest
    want = torch.cat([masked(model, CHANNELS)(inputs).argmax(1) for inputs, _ in seen])
    assert proof.predictions[2].tolist() == want.tolist()
    zeroed = torch.cat([masked(model, CHANNELS, "filter")(inputs).argmax(1) for inputs, _ in seen])
    others = int((zeroed != want).sum())
    assert (
        others
        and f"{others} other predictions: a zeroed filter still emits its batch norm's" in proof.filter_sentence()
    )
    assert proof.added_up == pytest.approx(proof.change[4] + proof.change[5])
    assert "all 60 predictions are the same" in proof.sentence()


def test_a_wrong_network_is_found_out():
    torch.manual_seed(0)
    model = warm_up(Normed())
    seen = batches()
    wrong = remove(model, {"0": (0, 1), "3": (4,)}, seen[0][0])
    *_, proof = prove(model, wrong, CHANNELS, seen, "cpu")
    assert proof.differ > proof.ties == 0
    assert proof.added_up is None and proof.added_sentence() == ""


def by_hand(**changes):
    """Four images of class 0; the unpruned network gets all right, the others three, two and one."""
    predictions = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [1, 0, 0, 0]])
    names = ("unpruned", "compressed", "masked", "filters zeroed", "alone: a", "alone: b")
    how = {"apart": 0.5, "largest": 10.0, "ties": 1, "leaks": False} | changes
    return Proof(predictions, np.zeros(4, dtype=int), names, 4, **how)


def test_the_sentences_by_hand():
    proof = by_hand()
    assert proof.sentence() == (
        "Removed or masked, 1 of 4 predictions differ, all of them ties; their logits differ by 0.5 at most, "
        "the largest is 10.0."
    )
    assert "1 of 4 predictions differ, 0 of them ties" in by_hand(ties=0).sentence()
    assert proof.filter_sentence().startswith("Zeroing the filters instead gives 25.00 % and 1 other predictions")
    assert "change accuracy by −50.00 points; adding up" in proof.added_sentence()
    assert "says −50.00, which is wrong by 0.00" in proof.added_sentence()  # each alone costs 25
    assert proof.frame()["change"].tolist() == [0, -25, -50, -75, -25, -25]
    assert proof.frame().loc[0, ["change_low", "change_high"]].tolist() == [0, 0]


def test_networks_are_compared():
    torch.manual_seed(0)
    model = warm_up(Normed())
    *_, result = compare({"unpruned": model, "again": model}, batches(), "cpu")
    assert result.change.tolist() == [0, 0] and result.done == 60
    with pytest.raises(ValueError, match="no images"):
        next(compare({"unpruned": model}, []))
