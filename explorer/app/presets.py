"""The labs as presets: choosing one sets every picker as the lab had it."""

from collections.abc import Collection
from typing import Any

import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.answers.labs import LABS, Lab, Variant
from explorer.app import drawing, links, pickers
from explorer.language.saying import listed, say
from explorer.networks.checkpoints import list_checkpoints
from explorer.networks.registry import MODELS

PLAIN = {  # the layout of maps where a lab asks for no other
    "output": "raw",
    "order": "sorted",
    "colouring": "colour",
    "scale": "shared",
    "columns": None,
    "most": None,
    "numbers": "from 0",
}
RANKING = ("layer", "criterion")  # what a lab's maps were made of; its curve keeps its own


def pick_lab() -> Lab | None:
    """The lab chosen in the sidebar; choosing one sets every picker as the lab has it."""
    first = "lab" not in st.session_state
    _put_out()
    with st.sidebar:
        fix = say("is not known: choose one of {known}", known=listed(LABS))
        links.note_link("lab", pickers.one_of(list(LABS)), fix)
        linked = {**links.linked("lab", None), "on_change": _open_chosen_lab, "args": None}
        name = st.segmented_control(say("Lab"), list(LABS), **linked)
        st.caption(say(LABS[name].title if name else "Choose a lab to set everything as it did, or explore freely."))
    lab = LABS.get(name or "")
    if first and lab:  # a link to the lab: what else it says stands
        open_lab(lab, keep=set(st.query_params))
    if lab and lab.checkpoint not in list_checkpoints():
        model = next(name for name in MODELS if lab.checkpoint.startswith(name))
        st.info(
            say(
                "Lab {lab} needs the network {network}, which is not here: train it on the page Train, or with "
                "`python -m explorer train {model} --data {dataset} --name {network}`.",
                lab=lab.name,
                network=lab.checkpoint,
                model=model,
                dataset=lab.checkpoint.rpartition("_")[2],
            ),
            icon=":material/school:",
        )
    return lab


def _put_out() -> None:
    """No lab is lit over a network or a layer that is not its own, be it chosen, linked to, or gone back to."""
    said = {key: st.session_state.get(key, st.query_params.get(key)) for key in ("lab", "checkpoint", "layer")}
    lab = LABS.get(said["lab"] or "")
    if lab is None or lab.checkpoint not in list_checkpoints():
        return
    layers = (None, lab.layer, lab.maps.get("layer"))
    if said["checkpoint"] not in (None, *lab.checkpoints) or said["layer"] not in layers:
        st.session_state["lab"] = None


def _open_chosen_lab() -> None:
    links.drop_note("lab")
    lab = LABS.get(st.session_state["lab"] or "")
    if lab:
        open_lab(lab)


def open_lab(lab: Lab, keep: Collection[str] = ()) -> None:
    """Set the pickers as the lab was assigned, and those of the maps to its layout; see `open_variant`."""
    open_variant(lab, lab.variants[0], keep)
    first, last, step = lab.ks
    middle = first + (last - first) // step // 2 * step
    values = {"dtype": "float32", "k": middle, "every": False, **PLAIN, **lab.maps}
    if lab.checkpoint in list_checkpoints():
        st.session_state.update({key: value for key, value in values.items() if key not in {*RANKING, *keep}})


def open_variant(lab: Lab, variant: Variant, keep: Collection[str] = ()) -> None:
    """Set the pickers to one way of doing a lab, but for those to `keep`; for callbacks, or before they are drawn."""
    network = variant.checkpoint or lab.checkpoint
    if network not in list_checkpoints():
        return
    values = {
        "checkpoint": network,
        "layer": lab.layer,
        "criterion": variant.criterion,
        "ranked_on": "test",
        "mode": variant.mode,
        "schedule": variant.schedule,
        "step": lab.ks[2],
    }
    st.session_state.update({key: value for key, value in values.items() if key not in keep})


def pick_way(lab: Lab | None, current: Variant | None, maps: bool = False) -> None:
    """A switch between a lab's ways, and one to its layout of `maps`; says where the pickers stand at none of them."""
    if lab is None or (len(lab.variants) == 1 and current and not maps):
        return
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.session_state["variant"] = current.title if current else None
        st.segmented_control(
            say("Way"),
            [variant.title for variant in lab.variants],
            key="variant",
            format_func=say,
            label_visibility="collapsed",
            on_change=_open_chosen_variant,
            args=(lab,),
        )
        if maps and lab.maps:
            words = say("The lab's own maps: of its layer, in its order and layout, with nothing pruned.")
            look: dict[str, Any] = {"icon": ":material/grid_on:", "help": words}
            st.button(say("Maps as in the lab"), on_click=_open_maps, args=(lab,), **look)
        if current is None:
            st.caption(say("The pickers stand at something else than the lab's own ways."))


def _open_maps(lab: Lab) -> None:
    """Set the pickers of the maps as the lab had them, with nothing pruned yet."""
    st.session_state.update({"k": 0, **PLAIN, **lab.maps})
    words = say(
        "The maps of lab {lab}: {layer}, ranked by {criterion}, nothing pruned (K = 0).",
        lab=lab.name,
        layer=st.session_state["layer"],
        criterion=drawing.within(say(criterion_named(st.session_state["criterion"]).title)),
    )
    st.toast(words, icon=":material/grid_on:")


def _open_chosen_variant(lab: Lab) -> None:
    chosen = [variant for variant in lab.variants if variant.title == st.session_state["variant"]]
    open_variant(lab, chosen[0] if chosen else lab.variants[0])
