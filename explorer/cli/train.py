"""Train a network with its lab's recipe."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer.background.memory import keep_freed
from explorer.cli.bar import Bar, reporting
from explorer.cli.options import Commands, add_device, load_checkpoint
from explorer.cli.words import epoch_line, scores_in_words
from explorer.images import augmentation
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.registry import MODELS
from explorer.training import loop, recipes
from explorer.training.finetuning import finetuning_recipe
from explorer.training.recipes import Recipe
from explorer.training.state import state_path


def add_to(commands: Commands) -> None:
    """The parser of `train`."""
    command = commands.add_parser("train", help="train a network with its lab's recipe")
    command.add_argument("model", metavar="MODEL", nargs="?", help=", ".join(MODELS))
    command.add_argument("--data", metavar="NAME", help=f"{', '.join(DATASETS)}, or one of your own")
    text = "fine-tune this checkpoint, which may be compressed: its network and data, a tenth of its learning rate"
    command.add_argument("--from", metavar="CHECKPOINT", dest="start", help=text)
    text = "of the checkpoint (default: MODEL_DATASET, or with --from CHECKPOINT-tuned)"
    command.add_argument("--name", metavar="NAME", help=text)
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
    keep_freed()
    start = _start(args)
    recipe = _recipe(args, start)
    name = args.name or (f"{start.name}-tuned" if start else loop.checkpoint_name(args.model, args.data))
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
        progress=reporting(bar, args.progress),
        name=name,
        description=args.description,
        overwrite=args.replace,
        start=start,
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
    if start:
        print(f"{start.name}, from which it started: {scores_in_words(start.card.accuracy)}")


def _start(args: argparse.Namespace) -> Checkpoint | None:
    """The checkpoint to start from, whose network and data set are then meant; ValueError where others are given."""
    if args.start is None:
        lacking = [name for name, value in (("MODEL", args.model), ("--data NAME", args.data)) if value is None]
        if lacking:
            raise ValueError(f"{' and '.join(lacking)} must be given, or --from CHECKPOINT to fine-tune that")
        return None
    beside = args.out is not None and checkpoints.weights_path(args.start, args.out).exists()
    start = checkpoints.load(args.start, args.out) if beside else load_checkpoint(args.start)
    args.model, args.data = args.model or start.card.model, args.data or start.card.dataset
    return start


def _recipe(args: argparse.Namespace, start: Checkpoint | None) -> Recipe:
    """The network's own recipe, or that to fine-tune it, with what the options of `train` change."""
    changes: dict[str, Any] = {} if args.augment is None else dict(augmentation.parse(args.augment))
    changes |= {name: getattr(args, name) for name in recipes.OPTIONS if getattr(args, name) is not None}
    own = finetuning_recipe(start.card) if start else recipes.recipe_for(args.model, args.data)
    return replace(own, **changes)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    changes = command.add_argument_group("the recipe", "Each option replaces what the network's own recipe says.")
    for name, option in recipes.OPTIONS.items():
        metavar = {int: "N", float: "X"}.get(option.kind, "NAME")
        text = f"{option.help}: {', '.join(option.choices)}" if option.choices else option.help
        changes.add_argument(f"--{name.replace('_', '-')}", type=option.kind, metavar=metavar, help=text)
    known = ",".join(f"{each.name}={each.usual:g}" for each in augmentation.AUGMENTATIONS.values())
    changes.add_argument("--augment", metavar="A,B=X", help=f"none, or some of {known}; strengths may be left out")
