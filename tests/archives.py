"""Small archives of data sets, and a server that gives them as the real ones do, or as badly as a test wants."""

import contextlib
import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets as tv

from explorer.images.registry import DATASETS, DataFile


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def write_all(root: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def idx(values):
    """The bytes of an idx file of unsigned bytes."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


class Web(ThreadingHTTPServer):
    """Serves `pages`, by file name, under any folder of `address`, and notes in `asked` what was asked for.

    Each of `cuts` ends one reply after so many bytes. What is under one of `broken` is answered with its error code.
    Where `ranges` is false, every reply begins at the beginning; by `shift`, the others say that they begin elsewhere.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.pages: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.broken: dict[str, int] = {}
        self.ranges, self.shift = True, 0
        self.asked: list[tuple[str, int]] = []  # path, and from which byte


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        web, wanted = self.server, self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        web.asked.append((self.path, start))
        for prefix, code in web.broken.items():
            if self.path.startswith(prefix):
                return self.send_error(code)
        content = web.pages[self.path.rsplit("/", 1)[1]]
        if not web.ranges:
            wanted, start = "", 0
        if wanted and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start + web.shift}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + web.cuts.pop(0) if web.cuts else None
        with contextlib.suppress(ConnectionError):  # of one who hangs up
            self.wfile.write(content[start:end])

    def log_message(self, *said: object) -> None:
        """Nothing: the tests' output is theirs."""


@contextlib.contextmanager
def serving() -> Iterator[Web]:
    with Web() as web:
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield web
        finally:
            web.shutdown()


def small_mnist(monkeypatch: pytest.MonkeyPatch, web: Web) -> dict[str, bytes]:
    """Put a two-image MNIST with MD5s of its own in the official one's place; returns its files on disk."""
    rng = np.random.default_rng(0)
    raw = {
        f"{prefix}-{kind}": idx(values)
        for prefix in ("train", "t10k")
        for kind, values in (
            ("images-idx3-ubyte", rng.integers(0, 255, (2, 28, 28), dtype=np.uint8)),
            ("labels-idx1-ubyte", np.array([7, 3], np.uint8)),
        )
    }
    files = {f"MNIST/raw/{name}": content for name, content in raw.items()}
    archives = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in raw.items()}
    monkeypatch.setattr(tv.MNIST, "resources", [(name, md5(content)) for name, content in archives.items()])
    listed = {
        split: tuple(DataFile(p, len(c), md5(c)) for p, c in files.items() if f"/{prefix}-" in p)
        for split, prefix in (("train", "train"), ("test", "t10k"))
    }
    size = sum(map(len, archives.values()))
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], files=listed, download_bytes=size))
    monkeypatch.setattr(tv.MNIST, "mirrors", [f"{web.address}/{folder}/" for folder in ("first", "second")])
    web.pages |= archives
    return files


def small_cifar10(monkeypatch: pytest.MonkeyPatch, web: Web) -> dict[str, bytes]:
    """A CIFAR-10 of ten training images and two test images, likewise."""
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    rng = np.random.default_rng(0)
    batch = {
        name: pickle.dumps({"data": rng.integers(0, 255, (2, 3072), dtype=np.uint8), "labels": [1, 9]})
        for name in names
    }
    batch["batches.meta"] = pickle.dumps({"label_names": list(DATASETS["cifar10"].classes)})
    files = {f"cifar-10-batches-py/{name}": content for name, content in batch.items()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive = packed.getvalue()
    monkeypatch.setattr(tv.CIFAR10, "train_list", [[name, md5(batch[name])] for name in names[:5]])
    monkeypatch.setattr(tv.CIFAR10, "test_list", [["test_batch", md5(batch["test_batch"])]])
    monkeypatch.setattr(tv.CIFAR10, "meta", tv.CIFAR10.meta | {"md5": md5(batch["batches.meta"])})
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", md5(archive))
    listed = {
        split: tuple(DataFile(p, len(c), md5(c)) for p, c in files.items() if p.split("/")[1] in chosen)
        for split, chosen in (("train", [*names[:5], "batches.meta"]), ("test", ["test_batch", "batches.meta"]))
    }
    info = replace(DATASETS["cifar10"], files=listed, download_bytes=len(archive))
    monkeypatch.setitem(DATASETS, "cifar10", info)
    monkeypatch.setattr(tv.CIFAR10, "url", f"{web.address}/cifar-10-python.tar.gz")
    web.pages["cifar-10-python.tar.gz"] = archive
    return files
