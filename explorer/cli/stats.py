"""Statistics of each channel's output."""

import argparse

from explorer.answers import choices, door
from explorer.cli.options import Commands, add_checkpoint, add_csv, add_fresh, add_split, load_checkpoint
from explorer.cli.words import last_of, save_table
from explorer.files import csv
from explorer.networks.layers import conv_layer


def add_to(commands: Commands) -> None:
    """The parser of `stats`."""
    command = commands.add_parser("stats", help="statistics of each channel's output")
    add_checkpoint(command)
    add_split(command)
    add_fresh(command)
    add_csv(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Statistics of each channel's raw output over a split."""
    checkpoint = load_checkpoint(args.checkpoint)
    layer = choices.default_layer(checkpoint) if args.layer is None else args.layer
    conv_layer(checkpoint.model, layer)
    csv.check_writable("-" if args.csv is None else args.csv)
    statistics = last_of(f"activations of {layer}", door.statistics(checkpoint, layer, args.split, fresh=args.fresh))
    table = statistics.frame()
    if args.csv is not None:
        save_table(table, args.csv, f"{len(table)} channels over {statistics.done:,} images")
    else:
        print(table.to_string(index=False, float_format="%.4f"))
