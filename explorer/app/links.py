"""The address bar: widgets' values in it, and a note for each value of a link that is not valid.

Streamlit can bind a widget to the address by itself. The address would then say what the widget shows, in words, and
each value that a lab or a button sets would be an entry of its own in the browser's history. Here it has short names,
and one action is one entry.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx

from explorer.app import drawing, idle, languages, loading, recent, work
from explorer.language.catalogue import LANGUAGES
from explorer.language.saying import say

NOTES = "notes on the link"
NOTE_DROPPED = "a note was dropped"
CHOSEN = "keys of the pickers"
IN_WORDS = "keys of pickers that are not in the address, and have options in words"
SPOKEN = "the language spoken last"
DRAWN = "defaults of the pickers on this page, by key"
GRID_OF = "the layer and lab that the K of the curves are of"
LIT = "the ranking lit on the page of curves"
WRITTEN = "what the address said last, of which page, and for which values"

Raw = list[str]  # what an address says of one key, which may stand there several times


@contextmanager
def page() -> Iterator[None]:
    """Wraps a page's script: says at the top which values of the link are not valid, and writes the next one."""
    recent.go_back(forget=(GRID_OF, LIT))
    spoken = languages.chosen()  # in the navigation above
    _follow()
    st.session_state[DRAWN] = {}
    language = _language()
    if languages.chosen() != spoken:
        st.rerun()
    _keep_if_words_changed()
    languages.switch(language)
    work.jobs()  # whose making also keeps what is loaded by now out of every later garbage collection
    idle.note_tab()
    top = st.container()
    try:
        yield
        write(whole=True)
    except StopException:
        write(whole=False)
        raise
    finally:
        recent.show()
        for text in st.session_state.get(NOTES, {}).values():
            top.warning(drawing.plain(text), icon=":material/link_off:")
        loading.go_on()


def linked(key: str, default: Any, read: Callable[[Raw], Any] | None = None) -> dict[str, Any]:
    """What makes a widget's value part of the address, and keeps it from page to page.

    A new session takes it from the link, which `read` makes a value of, unless there is a note that it is not valid.
    A value that is the `default` is not worth a word in the address.
    """
    st.session_state.setdefault(CHOSEN, set()).add(key)
    st.session_state[DRAWN][key] = default
    if key not in st.session_state:
        said = key in st.query_params and (read or key not in st.session_state.get(NOTES, {}))
        st.session_state[key] = (read or _reader(default))(st.query_params.get_all(key)) if said else default
    return {"key": key, "persist_state": "session", "on_change": drop_note, "args": (key,)}


def in_words(key: str) -> str:
    """The key of a picker that is not in the address: its choice is kept when the words of its options change."""
    st.session_state.setdefault(IN_WORDS, set()).add(key)
    return key


def fragment(body: Callable[..., None], *arguments: Any, every: float | None = None) -> None:
    """A part of the page that runs again without the rest, as its widgets change or `every` so many seconds."""

    def run() -> None:
        body(*arguments)
        write(whole=False)

    st.fragment(run, run_every=every)()


def _language() -> dict[str, Any]:
    """What makes the language part of the address."""
    fix = say("is not known: choose one of {known}", known=", ".join(LANGUAGES))
    note_link(languages.KEY, lambda raw: len(raw) == 1 and raw[0] in LANGUAGES, fix, say("language"))
    return linked(languages.KEY, languages.usual())


def write(whole: bool) -> None:
    """Let the address say what the widgets stand at.

    Where the page stopped before its end, or a part of it runs alone, not the `whole` of it is drawn, and what the
    address says of the rest stays.
    """
    drawn = st.session_state[DRAWN]
    values = {key: st.session_state[key] for key in drawn if key in st.session_state}
    said = _said()
    kept = {key: raw for key, raw in said.items() if key not in drawn and not (whole and key in st.session_state)}
    query = kept | {key: _texts(value) for key, value in values.items() if value != drawn[key]}
    recent.note(values, query)
    if query != said:
        st.query_params.from_dict(query)
    st.session_state[WRITTEN] = (_page(), query, values)


