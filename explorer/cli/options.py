"""Options that several commands share, and what their values mean."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from explorer.answers import checking, choices
from explorer.answers.experiment import HOW, Experiment
from explorer.engine.ks import check_ks
from explorer.networks import checkpoints
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import DTYPES
from explorer.networks.layers import conv_layer
from explorer.pruning.modes import MODES
from explorer.workers import pools
from explorer.workers.units import Pool


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaint is a ValueError of one sentence, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse for arguments that do not parse."""
        raise ValueError(f"{message} (see {self.prog} --help)")


Commands = Any  # what argparse's add_subparsers gives, a type that it keeps to itself


def load_checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name, or the one whose weights are in that file."""
    return checkpoints.load(Path(name) if name.endswith(".safetensors") else name)


def experiment_of(args: argparse.Namespace, checkpoint: Checkpoint) -> Experiment:
    """What the options of `sweep` and `bench` ask for, checked."""
    given = {key: getattr(args, key) for key in HOW if key in args}
    layer = choices.default_layer(checkpoint) if args.layer is None else args.layer
    plan = Experiment(checkpoint.name, layer, **given)
    checking.check(plan, checkpoint)
    channels = conv_layer(checkpoint.model, layer).out_channels
    return replace(plan, ks=None if args.k is None else check_ks(ks_of(args.k), channels))


def ks_of(text: str, option: str = "--k") -> Iterator[int]:
    """The K of `START:STOP[:STEP]`, like Python's range; or of several such and single K, with commas between them."""
    parts = text.split(",")
    try:
        ranges = [_range(part, alone=len(parts) == 1) for part in parts]
    except (TypeError, ValueError):
        raise ValueError(f"{option} {text!r} is not START:STOP[:STEP], such as 0:33 or 0:33:2, nor K,K,K") from None
    return chain.from_iterable(ranges)


def _range(text: str, alone: bool) -> range:
    start, *more = map(int, text.split(":"))
    if alone and not more:
        raise ValueError(text)
    return range(start, *more) if more else range(start, start + 1)


def add_name(command: argparse.ArgumentParser) -> None:
    """Which checkpoint."""
    command.add_argument("checkpoint", metavar="CHECKPOINT", help="a name that `models` lists, or a .safetensors file")


def add_checkpoint(command: argparse.ArgumentParser) -> None:
    """Which checkpoint, and which of its layers."""
    add_name(command)
    command.add_argument("--layer", metavar="L", help="a convolution (default: the one that the network's lab prunes)")


def add_range(command: argparse.ArgumentParser) -> None:
    """Which K."""
    command.add_argument(
        "--k",
        metavar="START:STOP[:STEP]",
        help="like a Python range, or K,K,K (default: the lab's K, else every K)",
    )


def add_limit(command: argparse.ArgumentParser) -> None:
    """Over how many images."""
    command.add_argument("--limit", type=int, metavar="N", help="the first N images only")


def add_csv(command: argparse.ArgumentParser) -> None:
    """Where to write a table."""
    command.add_argument("--csv", metavar="FILE", help="write a CSV file; - is standard output")


def add_dtype(command: argparse.ArgumentParser) -> None:
    """What to compute in."""
    text = (
        f"{', '.join(DTYPES)}: float32 (default) is exact; how far bfloat16 agrees with it is measured and said; and "
        "audited gives float32's predictions, from bfloat16 where an audit can vouch for it"
    )
    command.add_argument("--dtype", default="float32", metavar="T", help=text)


def add_fresh(command: argparse.ArgumentParser) -> None:
    """Whether to compute what comes with the app."""
    command.add_argument("--fresh", action="store_true", help="compute here even what comes with the app")


def add_device(command: argparse.ArgumentParser) -> None:
    """What to compute on."""
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")


def add_how(command: argparse.ArgumentParser) -> None:
    """How channels are ranked and pruned, and on which images that is measured."""
    add_mode(command)
    command.add_argument("--schedule", default="once", metavar="S", help="rank once (default), or rerank at each K")
    splits = "test (default), train or held-out"
    command.add_argument("--rank-on", dest="ranked_on", default="test", metavar="SPLIT", help=splits)
    add_split(command)
    command.add_argument("--seed", type=int, default=0, metavar="S", help="of the criterion random")
    add_limit(command)
    add_dtype(command)


def add_mode(command: argparse.ArgumentParser) -> None:
    """What pruning zeroes."""
    command.add_argument("--mode", default="filter", metavar="M", help=", ".join(MODES))


def add_split(command: argparse.ArgumentParser) -> None:
    """Over which images."""
    command.add_argument("--split", default="test", metavar="SPLIT", help="test (default) or train")


def add_workers(command: argparse.ArgumentParser) -> None:
    """Which workers compute, if any."""
    command.add_argument("--jobs", type=int, metavar="N", help="compute in N processes, in units that are kept")
    command.add_argument(
        "--engine", default="joblib", metavar="E", help="joblib (default) or ray, whose workers these are"
    )
    command.add_argument("--address", metavar="A", help="HOST:PORT of a Ray cluster (default: one on this machine)")


def pool_of(args: argparse.Namespace) -> Pool | None:
    """The workers that compute; None where this process does."""
    return pools.pool_of(args.jobs, args.engine, args.address, args.device)
