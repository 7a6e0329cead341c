"""Which channels are to go: the pickers of a plan over the layers of a network."""

from typing import Any

import streamlit as st

from explorer.answers.compressing import SHARES, Compressed, Compression
from explorer.app import drawing, links, pickers, sparing
from explorer.compression.plans import Group, Plan
from explorer.compression.shares import ARTICLE_MINIMUM
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import CRITERIA

USUAL = "50"  # percent of every layer
MOST_MINIMUM, MOST_STEPS = 64, 16
NORMS = [name for name, criterion in CRITERIA.items() if not criterion.needs_data and not criterion.looks_at_norm]
ARTICLE = {"compress_by": "l1", "minimum": ARTICLE_MINIMUM, "steps": 4, "rounded": False, "plan": ""}  # of lab E


def pick_compression(point: Checkpoint) -> Compression:
    """What the pickers of the sidebar stand at, and the plan of the page itself."""
    with st.sidebar:
        wrong = "no criterion that ranks by weights alone"
        titles = {name: CRITERIA[name].title for name in NORMS}
        criterion = pickers.pick_named("Ranked by", "compress_by", NORMS, "l1", wrong, format_func=titles.get)
        st.caption(CRITERIA[criterion].sentence)
        minimum = pick_whole("Every layer keeps at least", "minimum", 1, MOST_MINIMUM, 1)
        words = "At once is block pruning. In steps, what is left is ranked again before each: progressive pruning."
        steps = pick_whole("Steps", "steps", 1, MOST_STEPS, 1, help=words)
        words = "Keep a few channels more, so that 8 divides every width: processors compute on so many at a time."
        rounded = st.toggle("Widths that 8 divides", help=words, **links.linked("rounded", False))
        limit = sparing.pick_images(point)
    more: dict[str, Any] = {
        "criterion": criterion,
        "minimum": minimum,
        "steps": steps,
        "rounded": rounded,
        "limit": limit,
    }
    plan, share = plan_in_link(), share_in_link()
    return Compression(plan=plan, **more) if plan else Compression(share=share / 100, **more)


def pick_whole(label: str, key: str, low: int, high: int, default: int, **look: Any) -> int:
    """A whole number that the address has."""
    links.note_whole(key, low, high, default, "outside the range")
    pickers.keep_if(key, lambda kept: low <= kept <= high, default)
    return pickers.pick_number(label, low, high, default, key, **look)


def share_in_link() -> int:
    """The share of every layer that the slider stands at, in percent."""
    shares = [str(share) for share in SHARES]
    links.note_link("share", pickers.one_of(shares), f"is not one of {', '.join(shares)}: showing {USUAL}")
    links.linked("share", USUAL)
    return int(st.session_state["share"])


def plan_in_link() -> str:
    """The plan made by hand, layer by layer; empty where the same share goes of every layer."""
    links.note_link("plan", is_plan, "is not LAYER:K,LAYER:K; showing the same share of every layer")
    links.linked("plan", "", lambda raw: raw[0] if is_plan(raw) else "")
    return st.session_state["plan"]


def is_plan(raw: list[str]) -> bool:
    """Whether a link's value is a plan's text."""
    try:
        Plan.parse(raw[0])
    except ValueError:
        return False
    return len(raw) == 1


def pick_share() -> None:
    """The slider of the share that goes of every layer; moving it ends a plan made by hand."""
    shares = [str(share) for share in SHARES]
    by_hand = ": now a plan made layer by layer" if st.session_state["plan"] else ""
    linked = {**links.linked("share", USUAL), "on_change": set_share, "args": None}
    st.select_slider(f"Removed of every layer{by_hand}", shares, format_func=lambda share: f"{share} %", **linked)


def set_share(share: str | None = None) -> None:
    """The same share of every layer from now on, the given one or the slider's; for callbacks."""
    if share:
        st.session_state["share"] = share
    st.session_state["plan"] = ""
    for key in ("share", "plan"):
        links.drop_note(key)


def pick_layers(point: Checkpoint, found: Compressed, minimum: int) -> None:
    """A slider for each group of layers, behind a click; moving one makes a plan by hand."""
    with st.expander("Layer by layer", icon=":material/tune:"):
        st.caption("How many channels go of each group of layers that lose the same ones.")
        ks, free = found.plan.ks, [group for group in found.groups if not group.fixed]
        columns = st.columns(2)
        for place, group in enumerate(free):
            more = f" and {len(group.layers) - 1} more" if len(group.layers) > 1 else ""
            key, most = f"k of {point.name} {group.name}", group.most(minimum)
            st.session_state[key] = min(next((ks[layer] for layer in group.layers if layer in ks), 0), most)
            label, words = drawing.plain(f"{group.name}{more}"), drawing.plain(", ".join(group.layers))
            how: dict[str, Any] = {"key": key, "help": words, "on_change": set_plan, "args": (point, free, minimum)}
            if most:
                columns[place % 2].slider(label, 0, most, step=group.sections, **how)
        for group in found.groups:
            if group.fixed:
                st.caption(drawing.plain(f"{group.name} stays as it is: {group.fixed}."))


def set_plan(point: Checkpoint, free: list[Group], minimum: int) -> None:
    """The plan that the sliders of the groups stand at; for callbacks."""
    ks = {group.name: st.session_state[f"k of {point.name} {group.name}"] for group in free if group.most(minimum)}
    st.session_state["plan"] = Plan.of(ks).text
    links.drop_note("plan")


def offer_article() -> None:
    """Set the pickers as lab E's article has them; for the lab's own page."""
    words = f"L1 norm, at least {ARTICLE_MINIMUM} filters a layer, at once (block) and in 4 steps (progressive)."
    st.button(
        "As in lab E's article", icon=":material/school:", help=words, on_click=st.session_state.update, args=(ARTICLE,)
    )
