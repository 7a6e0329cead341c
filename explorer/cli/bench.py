"""Time the sweep against a full pass for each K."""

import argparse
import json

from explorer.answers import benchmark, layer_benchmark
from explorer.cli.bar import Bar
from explorer.cli.options import (
    Commands,
    add_checkpoint,
    add_device,
    add_dtype,
    add_limit,
    add_mode,
    add_range,
    experiment_of,
    load_checkpoint,
)
from explorer.networks.checkpoints import Checkpoint


def add_to(commands: Commands) -> None:
    """The parser of `bench`."""
    command = commands.add_parser("bench", help="time the sweep against a full pass for each K")
    add_checkpoint(command)
    add_range(command)
    add_limit(command)
    add_dtype(command)
    words = "time the sensitivity analysis of all layers against a full pass for each cell instead"
    command.add_argument("--sensitivity", action="store_true", help=words)
    add_mode(command)
    add_device(command)
    words = "how many images go through the network together, but for the sensitivity analysis"
    command.add_argument("--batch-size", type=int, metavar="N", help=words)
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run, device="cpu")


def run(args: argparse.Namespace) -> None:
    """Time the sweep against a masked copy and a full pass for each K."""
    checkpoint = load_checkpoint(args.checkpoint)
    if args.sensitivity:
        _layers(args, checkpoint)
        return
    with Bar("benchmark") as bar:
        asked = experiment_of(args, checkpoint)
        result = benchmark.bench(checkpoint, asked, progress=bar, device=args.device, batch_size=args.batch_size)
    if args.json:
        print(json.dumps(result.as_dict(), indent=2))
        return
    oracle = ""
    if result.oracle_seconds is not None:
        oracle = f"  greedy oracle     {result.oracle_seconds:8.2f} s   {result.oracle_over_pass:.2f} × one pass\n"
    memory = "" if result.peak_bytes is None else f" (at most {result.peak_bytes / 2**20:,.0f} MiB of it)"
    extrapolated = "" if result.lab_ks_timed == result.ks else f" (from {result.lab_ks_timed} of them)"
    print(
        f"{result.checkpoint} {result.layer}: {result.n:,} images, {result.ks} K, {result.dtype}, "
        f"on {result.device}{memory}, batches of {result.batch_size}, medians of {result.repeats} repeats\n"
        f"  one test pass     {result.pass_seconds:8.2f} s\n"
        f"  sweep, every K    {result.sweep_seconds:8.2f} s   {result.sweep_over_pass:.2f} × one pass, "
        f"{result.k_over_pass:.3f} a K\n"
        f"  the lab's loop    {result.lab_loop_seconds:8.2f} s   {result.speedup:.1f} × the sweep{extrapolated}\n"
        f"  ranking, once     {result.rank_seconds:8.2f} s   (in neither)\n"
        f"{oracle}"
        f"  predictions agree {result.predictions_agree:.6f} ({result.disagreements} differ, {result.ties} ties)\n"
        f"  largest difference of logits {result.max_logit_difference:.1e}"
    )


def _layers(args: argparse.Namespace, checkpoint: Checkpoint) -> None:
    """Time the sensitivity analysis against a masked copy and a full pass for each cell."""
    if args.device != "cpu" or args.batch_size is not None:
        raise ValueError("--sensitivity counts seconds of the processor; leave --device and --batch-size out")
    with Bar("benchmark") as bar:
        result = layer_benchmark.bench_layers(checkpoint, args.mode, args.limit, args.dtype, bar)
    if args.json:
        print(json.dumps(result.as_dict(), indent=2))
        return
    audit = f"\n  {result.audit}" if result.audit else ""
    print(
        f"{result.checkpoint}, mode {result.mode}: {result.n:,} images, {result.rows} layers, {result.cells} cells, "
        f"{result.dtype}, seconds of the processor\n"
        f"  one test pass     {result.pass_seconds:8.2f} s\n"
        f"  the analysis      {result.analysis_seconds:8.2f} s   {result.analysis_over_pass:.1f} × one pass\n"
        f"  one run a cell    {result.run_seconds:8.2f} s   {result.speedup:.1f} × the analysis "
        f"(from {result.cells_timed} of them)\n"
        f"  right predictions that differ in those {result.disagreements}"
        f"{audit}"
    )
