"""Whether a data set's files are whole and the official ones."""

from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path

from explorer.images.registry import DATASETS, DataFile, DatasetInfo
from explorer.language.saying import say


def remedy(name: str) -> str:
    """What mends a data set that is not whole, in words."""
    if name not in DATASETS:
        return say(
            "delete the folder {name!r} there and import the images again with `python -m explorer import-images`",
            name=name,
        )
    if not DATASETS[name].downloadable:
        words = "let torchvision.datasets.{reader} put it into the data folder, with download=True"
        return say(words, reader=DATASETS[name].reader)
    return say("run `python -m explorer data {name}` to download it", name=name)


def check_files(name: str, files: Sequence[DataFile], root: Path) -> None:
    """ValueError for the first file of a data set that is not whole, with the remedy."""
    for file in files:
        trouble = _trouble(file, root)
        if trouble:
            words = "{path} {trouble}; {remedy}"
            raise ValueError(say(words, path=root / file.path, trouble=trouble, remedy=remedy(name)))


def is_whole(info: DatasetInfo, root: Path) -> bool:
    """Whether every official file of a data set is there and whole."""
    return not any(_trouble(file, root) for files in info.files.values() for file in files)


def _trouble(file: DataFile, root: Path) -> str | None:
    """What is wrong with a file of a dataset, in words; None where it is the official one."""
    path = root / file.path
    if not path.is_file():
        return say("is missing")
    size = path.stat().st_size
    if size < file.size:
        return say("is truncated ({size:,} of {whole:,} bytes)", size=size, whole=file.size)
    with open(path, "rb") as content:
        digest = file_digest(content, "sha256" if file.sha256 else "md5").hexdigest()
    if file.sha256:
        return None if digest == file.sha256 else say("is corrupt (SHA-256 differs)")
    return None if digest == file.md5 else say("is corrupt (not the official MD5)")
