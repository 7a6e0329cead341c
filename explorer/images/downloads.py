"""Official archives, fetched into the data root, whole or not at all."""

import contextlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from explorer.files.places import data_root
from explorer.files.staging import staging
from explorer.files.whole import part_of
from explorer.images.datasets import dataset_info
from explorer.images.integrity import is_whole, remedy
from explorer.images.lazy_torchvision import import_torchvision, torchvision_class
from explorer.images.registry import DatasetInfo
from explorer.language.saying import say

CHUNK = 1 << 18  # bytes per step of a download, at most
SILENCE = 15.0  # seconds without a byte, after which a connection counts as lost
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before an address is asked again that gave nothing more
POLL = 0.2  # seconds of a pause between two chances to cancel it
PARTIAL, TOO_FAR = 206, 416  # what HTTP answers to a request for the rest: here it is; there is none
BUSY = (408, 429)  # what it answers that may do better soon, besides all from 500 on

Progress = Callable[[int, int], None]


def download(name: str, root: Path | None = None, progress: Progress | None = None) -> Path:
    """Download the official archives of a dataset into the root; returns its folder. A good copy there is kept.

    `progress(bytes done, bytes in all)` is called as data arrives, and while a lost connection is waited for; whatever
    it raises cancels the download. A download that fails raises ValueError with the reason; one that the disk has no
    room for, OSError. Either leaves the root as it was, but for what has arrived: that waits in FOLDER.part, where the
    next download goes on with it.
    """
    info, root = dataset_info(name, root), (root or data_root()).absolute()
    if info.own:
        words = "{name!r} is a data set of your own, not one to download; it is in {folder}"
        raise ValueError(say(words, name=name, folder=root / name))
    target, files_folder = root / info.folder, (root / info.files["test"][0].path).parent
    if is_whole(info, root):
        return target
    if not info.downloadable:
        words = "{title} is not whole in {root}, and is not downloaded here; {remedy}"
        raise ValueError(say(words, title=say(info.title), root=root, remedy=remedy(name)))
    with staging(root, info.folder) as place:
        if is_whole(info, root):  # somebody else has fetched it meanwhile
            return target
        archives = part_of(target)
        try:
            _fetch_archives(info, archives, progress or _no_progress)
            _extract(info, archives, place)
        except _DownloadError as error:
            words = "the download of {title} failed ({why}); try again, or put the official files in {folder}"
            told = {"title": say(info.title), "why": str(error), "folder": files_folder}
            raise ValueError(say(words, **told)) from error
        shutil.rmtree(archives)
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


def _no_progress(done: int, total: int) -> None:
    """For callers who do not watch."""


class _DownloadError(Exception):
    """The network or the archive failed, as opposed to a caller's `progress` that cancels."""


class _LostError(_DownloadError):
    """The connection was lost, or what came over it is damaged: the same address may do better at the next try."""


def _fetch_archives(info: DatasetInfo, folder: Path, progress: Progress) -> None:
    done = 0
    for file, md5, urls in _archives(info):
        with contextlib.closing(_fetch(folder / file, md5, urls)) as steps:
            for got in steps:
                progress(done + got, info.download_bytes)
        done += (folder / file).stat().st_size


def _fetch(path: Path, md5: str, urls: list[str]) -> Generator[int, None, None]:
    """One archive from the first address that gives the official bytes; yields the bytes so far.

    It goes on with what there is of it already, wherever that came from: its MD5 says in the end whether all is right.
    """
    yield _size(path)
    if path.exists() and _is_official(path, md5):
        return
    failure = _DownloadError(say("no address for {file}", file=path.name))
    for url in urls:
        try:
            yield from _insist(url, path, md5)
            return
        except _DownloadError as error:
            failure = error
    raise failure


def _insist(url: str, path: Path, md5: str) -> Iterator[int]:
    """One archive from one address, asked again after each of `PAUSES`, which begin anew whenever more has come."""
    most, pauses = _size(path), iter(PAUSES)
    while True:
        try:
            yield from _stream(url, path, md5)
            return
        except _LostError:
            if _size(path) > most:
                most, pauses = _size(path), iter(PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise
            yield from _wait(pause, path)


def _wait(pause: float, path: Path) -> Iterator[int]:
    """Let so many seconds pass, and yield the bytes there are now and then."""
    end = time.monotonic() + pause
    while (left := end - time.monotonic()) > 0:
        yield _size(path)
        time.sleep(min(POLL, left))


def _stream(url: str, path: Path, md5: str) -> Iterator[int]:
    """What one archive still lacks, from one address; yields the bytes so far."""
    with _open(url, path) as response:
        there = _goes_on(response, path)
        got = _size(path) if there else 0
        expected = got + int(response.headers.get("Content-Length") or 0)
        path.parent.mkdir(exist_ok=True)
        with open(path, "ab" if there else "wb") as file:
            while chunk := _read(response, url):
                got += file.write(chunk)
                yield got
    if got < expected:
        words = "{file} was cut off after {got:,} of {expected:,} bytes"
        raise _LostError(say(words, file=path.name, got=got, expected=expected))
    if not _is_official(path, md5):
        path.unlink()
        wrong = say("{file} does not have its official MD5", file=path.name)
        raise _LostError(wrong) if there else _DownloadError(wrong)


def _open(url: str, path: Path) -> Any:
    """The answer to a request for what the file still lacks.

    There is no If-Range in it: an official archive never changes, and its MD5 shows it where it did all the same.
    """
    try:
        lacking = {"Range": f"bytes={_size(path)}-"} if path.exists() else {}
        return urllib.request.urlopen(urllib.request.Request(url, headers=lacking), timeout=SILENCE)
    except urllib.error.HTTPError as error:
        if error.code == TOO_FAR:
            path.unlink()
        passing = error.code >= 500 or error.code in (*BUSY, TOO_FAR)
        raise (_LostError if passing else _DownloadError)(f"{url}: {one_line(error)}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _LostError(f"{url}: {one_line(error)}") from error


def _goes_on(response: Any, path: Path) -> bool:
    """Whether an answer goes on where the file ends; else it begins at the beginning, or is of no use."""
    if response.status != PARTIAL:
        return False
    given, wanted = response.headers.get("Content-Range"), f"bytes {_size(path)}-"
    if not str(given).startswith(wanted):
        path.unlink(missing_ok=True)
        words = "{file} went on with {given}, not with {wanted}"
        raise _LostError(say(words, file=path.name, given=given, wanted=wanted))
    return True


def _read(response: Any, url: str) -> bytes:
    try:
        return response.read1(CHUNK)  # what is there already: a connection that is lost loses none of it
    except (OSError, http.client.HTTPException) as error:
        raise _LostError(f"{url}: {one_line(error)}") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_official(path: Path, md5: str) -> bool:
    return import_torchvision("datasets").utils.check_integrity(path, md5)


def _extract(info: DatasetInfo, archives: Path, place: Path) -> None:
    """Extract the archives where torchvision's class looks for their files."""
    into = place if info.reader == "CIFAR10" else place / info.folder / "raw"
    into.mkdir(parents=True, exist_ok=True)
    for file, _, _ in _archives(info):
        import_torchvision("datasets").utils.extract_archive(archives / file, into)
    if not is_whole(info, place):
        raise _DownloadError(say("its archives do not hold the official files"))


def one_line(error: BaseException) -> str:
    """The reason, on one line, without Python's wrapping."""
    if type(error) is urllib.error.URLError and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, OSError) and error.strerror:
        return say(error.strerror)
    return " ".join(str(error).split()) or type(error).__name__
