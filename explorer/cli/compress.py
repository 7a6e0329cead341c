"""Remove channels for real, prove the network equal to the masked one, weigh it, and say how good it is."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from explorer.answers import compressing, exporting
from explorer.answers.compressing import Compressed, Compression
from explorer.answers.merits import Merits
from explorer.answers.recovering import Tuned
from explorer.answers.unfinished import Unfinished
from explorer.cli.bar import Bar, reporting
from explorer.cli.options import Commands, add_device, add_limit, add_name, load_checkpoint
from explorer.cli.words import last_of
from explorer.compression.export import FORMATS, check_free, format_info
from explorer.compression.plans import MULTIPLE
from explorer.compression.scales import Scales
from explorer.files import csv
from explorer.files.names import check_plain
from explorer.files.staging import made
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import CRITERIA, REVERSED

TABLES = ("accuracy", "scales", "layers")


def add_to(commands: Commands) -> None:
    """The parser of `compress`."""
    command = commands.add_parser("compress", help="remove channels for real, prove it, and weigh what is left")
    add_name(command)
    plan = command.add_argument_group("the plan", "Give one of them; K channels go of a layer, and of all tied to it.")
    plan.add_argument("--layer", metavar="L", help="one convolution, with --k")
    plan.add_argument("--k", type=int, metavar="K", help="how many channels of it go")
    plan.add_argument("--share", type=float, metavar="S", help="the same share of every layer, such as 0.5")
    text = "what is less important than T times its layer's mean, such as 0.5"
    plan.add_argument("--threshold", type=float, metavar="T", help=text)
    plan.add_argument("--plan", metavar="L:K,L:K", help="K of several layers, such as conv1:4,conv2:10")
    text = "points=1: as few multiply-adds as cost at most a point; macs=0.5: half of them; latency=0.5: half the time"
    plan.add_argument("--target", metavar="WHAT=X", help=text)
    known = f"{', '.join(CRITERIA)}, each also with {REVERSED} behind it (default: l1)"
    command.add_argument("--criterion", default="l1", metavar="C", help=known)
    command.add_argument("--minimum", type=int, default=1, metavar="N", help="channels that every layer keeps")
    command.add_argument("--round", action="store_true", help=f"keep a few more: widths that {MULTIPLE} divides")
    text = "remove in N steps, ranking what is left again before each, beside all at once"
    command.add_argument("--steps", type=int, default=1, metavar="N", help=text)
    text = "then train what is left for so many epochs, after each step, at a tenth of its learning rate"
    command.add_argument("--finetune", type=int, metavar="EPOCHS", help=text)
    text = "a folder for accuracy.csv, scales.csv, layers.csv, and the network in each --format"
    command.add_argument("--out", type=Path, metavar="DIR", help=text)
    known = "; ".join(f"{name}: {each.help}" for name, each in FORMATS.items())
    command.add_argument("--format", default="safetensors", metavar="F,F", help=f"{known} (default: safetensors)")
    command.add_argument("--name", metavar="NAME", help="of the network (default: CHECKPOINT-compressed)")
    command.add_argument("--no-tables", action="store_true", help="write the network alone into --out, no tables")
    text = "go on with the fine-tuning of that name in --out, from its last finished epoch"
    command.add_argument("--resume", action="store_true", help=text)
    command.add_argument("--progress", type=Path, metavar="FILE", help="keep a JSON file that says how far that is")
    add_limit(command)
    add_device(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Remove channels, prove it, and weigh what is left."""
    asked = [name for name in ("layer", "share", "threshold", "plan", "target") if getattr(args, name) is not None]
    if len(asked) != 1 or (args.layer is None) != (args.k is None):
        raise ValueError("give one plan: --layer L with --k K, --share S, --threshold T, --plan L:K or --target WHAT=X")
    plan = args.plan or (f"{args.layer}:{args.k}" if args.layer is not None else "")
    wish = Compression(
        args.share,
        args.threshold,
        plan,
        args.target or "",
        args.criterion,
        args.minimum,
        args.round,
        args.steps,
        args.limit,
        args.finetune,
    )
    if args.resume and not (args.finetune and args.out):
        raise ValueError("--resume goes on with a fine-tuning: give --finetune EPOCHS and --out DIR, too")
    formats = args.format.split(",")
    for each in formats:
        format_info(each)
    checkpoint = load_checkpoint(args.checkpoint)
    name = args.name or f"{checkpoint.name}-compressed"
    check_plain(name)
    if args.out is None:
        _tell(_carried_out(args, checkpoint, wish), args)
        return
    with made(args.out):
        _check_targets(args, name, formats)
        unfinished = _unfinished(args, name) if wish.finetune else None
        found = _carried_out(args, checkpoint, wish, unfinished)
        _tell(found, args)
        for file in exporting.exported(checkpoint, found, name, args.out, formats):
            print(f"saved {file}")
        for title, table in {} if args.no_tables else _tables(found).items():
            csv.write_csv(table, args.out / f"{title}.csv")
            print(f"saved {args.out / title}.csv")
        if unfinished:
            unfinished.forget()


