"""Several answers side by side."""

import argparse
from dataclasses import replace

from explorer.answers import checking, door, notation
from explorer.answers.notation import Answer
from explorer.cli.options import Commands, add_csv, add_device, add_fresh, add_limit
from explorer.cli.words import last_of, save_table
from explorer.engine.contrasts import contrast_table
from explorer.engine.curves import Band, Sweep
from explorer.engine.tables import usual_table
from explorer.files import csv
from explorer.networks import checkpoints
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.layers import conv_layer

SHOWN = ("k", "n", "accuracy", "change", "change_low", "change_high", "p_value", "test", "orders", "below")


def add_to(commands: Commands) -> None:
    """The parser of `compare`."""
    command = commands.add_parser("compare", help="several answers side by side, at one K")
    command.add_argument(
        "answers",
        nargs="+",
        metavar="ANSWER",
        help=f"{notation.FORM.format(more=notation.MORE)}, as links of the page Compare",
    )
    command.add_argument("--k", type=int, metavar="K", help="where they are compared (default: half of the channels)")
    command.add_argument("--share", type=int, metavar="PERCENT", help="or the share of each layer's channels")
    add_limit(command)
    add_device(command)
    add_fresh(command)
    add_csv(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """The usual figures of each, and at one K what each has more than the first."""
    if args.k is not None and args.share is not None:
        raise ValueError("--k and --share say two places to compare at; give one of them")
    if args.share is not None and not 0 <= args.share <= 100:
        raise ValueError(f"--share {args.share} is not from 0 to 100, in percent")
    csv.check_writable("-" if args.csv is None else args.csv)
    asked = {text: _asked(text, args) for text in dict.fromkeys(args.answers)}
    ks = {text: _k_of(text, channels, args) for text, (_, _, channels) in asked.items()}
    curves = {text: _curve(text, plan, checkpoint, args) for text, (plan, checkpoint, _) in asked.items()}
    table = contrast_table(curves, {text: curve.nearest(ks[text]) for text, curve in curves.items()})
    if args.csv is not None:
        save_table(table, args.csv, f"{len(table)} answers")
        return
    print(usual_table(curves).to_string(index=False, float_format="%.4f"))
    print(table[["answer", *SHOWN]].to_string(index=False, float_format="%.4f", na_rep=""))


def _asked(text: str, args: argparse.Namespace) -> tuple[Answer, Checkpoint, int]:
    """What a text names, checked: the answer, its network, and how many channels the layer has."""
    answer = notation.read(text)
    asked = replace(answer.experiment, limit=args.limit)
    checkpoint = checkpoints.load(asked.checkpoint)
    checking.check(asked, checkpoint)
    return replace(answer, experiment=asked), checkpoint, conv_layer(checkpoint.model, asked.layer).out_channels


def _k_of(text: str, channels: int, args: argparse.Namespace) -> int:
    """Where an answer is compared."""
    k = round((50 if args.share is None else args.share) / 100 * channels) if args.k is None else args.k
    if not 0 <= k <= channels:
        raise ValueError(f"--k {k} is not from 0 to the {channels} channels of {text}")
    return k


def _curve(text: str, answer: Answer, checkpoint: Checkpoint, args: argparse.Namespace) -> Sweep | Band:
    """The answer: kept, shipped, or computed."""
    asked, how = answer.experiment, {"device": args.device, "fresh": args.fresh}
    if answer.orders > 1:
        return last_of(f"sweep of {text}", door.band(asked, checkpoint, answer.orders, **how))
    return last_of(f"sweep of {text}", door.curve(asked, checkpoint, **how))
