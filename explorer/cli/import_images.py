"""Make a folder of images a data set."""

import argparse
from pathlib import Path

from explorer.cli.bar import Bar
from explorer.cli.options import Commands
from explorer.own import images as own_images


def add_to(commands: Commands) -> None:
    """The parser of `import-images`."""
    command = commands.add_parser("import-images", help="make a folder of images a data set of your own")
    layout = "holds CLASS/*.png, *.jpg …: test images; or train/CLASS/… and test/CLASS/… (or val/CLASS/…)"
    command.add_argument("folder", type=Path, metavar="FOLDER", help=layout)
    command.add_argument(
        "--name", metavar="NAME", required=True, help="of the data set: a-z, 0-9, dot, hyphen, underscore"
    )
    low, high = own_images.SIZES
    size = f"side in pixels, {low}…{high}: the short side is resized to it, and the middle square cut out"
    command.add_argument("--size", type=int, metavar="S", required=True, help=size)
    command.add_argument("--title", default="", metavar="T", help="what pages call it (default: NAME)")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Make a folder of images a data set."""
    with Bar(f"importing {args.folder}") as bar:
        info = own_images.import_images(args.folder, args.name, args.size, args.title, progress=bar)
    print(f"{info.title} is data set {info.name}: {len(info.classes)} classes, splits {' and '.join(info.files)}")
