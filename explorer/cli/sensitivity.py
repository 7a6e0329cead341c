"""Accuracy with several shares of each layer's channels pruned, layer by layer."""

import argparse
import sys

import pandas as pd

from explorer.answers import door
from explorer.cli.options import (
    Commands,
    add_csv,
    add_device,
    add_dtype,
    add_fresh,
    add_limit,
    add_mode,
    add_name,
    add_split,
    add_workers,
    load_checkpoint,
    pool_of,
)
from explorer.cli.words import last_of, save_table, tell_layers, tell_made
from explorer.engine.sensitivities import Sensitivity, check_points
from explorer.files import csv
from explorer.pruning.criteria import CRITERIA, REVERSED
from explorer.show.words import percent
from explorer.workers.layers import LayersByWorkers


def add_to(commands: Commands) -> None:
    """The parser of `sensitivity`."""
    command = commands.add_parser("sensitivity", help="accuracy with 10, 20 … 100 % of each layer's channels pruned")
    add_name(command)
    known = f"{', '.join(CRITERIA)}, each also with {REVERSED} behind it"
    command.add_argument("--criterion", default="mean", metavar="C", help=known)
    add_mode(command)
    add_split(command)
    add_limit(command)
    words = "what the last column asks: the largest share that surely costs at most so many points (default: 1)"
    command.add_argument("--points", type=float, default=1.0, metavar="X", help=words)
    add_device(command)
    add_dtype(command)
    add_workers(command)
    add_fresh(command)
    add_csv(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Accuracy with several shares of each layer's channels pruned, layer by layer."""
    checkpoint = load_checkpoint(args.checkpoint)
    csv.check_writable("-" if args.csv is None else args.csv)
    check_points(args.points)
    pool = pool_of(args)
    analyse = LayersByWorkers(checkpoint, pool).analyse if pool else None
    asked = (args.criterion, args.mode, args.split, args.limit, args.device, args.fresh)
    if analyse and args.dtype != "float32":
        raise ValueError(f"workers prune layer by layer in float32 alone; leave --dtype {args.dtype} out, or --jobs")
    steps = door.sensitivity(checkpoint, *asked, analyse=analyse, dtype=args.dtype)
    result: Sensitivity = last_of(f"sensitivity of {checkpoint.name}", steps)
    tell_made(result.made)
    tell_layers(result.slow, result.left_out)
    if result.audit is not None:
        print(result.audit, file=sys.stderr)
    if args.csv is not None:
        save_table(
            result.frame(),
            args.csv,
            f"{len(result.rows)} layers at {len(result.shares)} shares on "
            f"{result.done:,} images, {percent(result.correct_before / result.done)} right unpruned",
        )
    else:
        print(_table(result, args.points).to_string(index=False, float_format="%.4f"))


def _table(result: Sensitivity, points: float) -> pd.DataFrame:
    """A row a layer: its accuracy at each share, and what it can spare."""
    table = pd.DataFrame({"layer": result.names, "channels": [row.channels for row in result.rows], "n": result.done})
    shares = {f"{share} %": result.accuracy[:, place] for place, share in enumerate(result.shares)}
    return table.assign(**shares, **{f"spares at {points:g} points": [f"{share} %" for share in result.spare(points)]})
