"""`python -m explorer …`: everything the app does, without a browser.

Results go to standard output, progress and complaints to standard error. The exit code is 0, or 2 with one sentence for
bad input, or 130 when interrupted.
"""

import argparse
import errno
import json
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TextIO

import pandas as pd
import torch

from explorer import (
    augmentation,
    benchmark,
    checkpoints,
    data,
    experiment,
    own_images,
    own_networks,
    processes,
    recipes,
    report,
    scan,
    training,
)
from explorer.checkpoints import Checkpoint, Score
from explorer.evaluation import DTYPES
from explorer.experiment import Experiment
from explorer.models import MODELS, conv_layer
from explorer.oracle import ORACLES, Search
from explorer.pruning import MODES
from explorer.ranking import CRITERIA, REVERSED
from explorer.recipes import Recipe
from explorer.results import kept_band, kept_look, kept_statistics, kept_sweep
from explorer.sweep import Agreement, Sweep, check_ks


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        args = _parser().parse_args(argv)
        args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print(f"error: {_out_of_memory(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(str(stop) or "stopped", file=sys.stderr)
        return 130
    return 0


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaint is a ValueError of one sentence, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse for arguments that do not parse."""
        raise ValueError(f"{message} (see {self.prog} --help)")


class Bar:
    """Progress with the time left: on a terminal one line that is redrawn, elsewhere a line every ten seconds.

    Call it with (done, total); leave the `with` block, or call `clear`, to give the line back.
    """

    WIDTH = 30

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.pause = 0.1 if self.live else 10.0
        self.shown = time.monotonic()
        self.start: tuple[float, int] | None = None  # when, and how much was done by then

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done, unless something was shown just now."""
        now = time.monotonic()
        self.start = self.start or (now, done)
        if now - self.shown < self.pause:
            return
        self.shown = now
        text = f"{self.label} {100 * done // max(total, 1)} %{self._left(now, done, total)}"
        if self.live:
            filled = self.WIDTH * done // max(total, 1)
            self._write(f"\r[{'#' * filled:<{self.WIDTH}}] {text}\x1b[K")
        else:
            self._write(text + "\n")

    def clear(self) -> None:
        """Wipe the line, so that something else can be printed there."""
        if self.live:
            self._write("\r\x1b[K")

    def _left(self, now: float, done: int, total: int) -> str:
        started, before = self.start or (now, done)
        if done <= before:
            return ""
        seconds = round((now - started) * (total - done) / (done - before))
        return f", {seconds // 60}:{seconds % 60:02} left"

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def run_models(args: argparse.Namespace) -> None:
    """List the networks and the checkpoints."""
    print("Networks")
    for info in MODELS.values():
        print(f"  {info.name:<28} {info.description}")
    print(f"Checkpoints in {checkpoints.checkpoints_root()}")
    for name in checkpoints.list_checkpoints():
        print(f"  {name:<28} {_about(name)}")


def run_data(args: argparse.Namespace) -> None:
    """Download a data set, unless it is there."""
    info = data.dataset_info(args.name)
    with Bar(f"downloading {info.title}") as bar:
        folder = data.download(args.name, progress=bar)
    print(f"{info.title} is in {folder}")


def run_import_images(args: argparse.Namespace) -> None:
    """Make a folder of images a data set."""
    with Bar(f"importing {args.folder}") as bar:
        info = own_images.import_images(args.folder, args.name, args.size, args.title, progress=bar)
    print(f"{info.title} is data set {info.name}: {len(info.classes)} classes, splits {' and '.join(info.files)}")


def run_import_network(args: argparse.Namespace) -> None:
    """Make one of torchvision's networks, with weights from a file, a checkpoint."""
    given = {key: getattr(args, key) for key in ("name", "description", "device")}
    given |= {key: own_networks.numbers(getattr(args, key)) for key in ("mean", "std")}
    with Bar(f"testing {args.arch}") as bar:
        name = own_networks.import_network(args.arch, args.weights, args.data, **given, progress=bar)
    print(f"saved {checkpoints.find(name)}: {_scores(checkpoints.read_card(name).accuracy)}")


def run_train(args: argparse.Namespace) -> None:
    """Train a network, printing a line an epoch, and save it."""
    recipe = _recipe(args)
    name = args.name or training.checkpoint_name(args.model, args.data)
    if args.resume and not training.state_path(name, args.out).exists():
        print(f"there is no unfinished training of {name}, so it starts from scratch", file=sys.stderr)
    bar = Bar(f"training {name}")
    records = training.train(
        args.model,
        args.data,
        recipe,
        args.out,
        resume=args.resume,
        device=args.device,
        progress=_tell(bar, args.progress),
        name=name,
        description=args.description,
    )
    try:
        with bar:
            for epoch in records:
                bar.clear()
                print(_epoch_line(epoch), flush=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; --resume goes on from the last finished epoch") from None
    card = checkpoints.read_card(name, args.out)
    print(f"saved {checkpoints.find(name, args.out)}: epoch {card.kept_epoch} kept, {_scores(card.accuracy)}")


def _tell(bar: Bar, path: Path | None) -> training.Progress:
    """Who is told how far the training is: whoever looks at the terminal and, with a path, whoever reads that file."""
    if path is None:
        return bar
    reporter = processes.Reporter(path)

    def both(done: int, total: int) -> None:
        bar(done, total)
        reporter(done, total)

    return both


def _recipe(args: argparse.Namespace) -> Recipe:
    """The network's own recipe, with what the options of `train` change."""
    changes: dict[str, Any] = {} if args.augment is None else dict(augmentation.parse(args.augment))
    changes |= {name: getattr(args, name) for name in recipes.OPTIONS if getattr(args, name) is not None}
    return replace(recipes.recipe_for(args.model, args.data), **changes)


def run_stats(args: argparse.Namespace) -> None:
    """Statistics of each channel's raw output over a split."""
    checkpoint = _load(args.checkpoint)
    layer = experiment.default_layer(checkpoint) if args.layer is None else args.layer
    conv_layer(checkpoint.model, layer)
    report.check_writable("-" if args.csv is None else args.csv)
    statistics = _last(f"activations of {layer}", kept_statistics(checkpoint, layer, args.split))
    table = report.statistics_table(statistics)
    if args.csv is not None:
        _save(table, args.csv, f"{len(table)} channels over {statistics.done:,} images")
    else:
        print(table.to_string(index=False, float_format="%.4f"))


def run_sweep(args: argparse.Namespace) -> None:
    """Accuracy at every K, along one order or along several random ones."""
    checkpoint = _load(args.checkpoint)
    plan = _experiment(args, checkpoint)
    report.check_writable("-" if args.csv is None else args.csv)
    if args.orders is not None:
        _sweep_band(args, plan, checkpoint)
        return
    found = _last(f"ranking the channels of {plan.layer}", kept_look(plan, checkpoint, device=args.device))
    if isinstance(found, Search):
        print(f"the oracle looked at {found.cost.images:,} {plan.ranked_on} images", file=sys.stderr)
    result = _last(f"sweep of {plan.layer}", kept_sweep(plan, checkpoint, found, args.device))
    _tell_how(result)
    table = report.accuracy_table(result)
    if args.csv is not None:
        _save(table, args.csv, f"{len(table)} K on {result.done:,} images, {_at_ends(result)}")
    else:
        table["pruned_channel"] = table["pruned_channel"].astype("string").fillna("")
        columns = ["k", "gone" if "gone" in table else "pruned_channel", "n", "correct", "accuracy", "low", "high"]
        if result.agreement is not None:
            table["agreement"] = result.agreement.shares
            columns.append("agreement")
        print(table[columns].to_string(index=False, float_format="%.4f"))


def _sweep_band(args: argparse.Namespace, plan: Experiment, checkpoint: Checkpoint) -> None:
    """Accuracy at every K along each of so many random orders, or in print their mean and 95 % band."""
    label = f"sweep of {plan.layer}, {args.orders} orders"
    band = _last(label, kept_band(plan, checkpoint, args.orders, args.device))
    _tell_how(band.sweeps[0])
    if args.csv is not None:
        _save(report.rows_of(band), args.csv, f"{len(band.sweeps)} orders of {len(band.ks)} K on {band.done:,} images")
        return
    table = report.curve_table({"random": band})
    print(table[["k", "accuracy", "low", "high"]].to_string(index=False, float_format="%.4f"))


def _tell_how(result: Sweep) -> None:
    """What to know about how a sweep was computed."""
    if result.slow:
        print("this network cannot be traced, so every K ran a masked copy: correct, but slow", file=sys.stderr)
    if result.agreement is not None:
        print(_agreement(result, result.agreement), file=sys.stderr)


def run_scan(args: argparse.Namespace) -> None:
    """Accuracy with all channels of one layer pruned, layer by layer."""
    checkpoint = _load(args.checkpoint)
    report.check_writable("-" if args.csv is None else args.csv)
    steps = scan.scan_of(checkpoint, args.layers, args.mode, args.split, args.limit, args.device)
    result = _last(f"scan of {checkpoint.name}", steps)
    if result.slow:
        print("this network cannot be traced, so a copy was run for every layer: correct, but slow", file=sys.stderr)
    for layer, why in result.left_out.items():
        print(f"left out {layer}: {why}", file=sys.stderr)
    table = report.scan_table(result)
    if args.csv is not None:
        _save(table, args.csv, f"{len(result.layers)} layers on {result.done:,} images, {_worst(result)}")
    else:
        table["layer"] = table["layer"].fillna("unpruned")
        columns = ["position", "layer", "channels", "parameters", "n", "correct", "accuracy", "low", "high", "change"]
        print(table[columns].to_string(index=False, float_format="%.4f"))


def _last(label: str, steps: Iterable[Any]) -> Any:
    """The last result of a stream, with its progress on a bar and its notes on standard error."""
    result = None
    with Bar(label) as bar:
        for step in steps:
            if isinstance(step, str):
                bar.clear()
                print(step, file=sys.stderr)
            else:
                result = step
                bar(result.done, result.total)
    return result


def run_bench(args: argparse.Namespace) -> None:
    """Time the sweep against a masked copy and a full pass for each K."""
    checkpoint = _load(args.checkpoint)
    with Bar("benchmark") as bar:
        result = benchmark.bench(checkpoint, _experiment(args, checkpoint), progress=bar)
    if args.json:
        print(json.dumps(result.as_dict(), indent=2))
        return
    oracle = ""
    if result.oracle_seconds is not None:
        oracle = f"  greedy oracle     {result.oracle_seconds:8.2f} s   {result.oracle_over_pass:.2f} × one pass\n"
    extrapolated = "" if result.lab_ks_timed == result.ks else f" (from {result.lab_ks_timed} of them)"
    print(
        f"{result.checkpoint} {result.layer}: {result.n:,} images, {result.ks} K, {result.dtype}, "
        f"medians of {result.repeats} repeats\n"
        f"  one test pass     {result.pass_seconds:8.2f} s\n"
        f"  sweep, every K    {result.sweep_seconds:8.2f} s   {result.sweep_over_pass:.2f} × one pass, "
        f"{result.k_over_pass:.3f} a K\n"
        f"  the lab's loop    {result.lab_loop_seconds:8.2f} s   {result.speedup:.1f} × the sweep{extrapolated}\n"
        f"  ranking, once     {result.rank_seconds:8.2f} s   (in neither)\n"
        f"{oracle}"
        f"  predictions agree {result.predictions_agree:.6f} ({result.disagreements} differ, {result.ties} ties)\n"
        f"  largest difference of logits {result.max_logit_difference:.1e}"
    )


def _load(name: str) -> Checkpoint:
    return checkpoints.load(Path(name) if name.endswith(".safetensors") else name)


def _experiment(args: argparse.Namespace, checkpoint: Checkpoint) -> Experiment:
    """What the options of `sweep` and `bench` ask for, checked."""
    given = {
        key: getattr(args, key)
        for key in ("criterion", "mode", "ranked_on", "split", "seed", "schedule", "dtype")
        if key in args
    }
    layer = experiment.default_layer(checkpoint) if args.layer is None else args.layer
    plan = Experiment(checkpoint.name, layer, limit=args.limit, **given)
    experiment.check(plan, checkpoint)
    channels = conv_layer(checkpoint.model, layer).out_channels
    return replace(plan, ks=None if args.k is None else check_ks(_k_range(args.k), channels))


def _k_range(text: str) -> range:
    """`START:STOP[:STEP]`, like Python's range."""
    try:
        return range(*[int(part) for part in _two_or_three(text.split(":"))])
    except ValueError:
        raise ValueError(f"--k {text!r} is not START:STOP[:STEP], such as 0:33 or 0:33:2") from None


def _two_or_three(parts: list[str]) -> list[str]:
    if len(parts) not in (2, 3):
        raise ValueError(parts)
    return parts


def _save(table: pd.DataFrame, path: str, about: str) -> None:
    report.write_csv(table, path)
    if path != "-":
        print(f"saved {path}: {about}")


def _at_ends(result: Sweep) -> str:
    first, last = result.accuracy[0], result.accuracy[-1]
    return f"accuracy {first:.4f} at K = {result.ks[0]}, {last:.4f} at K = {result.ks[-1]}"


def _worst(result: scan.Scan) -> str:
    row = int(result.change.argmin())
    points = f"{result.change[row]:+.2f}".replace("-", "−")
    return f"the largest change {points} points, at {result.names[row]}"


def _agreement(result: Sweep, agreement: Agreement) -> str:
    worst = int(agreement.shares.argmin())
    return (
        f"{result.run.dtype} agrees with float32 on {agreement.shares.mean():.4f} of the predictions for the first "
        f"{agreement.images:,} images; least at K = {result.ks[worst]}, {agreement.shares[worst]:.4f}"
    )


def _parser() -> Parser:
    parser = Parser(prog="python -m explorer", description="Prune a network's channels and see what its accuracy does.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    models = commands.add_parser("models", help="list the networks and the trained checkpoints")
    models.set_defaults(run=run_models)

    fetch = commands.add_parser("data", help="download a data set")
    fetch.add_argument("name", metavar="NAME", help=", ".join(data.DATASETS))
    fetch.set_defaults(run=run_data)

    _add_imports(commands)

    train = commands.add_parser("train", help="train a network with its lab's recipe")
    train.add_argument("model", metavar="MODEL", help=", ".join(MODELS))
    train.add_argument("--data", metavar="NAME", required=True, help=f"{', '.join(data.DATASETS)}, or one of your own")
    train.add_argument("--name", metavar="NAME", help="of the checkpoint (default: MODEL_DATASET)")
    train.add_argument("--description", default="", metavar="TEXT", help="words of your own for its card")
    train.add_argument("--out", type=Path, metavar="DIR", help="where to save (default: the checkpoints folder)")
    train.add_argument("--resume", action="store_true", help="go on from the last finished epoch")
    train.add_argument("--progress", type=Path, metavar="FILE", help="keep a JSON file that says how far it is")
    _add_device(train)
    _add_recipe(train)
    train.set_defaults(run=run_train)

    stats = commands.add_parser("stats", help="statistics of each channel's output")
    _add_checkpoint(stats)
    stats.add_argument("--split", default="test", metavar="SPLIT", help="test (default) or train")
    _add_csv(stats)
    stats.set_defaults(run=run_stats)

    sweep = commands.add_parser("sweep", help="accuracy at every K")
    _add_checkpoint(sweep)
    known = f"{', '.join(CRITERIA)}, each also with {REVERSED} behind it; {', '.join(ORACLES)}"
    sweep.add_argument("--criterion", default="mean", metavar="C", help=known)
    sweep.add_argument("--mode", default="filter", metavar="M", help=", ".join(MODES))
    sweep.add_argument("--schedule", default="once", metavar="S", help="rank once (default), or rerank at each K")
    splits = "test (default), train or held-out"
    sweep.add_argument("--rank-on", dest="ranked_on", default="test", metavar="SPLIT", help=splits)
    sweep.add_argument("--split", default="test", metavar="SPLIT", help="test (default) or train")
    sweep.add_argument("--seed", type=int, default=0, metavar="S", help="of the criterion random")
    sweep.add_argument("--orders", type=int, metavar="N", help="N random orders, of the seeds S, S + 1, …: their band")
    _add_range(sweep)
    _add_dtype(sweep)
    _add_device(sweep)
    _add_csv(sweep)
    sweep.set_defaults(run=run_sweep)

    blocks = commands.add_parser("scan", help="accuracy with all channels of one layer pruned, layer by layer")
    _add_name(blocks)
    blocks.add_argument("--layers", default="blocks", metavar="WHICH", help="blocks (default: their last ones) or all")
    blocks.add_argument("--mode", default="filter", metavar="M", help=", ".join(MODES))
    blocks.add_argument("--split", default="test", metavar="SPLIT", help="test (default) or train")
    _add_limit(blocks)
    _add_device(blocks)
    _add_csv(blocks)
    blocks.set_defaults(run=run_scan)

    bench = commands.add_parser("bench", help="time the sweep against a full pass for each K")
    _add_checkpoint(bench)
    _add_range(bench)
    _add_dtype(bench)
    bench.add_argument("--json", action="store_true", help="print JSON")
    bench.set_defaults(run=run_bench)
    return parser


def _add_imports(commands: Any) -> None:
    images = commands.add_parser("import-images", help="make a folder of images a data set of your own")
    layout = "holds CLASS/*.png, *.jpg …: test images; or train/CLASS/… and test/CLASS/… (or val/CLASS/…)"
    images.add_argument("folder", type=Path, metavar="FOLDER", help=layout)
    images.add_argument(
        "--name", metavar="NAME", required=True, help="of the data set: a-z, 0-9, dot, hyphen, underscore"
    )
    low, high = own_images.SIZES
    size = f"side in pixels, {low}…{high}: the short side is resized to it, and the middle square cut out"
    images.add_argument("--size", type=int, metavar="S", required=True, help=size)
    images.add_argument("--title", default="", metavar="T", help="what pages call it (default: NAME)")
    images.set_defaults(run=run_import_images)

    network = commands.add_parser("import-network", help="make a torchvision network with your weights a checkpoint")
    network.add_argument("arch", metavar="ARCH", help="a classification network of torchvision, such as mobilenet_v2")
    kinds = "a .safetensors file, or a state_dict that torch.save wrote (.pt, .pth); nothing in it is run"
    network.add_argument("weights", type=Path, metavar="WEIGHTS", help=kinds)
    text = f"{', '.join(data.DATASETS)}, or one of your own, in its order of classes; colour images only"
    network.add_argument("--data", metavar="NAME", required=True, help=text)
    network.add_argument("--name", default="", metavar="NAME", help="of the checkpoint (default: ARCH_DATASET)")
    usual = {"mean": own_networks.IMAGENET_MEAN, "std": own_networks.IMAGENET_STD}
    for key, values in usual.items():
        text = f"of the normalisation (default: as a card beside WEIGHTS says, else ImageNet's {values})"
        network.add_argument(f"--{key}", default="", metavar="A,B,C", help=text)
    network.add_argument("--description", default="", metavar="TEXT", help="words of your own for its card")
    _add_device(network)
    network.set_defaults(run=run_import_network)


def _add_name(command: argparse.ArgumentParser) -> None:
    command.add_argument("checkpoint", metavar="CHECKPOINT", help="a name that `models` lists, or a .safetensors file")


def _add_checkpoint(command: argparse.ArgumentParser) -> None:
    _add_name(command)
    command.add_argument("--layer", metavar="L", help="a convolution (default: the one that the network's lab prunes)")


def _add_range(command: argparse.ArgumentParser) -> None:
    command.add_argument("--k", metavar="START:STOP[:STEP]", help="like a Python range (default: every K, 0:P+1)")
    _add_limit(command)


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, metavar="N", help="the first N images only")


def _add_csv(command: argparse.ArgumentParser) -> None:
    command.add_argument("--csv", metavar="FILE", help="write a CSV file; - is standard output")


def _add_recipe(command: argparse.ArgumentParser) -> None:
    changes = command.add_argument_group("the recipe", "Each option replaces what the network's own recipe says.")
    for name, option in recipes.OPTIONS.items():
        metavar = {int: "N", float: "X"}.get(option.kind, "NAME")
        text = f"{option.help}: {', '.join(option.choices)}" if option.choices else option.help
        changes.add_argument(f"--{name.replace('_', '-')}", type=option.kind, metavar=metavar, help=text)
    known = ",".join(f"{each.name}={each.usual:g}" for each in augmentation.AUGMENTATIONS.values())
    changes.add_argument("--augment", metavar="A,B=X", help=f"none, or some of {known}; strengths may be left out")


def _add_dtype(command: argparse.ArgumentParser) -> None:
    text = f"{', '.join(DTYPES)}: float32 (default) is exact, how far another agrees with it is measured and said"
    command.add_argument("--dtype", default="float32", metavar="T", help=text)


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")


def _about(name: str) -> str:
    """One line on a checkpoint, whatever state its card is in."""
    try:
        card = checkpoints.read_card(name)
    except (ValueError, OSError) as error:
        return _sentence(error)
    imported = "imported, " if card.imported else ""
    return f"{card.model} on {data.dataset_info(card.dataset).title}, {imported}{_scores(card.accuracy)}"


def _scores(accuracy: dict[str, Score]) -> str:
    def text(part: str, score: Score) -> str:
        return f"{part} accuracy {100 * score.accuracy:.2f} % ({score.correct:,} of {score.n:,})"

    return ", ".join(text(part, accuracy[part]) for part in ("validation", "test") if part in accuracy)


def _epoch_line(epoch: training.Epoch) -> str:
    return (
        f"epoch {epoch.epoch:>{len(str(epoch.epochs))}}/{epoch.epochs}"
        f"  train loss {epoch.train_loss:.4f} accuracy {100 * epoch.train_accuracy:.2f} %"
        f"  validation loss {epoch.validation_loss:.4f} accuracy {100 * epoch.validation_accuracy:.2f} %"
        f"  {epoch.seconds:.1f} s"
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; on the CPU, PyTorch has no type of its own for that."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def _out_of_memory(error: Exception) -> str:
    """The sentence for it, with how much was asked for, where PyTorch says so."""
    asked = re.search(r"[Tt]ried to allocate ([\d.]+ \w+)", str(error))
    need = f": {asked[1]} at once" if asked else ""
    return f"there is too little memory{need}; train with a smaller --batch-size, look at fewer images with --limit"


def _sentence(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        fix = "; free some space on the disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return f"{error.strerror}{where}{fix}"
    return " ".join(str(error).split()) or type(error).__name__
