"""Make a network of one's own, with weights from a file, a checkpoint."""

import argparse
import sys
from pathlib import Path

from explorer.cli.bar import Bar
from explorer.cli.options import Commands, add_device
from explorer.cli.words import scores_in_words
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints
from explorer.own import building
from explorer.own import networks as own_networks


def add_to(commands: Commands) -> None:
    """The parser of `import-network`."""
    command = commands.add_parser("import-network", help="make your network, with your weights, a checkpoint")
    kinds = (
        "FILE.py:NAME or FILE.ipynb:NAME, a class or function that gives an nn.Module (its file is run, but for what "
        "trains); a classification network of torchvision, such as mobilenet_v2; timm:ARCH; ours:NAME"
    )
    command.add_argument("network", metavar="NETWORK", help=kinds)
    kinds = "a file of weights: .safetensors, or what torch.save or Lightning wrote; nothing in it is run"
    command.add_argument("weights", type=Path, metavar="WEIGHTS", help=kinds)
    text = f"{', '.join(DATASETS)}, or one of your own, in the weights' order of classes"
    command.add_argument("--data", metavar="NAME", required=True, help=text)
    text = "an argument of the class or function, such as num_classes=10; may be given again"
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="options", help=text)
    text = "which of several outputs are the logits: a key, or a number from 0"
    command.add_argument("--output", default="", metavar="KEY", help=text)
    command.add_argument("--name", default="", metavar="NAME", help="of the checkpoint (default: NETWORK_DATASET)")
    for key in ("mean", "std"):
        text = "of the normalisation (default: as a card beside WEIGHTS says, else ImageNet's, of grey images 0.5)"
        command.add_argument(f"--{key}", default="", metavar="A,B,C", help=text)
    command.add_argument("--description", default="", metavar="TEXT", help="words of your own for its card")
    add_device(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Make a network of one's own, with weights from a file, a checkpoint."""
    given = {key: getattr(args, key) for key in ("name", "output", "description", "device")}
    given |= {key: own_networks.numbers(getattr(args, key)) for key in ("mean", "std")}
    given["options"] = building.parsed(args.options)
    with Bar(f"testing {args.network}") as bar:
        made = own_networks.import_network(args.network, args.weights, args.data, **given, progress=bar)
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    if made.warning:
        print(f"warning: {made.warning}", file=sys.stderr)
    print(f"saved {checkpoints.find(made.name)}: {scores_in_words({'test': made.score})}")
