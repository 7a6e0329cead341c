"""Make a folder of images a data set."""

import argparse
from pathlib import Path
from typing import Any

from explorer.cli.bar import Bar
from explorer.cli.options import Commands
from explorer.own import images as own_images
from explorer.own import networks as own_networks
from explorer.own.pictures import SIZES


def add_to(commands: Commands) -> None:
    """The parser of `import-images`."""
    command = commands.add_parser("import-images", help="make a folder of images a data set of your own")
    layout = "holds CLASS/*.png, *.jpg …: test images; or train/CLASS/… and test/CLASS/… (or val/CLASS/… …)"
    command.add_argument("folder", type=Path, metavar="FOLDER", help=layout)
    command.add_argument(
        "--name", metavar="NAME", required=True, help="of the data set: a-z, 0-9, dot, hyphen, underscore"
    )
    low, high = SIZES
    size = f"side of every image in pixels, {low}…{high}"
    command.add_argument("--size", type=int, metavar="S", required=True, help=size)
    resize = "short: the short side is resized to S, and the middle square cut out (default); "
    resize += "exact: both sides are; none: all images must be S × S already"
    command.add_argument("--resize", default="short", metavar="HOW", help=resize)
    command.add_argument("--grey", action="store_true", help="keep one channel; all images must be grey")
    for key in ("mean", "std"):
        text = "of their usual normalisation, for values 0…1: one number, or one a channel; kept with the data set"
        command.add_argument(f"--{key}", default="", metavar="A,B,C", help=text)
    command.add_argument("--title", default="", metavar="T", help="what pages call it (default: NAME)")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Make a folder of images a data set."""
    given: dict[str, Any] = {key: own_networks.numbers(getattr(args, key)) for key in ("mean", "std")}
    given |= {key: getattr(args, key) for key in ("title", "resize", "grey")}
    with Bar(f"importing {args.folder}") as bar:
        info = own_images.import_images(args.folder, args.name, args.size, progress=bar, **given)
    print(f"{info.title} is data set {info.name}: {len(info.classes)} classes, splits {' and '.join(info.files)}")
    for note in info.notes:
        print(note)
