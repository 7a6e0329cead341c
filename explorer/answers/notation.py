"""An answer in one line, as links and the command line say it: CHECKPOINT:LAYER:CRITERION, then what is unusual."""

from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, unquote

from explorer.answers.choices import ORDERS
from explorer.answers.experiment import Experiment
from explorer.language.saying import english, say

NAMES = {"mode": "mode", "on": "ranked_on", "seed": "seed", "schedule": "schedule", "dtype": "dtype", "k": "ks"}
USUAL = {field.name: field.default for field in fields(Experiment)}
LONGEST = 400  # characters
HIGHEST = 65_535  # a K, or a step: more channels than any layer has
RANDOM, BAND = "random", "orders"  # the one criterion that has several orders, and how many of them
FORM = english("CHECKPOINT:LAYER:CRITERION, perhaps with {more} behind it")
MORE = ", ".join(f":{name}=…" for name in [*NAMES, BAND])


@dataclass(frozen=True)
class Answer:
    """What can be compared: the curve of an experiment, or the band of so many random orders, from its seed on."""

    experiment: Experiment
    orders: int = 1


def written(experiment: Experiment, orders: int = 1) -> str:
    """The experiment in one line, over the whole test split; `read` reads it.

    Its K go in even steps, after K = 0, which every curve begins with here; ValueError where they do not.

    >>> written(Experiment("net", "conv2", "l1", mode="weights", ks=(0, 1, 3, 5)))
    'net:conv2:l1:mode=weights:k=1-5-2'
    """
    asked = {name: getattr(experiment, field) for name, field in NAMES.items()}
    unusual = {name: value for name, value in asked.items() if value != USUAL[NAMES[name]]}
    if "k" in unusual:
        unusual["k"] = _range_of(tuple(sorted({0, *unusual["k"]})))
    if orders > 1:
        unusual[BAND] = orders
    first = (experiment.checkpoint, quote(experiment.layer, safe=""), experiment.criterion)
    return ":".join([*first, *(f"{name}={value}" for name, value in unusual.items())])


def read(text: str) -> Answer:
    """The answer that `written` wrote; ValueError, in one sentence, for a text that is none.

    Whether its names exist is not asked here: see `checking.check`.

    >>> read("net:conv2:l1:mode=weights:k=1-5-2").experiment.ks
    (0, 1, 3, 5)
    >>> read("net:conv2:random:orders=20").orders
    20
    """
    names = NAMES | {BAND: BAND}
    first, more = text.split(":")[:3], [part.partition("=") for part in text.split(":")[3:]]
    given: dict[str, Any] = {names[name]: value for name, _, value in more if value and name in names}
    if len(text) > LONGEST or len(first) < 3 or not all(first) or len(given) < len(more):
        raise ValueError(say("{text} is not {form}", text=_shown(text), form=say(FORM, more=MORE)))
    if "seed" in given:
        given["seed"] = _whole(given["seed"], text, say("seed"))
    if "ks" in given:
        given["ks"] = _ks_of(given["ks"], text)
    checkpoint, layer, criterion = first
    orders = _orders_of(given.pop(BAND, None), criterion, text)
    return Answer(Experiment(checkpoint, unquote(layer), criterion, **given), orders)


def _orders_of(said: str | None, criterion: str, text: str) -> int:
    if said is None:
        return 1
    if criterion != RANDOM:
        words = "only random orders can be several, and {text} ranks by {criterion}"
        raise ValueError(say(words, text=_shown(text), criterion=_shown(criterion)))
    least, most = ORDERS
    orders = _whole(said, text, say("number of orders"), most)
    if orders < least:
        words = "a band takes {least} to {most} random orders; {text} has {orders}"
        raise ValueError(say(words, least=least, most=most, text=_shown(text), orders=orders))
    return orders


def _range_of(ks: tuple[int, ...]) -> str:
    """First, last and step of K that begin with 0, or from the second on where the first step is another."""
    evenly = ks[1:] if len(ks) > 2 and ks[1] != ks[2] - ks[1] else ks
    step = evenly[1] - evenly[0] if len(evenly) > 1 else 1
    if tuple(range(evenly[0], evenly[-1] + 1, step)) != evenly:
        words = "K = {ks} do not go in even steps, so that no link can name them"
        raise ValueError(say(words, ks=", ".join(map(str, ks))))
    return f"{evenly[0]}-{evenly[-1]}-{step}"


def _ks_of(said: str, text: str) -> tuple[int, ...]:
    ends = [_whole(each, text, "K", HIGHEST) for each in said.split("-")]
    if len(ends) != 3 or ends[0] > ends[1] or not ends[2]:
        raise ValueError(say("the K of {text} are not FIRST-LAST-STEP, such as 0-32-2", text=_shown(text)))
    return tuple(sorted({0, *range(ends[0], ends[1] + 1, ends[2])}))


def _whole(said: str, text: str, what: str, highest: int = 2**31 - 1) -> int:
    if not (said.isdecimal() and len(said) < 12 and int(said) <= highest):
        words = "the {what} {said} of {text} is no whole number from 0 to {highest}"
        raise ValueError(say(words, what=what, said=_shown(said), text=_shown(text), highest=highest))
    return int(said)


def _shown(text: str) -> str:
    return f"“{text}”" if len(text) <= 60 else f"“{text[:60]}…”"
