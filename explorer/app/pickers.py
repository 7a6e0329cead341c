"""Pickers of one value or a few, all in the address bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import streamlit as st

from explorer.app import drawing, links, titles
from explorer.language.saying import listed, say

if TYPE_CHECKING:
    from explorer.training.recipes import Option


def pick_named(label: str, key: str, options: Sequence[str], default: str, wrong: str, **look: Any) -> str:
    """One of many options by name; `wrong` says what the link's value is when it is none of them."""
    links.note_link(key, one_of(options), choose_one(wrong, options, default))
    keep_if(key, lambda kept: kept in options, default)
    return st.selectbox(label, options, **links.linked(key, default), **look)


def pick_option(label: str, key: str, options: Sequence[str], **look: Any) -> str:
    """One of a few options, all in sight; the first is the default. They are shown with a capital letter."""
    look.setdefault("format_func", lambda option: drawing.sentence(say(option)))
    links.note_link(key, one_of(options), choose_one(say("not known"), options, options[0]))
    keep_if(key, lambda kept: kept in options, options[0])
    return st.segmented_control(label, options, required=True, **links.linked(key, options[0]), **look)


def pick_several(label: str, key: str, options: Sequence[str], usual: Sequence[str], **look: Any) -> list[str]:
    """Any number of options, all in sight, in the order of `options`."""
    links.note_link(key, _are_some_of(options), choose_some(options))
    keep_if(key, lambda kept: set(kept) <= set(options), list(usual))
    chosen = st.pills(label, options, selection_mode="multi", **links.linked(key, list(usual)), **look)
    return [option for option in options if option in chosen]


def pick_count(label: str, key: str, low: int, high: int, empty: str, **look: Any) -> int | None:
    """A whole number from `low` to `high`, or none: the field is `empty` to begin with."""
    link_count(label, key, low, high, empty)
    return pick_number(label, low, high, None, key, placeholder=empty, **look)


def link_count(label: str, key: str, low: int, high: int, empty: str) -> None:
    """What a link says of a field of `pick_count`, which need not be drawn."""
    fix = say(
        "does not fit: give a whole number from {low} to {high}; showing {shown}", low=low, high=high, shown=empty
    )
    links.note_link(key, lambda raw: len(raw) == 1 and links.is_whole(raw[0], low, high), fix, label.lower())
    keep_if(key, lambda kept: kept is None or low <= kept <= high, None)
    links.linked(key, None, _count(low, high))


def pick_among(label: str, key: str, options: Sequence[str], usual: Sequence[str] = (), **look: Any) -> list[str]:
    """Any number of many options, in a list that opens; in the order of `options`."""
    links.note_link(key, _are_some_of(options), choose_some(options))
    if key in st.session_state:
        st.session_state[key] = [option for option in st.session_state[key] if option in options]
    linked = links.linked(key, list(usual))
    chosen = st.multiselect(label, options, **linked, placeholder=say("none"), select_all=False, **look)
    return [option for option in options if option in chosen]


def pick_setting(name: str, option: Option, default: Any) -> Any:
    """One field of a recipe, as `option` describes it; `default` is the network's own value."""
    title, words = say(option.title), drawing.sentence(say(option.help))
    key, label = f"train_{name}", drawing.sentence(title)
    if option.choices:
        wrong = say("no {title}", title=title)
        return pick_named(label, key, option.choices, default, wrong, help=words, format_func=in_words)
    number = option.kind
    low, high, value, step = number(option.low), number(option.high), number(default), number(option.step)
    fix = say(
        "does not fit: give a whole number from {low:g} to {high:g}; showing {shown:g}"
        if number is int
        else "does not fit: give a number from {low:g} to {high:g}; showing {shown:g}",
        low=low,
        high=high,
        shown=value,
    )
    fits = partial(links.is_whole, low=low, high=high) if number is int else partial(_is_number, low=low, high=high)
    links.note_link(key, lambda raw: len(raw) == 1 and fits(raw[0]), fix, title)
    shown = None if number is int else "%g"
    look = {"step": step, "format": shown, "help": words}
    linked = links.linked(key, value, lambda raw: number(raw[0]) if len(raw) == 1 and fits(raw[0]) else value)
    return number(st.number_input(label, low, high, **look, **linked))


def in_words(choice: str) -> str:
    """What a choice of a recipe is called."""
    return titles.named(titles.CHOICES)(choice)


@overload
def pick_number(label: str, low: int, high: int, default: int, key: str, **look: Any) -> int: ...


@overload
def pick_number(label: str, low: int, high: int, default: None, key: str, **look: Any) -> int | None: ...


def pick_number(label: str, low: int, high: int, default: int | None, key: str, **look: Any) -> int | None:
    """A whole number from `low` to `high`; None where the field is empty."""
    read = _count(low, high) if default is None else links.whole_number(low, high, default)
    number = st.number_input(label, low, high, default, step=1, **links.linked(key, default, read), **look)
    return None if number is None else int(number)


def keep_if(key: str, fits: Callable[[Any], bool], default: Any) -> None:
    """Go back to the default where the value chosen, perhaps on another page, does not fit here.

    The value is set, not forgotten: a browser shows what it has until it is told otherwise.
    """
    if key in st.session_state and not fits(st.session_state[key]):
        st.session_state[key] = default


def choose_one(wrong: str, options: Sequence[str], shown: str) -> str:
    """What a link's value is that is none of the options, and what is shown for it."""
    known = listed(options)
    return say("is {wrong}: choose one of {known}; showing {shown}", wrong=wrong, known=known, shown=shown)


def choose_some(options: Sequence[str]) -> str:
    """What a link's values are of which not all are options."""
    return say("is not known: choose among {known}", known=listed(options))


def one_of(options: Sequence[str]) -> Callable[[list[str]], bool]:
    """A check of what a link gives: whether it is exactly one of the options."""
    return lambda raw: len(raw) == 1 and raw[0] in options


def _are_some_of(options: Sequence[str]) -> Callable[[list[str]], bool]:
    return lambda raw: raw == [""] or set(raw) <= set(options)


def _count(low: int, high: int) -> Callable[[list[str]], int | None]:
    return lambda raw: int(raw[0]) if len(raw) == 1 and links.is_whole(raw[0], low, high) else None


def _is_number(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False
