"""Which of a file's weights are a network's, under which names, and what is said where none are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from explorer.language.saying import chained, listed, say
from explorer.own.state import State, rank

FEW = 5  # names that a complaint lists
HALF = 0.5  # the share of names that must fit for weights to be taken for the network's own


@dataclass(frozen=True)
class Match:
    """Weights under the network's own names, and what had to be undone for that."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]
    rivals: tuple[str, ...] = ()  # other prefixes under which the weights fit as well, and as usually


def match(states: Sequence[tuple[str, State]], expected: Mapping[str, Tensor], path: Path) -> Match:
    """The set of weights in a file that has most of the expected names, without the prefix that they have there.

    Of several that fit alike, the one that is usual, which is said. ValueError where none is.
    """
    fits = [(place, _under(state, place, expected, path)) for place, state in states]
    most = max(_shared(fit.tensors, expected) for _, fit in fits)
    (place, best), *others = [each for each in fits if _shared(each[1].tensors, expected) == most]
    others = [each for each in others if not _same(each[1].tensors, best.tensors, expected)] if any(most) else []
    rivals = [repr(other) for other, _ in others if rank(other) == rank(place)]
    if rivals and place:
        words = "{file} holds several sets of weights that fit: {places}; save the one that you mean alone"
        raise ValueError(say(words, file=path.name, places=listed([repr(place), *rivals])))
    if best.rivals:
        words = "{file} holds several networks that fit: {places}; save the one that you mean alone"
        raise ValueError(say(words, file=path.name, places=listed(best.rivals)))
    if others:
        besides = listed(repr(other) for other, _ in others)
        return replace(best, notes=(*best.notes, say("not the entry {place}, which fits, too", place=besides)))
    return best


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], names: Iterable[str]) -> bool:
    """Whether two sets of weights hold the same under these names."""
    return all(torch.equal(one[key], other[key]) if key in one and key in other else key not in one for key in names)


def _under(state: State, place: str, expected: Mapping[str, Tensor], path: Path) -> Match:
    """A set of weights with the prefix exchanged that makes most names the expected ones."""
    tensors, notes = state.tensors, list(state.notes)
    (theirs, ours), *rivals = _prefixes(tensors, expected)
    renamed = {f"{ours}{key.removeprefix(theirs)}": value for key, value in tensors.items() if key.startswith(theirs)}
    if (theirs or ours) and _shared(renamed, expected) > _shared(tensors, expected):
        left = len(tensors) - len(renamed)
        if theirs:
            words = "names without {prefix!r} ({left} other weights left out)" if left else "names without {prefix!r}"
            notes.append(say(words, prefix=theirs, left=left))
        else:
            notes.append(say("names below {prefix!r}", prefix=ours))
        tensors = renamed
    else:
        rivals = []
    if place:
        notes.append(say("the entry {place!r} of {file}", place=place, file=path.name))
    return Match(tensors, tuple(notes), tuple(repr(pair[0]) for pair in [(theirs, ours), *rivals]) if rivals else ())


