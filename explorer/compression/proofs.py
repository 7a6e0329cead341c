"""What a proof gives: the predictions of the narrowed network, and of those that it is compared with."""

from dataclasses import dataclass

from explorer.compression.comparison import Comparison
from explorer.show.words import percent, points

UNPRUNED, COMPRESSED, MASKED, FILTER = NETWORKS = ("unpruned", "compressed", "masked", "filters zeroed")
ALONE = "alone: "  # before the name of a layer that is masked without the others


@dataclass(frozen=True, eq=False)
class Proof(Comparison):
    """Predictions of each network, for `done` of `total` images: NETWORKS, then each layer of the plan alone.

    `masked` is the twin, with the same channels pruned in mode `channel`; `filters zeroed` has them in mode `filter`.
    """

    apart: float  # the largest difference between a logit of the compressed network and its twin's
    largest: float  # the largest |logit| of the twin
    ties: int  # predictions that differ from the twin's where its two logits are as good as equal
    leaks: bool  # whether a batch norm behind a pruned layer makes a constant of a zeroed filter

    @property
    def differ(self) -> int:
        """How many predictions of the compressed network are not its twin's."""
        return self._other_than_masked(COMPRESSED)

    @property
    def added_up(self) -> float | None:
        """What the changes of each layer alone come to, in points; None where that was not asked, or for one layer."""
        alone = self.change[len(NETWORKS) :]
        return float(alone.sum()) if len(alone) > 1 else None

    def sentence(self) -> str:
        """Whether the compressed network computes what its masked twin does."""
        logits = f"their logits differ by {self.apart:.1g} at most, the largest is {self.largest:.1f}"
        if not self.differ:
            return f"Removed or masked, all {self.done:,} predictions are the same; {logits}."
        those = "all of them ties" if self.ties == self.differ else f"{self.ties:,} of them ties"
        return f"Removed or masked, {self.differ:,} of {self.done:,} predictions differ, {those}; {logits}."

    def filter_sentence(self) -> str:
        """What zeroing the filters instead would have shown."""
        others = self._other_than_masked(FILTER)
        if not others:
            return "Zeroing the filters instead gives the same predictions: here nothing is left of a zeroed channel."
        why = (
            "a zeroed filter still emits its batch norm's constant, β − γμ/σ, which the next layer reads"
            if self.leaks
            else "other layers that write to the same channels still do"
        )
        accuracy = percent(float(self.accuracy[self.row(FILTER)]))
        return f"Zeroing the filters instead gives {accuracy} and {others:,} other predictions: {why}."

    def added_sentence(self) -> str:
        """By how much adding up what each layer alone costs would have been wrong; empty where that is not known."""
        if self.added_up is None:
            return ""
        exact = float(self.change[self.row(MASKED)])
        wrong = abs(self.added_up - exact)
        return (
            f"All layers together change accuracy by {points(exact)} points; adding up what each changes alone says "
            f"{points(self.added_up)}, which is wrong by {wrong:.2f}."
        )

    def _other_than_masked(self, network: str) -> int:
        return int((self.predictions[self.row(network)] != self.predictions[self.row(MASKED)]).sum())
