"""A plan for ImageNet: PYTHONPATH=. python tests/load/imagenet.py [--layers N] [--between S].

What the curves of ResNet-50 cost, all K of all its 53 convolutions over 50,000 images of 224 × 224 pixels, and what
their sensitivity does. Weights and images are random, as neither time nor memory depends on them. What a unit costs is
measured for every layer in one thread, on a few images and at a few K; how units then go to 1, 8 and 64 workers is
simulated as the scheduler does it, with the seconds between two units that workers.py found in its log.
"""

import argparse
import resource
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from workers import simulated

from explorer.engine.plan import make_plan
from explorer.engine.scan import convolutions
from explorer.engine.sensitivities import ks_of
from explorer.images.batches import batch_size_for
from explorer.networks.layers import conv_layer
from explorer.networks.registry import build
from explorer.workers.layers import ROWS
from explorer.workers.requests import SLICE

IMAGES, CLASSES, SHAPE = 50_000, 1000, (3, 224, 224)
FEW = 4  # images to measure on
WORKERS = (1, 8, 64)
HOUR = 3600


@dataclass(frozen=True)
class Cost:
    """Seconds of one core that a layer takes."""

    channels: int
    plan: float  # once a unit
    prefix: float  # an image
    suffix: float  # an image and a K


def cost_of(model: torch.nn.Module, layer: str, images: torch.Tensor) -> Cost:
    """What pruning a layer costs, measured at two K."""
    channels = conv_layer(model, layer).out_channels
    start = time.process_time()
    plan = make_plan(model, layer, "filter", images)
    planned = time.process_time()
    prepared = plan.prepare(images)
    ready = time.process_time()
    ks = [channels // 3, 2 * channels // 3] if plan.one_by_one else list(range(channels + 1))
    for _ in plan.steps(prepared, np.arange(channels), ks):
        pass
    each = (time.process_time() - ready) / len(ks) / len(images)
    return Cost(channels, planned - start, (ready - planned) / len(images), each)


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=53, help="measure so many, evenly spread")
    parser.add_argument("--between", type=float, default=0.02, help="seconds between two units of a worker")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build("torchvision/resnet50", SHAPE, CLASSES).eval()
    layers = convolutions(model)
    images = torch.randn(FEW, *SHAPE)
    with torch.inference_mode():
        model(images)
        start = time.process_time()
        model(images)
    a_pass = (time.process_time() - start) / FEW
    measured = layers[:: -(-len(layers) // args.layers)]
    costs = [cost_of(model, layer, images) for layer in measured]
    batch = batch_size_for(SHAPE)
    size = SLICE // batch * batch
    slices = -(-IMAGES // size)
    ranking = [IMAGES * cost.prefix for cost in costs]
    every_k = [cost.plan + size * (cost.prefix + (cost.channels + 1) * cost.suffix) for cost in costs]
    groups = [costs[g :: -(-len(costs) // ROWS)] for g in range(-(-len(costs) // ROWS))]
    shares = [
        sum(cost.plan + size * len(set(ks_of(cost.channels)) - {0}) * cost.suffix for cost in some) + size * a_pass
        for some in groups
    ]
    print(f"ResNet-50, {len(costs)} of {len(layers)} convolutions, {IMAGES:,} images; one core")
    print(f"one pass of the network: {1000 * a_pass:.0f} ms an image, {IMAGES * a_pass / HOUR:.1f} hours for all")
    parts = [cost.suffix / a_pass for cost in costs]
    print(f"a K costs {min(parts):.2f} to {max(parts):.2f} of a pass, {statistics.mean(parts):.2f} on average")
    print(f"a unit of {size} images, all K: {min(every_k) / 60:.1f} to {max(every_k) / 60:.0f} minutes")
    print(f"memory of a worker: {_peak_with(model, batch):,.0f} MB at batches of {batch}")
    weights = sum(value.nbytes for value in model.state_dict().values())
    back = sum((cost.channels + 1) * IMAGES * 2 for cost in costs)
    print(
        f"traffic: {weights / 1e6:,.0f} MB of weights and {IMAGES * np.prod(SHAPE) / 1e9:.1f} GB of images to each "
        f"machine, once; {back / 1e9:.1f} GB of predictions back, which is what results must hold"
    )
    for what, before, units in (("all K", ranking, every_k), ("sensitivity", [IMAGES * a_pass], shares)):
        queue = [seconds for seconds in units for _ in range(slices)]
        for workers in WORKERS:
            first = simulated(before, workers, args.between)
            then = simulated(queue, workers, args.between)
            ideal = (sum(before) + sum(queue)) / workers
            print(
                f"{what}, {workers:>2} workers: {(first + then) / HOUR:10,.1f} hours ({first / HOUR:.1f} of ranking); "
                f"{len(before) + len(queue):,} units, {100 * ideal / (first + then):.0f} % busy"
            )


def _peak_with(model: torch.nn.Module, batch: int) -> float:
    """MB that this process has had at most, after one batch through the widest zone, in bytes of activations."""
    plan = make_plan(model, "layer1.0.conv3", "filter", torch.randn(2, *SHAPE))
    prepared = plan.prepare(torch.randn(batch, *SHAPE))
    for _ in plan.steps(prepared, np.arange(256), [128]):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
