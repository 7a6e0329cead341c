"""Kill -9 at random moments, and see what is left: `python tests/faults/kills.py [--rounds N] [--seed S] [NAME …]`.

Each piece of work runs once undisturbed, for the truth and for how long it takes. Then it is begun again and again in
one folder and killed with all its children, at a moment drawn at random. After each kill nothing there may be
half-written; every few kills it may end, which must give the truth, and what was finished must be found again.
Prints a table, and exits with 1 where anything was lost.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
PROJECT = TESTS.parent
MNIST = PROJECT.parent / "shared" / "data" / "mnist"  # archives as they are downloaded, where this machine has them
END_EVERY = 5  # kills
NET = "simple-cnn_fashion-mnist"
PATIENCE = 600  # seconds

sys.path[:0] = [str(PROJECT), str(TESTS)]


@dataclass(frozen=True)
class Work:
    """What is killed: a command in a folder, what must hold there at any moment, and what is there at its end."""

    command: Callable[[Path], list[str]]
    check: Callable[[Path], None]  # AssertionError where something is half-written
    outcome: Callable[[Path], object]
    prepare: Callable[[Path], None] = lambda folder: None


def explorer(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "explorer", *arguments]


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(TESTS)!r})\n{code}", *arguments]


def environment(folder: Path) -> dict[str, str]:
    """Everything that the work reads and writes lies in its folder, but for the networks and images that ship."""
    places = {"RESULTS": folder / "results", "DATA": folder / "data", "CHECKPOINTS": folder / "networks"}
    set_up = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    return os.environ | set_up | {f"EXPLORER_{key}": str(path) for key, path in places.items()}


def digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def copy_network(folder: Path) -> None:
    (folder / "networks").mkdir(parents=True)
    for suffix in (".safetensors", ".json"):
        shutil.copy(PROJECT / "checkpoints" / f"{NET}{suffix}", folder / "networks")


# Sweeps, bands and CSV files


def results_are_whole(folder: Path) -> None:
    from safetensors import safe_open

    for path in (folder / "results").glob("*.safetensors"):
        with safe_open(path, "numpy") as file:  # refuses a file that is cut off
            assert all(file.get_tensor(key).size for key in file.keys()), f"{path.name} is empty"  # noqa: SIM118


def answers(folder: Path) -> list[str]:
    """What is kept; a `.part` that a kill has left is nobody's answer, and goes when the store is next tidied."""
    return sorted(path.name for path in (folder / "results").glob("*.safetensors"))


def csv_is_old_or_new(folder: Path) -> None:
    results_are_whole(folder)
    text = (folder / "curve.csv").read_text()
    assert text == OLD or (text.count("\n") == 34 and text.endswith("\n")), "curve.csv is half-written"


def prepare_sweep(folder: Path) -> None:
    copy_network(folder)
    (folder / "curve.csv").write_text(OLD)


OLD = "what was there before\n"
SWEEP = Work(
    lambda folder: explorer("sweep", NET, "--limit", "2000", "--csv", str(folder / "curve.csv")),
    csv_is_old_or_new,
    lambda folder: (digest(folder / "curve.csv"), answers(folder)),
    prepare_sweep,
)

BAND_CODE = """
import json, pathlib
from explorer.answers import door
from explorer.answers.experiment import Experiment
from explorer.networks import checkpoints
point = checkpoints.load("simple-cnn_fashion-mnist")
*_, band = door.band(Experiment(point.name, "conv2", criterion="random", limit=2000), point, 20)
pathlib.Path(sys.argv[1]).write_text(json.dumps([one.correct.tolist() for one in band.sweeps]))
"""
BAND = Work(
    lambda folder: python(BAND_CODE, str(folder / "band.json")),
    results_are_whole,
    lambda folder: ((folder / "band.json").read_text(), answers(folder)),
    copy_network,
)


# Imports and downloads


def images_are_whole(folder: Path) -> None:
    from explorer.images import datasets, reading

    for name in datasets.own_datasets(folder / "data"):
        for split in datasets.dataset_info(name, folder / "data").files:
            assert len(reading.load_split(name, split, folder / "data").labels) == 120


