"""List the networks and the checkpoints."""

import argparse

from explorer.cli.options import Commands
from explorer.cli.words import about_checkpoint
from explorer.files.places import checkpoints_root
from explorer.networks import checkpoints
from explorer.networks.registry import MODELS


def add_to(commands: Commands) -> None:
    """The parser of `models`."""
    command = commands.add_parser("models", help="list the networks and the trained checkpoints")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """List the networks and the checkpoints."""
    print("Networks")
    for info in MODELS.values():
        print(f"  {info.name:<28} {info.description}")
    print(f"Checkpoints in {checkpoints_root()}")
    for name in checkpoints.list_checkpoints():
        print(f"  {name:<28} {about_checkpoint(name)}")
