"""Accuracy at every K."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from explorer.answers import door, shipped
from explorer.answers.experiment import Experiment
from explorer.answers.labs import lab_of
from explorer.cli.options import (
    Commands,
    add_csv,
    add_device,
    add_fresh,
    add_how,
    add_name,
    add_range,
    add_workers,
    experiment_of,
    load_checkpoint,
    pool_of,
)
from explorer.cli.words import at_ends, last_of, save_table, tell_how
from explorer.engine import tables
from explorer.engine.curves import Sweep
from explorer.engine.oracle import ORACLES, Search
from explorer.engine.scan import convolutions
from explorer.files import csv
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import CRITERIA, REVERSED
from explorer.workers import curves
from explorer.workers.units import Pool

ALL = "all"  # layers


def add_to(commands: Commands) -> None:
    """The parser of `sweep`."""
    command = commands.add_parser("sweep", help="accuracy at every K")
    add_name(command)
    words = f"convolutions, with commas between, or {ALL} (default: the one that the network's lab prunes)"
    command.add_argument("--layer", metavar="L", help=words)
    known = f"{', '.join(CRITERIA)}, each also with {REVERSED} behind it; {', '.join(ORACLES)}"
    command.add_argument("--criterion", default="mean", metavar="C", help=f"with commas between: {known}")
    add_how(command)
    command.add_argument(
        "--orders", type=int, metavar="N", help="N random orders, of the seeds S, S + 1, …: their band"
    )
    add_range(command)
    add_device(command)
    add_workers(command)
    add_fresh(command)
    add_csv(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Accuracy at every K, along one order, several criteria's, or several random ones."""
    checkpoint, pool = load_checkpoint(args.checkpoint), pool_of(args)
    plans = _plans(args, checkpoint)
    csv.check_writable("-" if args.csv is None else args.csv)
    if args.orders is not None:
        _sweep_band(args, plans, checkpoint, pool)
    elif len(plans) > 1:
        _save_or_print_all(args, _all(args, plans, checkpoint, pool))
    else:
        _save_or_print(args, _all(args, plans, checkpoint, pool)[0])


def _plans(args: argparse.Namespace, checkpoint: Checkpoint) -> list[Experiment]:
    """What is asked, one for each layer and criterion; of all layers, those that criterion and mode do not fit are not.

    Without K, they are those of the lab whose network and layer these are, and all for any other.
    """
    every = args.layer == ALL
    layers = convolutions(checkpoint.model) if every else args.layer.split(",") if args.layer else [None]
    plans = []
    for layer, criterion in product(layers, args.criterion.split(",")):
        try:
            asked = argparse.Namespace(**vars(args) | {"layer": layer, "criterion": criterion})
            plan = experiment_of(asked, checkpoint)
        except ValueError as error:
            if not every:
                raise
            print(f"left out {layer}, {criterion}: {error}", file=sys.stderr)
            continue
        plans.append(replace(plan, ks=_usual_ks(plan)) if args.k is None else plan)
    if not plans:
        raise ValueError("there is nothing to sweep: no layer fits what is asked")
    return plans


def _all(args: argparse.Namespace, plans: list[Experiment], checkpoint: Checkpoint, pool: Pool | None) -> list[Sweep]:
    """The curves, one after the other, or all at a time by workers."""
    if pool is None:
        return [last_of(f"sweep of {plan.layer}", _curve(args, plan, checkpoint)) for plan in plans]
    label = f"sweep of {plans[0].layer}" if len(plans) == 1 else f"{len(plans)} sweeps"
    steps = curves.curves(plans, {checkpoint.name: checkpoint}, pool, args.device, args.fresh)
    return last_of(label, steps)


def _save_or_print_all(args: argparse.Namespace, results: list[Sweep]) -> None:
    for result in results:
        tell_how(result)
    table = tables.rows_of(results)
    if args.csv is not None:
        save_table(table, args.csv, f"{len(results)} curves of {len(table)} K on {results[0].done:,} images")
        return
    columns = ["layer", "criterion", "k", "n", "correct", "accuracy", "low", "high"]
    print(table[columns].to_string(index=False, float_format="%.4f"))


def _save_or_print(args: argparse.Namespace, result: Sweep) -> None:
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


def _sweep_band(args: argparse.Namespace, plans: list[Experiment], checkpoint: Checkpoint, pool: Pool | None) -> None:
    """Accuracy at every K along each of so many random orders, or in print their mean and 95 % band."""
    if len(plans) > 1:
        raise ValueError("--orders is for one layer and the criterion random; leave the others out")
    label = f"sweep of {plans[0].layer}, {args.orders} orders"
    asked = (plans[0], checkpoint, args.orders)
    if pool is None:
        band = last_of(label, door.band(*asked, args.device, fresh=args.fresh))
    else:
        band = last_of(label, curves.band(*asked, pool, args.device, args.fresh))
    tell_how(band.sweeps[0])
    if args.csv is not None:
        save_table(band.frame(), args.csv, f"{len(band.sweeps)} orders of {len(band.ks)} K on {band.done:,} images")
        return
    table = tables.curve_table({"random": band})
    print(table[["k", "accuracy", "low", "high"]].to_string(index=False, float_format="%.4f"))