def _follow() -> None:
    """Take over what the address says where it is not what was written last: the user went back, or took a link."""
    page, query, values = st.session_state.get(WRITTEN, (None, {}, {}))
    said, moved = _said(), page != _page()
    if moved:
        _keep(st.session_state.get(CHOSEN, ()))
    changed = any(st.session_state.get(key) != value for key, value in values.items())
    if page is None or said == query or changed:
        return  # a new session, nothing new, or a widget that changed before its last address came back
    for key in said if moved else st.session_state.get(CHOSEN, ()):
        if key != recent.GATHERED or key in said or key in query:
            st.session_state.pop(key, None)
    st.session_state[WRITTEN] = (_page(), said, {})  # so that no value counts as changed if the next step cuts this run


def _keep(keys: Iterable[str]) -> None:
    """Set what was chosen anew: of a value that stays from page to page, some widgets make nothing at first."""
    for key in keys:
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def _keep_if_words_changed() -> None:
    """Set what was chosen anew where the language is another: a browser knows an option by its words alone."""
    before, now = st.session_state.get(SPOKEN), languages.chosen()
    st.session_state[SPOKEN] = now
    if before not in (None, now):
        _keep(st.session_state.get(CHOSEN, set()) | st.session_state.get(IN_WORDS, set()))


def _said() -> dict[str, Raw]:
    """What the address says now, by key."""
    return {key: st.query_params.get_all(key) for key in st.query_params}


def _page() -> str:
    """Which page this is; the address that Streamlit knows is for a moment still that of the page before."""
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""


def _reader(default: Any) -> Callable[[Raw], Any]:
    """What makes a value like the default of what an address says."""
    if isinstance(default, bool):
        return lambda raw: raw[0] == "true"
    if isinstance(default, list):
        return lambda raw: [text for text in raw if text]
    if isinstance(default, tuple):
        return lambda raw: tuple(map(int, raw))
    return lambda raw: raw[0]


def _texts(value: Any) -> Raw:
    """A value as an address says it; nothing chosen is an empty text."""
    several = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in several] or [""]


def note_link(key: str, valid: Callable[[Raw], bool], fix: str, name: str | None = None) -> None:
    """Where the link that opened this page gives `key` values that are not valid, note it; the widget ignores them.

    The note stays until the user chooses a value.
    """
    if key in st.session_state or key not in st.query_params:
        return
    raw = st.query_params.get_all(key)
    if not valid(raw):
        shown = ", ".join(raw)
        shown = shown if len(shown) <= 40 else f"{shown[:40]}…"
        name = name or key.replace("_", " ")
        note(key, say("The link's {name} “{shown}” {fix}.", name=name, shown=shown, fix=fix))


def note(key: str, text: str) -> None:
    """Say something of the value of `key`, until the user chooses another."""
    st.session_state.setdefault(NOTES, {})[key] = text


def note_whole(key: str, low: int, high: int, default: int, wrong: str, name: str | None = None) -> None:
    """`note_link` for a whole number from `low` to `high`."""
    shown = whole_number(low, high, default)(st.query_params.get_all(key))
    words = "is {wrong}: give a whole number from {low} to {high}; showing {shown}"
    fix = say(words, wrong=wrong, low=low, high=high, shown=shown)
    note_link(key, lambda raw: len(raw) == 1 and is_whole(raw[0], low, high), fix, name)


def whole_number(low: int, high: int, default: int) -> Callable[[Raw], int]:
    """What reads a whole number from `low` to `high`, the default where there is none, for `linked`."""

    def read(raw: Raw) -> int:
        try:
            return int(float(raw[-1])) if low <= float(raw[-1]) <= high else default
        except (ValueError, IndexError):
            return default

    return read


def drop_note(key: str) -> None:
    """Drop the note on the link's `key`, for the user has chosen another value."""
    if st.session_state.get(NOTES, {}).pop(key, None):
        st.session_state[NOTE_DROPPED] = True


def is_whole(text: str, low: int, high: int) -> bool:
    """Whether the text is a whole number within these limits."""
    return text.isdecimal() and len(text) < 20 and low <= int(text) <= high
