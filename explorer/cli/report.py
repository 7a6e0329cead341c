"""A lab report in one download."""

import argparse

from explorer.answers.experiment import HOW
from explorer.cli.options import Commands, add_fresh, add_how, ks_of
from explorer.cli.words import last_of
from explorer.files import csv
from explorer.files.whole import write_whole
from explorer.networks import checkpoints
from explorer.networks.checkpoints import Checkpoint
from explorer.reports.asked import Asked, asked_of, lab_named
from explorer.reports.binding import BOTH, languages_of
from explorer.reports.making import make


def add_to(commands: Commands) -> None:
    """The parser of `report`."""
    command = commands.add_parser("report", help="a lab report in one ZIP file")
    command.add_argument("checkpoint", metavar="CHECKPOINT", nargs="?", help="a name that `models` lists")
    command.add_argument("--lab", metavar="LAB", help="A, B, C, D or E: its network, layer, K and ways")
    command.add_argument("--layer", metavar="L", help="a convolution (default: the one that the network's lab prunes)")
    text = "what the channels are ranked by (default: mean)"
    command.add_argument("--criterion", default="mean", metavar="C", help=text)
    add_how(command)
    text = "the K of the curve, START:STOP[:STEP] or K,K,K (default: the lab's, else every K)"
    command.add_argument("--ks", metavar="RANGE", help=text)
    command.add_argument("--k", type=int, metavar="K", help="the chosen K (default: half of the channels)")
    command.add_argument("--language", default=BOTH, metavar="LANGUAGE", help="en, zh or both (default)")
    add_fresh(command)
    command.add_argument("--out", metavar="FILE.zip", required=True, help="where to write it; - is standard output")
    command.set_defaults(run=run)


def asked_by(args: argparse.Namespace, checkpoint: Checkpoint) -> Asked:
    """The question that the options ask."""
    ks = None if args.ks is None else ks_of(args.ks, "--ks")
    return asked_of(checkpoint, args.lab, args.layer, args.k, ks, **{key: getattr(args, key) for key in HOW})


def run(args: argparse.Namespace) -> None:
    """Gather the facts, and bind them as files."""
    codes = languages_of(args.language)
    if args.checkpoint is None and args.lab is None:
        raise ValueError("what is the report about? name a CHECKPOINT, or a --lab")
    checkpoint = checkpoints.look_up(args.checkpoint or lab_named(args.lab).checkpoint)
    asked = asked_by(args, checkpoint)
    csv.check_writable(args.out)
    bound = last_of("report", make(asked, checkpoint, codes, fresh=args.fresh))
    write_whole(args.out, bound.content)
    if args.out != "-":
        print(f"saved {args.out}: {len(bound.content):,} bytes, in {', '.join(codes)}")
