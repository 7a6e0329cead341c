"""Official archives, fetched into the data root, whole or not at all."""

import http.client
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from explorer.files.places import data_root
from explorer.files.staging import staging
from explorer.images.datasets import dataset_info
from explorer.images.integrity import is_whole
from explorer.images.lazy_torchvision import torchvision_class
from explorer.images.registry import DatasetInfo

CHUNK = 1 << 18  # bytes per step of a download

Progress = Callable[[int, int], None]


def download(name: str, root: Path | None = None, progress: Progress | None = None) -> Path:
    """Download the official archives of a dataset into the root; returns its folder. A good copy there is kept.

    `progress(bytes done, bytes in all)` is called as data arrives; whatever it raises cancels the download. A download
    that fails leaves the root as it was and raises ValueError with the reason.
    """
    info, root = dataset_info(name, root), (root or data_root()).absolute()
    if info.own:
        raise ValueError(f"{name!r} is a data set of your own, not one to download; it is in {root / name}")
    target, files_folder = root / info.folder, (root / info.files["test"][0].path).parent
    if is_whole(info, root):
        return target
    with staging(root, name) as place:
        try:
            _fetch_archives(info, place, progress or _no_progress)
            _extract(info, place)
        except _DownloadError as error:
            raise ValueError(
                f"the download of {info.title} failed ({error}); try again, or put the official files in {files_folder}"
            ) from error
        if target.exists():
            os.replace(target, place / "replaced")
        os.replace(place / info.folder, target)
    return target


def _archives(info: DatasetInfo) -> list[tuple[str, str, list[str]]]:
    """(file name, MD5, URLs to try) of each archive, as torchvision's class declares them."""
    reader = torchvision_class(info)
    if info.reader == "CIFAR10":
        return [(reader.filename, reader.tgz_md5, [reader.url])]
    return [(file, md5, [mirror + file for mirror in reader.mirrors]) for file, md5 in reader.resources]


def _archive_folder(info: DatasetInfo, staging: Path) -> Path:
    """Where torchvision's class looks for archives before it downloads them."""
    return staging if info.reader == "CIFAR10" else staging / info.folder / "raw"


def _no_progress(done: int, total: int) -> None:
    """For callers who do not watch."""


class _DownloadError(Exception):
    """The network or the archive failed, as opposed to a caller's `progress` that cancels."""


def _fetch_archives(info: DatasetInfo, staging: Path, progress: Progress) -> None:
    folder = _archive_folder(info, staging)
    folder.mkdir(parents=True, exist_ok=True)
    done = 0
    for file, md5, urls in _archives(info):
        for got in _fetch(folder / file, md5, urls):
            progress(done + got, info.download_bytes)
        done += (folder / file).stat().st_size


def _fetch(path: Path, md5: str, urls: list[str]) -> Iterator[int]:
    """One archive from the first URL that gives the official bytes; yields the bytes so far."""
    failure = _DownloadError(f"no address for {path.name}")
    for url in urls:
        try:
            yield from _stream(url, path, md5)
            return
        except _DownloadError as error:
            failure = error
    raise failure


def _stream(url: str, path: Path, md5: str) -> Iterator[int]:
    from torchvision.datasets.utils import check_integrity

    got = 0
    try:
        with urllib.request.urlopen(url, timeout=30) as response, open(path, "wb") as file:
            expected = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(CHUNK):
                got += file.write(chunk)
                yield got
    except (OSError, http.client.HTTPException) as error:
        raise _DownloadError(f"{url}: {one_line(error)}") from error
    if got < expected:
        raise _DownloadError(f"{path.name} was cut off after {got:,} of {expected:,} bytes")
    if not check_integrity(path, md5):
        raise _DownloadError(f"{path.name} does not have its official MD5")


def _extract(info: DatasetInfo, staging: Path) -> None:
    """Let torchvision's class extract the archives in `staging`, then drop them."""
    try:
        torchvision_class(info)(staging, download=True)
    except (OSError, RuntimeError) as error:
        raise _DownloadError(one_line(error)) from error
    for file, _, _ in _archives(info):
        (_archive_folder(info, staging) / file).unlink()


def one_line(error: BaseException) -> str:
    """The reason, on one line, without Python's wrapping."""
    if type(error) is urllib.error.URLError and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
