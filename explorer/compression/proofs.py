"""What a proof gives: the predictions of the narrowed network, and of those that it is compared with."""

from dataclasses import dataclass

from explorer.compression.comparison import Comparison
from explorer.language.saying import say
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
        if not self.differ:
            words = (
                "Removed or masked, all {n:,} predictions are the same; their logits differ by {apart:.1g} at most, "
                "the largest is {largest:.1f}."
            )
        elif self.ties == self.differ:
            words = (
                "Removed or masked, {differ:,} of {n:,} predictions differ, all of them ties; their logits differ by "
                "{apart:.1g} at most, the largest is {largest:.1f}."
            )
        else:
            words = (
                "Removed or masked, {differ:,} of {n:,} predictions differ, {ties:,} of them ties; their logits differ "
                "by {apart:.1g} at most, the largest is {largest:.1f}."
            )
        counts = {"n": self.done, "differ": self.differ, "ties": self.ties}
        return say(words, **counts, apart=self.apart, largest=self.largest)

    def filter_sentence(self) -> str:
        """What zeroing the filters instead would have shown."""
        others = self._other_than_masked(FILTER)
        if not others:
            return say(
                "Zeroing the filters instead gives the same predictions: here nothing is left of a zeroed channel."
            )
        return say(
            "Zeroing the filters instead gives {accuracy} and {n:,} other predictions: a zeroed filter still emits its "
            "batch norm's constant, β − γμ/σ, which the next layer reads."
            if self.leaks
            else "Zeroing the filters instead gives {accuracy} and {n:,} other predictions: other layers that write to "
            "the same channels still do.",
            accuracy=percent(float(self.accuracy[self.row(FILTER)])),
            n=others,
        )

    def added_sentence(self) -> str:
        """By how much adding up what each layer alone costs would have been wrong; empty where that is not known."""
        if self.added_up is None:
            return ""
        exact = float(self.change[self.row(MASKED)])
        wrong = abs(self.added_up - exact)
        return say(
            "All layers together change accuracy by {exact} points; adding up what each changes alone says {sum}, "
            "which is wrong by {wrong:.2f}.",
            exact=points(exact),
            sum=points(self.added_up),
            wrong=wrong,
        )

    def _other_than_masked(self, network: str) -> int:
        return int((self.predictions[self.row(network)] != self.predictions[self.row(MASKED)]).sum())
