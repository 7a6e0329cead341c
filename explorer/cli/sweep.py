"""Accuracy at every K."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from explorer.answers import door, shipped
from explorer.answers.experiment import Experiment
from explorer.answers.labs import lab_of
from explorer.cli.options import (
    Commands,
    add_checkpoint,
    add_csv,
    add_device,
    add_fresh,
    add_how,
    add_range,
    experiment_of,
    load_checkpoint,
)
from explorer.cli.words import at_ends, last_of, save_table, tell_how
from explorer.engine import tables
from explorer.engine.oracle import ORACLES, Search
from explorer.files import csv
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import CRITERIA, REVERSED


def add_to(commands: Commands) -> None:
    """The parser of `sweep`."""
    command = commands.add_parser("sweep", help="accuracy at every K")
    add_checkpoint(command)
    known = f"{', '.join(CRITERIA)}, each also with {REVERSED} behind it; {', '.join(ORACLES)}"
    command.add_argument("--criterion", default="mean", metavar="C", help=known)
    add_how(command)
    command.add_argument(
        "--orders", type=int, metavar="N", help="N random orders, of the seeds S, S + 1, …: their band"
    )
    add_range(command)
    add_device(command)
    add_fresh(command)
    add_csv(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Accuracy at every K, along one order or along several random ones."""
    checkpoint = load_checkpoint(args.checkpoint)
    plan = experiment_of(args, checkpoint)
    if args.k is None:
        plan = replace(plan, ks=_usual_ks(plan))
    csv.check_writable("-" if args.csv is None else args.csv)
    if args.orders is not None:
        _sweep_band(args, plan, checkpoint)
        return
    result = last_of(f"sweep of {plan.layer}", _curve(args, plan, checkpoint))
    tell_how(result)
    table = result.frame()
    if args.csv is not None:
        save_table(table, args.csv, f"{len(table)} K on {result.done:,} images, {at_ends(result)}")
    else:
        table["pruned_channel"] = table["pruned_channel"].astype("string").fillna("")
        columns = ["k", "gone" if "gone" in table else "pruned_channel", "n", "correct", "accuracy", "low", "high"]
        if result.agreement is not None:
            table["agreement"] = result.agreement.shares
            columns.append("agreement")
        print(table[columns].to_string(index=False, float_format="%.4f"))


def _usual_ks(plan: Experiment) -> tuple[int, ...] | None:
    """The K that a lab looks at, where this is its network and layer; None, which means all, for any other."""
    lab = lab_of(plan.checkpoint, plan.layer)
    return None if lab is None else lab.grid


def _curve(args: argparse.Namespace, plan: Experiment, checkpoint: Checkpoint) -> Iterator[Any]:
    """The curve: what comes with the app, or else what is measured for the ranking first, on a bar of its own."""
    if args.fresh or not shipped.has_curve(plan, checkpoint):
        steps = door.measure(plan, checkpoint, device=args.device, fresh=args.fresh)
        measured = last_of(f"ranking the channels of {plan.layer}", steps)
        if isinstance(measured, Search):
            print(f"the oracle looked at {measured.cost.images:,} {plan.ranked_on} images", file=sys.stderr)
        return door.curve(plan, checkpoint, measured, args.device, fresh=args.fresh)
    return door.curve(plan, checkpoint)


def _sweep_band(args: argparse.Namespace, plan: Experiment, checkpoint: Checkpoint) -> None:
    """Accuracy at every K along each of so many random orders, or in print their mean and 95 % band."""
    label = f"sweep of {plan.layer}, {args.orders} orders"
    band = last_of(label, door.band(plan, checkpoint, args.orders, args.device, fresh=args.fresh))
    tell_how(band.sweeps[0])
    if args.csv is not None:
        save_table(band.frame(), args.csv, f"{len(band.sweeps)} orders of {len(band.ks)} K on {band.done:,} images")
        return
    table = tables.curve_table({"random": band})
    print(table[["k", "accuracy", "low", "high"]].to_string(index=False, float_format="%.4f"))
