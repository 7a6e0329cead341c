"""Damaged files of every kind that is read, and what is said of each: `python tests/faults/corpus.py [--flips N]`.

Whole files are cut off, flipped in single bits, doubled, replaced by junk and blown up. Each must be refused in one
sentence, or read as before where the damage is to nothing that is read. Prints a table, and exits with 1 where another
exception came through, a message was no sentence, or the memory taken passed `MOST_MEGABYTES`.
"""

import argparse
import io
import json
import random
import resource
import shutil
import sys
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

NET = "simple-cnn_fashion-mnist"
MOST_MEGABYTES = 400  # more than what was taken before the first damaged file
LONGEST = 700  # letters of a sentence

Read = Callable[[Path], object]


def damaged(whole: bytes, flips: int, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """The file in many states, each with what was done to it."""
    yield "emptied", b""
    for length in (1, 7, 8, 9, 16, 100, len(whole) // 2, len(whole) - 1):
        yield f"cut off after {length} bytes", whole[:length]
    for place in (0, 1, 4, 7, 8, 9, 12, 16, 20, *(draw.randrange(len(whole)) for _ in range(flips))):
        bit = draw.randrange(8)
        spoilt = bytearray(whole)
        spoilt[place % len(whole)] ^= 1 << bit
        yield f"bit {bit} of byte {place} flipped", bytes(spoilt)
    yield "doubled", whole + whole
    yield "begun with the largest length", b"\xff" * 8 + whole[8:]
    yield "begun with a length of 4 GB", (2**32).to_bytes(8, "little") + whole[8:]
    yield "zeros", bytes(len(whole))
    yield "junk", draw.randbytes(min(len(whole), 100_000))
    yield "a web page", b"<!doctype html><title>Log in</title>" * 50
    yield "a pickle that runs something", b"\x80\x04cposix\nsystem\n\x93\x8c\x0eecho unpickled\x85R."


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that claim to be huge."""
    header = b'{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}'
    yield "safetensors of 4 TB", len(header).to_bytes(8, "little") + header
    yield "safetensors of a million tensors", _many_tensors(100_000)
    yield "PNG of 60,000 × 60,000", _png(60_000, 60_000)
    yield "PNG of 1 × 10,000,000", _png(1, 10_000_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(200_000_000))
    yield "ZIP of 200 MB of zeros", packed.getvalue()
    yield "JSON a hundred thousand deep", b"[" * 100_000


def _many_tensors(count: int) -> bytes:
    header = json.dumps(
        {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}
    ).encode()
    return len(header).to_bytes(8, "little") + header


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    head, body = chunk(b"IHDR", size + b"\x08\x02\x00\x00\x00"), chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def kinds(root: Path) -> Iterator[tuple[str, Path, Read]]:
    """Each kind of file: its name, a whole one, and what reads it."""
    from explorer.networks import checkpoints

    for suffix in (".safetensors", ".json"):
        shutil.copy(PROJECT / "checkpoints" / f"{NET}{suffix}", root)
    weights = root / f"{NET}.safetensors"
    yield "network", weights, lambda path: checkpoints.load(NET, root)
    yield "card", root / f"{NET}.json", lambda path: checkpoints.load(NET, root)
    yield "safetensors to import", _copy(weights, root / "a.safetensors"), _fitting()
    yield "torch file to import", _torch_file(root / "a.pth"), _fitting()
    yield "PNG to import", _picture(root / "pets"), lambda path: _import_images(root)
    yield "data set of one's own", _own_split(root), lambda path: _load_split("kept", root / "data")
    yield "idx file", *_idx(root)
    yield "CIFAR-10 batch", *_cifar(root)
    yield "kept answer", *_kept(root)
    yield "request of a queue", *_request(root)


def _copy(source: Path, target: Path) -> Path:
    shutil.copy(source, target)
    return target


def _fitting() -> Read:
    """Reads weights, and puts them into the network that they are of."""
    from explorer.networks import weights
    from explorer.networks.registry import build
    from explorer.own.matching import check_fits, match
    from explorer.own.state import read_states

    def read(path: Path) -> None:
        model = build("simple-cnn", (1, 28, 28), 10)
        found = match(read_states(path), model.state_dict(), path).tensors
        check_fits(found, model.state_dict(), "simple-cnn", path)
        weights.fill(model, found, "simple-cnn", path)

    return read


def _torch_file(path: Path) -> Path:
    import torch

    from explorer.networks.registry import build

    torch.save(build("simple-cnn", (1, 28, 28), 10).state_dict(), path)
    return path


def _picture(folder: Path) -> Path:
    import user_files

    user_files.paint(folder, each=2)
    return folder / "cat" / "0.png"


def _import_images(root: Path) -> None:
    from explorer.own import images as own_images

    shutil.rmtree(root / "imported", ignore_errors=True)
    own_images.import_images(root / "pets", "pets", 32, root=root / "imported")


def _own_split(root: Path) -> Path:
    from explorer.images import datasets
    from explorer.own import images as own_images

    own_images.import_images(root / "pets", "kept", 32, root=root / "data")
    return root / "data" / datasets.dataset_info("kept", root / "data").files["test"][0].path


def _load_split(name: str, data: Path) -> object:
    from explorer.images import reading

    reading._read.cache_clear()
    reading._read_own.cache_clear()
    return reading.load_split(name, "test", data)


def _idx(root: Path) -> tuple[Path, Read]:
    from explorer.images import datasets

    folder = root / "data" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for path in datasets.BUNDLED.rglob("*ubyte"):
        shutil.copy(path, folder)
    path = folder / "t10k-labels-idx1-ubyte"
    return path, lambda path: _whole_or_said("fashion-mnist", root / "data")


def _cifar(root: Path) -> tuple[Path, Read]:
    folder = root / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    import pickle

    (folder / "test_batch").write_bytes(pickle.dumps({b"data": bytes(30_720), b"labels": [0] * 10}))
    return folder / "test_batch", lambda path: _whole_or_said("cifar10", root / "data")


def _whole_or_said(name: str, data: Path) -> None:
    """What `check_files` says, where the data set would otherwise count as missing."""
    from explorer.images.integrity import check_files
    from explorer.images.registry import DATASETS

    _load_split(name, data) if name == "fashion-mnist" else None
    check_files(name, DATASETS[name].files["test"], data)


def _kept(root: Path) -> tuple[Path, Read]:
    import numpy as np

    from explorer.answers.store import Store

    store, identity = Store(root / "results"), {"kind": "sweep", "of": "corpus"}
    store.save(identity, {"a": np.arange(1000)})
    (path,) = (root / "results").iterdir()
    return path, lambda path: store.find(identity, lambda arrays: None)


def _request(root: Path) -> tuple[Path, Read]:
    from explorer.background.records import BROKEN, Request, Run, read_job, write_json

    folder = root / "trainings" / "one"
    folder.mkdir(parents=True)
    from dataclasses import asdict

    write_json(folder / "request.json", asdict(Request(["train"], {"model": "simple-cnn"}, "../../one.json")))
    write_json(folder / "run.json", asdict(Run(1.0)))

    def read(path: Path) -> None:
        if read_job(folder).state == BROKEN:
            raise ValueError("its files are not readable; remove it")

    return folder / "request.json", read


def verdict(read: Read, path: Path) -> tuple[str, str]:
    """`read`, `refused` or `BAD`, and what was said."""
    try:
        read(path)
        return "read", ""
    except (ValueError, OSError) as error:
        from explorer.files.errors import sentence

        said = sentence(error)
        is_sentence = said and "\n" not in said and len(said) <= LONGEST and said.isprintable()
        return ("refused" if is_sentence else "BAD"), said
    except Exception as error:
        return "BAD", f"{type(error).__name__}: {error}"


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=200, help="bits to flip of each file (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # torch's, of pickles that it then refuses
        found = list(kinds(Path(folder)))
        for _, path, read in found:
            verdict(read, path)
        before = megabytes()
        for kind, path, read in found:
            draw, whole, counts, worst = random.Random(f"{args.seed} {kind}"), path.read_bytes(), {}, []
            for what, content in (*damaged(whole, args.flips, draw), *bombs()):
                path.write_bytes(content)
                result, said = verdict(read, path)
                counts[result] = counts.get(result, 0) + 1
                if result == "BAD":
                    worst.append(f"{what}: {said[:200]!r}")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(whole)
            bad |= bool(worst)
            print(f"{kind:<24}{sum(counts.values()):>5} files  {counts}", *worst[:5], sep="\n    ", flush=True)
        more = megabytes() - before
        print(f"memory: {more:.0f} MB more at the most")
    return 1 if bad or more > MOST_MEGABYTES else 0


if __name__ == "__main__":
    sys.exit(main())
