"""Make one of torchvision's networks, with weights from a file, a checkpoint."""

import argparse
from pathlib import Path

from explorer.cli.bar import Bar
from explorer.cli.options import Commands, add_device
from explorer.cli.words import scores_in_words
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints
from explorer.own import networks as own_networks


def add_to(commands: Commands) -> None:
    """The parser of `import-network`."""
    command = commands.add_parser("import-network", help="make a torchvision network with your weights a checkpoint")
    command.add_argument("arch", metavar="ARCH", help="a classification network of torchvision, such as mobilenet_v2")
    kinds = "a .safetensors file, or a state_dict that torch.save wrote (.pt, .pth); nothing in it is run"
    command.add_argument("weights", type=Path, metavar="WEIGHTS", help=kinds)
    text = f"{', '.join(DATASETS)}, or one of your own, in its order of classes; colour images only"
    command.add_argument("--data", metavar="NAME", required=True, help=text)
    command.add_argument("--name", default="", metavar="NAME", help="of the checkpoint (default: ARCH_DATASET)")
    usual = {"mean": own_networks.IMAGENET_MEAN, "std": own_networks.IMAGENET_STD}
    for key, values in usual.items():
        text = f"of the normalisation (default: as a card beside WEIGHTS says, else ImageNet's {values})"
        command.add_argument(f"--{key}", default="", metavar="A,B,C", help=text)
    command.add_argument("--description", default="", metavar="TEXT", help="words of your own for its card")
    add_device(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Make one of torchvision's networks, with weights from a file, a checkpoint."""
    given = {key: getattr(args, key) for key in ("name", "description", "device")}
    given |= {key: own_networks.numbers(getattr(args, key)) for key in ("mean", "std")}
    with Bar(f"testing {args.arch}") as bar:
        name = own_networks.import_network(args.arch, args.weights, args.data, **given, progress=bar)
    print(f"saved {checkpoints.find(name)}: {scores_in_words(checkpoints.read_card(name).accuracy)}")