def _carried_out(
    args: argparse.Namespace, checkpoint: Checkpoint, wish: Compression, unfinished: Unfinished | None = None
) -> Compressed:
    bar = Bar("fine-tuning")
    steps = compressing.compressed(checkpoint, wish, args.device, reporting(bar, args.progress), unfinished)
    try:
        found: Compressed = last_of("compressing", steps)
    except KeyboardInterrupt:
        words = "stopped; --resume goes on from the last finished epoch" if unfinished else "stopped"
        raise KeyboardInterrupt(words) from None
    return found


def _unfinished(args: argparse.Namespace, name: str) -> Unfinished:
    """The fine-tuning to go on with, or a new one in the place of what is there."""
    unfinished = Unfinished(name, args.out)
    if not args.resume:
        unfinished.forget()
    elif not unfinished.is_there:
        print(f"there is no unfinished fine-tuning of {name}, so it starts from scratch", file=sys.stderr)
    return unfinished


def _tables(found: Compressed) -> dict[str, pd.DataFrame]:
    """The tables by the names of their files."""
    assert found.merits is not None and found.scales is not None, "both are known at the end"
    return dict(zip(TABLES, (found.merits.frame(), found.scales.totals(), found.scales.frame()), strict=True))


def _tell(found: Compressed, args: argparse.Namespace) -> None:
    """What came of it, in words and as tables."""
    assert found.proof is not None and found.merits is not None and found.scales is not None
    print(f"plan: {found.plan.text}")
    proof = found.proof
    sentences = (found.reached, proof.sentence(), proof.filter_sentence(), proof.added_sentence())
    print("\n".join(filter(None, sentences)))
    print(found.merits.frame().to_string(index=False, float_format="%.4f"))
    if found.tuned:
        print(_recovered(found.merits, found.tuned, args.steps))
    print(_in_words(found.scales))


def _recovered(merits: Merits, tuned: Tuned, steps: int) -> str:
    """The accuracy before pruning, after it, and recovered, in words."""
    rows, times = merits.frame(), f" after each of {steps} steps" if steps > 1 else ""
    before, *_, after, recovered = rows.itertuples()
    states = {"before pruning": before, "after": after, "recovered": recovered}
    told = ", ".join(f"{_share(row)} {state}" for state, row in states.items())
    return (
        f"accuracy {told}, over {merits.done:,} test images (95 % intervals); fine-tuned for {tuned.recipe.epochs} "
        f"epoch{'s'[: tuned.recipe.epochs != 1]}{times} from a learning rate of {tuned.recipe.lr:g} down"
    )


def _share(row: Any) -> str:
    return f"{100 * row.accuracy:.2f} % ({100 * row.low:.2f}…{100 * row.high:.2f})"


def _check_targets(args: argparse.Namespace, name: str, formats: Sequence[str]) -> None:
    """ValueError where a file could not be written in the end, before the work."""
    check_free(name, args.out, formats)
    tables = [f"{table}.csv" for table in TABLES]
    if args.finetune and f"{name}.csv" in tables:
        raise ValueError(f"{name}.csv is the name of a table; give the network another --name")
    for file in [*tables, f"{name}.csv"]:
        csv.check_writable(args.out / file)


def _in_words(scales: Scales) -> str:
    """The totals as people read them, each with its spread, and the layers that are no faster, with the reason."""
    lines = []
    for row in scales.totals().itertuples():
        name = str(row.quantity) if pd.isna(row.batch) else f"{row.quantity}, batch {row.batch}"
        values = [_value(row.before, row.before_low, row.before_high), _value(row.after, row.after_low, row.after_high)]
        ends = "" if pd.isna(row.share_low) else f" ({row.share_low:.3f}…{row.share_high:.3f})"
        lines.append(f"{name:<22} {values[0]:>30} → {values[1]:>30} {row.unit:<14} × {row.share:.3f}{ends}")
    for timing, reasons in zip(scales.timings, scales.reasons, strict=True):
        for layer, why in reasons.items():
            lines.append(f"no faster by as much at batch {timing.batch}: {layer}: {why}")
    timing = scales.timings[0]
    repeats = " and ".join(str(each.whole[0].repeats) for each in scales.timings)
    lines.append(
        f"on {timing.place}, float32; medians of {repeats} runs in turns, and quartiles: whatever else the machine "
        "does is in the times, and less in ×, turn by turn; one MAC is one multiply-add, or two FLOPs"
    )
    return "\n".join(lines)


def _value(middle: float, low: float, high: float) -> str:
    if pd.isna(low):
        return f"{middle:,.0f}"
    return f"{middle:,.2f} ({low:,.2f}…{high:,.2f})"
