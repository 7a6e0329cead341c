"""Accuracy with all channels of one layer pruned, layer by layer."""

import argparse

from explorer.answers import door
from explorer.cli.options import (
    Commands,
    add_csv,
    add_device,
    add_fresh,
    add_limit,
    add_mode,
    add_name,
    add_split,
    add_workers,
    load_checkpoint,
    pool_of,
)
from explorer.cli.words import last_of, save_table, tell_layers, tell_made, worst_layer
from explorer.files import csv
from explorer.workers.layers import LayersByWorkers


def add_to(commands: Commands) -> None:
    """The parser of `scan`."""
    command = commands.add_parser("scan", help="accuracy with all channels of one layer pruned, layer by layer")
    add_name(command)
    command.add_argument("--layers", default="blocks", metavar="WHICH", help="blocks (default: their last ones) or all")
    add_mode(command)
    add_split(command)
    add_limit(command)
    add_device(command)
    add_workers(command)
    add_fresh(command)
    add_csv(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Accuracy with all channels of one layer pruned, layer by layer."""
    checkpoint = load_checkpoint(args.checkpoint)
    csv.check_writable("-" if args.csv is None else args.csv)
    pool = pool_of(args)
    scanning = LayersByWorkers(checkpoint, pool).scan if pool else None
    asked = (args.layers, args.mode, args.split, args.limit, args.device, args.fresh)
    steps = door.scan(checkpoint, *asked, scanning=scanning)
    result = last_of(f"scan of {checkpoint.name}", steps)
    tell_made(result.made)
    tell_layers(result.slow, result.left_out)
    table = result.frame()
    if args.csv is not None:
        save_table(table, args.csv, f"{len(result.layers)} layers on {result.done:,} images, {worst_layer(result)}")
    else:
        table["layer"] = table["layer"].fillna("unpruned")
        columns = ["position", "layer", "channels", "parameters", "n", "correct", "accuracy", "low", "high", "change"]
        print(table[columns].to_string(index=False, float_format="%.4f"))
