"""Pruning Explorer: what a convolutional network loses as its channels are pruned.

    import explorer as ex

    net = ex.load("simple-cnn_fashion-mnist")
    batches = ex.batches(net)
    curve = ex.sweep(net.model, "conv2", batches, ex.rank(net.model, "conv2", batches).order)

The words, which pages, code and CSV files use alike:

- *channel*: one of the P outputs of a convolutional *layer*, computed by its *filter* (weights and bias).
- *K*: how many channels are pruned, 0…P.
- *importance*: a number a channel, higher = keep. A *criterion* is a way to compute it.
- *ranking*: importance and *order*, the channels from first pruned to last; ties go by the lowest index.
- *statistics*: a layer's output, averaged over images, at a *point*: raw, after the activation, or of the block.
- *mode*: what pruning a channel sets to zero. *schedule*: whether channels are ranked once, or again at each K.
- *split*: test or train images; *held-out* are the training images that a training was validated on.
- *sweep*: the predictions at every K, along one order; its *curve* is accuracy against K.
- *band*: sweeps along several random orders. *oracle*: a greedy search for the order that hurts least.
- *plan*: K of each of several layers. To *compress* is to remove those channels, of each layer's whole *group*.
- *scan*: predictions with one layer pruned whole, for one layer after another.
- *sensitivity*: accuracy with several shares of a layer's channels pruned, for one layer after another.
- *cliff*: the last K before accuracy is ever more than a point below the unpruned network's.
- *cut*, *zone*, *suffix*: where a network is divided so that every K comes out of one pass (engine/cut.py).
- *checkpoint*: a trained network on disk, weights and *card*; the card says what it is and how good.
- *experiment*: everything that decides a sweep's numbers; what comes out of it is its *answer*.
- *lab*: an experiment's settings as a course had them, each of its *ways* beside the assignment.
- *report*: all that was measured in one file, in English and Chinese, with questions and room for the answers.
"""

import importlib
import os

# Threads that wait for work spin before they sleep. Long spinning slows down whatever shares the cores (two trainings
# at once: 110 ms a batch against 46 ms), none at all makes a network of many small steps wait for its threads to wake
# (the oracle: 2.4 s against 2.1 s). OpenMP reads this when torch is first imported, which every module of the package
# does after this one; GNU's counts the turns, the others know the policy alone.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# oneDNN keeps the code that it has compiled for the last 1024 calls. Six batch sizes of all networks leave 17 MB of it
# instead of 24; a step of training ResNet-18 makes 121 calls, and compiles none of them again with 128.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")

TYPE_CHECKING = False  # as typing has it, whose import takes longer than this package's
if TYPE_CHECKING:
    from explorer.answers.door import ask as ask
    from explorer.answers.experiment import Experiment as Experiment
    from explorer.answers.images import batches_of as batches
    from explorer.compression.plans import Plan as Plan
    from explorer.compression.removal import compress as compress
    from explorer.engine.curves import Band as Band
    from explorer.engine.curves import Sweep as Sweep
    from explorer.engine.greedy import greedy as greedy
    from explorer.engine.scan import scan as scan
    from explorer.engine.scans import Scan as Scan
    from explorer.engine.sensitivities import Sensitivity as Sensitivity
    from explorer.engine.sensitivity import sensitivity as sensitivity
    from explorer.engine.sweep import sweep as sweep
    from explorer.engine.sweep import sweep_stream as sweep_stream
    from explorer.networks.checkpoints import Checkpoint as Checkpoint
    from explorer.networks.checkpoints import list_checkpoints as checkpoints
    from explorer.networks.checkpoints import load as load
    from explorer.own.notebook import open_in_app as open
    from explorer.pruning.activations import collect as statistics
    from explorer.pruning.prune import prune as prune
    from explorer.pruning.ranking import rank as rank
    from explorer.pruning.rankings import Ranking as Ranking
    from explorer.pruning.statistics import ChannelStatistics as ChannelStatistics
    from explorer.reports.making import report as report

# The public names and where they live. Each is loaded when it is first used, for torch takes seconds.
_HOMES = {
    "Band": "engine.curves.Band",
    "ChannelStatistics": "pruning.statistics.ChannelStatistics",
    "Checkpoint": "networks.checkpoints.Checkpoint",
    "Experiment": "answers.experiment.Experiment",
    "Plan": "compression.plans.Plan",
    "Ranking": "pruning.rankings.Ranking",
    "Scan": "engine.scans.Scan",
    "Sensitivity": "engine.sensitivities.Sensitivity",
    "Sweep": "engine.curves.Sweep",
    "ask": "answers.door.ask",
    "batches": "answers.images.batches_of",
    "checkpoints": "networks.checkpoints.list_checkpoints",
    "compress": "compression.removal.compress",
    "greedy": "engine.greedy.greedy",
    "load": "networks.checkpoints.load",
    "open": "own.notebook.open_in_app",
    "prune": "pruning.prune.prune",
    "rank": "pruning.ranking.rank",
    "report": "reports.making.report",
    "scan": "engine.scan.scan",
    "sensitivity": "engine.sensitivity.sensitivity",
    "statistics": "pruning.activations.collect",
    "sweep": "engine.sweep.sweep",
    "sweep_stream": "engine.sweep.sweep_stream",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'explorer' has no attribute {name!r}; its public names: {', '.join(_HOMES)}")
    module, _, attribute = _HOMES[name].rpartition(".")
    value = globals()[name] = getattr(importlib.import_module(f"explorer.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
