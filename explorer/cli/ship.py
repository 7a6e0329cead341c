"""The answers that ship beside the checkpoints."""

import argparse

from explorer.answers import shipping
from explorer.cli.options import Commands, load_checkpoint
from explorer.cli.words import last_of
from explorer.files.places import answers_root
from explorer.networks.checkpoints import SHIPPED


def add_to(commands: Commands) -> None:
    """The parser of `ship`."""
    command = commands.add_parser("ship", help="compute the answers that come with the app; for whoever releases it")
    command.add_argument("checkpoints", metavar="CHECKPOINT", nargs="*", help="default: all that come with the app")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Compute what is not there yet, one answer after the other, and say how large all are together."""
    unknown = [name for name in args.checkpoints if name not in SHIPPED]
    if unknown:
        raise ValueError(f"{unknown[0]!r} does not come with the app; choose among: {', '.join(SHIPPED)}")
    for name in args.checkpoints or SHIPPED:
        checkpoint = load_checkpoint(name)
        for piece in shipping.pieces(checkpoint):
            path = piece.question.path
            label = f"{name}/{path.stem}"
            if not piece.is_there:
                piece.ship(piece.question, last_of(label, piece.compute()))
            print(f"{path.stat().st_size:>10,} bytes  {label}", flush=True)
    total = sum(path.stat().st_size for path in answers_root().rglob("*.npz"))
    print(f"{total:>10,} bytes in all, of at most {shipping.MOST_BYTES:,}")
    if total > shipping.MOST_BYTES:
        raise ValueError(f"the answers take {total:,} bytes, more than {shipping.MOST_BYTES:,}: ship fewer K or images")
