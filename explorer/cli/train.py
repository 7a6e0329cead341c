"""Train a network with its lab's recipe."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer.background.records import Reporter
from explorer.cli.bar import Bar
from explorer.cli.options import Commands, add_device
from explorer.cli.words import epoch_line, scores_in_words
from explorer.images import augmentation
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints
from explorer.networks.registry import MODELS
from explorer.training import loop, recipes
from explorer.training.recipes import Recipe
from explorer.training.state import state_path


def add_to(commands: Commands) -> None:
    """The parser of `train`."""
    command = commands.add_parser("train", help="train a network with its lab's recipe")
    command.add_argument("model", metavar="MODEL", help=", ".join(MODELS))
    command.add_argument("--data", metavar="NAME", required=True, help=f"{', '.join(DATASETS)}, or one of your own")
    command.add_argument("--name", metavar="NAME", help="of the checkpoint (default: MODEL_DATASET)")
    command.add_argument("--description", default="", metavar="TEXT", help="words of your own for its card")
    command.add_argument("--out", type=Path, metavar="DIR", help="where to save (default: the checkpoints folder)")
    command.add_argument("--replace", action="store_true", help="train over a finished network of that name")
    command.add_argument("--resume", action="store_true", help="go on from the last finished epoch")
    command.add_argument("--progress", type=Path, metavar="FILE", help="keep a JSON file that says how far it is")
    add_device(command)
    _add_recipe(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Train a network, printing a line an epoch, and save it."""
    recipe = _recipe(args)
    name = args.name or loop.checkpoint_name(args.model, args.data)
    if args.resume and not state_path(name, args.out).exists():
        print(f"there is no unfinished training of {name}, so it starts from scratch", file=sys.stderr)
    bar = Bar(f"training {name}")
    records = loop.train(
        args.model,
        args.data,
        recipe,
        args.out,
        resume=args.resume,
        device=args.device,
        progress=_tell(bar, args.progress),
        name=name,
        description=args.description,
        overwrite=args.replace,
    )
    try:
        with bar:
            for epoch in records:
                bar.clear()
                print(epoch_line(epoch), flush=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; --resume goes on from the last finished epoch") from None
    card = checkpoints.read_card(name, args.out)
    print(f"saved {checkpoints.find(name, args.out)}: epoch {card.kept_epoch} kept, {scores_in_words(card.accuracy)}")


def _tell(bar: Bar, path: Path | None) -> loop.Progress:
    """Who is told how far the training is: whoever looks at the terminal and, with a path, whoever reads that file."""
    if path is None:
        return bar
    reporter = Reporter(path)

    def both(done: int, total: int) -> None:
        bar(done, total)
        reporter(done, total)

    return both


def _recipe(args: argparse.Namespace) -> Recipe:
    """The network's own recipe, with what the options of `train` change."""
    changes: dict[str, Any] = {} if args.augment is None else dict(augmentation.parse(args.augment))
    changes |= {name: getattr(args, name) for name in recipes.OPTIONS if getattr(args, name) is not None}
    return replace(recipes.recipe_for(args.model, args.data), **changes)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    changes = command.add_argument_group("the recipe", "Each option replaces what the network's own recipe says.")
    for name, option in recipes.OPTIONS.items():
        metavar = {int: "N", float: "X"}.get(option.kind, "NAME")
        text = f"{option.help}: {', '.join(option.choices)}" if option.choices else option.help
        changes.add_argument(f"--{name.replace('_', '-')}", type=option.kind, metavar=metavar, help=text)
    known = ",".join(f"{each.name}={each.usual:g}" for each in augmentation.AUGMENTATIONS.values())
    changes.add_argument("--augment", metavar="A,B=X", help=f"none, or some of {known}; strengths may be left out")
