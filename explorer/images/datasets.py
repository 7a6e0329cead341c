"""Which data sets there are, the registry's and one's own, and which of them are on this machine.

A data set of one's own, called NAME, lies in the folder NAME of the data root, as `own.images` wrote it: images.json
says what it is, how its images were made and what came up then, and each split is a safetensors file.
"""

import contextlib
from dataclasses import replace
from pathlib import Path

from explorer.files.json import read_json
from explorer.files.places import PLAIN_NAME, data_root
from explorer.images.integrity import remedy
from explorer.images.registry import BUNDLED_FILES, DATASETS, SPLITS, DataFile, DatasetInfo
from explorer.language.saying import english, listed, say

BUNDLED = Path(__file__).resolve().parent / "bundled"
OWN_INFO = "images.json"  # what a data set of one's own is
RESIZES = {  # how images of one's own become squares, by the name that this has there and on the command line
    "short": english("short side to {size} pixels (bilinear), middle square cut out"),
    "exact": english("both sides to {size} pixels (bilinear), whatever their ratio"),
    "none": english("none: {size} × {size} pixels as they came"),
}


def dataset_info(name: str, root: Path | None = None) -> DatasetInfo:
    """The registry's entry for `name`, or what one's own data set says of itself; ValueError lists the known names."""
    if name in DATASETS:
        return DATASETS[name]
    if name not in own_datasets(root):
        known = listed(dataset_names(root))
        raise ValueError(say("unknown data set {name!r}; choose one of: {known}", name=name, known=known))
    return _own_info(name, root or data_root())


def dataset_names(root: Path | None = None) -> list[str]:
    """The registry's names, then those of one's own data sets."""
    return [*DATASETS, *own_datasets(root)]


def readable_datasets(root: Path | None = None) -> list[DatasetInfo]:
    """The registry's data sets that are here or can be downloaded, then one's own whose description is whole."""
    official = [each for each in DATASETS.values() if each.downloadable or availability(each.name, root) != "missing"]
    own = []
    for name in own_datasets(root):
        with contextlib.suppress(ValueError):
            own.append(dataset_info(name, root))
    return [*official, *own]


def own_datasets(root: Path | None = None) -> list[str]:
    """The names, sorted, of the data sets that were imported from folders of images; reads no file."""
    names = sorted(path.parent.name for path in (root or data_root()).glob(f"*/{OWN_INFO}"))
    return [name for name in names if PLAIN_NAME.fullmatch(name) and name not in DATASETS]


def availability(name: str, root: Path | None = None) -> str:
    """ "full" where the root holds a copy (even a damaged one), else "bundled", else "missing"; reads no images."""
    info, root = dataset_info(name, root), root or data_root()
    if info.own or any((root / file.path).exists() for split in info.files.values() for file in split):
        return "full"
    return "bundled" if name in BUNDLED_FILES else "missing"


def version_of(name: str, root: Path | None = None) -> tuple[str, ...]:
    """What tells other images under one name apart: "full", "bundled" or "missing"; of one's own, each split's hash."""
    try:
        own = [file.sha256 for split in dataset_info(name, root).files.values() for file in split if file.sha256]
        return (availability(name, root), *own)
    except ValueError:  # one's own that is no longer there, or damaged
        return ("missing",)


def splits_of(name: str, root: Path | None = None) -> list[str]:
    """The splits that can be asked for: of a data set of which a part is bundled, those that are in it."""
    known = dataset_info(name, root).files
    here = BUNDLED_FILES[name] if availability(name, root) == "bundled" else known
    return [split for split in SPLITS if split in here]


def require_split(name: str, split: str, root: Path | None = None) -> None:
    """ValueError unless the dataset has such a split; reads no images."""
    if split not in SPLITS:
        raise ValueError(say("unknown split {split!r}; choose one of: {known}", split=split, known=listed(SPLITS)))
    info = dataset_info(name, root)
    if split not in info.files:
        words = "{title} has no {split} split: choose {known}, or import both splits"
        raise ValueError(say(words, title=say(info.title), split=say(split), known=" or ".join(info.files)))
    if split not in splits_of(name, root):
        words = "the {split} split of {title} is not on this machine; {remedy}"
        raise ValueError(say(words, split=say(split), title=say(info.title), remedy=remedy(name)))


def files_of(name: str, split: str, root: Path | None = None) -> tuple[Path, tuple[DataFile, ...]]:
    """The files that hold a split, and the folder that they lie under: the full ones, or else those that are bundled.

    ValueError where the data set has no such split, or it is not on this machine.
    """
    root = root or data_root()
    origin = availability(name, root)
    require_split(name, split, root)
    if origin == "missing":
        title = say(DATASETS[name].title)
        raise ValueError(say("{title} is not in {root}; {remedy}", title=title, root=root, remedy=remedy(name)))
    if origin == "bundled":
        return BUNDLED, BUNDLED_FILES[name][split]
    return root, dataset_info(name, root).files[split]


def _own_info(name: str, root: Path) -> DatasetInfo:
    path = root / name / OWN_INFO
    try:
        fields = read_json(path)
        files: dict[str, tuple[DataFile, ...]] = {
            split: (DataFile(f"{name}/{split}.safetensors", int(file["size"]), sha256=str(file["sha256"])),)
            for split, file in fields["files"].items()
            if split in SPLITS
        }
        channels, height, width = map(int, fields["shape"])
        classes = tuple(map(str, fields["classes"]))
        title = str(fields["title"])
        transform = say(RESIZES[fields.get("resize", "short")], size=width)  # the only one there was once
        mean, std = (tuple(map(float, fields.get(key, ()))) for key in ("mean", "std"))
        notes = tuple(map(str, fields.get("notes", ())))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        words = "{path} is damaged, so the data set cannot be read; {remedy}"
        raise ValueError(say(words, path=path, remedy=remedy(name))) from error
    if "test" not in files or min(channels, height, width) < 1 or len(classes) < 2:
        words = "{path} describes no data set: test images, their shape and their classes; {remedy}"
        raise ValueError(say(words, path=path, remedy=remedy(name)))
    info = DatasetInfo(name, title, classes, (channels, height, width), "", name, files, download_bytes=0)
    return replace(info, transform=transform, mean=mean, std=std, notes=notes)
