"""Which channels are to go: the pickers of a plan over the layers of a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.answers.compressing import SHARES, Compressed, Compression
from explorer.answers.targeting import LATENCY, MACS, POINTS
from explorer.app import drawing, links, pickers, sparing, titles
from explorer.compression.plans import Group, Plan
from explorer.compression.shares import ARTICLE_MINIMUM
from explorer.language.saying import english, listed, say
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import CRITERIA

SHARE, THRESHOLD, TARGET, HAND = "share", "threshold", "target", "hand"
WAYS = {
    SHARE: english("The same share of every layer"),
    THRESHOLD: english("What is unimportant"),
    TARGET: english("For a target"),
    HAND: english("Layer by layer"),
}
USUAL = "50"  # percent of every layer
THRESHOLDS, USUAL_THRESHOLD = [f"{tenths / 10:g}" for tenths in range(1, 21)], "0.8"  # times a layer's mean
MOST_MINIMUM, MOST_STEPS = 64, 16
NORMS = [name for name, criterion in CRITERIA.items() if not criterion.needs_data and not criterion.looks_at_norm]
ARTICLE = {"compress_by": "l1", "minimum": ARTICLE_MINIMUM, "steps": 4, "rounded": False, "way": SHARE, "plan": ""}
NOW = "the plan on the page"


@dataclass(frozen=True)
class Aim:
    """What a target is about, as its picker offers it: how much, in words, and by which key of the address."""

    title: str
    label: str
    key: str
    amounts: tuple[str, ...]
    usual: str
    percent: bool = True


PERCENTS = tuple(str(share) for share in SHARES)
AIMS = {
    POINTS: Aim(
        english("Points lost"),
        english("Accuracy lost, at most"),
        "points_lost",
        ("0.1", "0.2", "0.5", "1", "2", "5", "10"),
        "1",
        percent=False,
    ),
    MACS: Aim(english("Multiply-adds"), english("Multiply-adds left, at most"), "macs_left", PERCENTS, "50"),
    LATENCY: Aim(
        english("Time"), english("Time for one image left, at most, as measured here"), "time_left", PERCENTS, "50"
    ),
}


def pick_compression(point: Checkpoint) -> Compression:
    """What the pickers of the plan, here, and those of the sidebar stand at."""
    with st.sidebar:
        wrong = say("no criterion that ranks by weights alone")
        named = titles.named({name: CRITERIA[name].title for name in NORMS})
        criterion = pickers.pick_named(say("Ranked by"), "compress_by", NORMS, "l1", wrong, format_func=named)
        st.caption(say(CRITERIA[criterion].sentence))
        minimum = pick_whole(say("Every layer keeps at least"), "minimum", 1, MOST_MINIMUM, 1)
        words = say(
            "At once is block pruning. In steps, what is left is ranked again before each: progressive pruning."
        )
        steps = pick_whole(say("Steps"), "steps", 1, MOST_STEPS, 1, help=words)
        words = say("Keep a few channels more, so that 8 divides every width: processors compute on so many at a time.")
        rounded = st.toggle(say("Widths that 8 divides"), help=words, **links.linked("rounded", False))
        limit = sparing.pick_images(point)
    return Compression(**pick_plan(), criterion=criterion, minimum=minimum, steps=steps, rounded=rounded, limit=limit)


def pick_plan() -> dict[str, Any]:
    """How the plan is chosen, and what its picker stands at, as fields of a `Compression`."""
    plan, way = plan_in_link(), pick_way()
    if way == THRESHOLD:
        return {"threshold": float(pick_threshold())}
    if way == TARGET:
        return {"target": pick_target()}
    if way == HAND and plan:
        st.caption(say("As many channels of each group of layers as its slider says, below."))
        return {"plan": plan}
    return {"share": pick_share() / 100}


def pick_way() -> str:
    """How the plan is chosen; a plan made by hand is the way unless another is chosen."""
    fix = say("is not known: choose one of {known}", known=listed(WAYS))
    links.note_link("way", pickers.one_of(list(WAYS)), fix)
    linked = {**links.linked("way", HAND if st.session_state["plan"] else SHARE), "on_change": set_way, "args": None}
    return st.segmented_control(
        say("What goes"),
        list(WAYS),
        format_func=titles.named(WAYS),
        required=True,
        label_visibility="collapsed",
        **linked,
    )


def set_way() -> None:
    """A plan by hand begins at the plan on the page, and another way ends it; for callbacks."""
    st.session_state["plan"] = st.session_state.get(NOW, "") if st.session_state["way"] == HAND else ""
    for key in ("way", "plan"):
        links.drop_note(key)


def pick_threshold() -> str:
    """The slider of the threshold under which a channel counts as unimportant."""
    label = say("Removed: channels less important than so many times their layer's mean")
    return pick_amount(label, "threshold", THRESHOLDS, USUAL_THRESHOLD)


def pick_target() -> str:
    """What the plan is chosen for, as `target_of` reads it."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        what = pickers.pick_option(say("Target"), "target", list(AIMS), format_func=lambda name: say(AIMS[name].title))
    aim = AIMS[what]
    with right:
        amount = pick_amount(say(aim.label), aim.key, aim.amounts, aim.usual, aim.percent)
    return f"{what}={float(amount) / (100 if aim.percent else 1):g}"


