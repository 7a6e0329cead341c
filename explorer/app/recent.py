"""What this tab has looked at, to go back to: kept in the session alone, and gone with the tab."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.answers.choices import criterion_named
from explorer.app import drawing, story
from explorer.language.saying import again, listed, say
from explorer.pruning.modes import MODES

SEEN = "what this tab has looked at, newest first"
BACK = "what it goes back to"
MENU = "recent"  # the key of the list
MOST = 12  # entries
GATHERED = "answer"  # what several pages add to: only the address of the page that shows it says otherwise
WAY = ("checkpoint", "layer", "criterion", "mode", "ranked_on", "seed", "schedule", "step", "dtype")


@dataclass(frozen=True)
class Seen:
    """A page with a network, as it was last looked at."""

    page: str  # its script
    title: str  # of the page
    values: Mapping[str, Any]  # of its pickers, by key
    query: Mapping[str, list[str]]  # the address that brings them back

    @property
    def way(self) -> tuple[Any, ...]:
        """What makes it another view: a comparison's answers, else its way; K and the like make it no other."""
        keys = (GATHERED,) if GATHERED in self.query else WAY
        return (self.page, *(tuple(self.query.get(key, ())) for key in keys))

    @property
    def label(self) -> str:
        """What was looked at, in words; Markdown."""
        values = self.values
        if values.get(GATHERED):
            count = len(values[GATHERED])
            parts: list[str | None] = [say("1 answer" if count == 1 else "{count} answers", count=count)]
        else:
            parts = [story.title_of(values["checkpoint"]), values.get("layer")]
            parts += [say(criterion_named(values["criterion"]).title)] if "criterion" in values else []
            parts += (
                [drawing.within(say(MODES[values["mode"]].title))] if values.get("mode", "filter") != "filter" else []
            )
        parts += [f"K = {values['k']}"] if values.get("k") is not None else []
        words = say("{page}: {parts}", page=again(self.title), parts=listed(filter(None, parts)))
        return drawing.plain(words, 120)


def note(values: Mapping[str, Any], query: Mapping[str, list[str]]) -> None:
    """Remember what the page's pickers stand at, with its address, in the place of the same view before."""
    context = get_script_run_ctx()
    if context is None or "checkpoint" not in values:
        return
    page = context.pages_manager.get_pages().get(context.page_script_hash)
    if page is None:
        return
    seen = Seen(page["script_path"], page["page_name"], dict(values), dict(query))
    others = [each for each in st.session_state.get(SEEN, ()) if each.way != seen.way]
    st.session_state[SEEN] = [seen, *others][:MOST]


def show() -> None:
    """The list, in the sidebar, of what there is besides what is shown."""
    others = st.session_state.get(SEEN, [])[1:]
    if not others:
        return
    words = say("What this tab has looked at, newest first. It is kept nowhere else, and gone with the tab.")
    look: dict[str, Any] = {"icon": ":material/history:", "help": words, "type": "tertiary"}
    labels = [f"{place} · {each.label}" for place, each in enumerate(others, start=1)]  # no two may be the same
    with st.sidebar:
        st.menu_button(
            say("Recent"),
            range(len(others)),
            key=MENU,
            format_func=labels.__getitem__,
            on_click=_choose,
            args=(others,),
            **look,
        )


def _choose(others: list[Seen]) -> None:
    st.session_state[BACK] = others[st.session_state[MENU]]


def go_back(forget: tuple[str, ...]) -> None:
    """Where an entry was chosen, turn to its page and address, as if its link was opened here; `forget` what else."""
    seen: Seen | None = st.session_state.pop(BACK, None)
    if seen is not None:
        for key in (*seen.values, *forget):
            st.session_state.pop(key, None)
        st.switch_page(seen.page, query_params=dict(seen.query))
