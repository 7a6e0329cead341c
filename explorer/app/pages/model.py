"""What a network is, what it was trained on, and how good it is; the data on this machine."""

from typing import Any

import streamlit as st

from explorer.app import cache, downloads, drawing, guard, links, networks, own, waiting, work
from explorer.engine import tables
from explorer.files.names import LONGEST_DESCRIPTION, LONGEST_NAME
from explorer.images import datasets, registry
from explorer.networks.cards import Card
from explorer.networks.checkpoints import SHIPPED, Checkpoint, list_checkpoints
from explorer.networks.registry import model_info
from explorer.show import charts
from explorer.show.words import percent
from explorer.training import trainings

HERE = {
    "full": ":material/check_circle: complete",
    "bundled": ":material/inventory_2: bundled in part: {part}",
    "missing": ":material/cloud_download: not here",
}
BUNDLED = {
    "fashion-mnist": "the test split and 10,000 training images (© Zalando SE, MIT licence)",
    "mnist-pairs": "the 1,000 test images that its pairs are drawn from (LeCun, Cortes and Burges, CC BY-SA 3.0)",
}
PARTS = {"validation": "held-out"}  # as the other pages say


def card_of(point: Checkpoint) -> None:
    """The card, in words and numbers."""
    card, info = point.card, model_info(point.card.model)
    st.subheader(drawing.plain(f"{info.title} on {datasets.dataset_info(card.dataset).title}"))
    if card.imported:
        st.badge("Imported", icon=":material/upload_file:", color="blue")
    st.markdown(f"**{drawing.plain(point.name)}**: {drawing.plain(card.description or info.description, 600)}")
    with st.grid(3, min_column_width=220, gap="small"):
        for part, score in card.accuracy.items():
            st.metric(
                f"{PARTS.get(part, part).capitalize()} accuracy",
                percent(score.accuracy),
                f"{score.correct:,} of {score.n:,} {networks.examples_of(point)}",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
    with st.expander("The whole card", icon=":material/article:"):
        said = {drawing.plain(name): drawing.plain(fact, 2000) for name, fact in facts(card, point.sha256).items()}
        st.table(said, border="horizontal", alt="What the card says about the network")


def facts(card: Card, sha256: str) -> dict[str, str]:
    """What the card says about the network and its training, in words."""
    kind = datasets.dataset_info(card.dataset).examples
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    return {
        "Network": card.model,
        kind.capitalize(): f"{card.shape[0]} × {card.shape[1]} × {card.shape[2]}, {len(card.classes)} classes",
        **(origin_of(card) if card.imported else training_of(card, kind)),
        "Versions": versions,
        "SHA-256": sha256,
    }


def training_of(card: Card, kind: str) -> dict[str, str]:
    """How the network was trained."""
    return {
        "Trained on": f"{card.train_images:,} {kind} of the {card.split} split ({card.origin} data)",
        "Validated on": f"{card.validation_images:,} held-out {kind}; epoch {card.kept_epoch} of {card.epochs} kept",
        "Recipe": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in card.recipe.items()),
        "Seed": str(card.seed),
    }


def origin_of(card: Card) -> dict[str, str]:
    """Where a network comes from that was not trained here."""
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (card.mean, card.std))
    return {
        "Origin": "Imported: trained elsewhere, by a recipe that is not known here; tested here",
        "Normalised by": f"mean {mean}; standard deviation {std}",
    }


def change(point: Checkpoint) -> None:
    """Rename, describe or delete a network of one's own."""
    waiting.show_trouble()
    with st.container():
        if point.name in SHIPPED:
            return
        with st.expander("Rename, describe or delete", icon=":material/edit:"):
            if guard.ask_password("Changing this network", point.name):
                return
            with st.form(f"change {point.name}", border=False):
                st.text_input("Name", point.name, LONGEST_NAME, f"name of {point.name}")
                longest, key = LONGEST_DESCRIPTION, f"description of {point.name}"
                st.text_input("Description", point.card.description, longest, key)
                st.form_submit_button("Save", icon=":material/save:", on_click=save, args=(point,))
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown("The weights, the card and the records of its training go for good.")
                key, icon = f"delete {point.name}", ":material/delete_forever:"
                st.button("Delete for good", key=key, icon=icon, on_click=delete, args=(point.name,))


def save(point: Checkpoint) -> None:
    """Put name and description as they stand in the form; a callback."""
    name = st.session_state[f"name of {point.name}"]
    description = st.session_state[f"description of {point.name}"]
    if description != point.card.description:
        waiting.attempt(trainings.describe, point.name, description)
    if name != point.name and waiting.attempt(trainings.rename, point.name, name):
        networks.set_checkpoint(name)


def delete(name: str) -> None:
    """Delete the network and turn to another; a callback."""
    if waiting.attempt(trainings.delete, name) and (names := list_checkpoints()):
        networks.set_checkpoint(networks.usual_checkpoint(names))


def layers_of(point: Checkpoint) -> None:
    """The layers with their output shapes and parameters."""
    table = cache.layer_table(point)
    st.subheader("Layers")
    st.caption(f"{table['parameters'].sum():,} parameters in all.")
    columns: dict[str, Any] = {
        "layer": "Layer",
        "kind": "Kind",
        "output": "Output",
        "parameters": st.column_config.NumberColumn("Parameters", format="localized"),
    }
    st.dataframe(table, column_config=columns, hide_index=True, alt="Layers, output shapes and parameters")


def classes_of(point: Checkpoint) -> None:
    """Accuracy per class on the test set, of the network as it is."""
    st.subheader("Accuracy per class")
    tested = waiting.result_of("Testing the network", lambda restart=False: work.unpruned(point, restart))
    drawing.draw(charts.class_bars(tables.class_table(tested, 0)), key="classes")
    st.caption(f"Over {tested.done:,} test {networks.examples_of(point)}, unpruned.")


def data_sets() -> None:
    """Which data sets are on this machine, and how to get the others."""
    st.subheader("Data sets on this machine")
    guard.ask_password("Downloading or deleting images", "data")
    for name, info in registry.DATASETS.items():
        there = datasets.availability(name)
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            channels, height, width = info.shape
            st.markdown(
                f"**{info.title}**, {channels} × {height} × {width}: {HERE[there].format(part=BUNDLED.get(name))}"
            )
            if there != "full":
                downloads.show_download(name, ask=False)
    own.data_sets()


with links.page():
    own.open_new_network()
    point = networks.pick_checkpoint()
    card_of(point)
    change(point)
    own.forms()
    left, right = st.columns([3, 2], gap="large")
    with left:
        layers_of(point)
    below = st.container()
    with below:
        data_sets()
    with right:
        if work.unpruned_ships(point) or downloads.has_data(point.card.dataset, offer=False):
            classes_of(point)
