"""What a folder of images holds: its splits, their classes and their images, and what in it is none of these."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer.language.saying import chained, listed, say
from explorer.own.folder import SPLIT_FOLDERS, SYSTEM_NAMES, image_kinds, inside, is_image, is_junk, is_split

STEPS = 2  # down into a folder that holds nothing but another, as a zip makes it
MOST = 6  # kinds of what is skipped, and names of what is left out, that a note lists

Kind = tuple[str, str]  # what something skipped is, and what tells it from others of that: ("folder", ".git")


@dataclass(frozen=True)
class Found:
    """The images of a split on disk: path and class of each."""

    classes: tuple[str, ...]
    samples: list[tuple[Path, int]]


@dataclass(frozen=True)
class Layout:
    """What a folder holds: the images of each split, and what else there is to say about it."""

    splits: dict[str, Found]
    notes: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        """The paths of all images."""
        return _paths(self.splits)


def look_into(folder: Path) -> Layout:
    """What a folder in torchvision's ImageFolder layout holds; ValueError where it has another."""
    if not folder.is_dir():
        words = "{folder} is not a folder; name one that holds a folder of images for each class"
        raise ValueError(say(words, folder=folder))
    place = _unpacked(folder)
    places = _split_folders(place)
    if "train" in places and "test" not in places:
        *names, last = SPLIT_FOLDERS["test"]
        raise ValueError(
            say(
                "{place} has a folder of classes called {train}, but none called {names} or {last}; put images to "
                "measure accuracy on into one of those",
                place=place,
                train=places["train"].name,
                names=listed(names),
                last=last,
            )
        )
    left_out = [each for each in _folders_in(place) if places and each not in places.values()]
    places = places or {"test": place}
    splits = {split: _find(each) for split, each in places.items()}
    _check_classes(place, places, splits)
    notes = (
        *_note_of_place(folder, place),
        *_note_of_splits(list(places.values()), left_out),
        *_note_of_skipped(folder, left_out, _paths(splits)),
    )
    return Layout(splits, notes)


def _paths(splits: Mapping[str, Found]) -> list[Path]:
    return [path for found in splits.values() for path, _ in found.samples]


def _unpacked(folder: Path) -> Path:
    """The folder, or the one further down that it holds and nothing else."""
    for _ in range(STEPS):
        folder = _only_folder(folder) or folder
    return folder


def _only_folder(folder: Path) -> Path | None:
    """The one folder in this one, unless that is a split or a class, or there are images beside it."""
    folders = _folders_in(folder)
    if len(folders) != 1 or is_split(folders[0].name) or any(is_image(name) for name in os.listdir(folder)):
        return None
    return folders[0] if _folders_in(folders[0]) else None


def _split_folders(folder: Path) -> dict[str, Path]:
    """The folder of each split that has one; a class may be called test, too, but holds images alone."""
    there = {each.name.lower(): each for each in _folders_in(folder) if _folders_in(each)}
    chosen = {split: [there[name] for name in names if name in there] for split, names in SPLIT_FOLDERS.items()}
    return {split: places[0] for split, places in chosen.items() if places}


def _folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without those that hold no images of anybody's."""
    return sorted(each for each in folder.iterdir() if each.is_dir() and not is_junk(each.name))


def _find(folder: Path) -> Found:
    """The images of a folder of classes, in the order in which torchvision's ImageFolder finds them."""
    classes = [each.name for each in _folders_in(folder)]
    if not classes:
        words = "{folder} holds no class folders; give the images of each class one of their own"
        raise ValueError(say(words, folder=folder))
    samples = []
    for label, name in enumerate(classes):
        images = _images_below(folder / name)
        if not images:
            words = "the class folder {folder} holds no images ({kinds}); fill it or delete it"
            raise ValueError(say(words, folder=folder / name, kinds=listed(image_kinds())))
        samples += [(path, label) for path in images]
    return Found(tuple(classes), samples)


def _images_below(folder: Path) -> list[Path]:
    """The images in a folder and in those within it."""
    places = sorted(inside(folder, links=True), key=lambda each: str(each[0]))
    return [place / name for place, names in places for name in sorted(names) if is_image(name)]


def _check_classes(folder: Path, places: Mapping[str, Path], splits: Mapping[str, Found]) -> None:
    """ValueError unless there are several classes, and every split has them all."""
    classes = splits["test"].classes
    if len(classes) < 2:
        words = "{folder} has the class {name!r} alone; there must be at least 2 to tell apart"
        raise ValueError(say(words, folder=folder, name=classes[0]))
    named = {places[split].name: set(found.classes) for split, found in splits.items()}
    shared = set.intersection(*named.values())
    only = [
        say("only in {name}: {classes}", name=name, classes=_few(found - shared))
        for name, found in named.items()
        if found - shared
    ]
    if only:
        raise ValueError(
            say(
                "the classes of {folder} differ between its splits ({only}); add the folders that are missing, or take "
                "away those that are in one split alone",
                folder=folder,
                only=chained(only),
            )
        )


def _note_of_place(folder: Path, place: Path) -> list[str]:
    """Where the images lie, if that is further down than was said."""
    return [] if place == folder else [f"taken from the folder {place.relative_to(folder)} within"]


def _note_of_splits(taken: list[Path], left_out: list[Path]) -> list[str]:
    """Which folders were not taken, as they are no splits or another holds that split already."""
    names = " and ".join(each.name for each in taken)
    return [f"left out: {_few(each.name for each in left_out)}; only {names} taken"] if left_out else []


def _note_of_skipped(folder: Path, left_out: Collection[Path], taken: Iterable[Path]) -> list[str]:
    """How much of which kind lies there that is no image of a class."""
    counts = sorted(_skipped(folder, set(left_out), set(taken)).items(), key=lambda each: (-each[1], each[0]))
    kinds = [f"{n:,} {noun}{'s'[: n != 1]} {detail}".strip() for (noun, detail), n in counts[:MOST]]
    rest = sum(n for _, n in counts[MOST:])
    kinds += [f"{rest:,} more"] if rest else []
    return [f"skipped: {', '.join(kinds)}"] if kinds else []


def _skipped(folder: Path, left_out: Collection[Path], taken: Collection[Path]) -> Counter[Kind]:
    """What lies in a folder and is not taken, by kind; a folder that is skipped counts as one."""
    skipped: Counter[Kind] = Counter()
    for place, below, names in os.walk(folder, followlinks=True):
        skipped.update(("folder", name) for name in below if is_junk(name))
        below[:] = [name for name in below if not is_junk(name) and Path(place, name) not in left_out]
        skipped.update(_kind(name) for name in names if Path(place, name) not in taken)
    return skipped


def _kind(name: str) -> Kind:
    """What a file is that is not taken."""
    if name.lower() in SYSTEM_NAMES:
        return "file", name
    if is_junk(name):
        return "hidden file", ""
    if is_image(name):
        return "image", "outside the class folders"
    suffix = Path(name).suffix.lower()
    return "file", f"ending in {suffix}" if suffix else "without an ending"


def _few(names: Iterable[str]) -> str:
    """The first names, and how many there are besides."""
    first = sorted(names)
    rest = [say("{n:,} more", n=len(first) - MOST)] if len(first) > MOST else []
    return listed([*first[:MOST], *rest])
