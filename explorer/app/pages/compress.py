"""What compressing gains: channels are removed for real, which is proved, and what is left is tested and weighed."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.answers import exporting
from explorer.answers.compressing import Compressed
from explorer.app import (
    compressions,
    downloads,
    drawing,
    frontiers,
    gains,
    guard,
    heads,
    links,
    networks,
    planning,
    presets,
    story,
    tuning,
    waiting,
)
from explorer.background.jobs import Job
from explorer.compression.export import FORMATS
from explorer.images import datasets
from explorer.language.saying import english, joined, say
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.registry import MODELS
from explorer.show.words import percent, points

ABOUT = english("""
**Masking** sets channels to zero and saves nothing. **Compressing** removes them, from the layer, from its batch norm
and from whatever reads them, so that the network is really smaller. Where layers write to one residual stream, or a
depthwise convolution ties them, they lose the same channels.

**The proof**: the smaller network and the one whose channels are masked after batch norm and activation give the same
predictions on every test image, and logits that differ by rounding alone.

**A multiply-add** (MAC) is one multiplication and one addition, so two FLOPs. Fewer of them need not mean less time:
small layers take as long as it takes to call them, and others wait for memory. Below, each layer says which it is.

A **Pareto point** is a plan that no other beats: none has fewer multiply-adds and is as accurate.
""")


def opening(point: Checkpoint, found: Compressed | None) -> None:
    """The title, and in one sentence what came of the plan, as soon as that is known."""
    network = drawing.plain(story.title_of(point.name))
    if found is None or found.merits is None:
        sentence = say(
            "Channels of {network} are removed for real, and what is left is tested and weighed.", network=network
        )
    else:
        rows = found.merits.frame()
        gone, change = rows["flops_reduction"].iloc[-1], rows["change"].iloc[-1]
        low, high = rows["change_low"].iloc[-1], rows["change_high"].iloc[-1]
        sentence = say(
            "With {channels} removed, {network} computes **{saved} less** and its accuracy changes by "
            "**{change} points** ({low} to {high}).",
            channels=what_goes(found),
            network=network,
            saved=percent(gone),
            change=points(change),
            low=points(low),
            high=points(high),
        )
    heads.head(say("What does compressing gain?"), sentence, say(ABOUT))


def what_goes(found: Compressed) -> str:
    """The plan in words."""
    gone, groups = sum(k for _, k in found.plan.layers), len(found.plan.layers)
    return say(
        "{gone:,} channels of {n} group of layers" if groups == 1 else "{gone:,} channels of {n} groups of layers",
        gone=gone,
        n=groups,
    )


def explore(point: Checkpoint, job: Job, live: bool) -> None:
    """What came of the plan so far. `live` while more comes in."""
    with st.container():
        if live:
            waiting.progress(job, say(compressions.REMOVING))
    found: Compressed = job.latest
    gains.metrics(found, networks.examples_of(point))
    if found.reached:
        st.markdown(f":material/flag: {found.reached}")
    if found.proof is not None:
        whole = found.proof.done == found.proof.total and found.proof.differ == found.proof.ties
        st.markdown(f":material/{'verified' if whole else 'pending'}: {found.proof.sentence()}")
        st.caption(joined((found.proof.filter_sentence(), found.proof.added_sentence())))
    if live and job.finished:
        st.rerun()


def take_away(point: Checkpoint, found: Compressed) -> None:
    """What is left, as one more network here, and as files."""
    st.subheader(say("Take it with you"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(say("Name"), usual_name(point), max_chars=80, width=320, key=f"name of compressed {point.name}")
        name = name_of(point)
        if guard.is_locked():
            guard.ask_password(say("Keeping it here"), "keep")
        else:
            words = say("One more network here, which can be pruned again.")
            st.button(
                say("Keep here"),
                key="keep compressed",
                icon=":material/save:",
                help=words,
                on_click=keep,
                args=(point, found),
            )
            offer_tuning(point, found, name)
        for kind, each in FORMATS.items():
            words = say(
                "{what}. It is made and checked on a click, which takes a while.",
                what=drawing.sentence(say(each.help)),
            )
            how: dict[str, Any] = {"key": f"export {kind}", "icon": ":material/download:", "on_click": "ignore"}
            file = partial(exporting.zipped, point, found, name, [kind])
            st.download_button(say(each.title), file, f"{drawing.plain_name(name)}_{kind}.zip", help=words, **how)
    waiting.show_trouble()


def offer_tuning(point: Checkpoint, found: Compressed, name: str) -> None:
    """The way to train what is left further, of a network that can be trained here."""
    if point.card.model not in MODELS or "train" not in datasets.dataset_info(point.card.dataset).files:
        return
    words = say("Keep it here, and open Train with it to start from: in smaller steps it wins back accuracy.")
    pressed = st.button(say("Fine-tune it"), key="tune compressed", icon=":material/model_training:", help=words)
    if pressed and waiting.attempt(exporting.kept, point, found, name):
        networks.fine_tune(name)


def usual_name(point: Checkpoint) -> str:
    """What the network that is left is called where nobody says."""
    return f"{point.name}-compressed"


def name_of(point: Checkpoint) -> str:
    """What the network that is left is to be called, by its field, as it is now."""
    return st.session_state[f"name of compressed {point.name}"] or usual_name(point)


def keep(point: Checkpoint, found: Compressed) -> None:
    """Keep what is left as a network here; for callbacks."""
    name = name_of(point)
    if waiting.attempt(exporting.kept, point, found, name):
        st.toast(say("{network} is among the networks now.", network=drawing.plain(name)), icon=":material/save:")


with links.page():
    lab = presets.pick_lab()
    point = networks.pick_checkpoint()
    top, body = st.container(), st.container()
    there = downloads.is_here(point.card.dataset)
    with body:
        if lab and lab.name == "E":
            planning.offer_article()
        tuning.offer_example(point)
        asked = planning.pick_compression(point)
        ask = partial(compressions.compressed, point, asked)
        if there:
            waiting.wait_briefly(ask())
    live = not (there and ask().finished)  # whatever ends from here on is not in the head yet
    with top:
        opening(point, None if live else ask().result)
    with body:
        if not there:
            tuning.fine_tuned(point)
        downloads.require_data(point.card.dataset)
        job = ask()
        waiting.notes(job)
        waiting.require_part(job, compressions.stage(job), ask, lambda: compressions.so_far(job) is not None)
    links.fragment(explore, point, job, live, every=waiting.POLL if live else None)
    planning.pick_layers(point, job.latest, asked.minimum)
    if not live:
        left, right = st.columns(2, gap="large")
        with left:
            st.subheader(say("What is left of each layer"))
            gains.layer_bars(job.latest)
        with right:
            st.subheader(say("Accuracy against multiply-adds"))
            frontiers.frontier(point, asked, job.latest)
        tuning.fine_tuning(point, asked, job.latest)
        take_away(point, job.latest)
        gains.numbers(point, job.latest)