def paint_images(folder: Path) -> None:
    import user_files

    for split in ("train", "test"):
        user_files.paint(folder / "pets" / split, each=60)


IMAGES = Work(
    lambda folder: explorer("import-images", str(folder / "pets"), "--name", "pets", "--size", "32"),
    images_are_whole,
    lambda folder: sorted((path.name, digest(path)) for path in (folder / "data").rglob("*") if path.is_file()),
    paint_images,
)


def networks_are_whole(folder: Path) -> None:
    from explorer.networks import checkpoints

    for name in checkpoints.list_checkpoints(folder / "networks"):
        checkpoints.load(name, folder / "networks")


def paint_network(folder: Path) -> None:
    import torch
    import user_files

    paint_images(folder)
    subprocess.run(IMAGES.command(folder), env=environment(folder), check=True, capture_output=True)
    torch.save(user_files.network().state_dict(), folder / "net.pth")


NETWORK = Work(
    lambda folder: explorer(
        "import-network", "squeezenet1_1", str(folder / "net.pth"), "--data", "pets", "--name", "mine"
    ),
    networks_are_whole,
    lambda folder: digest(folder / "networks" / "mine.safetensors"),
    paint_network,
)

DOWNLOAD_CODE = """
import pathlib
import torchvision.datasets as tv
from archives import md5, serving
from explorer.images import downloads
with serving() as web:
    tv.MNIST.mirrors = [web.address + "/"]
    web.pages = {name: (pathlib.Path(sys.argv[1]) / name).read_bytes() for name, _ in tv.MNIST.resources}
    tv.MNIST.resources = [(name, md5(content)) for name, content in web.pages.items()]  # packed anew
    web.cuts = [2_000_000]
    downloads.download("mnist")
"""


def data_is_whole(folder: Path) -> None:
    from explorer.images import datasets, reading

    if datasets.availability("mnist", folder / "data") == "full":
        assert len(reading._read.__wrapped__("mnist", "test", folder / "data", "full").labels) == 10_000


DOWNLOAD = Work(
    lambda folder: python(DOWNLOAD_CODE, str(MNIST)),
    data_is_whole,
    lambda folder: sorted((path.name, digest(path)) for path in (folder / "data").rglob("*") if path.is_file()),
)


# Trainings, by command and by queue


def training_is_whole(folder: Path) -> None:
    import tiny
    import torch

    tiny.register()
    networks_are_whole(folder)
    for path in (folder / "networks").glob("*.resume.pt"):
        torch.load(path, weights_only=True)


TRAINING = Work(
    lambda folder: [
        *(sys.executable, str(TESTS / "tiny.py"), "train", "simple-cnn", "--data", "tiny", "--epochs", "40"),
        *("--batch-size", "8", "--seed", "3", "--replace", "--resume"),
    ],
    training_is_whole,
    lambda folder: digest(folder / "networks" / "simple-cnn_tiny.safetensors"),
)

QUEUE_CODE = f"""
import os, time, tiny
from explorer.background.jobs import DONE
from explorer.background.processes import Queue
from explorer.training import trainings
from explorer.training.recipes import Recipe
tiny.register()
tiny.torch.set_num_threads(1)
trainings.Queue = lambda folder: Queue(folder, ({str(TESTS / "tiny.py")!r},))
name = "simple-cnn_tiny"
while True:
    found = {{each.name: each.state for each in trainings.list_trainings()}}
    if name not in found:
        trainings.submit("simple-cnn", "tiny", Recipe(epochs=40, batch_size=8, seed=3))
    elif found[name] in ("interrupted", "failed"):
        trainings.queue().resume(name)
    elif found[name] == "done":
        break
    trainings.queue().wake()
    time.sleep(0.05)
"""
QUEUE = Work(lambda folder: python(QUEUE_CODE), training_is_whole, TRAINING.outcome)

