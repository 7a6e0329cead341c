"""Download a data set."""

import argparse

from explorer.cli.bar import Bar
from explorer.cli.options import Commands
from explorer.images import datasets, downloads
from explorer.images.registry import DATASETS


def add_to(commands: Commands) -> None:
    """The parser of `data`."""
    command = commands.add_parser("data", help="download a data set")
    command.add_argument("name", metavar="NAME", help=", ".join(DATASETS))
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Download a data set, unless it is there."""
    info = datasets.dataset_info(args.name)
    with Bar(f"downloading {info.title}") as bar:
        folder = downloads.download(args.name, progress=bar)
    print(f"{info.title} is in {folder}")