def pick_amount(label: str, key: str, amounts: Sequence[str], usual: str, percent: bool = False, **more: Any) -> str:
    """One of a few amounts, on a slider, in `percent` or as they are."""
    fix = say("is not one of {known}: showing {shown}", known=listed(amounts), shown=usual)
    links.note_link(key, pickers.one_of(amounts), fix)
    pickers.keep_if(key, lambda kept: kept in amounts, usual)
    linked = {**links.linked(key, usual), **more}

    def shown(amount: str) -> str:
        return say("{percent} %", percent=amount) if percent else amount

    return st.select_slider(label, amounts, format_func=shown, **linked)


def pick_whole(label: str, key: str, low: int, high: int, default: int, **look: Any) -> int:
    """A whole number that the address has."""
    links.note_whole(key, low, high, default, say("outside the range"))
    pickers.keep_if(key, lambda kept: low <= kept <= high, default)
    return pickers.pick_number(label, low, high, default, key, **look)


def plan_in_link() -> str:
    """The plan made by hand, layer by layer; empty where the same share goes of every layer."""
    links.note_link("plan", is_plan, say("is not LAYER:K,LAYER:K; showing the same share of every layer"))
    links.linked("plan", "", lambda raw: raw[0] if is_plan(raw) else "")
    return st.session_state["plan"]


def is_plan(raw: list[str]) -> bool:
    """Whether a link's value is a plan's text."""
    try:
        Plan.parse(raw[0])
    except ValueError:
        return False
    return len(raw) == 1


def pick_share() -> int:
    """The slider of the share, in percent, that goes of every layer; moving it ends a plan made by hand."""
    how = {"on_change": set_share, "args": None}
    return int(pick_amount(say("Removed of every layer"), "share", PERCENTS, USUAL, percent=True, **how))


def set_share(share: str | None = None) -> None:
    """The same share of every layer from now on, the given one or the slider's; for callbacks."""
    if share:
        st.session_state["share"] = share
    st.session_state.update({"way": SHARE, "plan": ""})
    for key in ("share", "way", "plan"):
        links.drop_note(key)


def pick_layers(point: Checkpoint, found: Compressed, minimum: int) -> None:
    """A slider for each group of layers, behind a click; moving one makes a plan by hand."""
    st.session_state[NOW] = found.plan.text
    by_hand = st.session_state["way"] == HAND
    with st.expander(say("Layer by layer"), icon=":material/tune:", expanded=by_hand):
        st.caption(say("How many channels go of each group of layers that lose the same ones."))
        ks, free = found.plan.ks, [group for group in found.groups if not group.fixed]
        columns = st.columns(2)
        for place, group in enumerate(free):
            named, more = group.name, len(group.layers) - 1
            if more:
                named = say("{layer} and {n} more", layer=group.name, n=more)
            key, most = f"k of {point.name} {group.name}", group.most(minimum)
            st.session_state[key] = min(next((ks[layer] for layer in group.layers if layer in ks), 0), most)
            label, words = drawing.plain(named), drawing.plain(listed(group.layers))
            how: dict[str, Any] = {"key": key, "help": words, "on_change": set_plan, "args": (point, free, minimum)}
            if most:
                columns[place % 2].slider(label, 0, most, step=group.sections, **how)
        for group in found.groups:
            if group.fixed:
                words = say("{layer} stays as it is: {why}.", layer=group.name, why=group.fixed)
                st.caption(drawing.plain(words))


def set_plan(point: Checkpoint, free: list[Group], minimum: int) -> None:
    """The plan that the sliders of the groups stand at; for callbacks."""
    ks = {group.name: st.session_state[f"k of {point.name} {group.name}"] for group in free if group.most(minimum)}
    st.session_state.update({"way": HAND, "plan": Plan.of(ks).text})
    for key in ("way", "plan"):
        links.drop_note(key)


def offer_article() -> None:
    """Set the pickers as lab E's article has them; for the lab's own page."""
    words = say(
        "L1 norm, at least {minimum} filters a layer, at once (block) and in 4 steps (progressive).",
        minimum=ARTICLE_MINIMUM,
    )
    how: dict[str, Any] = {"icon": ":material/school:", "on_click": st.session_state.update, "args": (ARTICLE,)}
    st.button(say("As in lab E's article"), help=words, **how)
