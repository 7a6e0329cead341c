"""The five labs, as presets: which network and layer, and how each one ranked and pruned."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from explorer.answers.experiment import Experiment


@dataclass(frozen=True)
class Variant:
    """One way to do a lab."""

    title: str
    criterion: str = "mean"
    mode: str = "filter"
    schedule: str = "once"
    checkpoint: str | None = None  # the network, where it is not the lab's own


ASSIGNED = Variant("As assigned")


@dataclass(frozen=True)
class Lab:
    """A lab: its network and layer, its ways, and how it showed the result. ASSIGNED is always the first way."""

    name: str
    title: str
    checkpoint: str
    layer: str
    did: str  # what the lab did
    differs: str  # what the other ways change against the assignment, and why it matters
    variants: tuple[Variant, ...]
    ks: tuple[int, int, int]  # the K of its curve: first, last, step
    axis: str = "k"  # or "ratio"
    zoom: str = "none"  # the ratio up to which it showed the curve again
    maps: Mapping[str, str | int] = field(default_factory=dict)  # how it laid out its maps, as in the app's links

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The networks that its ways prune, its own first."""
        return tuple(dict.fromkeys((self.checkpoint, *filter(None, (way.checkpoint for way in self.variants)))))

    @property
    def grid(self) -> tuple[int, ...]:
        """The K of its curve, and before them K = 0, the network as it is."""
        first, last, step = self.ks
        return (*(() if first == 0 else (0,)), *range(first, last + 1, step))

    def experiment(self, variant: Variant, dtype: str = "float32", every: bool = False) -> Experiment:
        """The variant as an experiment over the lab's K, or over `every` one unless it ranks again at each."""
        ks = None if every and variant.schedule == "once" else self.grid
        network, schedule = variant.checkpoint or self.checkpoint, variant.schedule
        return Experiment(network, self.layer, variant.criterion, variant.mode, ks=ks, schedule=schedule, dtype=dtype)

    def assigned(self, checkpoint: str) -> Experiment:
        """The assignment, for one of its `checkpoints`."""
        return replace(self.experiment(ASSIGNED), checkpoint=checkpoint)

    def variant(self, experiment: Experiment) -> Variant | None:
        """The variant that an experiment is, if any, over the lab's K or every one, whatever it computes in."""
        asked = [(known, every) for known in self.variants for every in (False, True)]
        alike = (known for known, every in asked if self.experiment(known, experiment.dtype, every) == experiment)
        return next(alike, None)


def lab_of(checkpoint: str, layer: str) -> Lab | None:
    """The lab that prunes this layer of this checkpoint, if any."""
    lab = lab_with(checkpoint)
    return lab if lab and lab.layer == layer else None


def lab_with(checkpoint: str) -> Lab | None:
    """The lab that prunes this checkpoint, if any."""
    return next((lab for lab in LABS.values() if checkpoint in lab.checkpoints), None)


LABS: dict[str, Lab] = {
    lab.name: lab
    for lab in (
        Lab(
            name="A",
            title="SimpleCNN on CIFAR-10",
            checkpoint="simple-cnn_cifar10",
            layer="conv2",
            did="The K least active of 32 channels go, K = 0, 2, … 30, ranked by the mean of the last "
            "convolution's output.",
            differs="The report's own script zeroes weights alone, so that a pruned channel goes on emitting its "
            "bias, and ranks the same network again after each step. A pruned channel may then no longer be "
            "among the lowest, and more than K channels are gone: the curve falls sooner than the method "
            "deserves.",
            variants=(ASSIGNED, Variant("As scripted", mode="weights", schedule="rerank")),
            ks=(0, 30, 2),
        ),
        Lab(
            name="B",
            title="Same digit? Siamese network on MNIST",
            checkpoint="siamese_mnist-pairs",
            layer="encoder.features.3",
            did="Do two images show the same digit? Channels of the encoder that both images go through are "
            "ranked by their mean over both, K = 1 … 31.",
            differs="The report's own script does what was assigned. Half of the channels cost a few points; the "
            "cliff comes late.",
            variants=(ASSIGNED,),
            ks=(1, 31, 1),
            maps={"output": "raw", "order": "original", "scale": "per map", "columns": 8, "numbers": "from 1"},
        ),
        Lab(
            name="C",
            title="ResNet-18 on CIFAR-10",
            checkpoint="resnet18-report_cifar10",
            layer="layer2.1.conv2",
            did="In the report the last blocks are nearly redundant, because the shortcut carries their channels, so "
            "it prunes one in the middle: 128 channels, K = 1, 3, … 127. What each block of the network here, which "
            "its recipe trained anew, is worth is on the page Scan.",
            differs="The report's own script zeroes the slice that reads input channel c where c was ranked as an "
            "output channel. The two only share a number, so it prunes channels that nobody ranked. The third way "
            "prunes the same network as another recipe trained it, with weight decay and label smoothing: more "
            "accurate, and it needs its last block far more. The recipe decides.",
            variants=(
                ASSIGNED,
                Variant("As scripted", mode="inputs"),
                Variant("Another recipe", checkpoint="resnet18_cifar10"),
            ),
            ks=(1, 127, 2),
            maps={
                "layer": "layer4.1.conv2",
                "criterion": "block-mean",
                "output": "block",
                "order": "sorted",
                "scale": "shared",
                "columns": 11,
                "most": 64,
            },
        ),
        Lab(
            name="D",
            title="Residual net with a pruned shortcut",
            checkpoint="lab-resnet_cifar10",
            layer="res2.feature2.0",
            did="The last block adds a convolution on the shortcut. The lab prunes a share of its 256 channels, 0 "
            "… 1 in steps of 0.01.",
            differs="The report's own script ranks by the mean of the block's output, after the addition, and zeroes "
            "the channel in the shortcut, too. As assigned, the shortcut still carries a pruned channel, "
            "which therefore costs less.",
            variants=(ASSIGNED, Variant("As scripted", criterion="block-mean", mode="filter+shortcut")),
            ks=(0, 256, 1),
            axis="ratio",
            zoom="0.1",
            maps={
                "criterion": "block-mean",
                "output": "block",
                "order": "original",
                "scale": "per map",
                "colouring": "grey",
                "columns": 16,
            },
        ),
        Lab(
            name="E",
            title="Block and progressive pruning by filter norms",
            checkpoint="block-net_cifar10",
            layer="conv2",
            did="This lab comes from an article, not a report: it ranks filters by the size of their weights, "
            "which needs no images.",
            differs="L1 sums the absolute weights of a filter, L2 is its length; as assigned, channels are ranked by "
            "what they put out. Here filters are masked, which shows what their removal costs before any "
            "fine-tuning.",
            variants=(ASSIGNED, Variant("By L1 norm", criterion="l1"), Variant("By L2 norm", criterion="l2")),
            ks=(0, 64, 1),
        ),
    )
}