def _prefixes(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """What stands before most names in the file and not in the network, and the other way round.

    The most usual of several, and those that are as usual.
    """
    counts: dict[tuple[str, str], int] = {}
    by_end = _by_end(tensors)
    for key in expected:
        for found in by_end.get(key.rpartition(".")[2], ()):
            if found.endswith(f".{key}"):
                pair = (found.removesuffix(key), "")
            elif key.endswith(f".{found}"):
                pair = ("", key.removesuffix(found))
            else:
                continue
            counts[pair] = counts.get(pair, 0) + 1
    best = [pair for pair, count in counts.items() if count == max(counts.values())]
    least = min((rank(theirs.rstrip(".")) for theirs, _ in best), default=0)
    return [pair for pair in best if rank(pair[0].rstrip(".")) == least] or [("", "")]


def _by_end(names: Iterable[str]) -> dict[str, list[str]]:
    """The names by their last part."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition(".")[2], []).append(name)
    return found


def _shared(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[int, int]:
    """How many weights have the name and the shape that is expected, and how many as many dimensions."""
    found = [(tensors[key].shape, value.shape) for key, value in expected.items() if key in tensors]
    return sum(ours == theirs for theirs, ours in found), sum(len(ours) == len(theirs) for theirs, ours in found)


def check_fits(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], network: str, path: Path) -> None:
    """ValueError, by what it looks like, unless the weights have the names and the shapes of the network's."""
    common = [key for key in expected if key in tensors]
    if len(common) < HALF * max(len(expected), 1):
        raise ValueError(
            say(
                "{file} holds the weights of another network: {common} of {network}'s {n} names are in it; missing: "
                "{missing}; unexpected: {unexpected}",
                file=path.name,
                common=len(common),
                network=network,
                n=len(expected),
                missing=_first(expected.keys() - tensors.keys()),
                unexpected=_first(tensors.keys() - expected.keys()),
            )
        )
    differing = [key for key in common if tensors[key].shape != expected[key].shape]
    if differing:
        words = "{file} does not fit {network}: {why}"
        raise ValueError(say(words, file=path.name, network=network, why=_looks_like(tensors, expected, differing)))
    missing, unexpected = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing or unexpected:
        lists = [say("missing: {names}", names=_first(missing))] if missing else []
        lists += [say("unexpected: {names}", names=_first(unexpected))] if unexpected else []
        words = "{file} does not fit {network}: these weights are {lists}"
        raise ValueError(say(words, file=path.name, network=network, lists=chained(lists)))


def _looks_like(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], differing: Sequence[str]) -> str:
    """What weights of other shapes look like: a stem, a classifier, another width."""
    first = next(key for key in expected if expected[key].ndim == 4) if _has_convs(expected) else ""
    last = [key for key in expected if expected[key].ndim in (1, 2)][-1:]
    if first in differing and (stem := _stem(tensors[first].shape, expected[first].shape, first)):
        return stem
    others = [key for key in differing if not _is_last(key, last)]
    if last and not others:
        classes, ours = tensors[differing[0]].shape[0], expected[differing[0]].shape[0]
        words = "its classifier has {outputs} outputs, the images have {classes} classes"
        return say(words, outputs=classes, classes=ours)
    first_few = chained([_sizes(key, expected[key].shape, tensors[key].shape) for key in differing[:FEW]])
    more = len(differing) - FEW
    return say("{names} and {n:,} more", names=first_few, n=more) if more > 0 else first_few


def _sizes(name: str, ours: Sequence[int], theirs: Sequence[int]) -> str:
    """How large something is in the network, and how large in the file."""
    return say("{name} is {ours} here and {theirs} in the file", name=name, ours=_size(ours), theirs=_size(theirs))


def _has_convs(expected: Mapping[str, Tensor]) -> bool:
    return any(value.ndim == 4 for value in expected.values())


def _is_last(key: str, last: Sequence[str]) -> bool:
    """Whether a weight belongs to the layer of the last one."""
    return bool(last) and key.rpartition(".")[0] == last[0].rpartition(".")[0]


def _stem(found: Sequence[int], ours: Sequence[int], name: str) -> str:
    """What another first convolution looks like; empty where it is something else."""
    layer = name.removesuffix(".weight")
    if len(found) != 4:
        return ""
    if found[1] != ours[1]:
        words = "{layer} looks at {ours} channels here and at {theirs} in the file: images of another kind"
        return say(words, layer=layer, ours=ours[1], theirs=found[1])
    if tuple(found[2:]) != tuple(ours[2:]):
        sizes = _sizes(layer, ours[2:], found[2:])
        return say("{sizes}: a CIFAR stem", sizes=sizes) if max(found[2:]) < max(ours[2:]) else sizes
    return ""


def _size(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or say("one number")


def _first(names: Iterable[str]) -> str:
    first = sorted(names)
    few, more = listed(first[:FEW]) or say("none"), len(first) - FEW
    return say("{names} and {n:,} more", names=few, n=more) if more > 0 else few