COMPRESSING = Work(
    lambda folder: [
        *(sys.executable, str(TESTS / "few.py"), "compress", NET, "--share", "0.5", "--steps", "2", "--finetune", "8"),
        *("--limit", "200", "--device", "cpu", "--out", str(folder / "networks"), "--name", "small"),
        *("--no-tables", "--resume"),
    ],
    training_is_whole,
    lambda folder: digest(folder / "networks" / "small.safetensors"),
    copy_network,
)


WORKS = {
    "sweep and CSV": SWEEP,
    "band": BAND,
    "import of images": IMAGES,
    "import of a network": NETWORK,
    "download": DOWNLOAD,
    "training": TRAINING,
    "training by queue": QUEUE,
    "compression with fine-tuning": COMPRESSING,
}


def family(pid: int) -> list[int]:
    """The process, its children and theirs, and whoever works in its folder: server, worker and trainer."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def kill(process: "subprocess.Popen[bytes]", draw: random.Random) -> None:
    """All of them, or one alone; then, after a while, the rest, so that the folder is nobody's."""
    alive = family(process.pid)
    first = alive if draw.random() < 0.5 else [draw.choice(alive)]
    for each in first:
        end(each)
    if first != alive:
        time.sleep(draw.random() * 0.3)
        for each in family(process.pid) + alive:
            end(each)
    process.wait()


def end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def try_out(name: str, work: Work, rounds: int, draw: random.Random) -> dict[str, object]:
    """One row of the table; `lost` says what was, of which nothing may be."""
    with tempfile.TemporaryDirectory() as root:
        truth, seconds = undisturbed(work, Path(root) / "truth")
        kills = ends = 0
        lost: list[str] = []
        folder = Path(root) / "00000"  # as long as "truth", which the pictures painted there go by
        prepared(work, folder)
        for number in range(rounds):
            process = started(work, folder)
            over = False
            try:
                over = process.wait(draw.uniform(0.05, 1.1) * seconds) == 0
            except subprocess.TimeoutExpired:
                kill(process, draw)
                kills += 1
            lost += complaints(work, folder)
            if over or number % END_EVERY == END_EVERY - 1 or number == rounds - 1:
                process = process if over else started(work, folder)
                output = process.communicate(timeout=PATIENCE)[0].decode(errors="replace")
                ends += 1
                if work.outcome(folder) != truth:  # one killed after its work was done may be refused to do it again
                    said = output.strip().splitlines()[-1:] or ["another outcome"]
                    lost.append(f"round {number}: {said[0]}")
                shutil.rmtree(folder)
                folder = Path(root) / f"{number + 1:05d}"
                prepared(work, folder)
    return {"work": name, "seconds": round(seconds, 1), "kills": kills, "ends": ends, "lost": lost}


def prepared(work: Work, folder: Path) -> None:
    folder.mkdir()
    work.prepare(folder)


def undisturbed(work: Work, folder: Path) -> tuple[object, float]:
    prepared(work, folder)
    began = time.monotonic()
    process = started(work, folder)
    output = process.communicate(timeout=PATIENCE)[0].decode(errors="replace")
    assert process.returncode == 0, output
    return work.outcome(folder), time.monotonic() - began


def started(work: Work, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        work.command(folder), cwd=PROJECT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def complaints(work: Work, folder: Path) -> list[str]:
    os.environ["EXPLORER_DATA"] = str(folder / "data")  # where a card's images are looked for
    try:
        work.check(folder)
        return []
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *WORKS], metavar="NAME", help=", ".join(WORKS))
    parser.add_argument("--rounds", type=int, default=100, help="kills of each (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", action="store_true", help="a line of JSON each, instead of the table")
    args = parser.parse_args()
    rows = []
    for name in args.names or WORKS:
        if name == "download" and not MNIST.is_dir():
            continue
        row = try_out(name, WORKS[name], args.rounds, random.Random(f"{args.seed} {name}"))
        rows.append(row)
        line = "{work:<30}{seconds:>8} s{kills:>7} kills{ends:>6} ends".format(**row)
        print(
            json.dumps(row) if args.json else f"{line}   lost: {len(row['lost'])} {row['lost'][:3] or ''}", flush=True
        )
    return 1 if any(row["lost"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
