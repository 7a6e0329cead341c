"""What a network is, what it was trained on, and how good it is; the data on this machine."""

from typing import Any

import streamlit as st

from explorer.answers import outline
from explorer.answers.choices import default_layer
from explorer.app import (
    cache,
    downloads,
    drawing,
    guard,
    heads,
    importing,
    links,
    networks,
    own,
    prepared,
    presets,
    reporting,
    sketched,
    story,
    waiting,
    work,
)
from explorer.engine import tables
from explorer.files.names import LONGEST_DESCRIPTION, LONGEST_NAME
from explorer.images import datasets
from explorer.language.saying import english, listed, say
from explorer.networks.cards import Card, Parent, Source
from explorer.networks.checkpoints import SHIPPED, Checkpoint, list_checkpoints
from explorer.networks.registry import model_info
from explorer.own.networks import at_chance
from explorer.reports.asked import asked_of
from explorer.reports.brought import Brought
from explorer.show import charts
from explorer.show.pictures import thumbnails
from explorer.show.words import percent
from explorer.training import trainings

HERE = {
    "full": english(":material/check_circle: complete"),
    "bundled": english(":material/inventory_2: in part with the app: {part}"),
    "missing": english(":material/cloud_download: not here"),
}
BUNDLED = {
    "fashion-mnist": english("the test split and 10,000 training images"),
    "mnist-pairs": english("the 1,000 test images that its pairs are drawn from"),
}
MNIST = english("Yann LeCun, Corinna Cortes and Christopher Burges, CC BY-SA 3.0")
CIFAR = english("Alex Krizhevsky, Vinod Nair and Geoffrey Hinton")
CREDITS = {
    "cifar10": CIFAR,
    "mnist": MNIST,
    "mnist-pairs": MNIST,
    "fashion-mnist": english("© Zalando SE, MIT licence"),
    "cifar100": CIFAR,
    "kmnist": english("KMNIST Dataset, created by CODH, CC BY-SA 4.0"),
    "emnist-balanced": english("Gregory Cohen, Saeed Afshar, Jonathan Tapson and André van Schaik"),
    "stl10": english("Adam Coates, Honglak Lee and Andrew Y. Ng"),
    "svhn": english("Yuval Netzer and others, for non-commercial use"),
}
PICTURES = 10  # one of each of so many classes

ABOUT = english("""
**The drawing.** Each box is a convolution (filled) or a linear layer (pale), as high as its output is large and as
broad as it has channels, whose number stands above. A grey line leads around the layers of a residual block to the
addition (+) behind it. The layer that the other pages prune is in the second colour; click another to choose it.

**Parameters.** A convolution from C to P channels with a k × k kernel has P × C × k × k weights and, unless batch norm
follows, P biases; a linear layer from n to m values has m × n weights and m biases. Pooling with stride 2 halves each
side, so what the first linear layer reads is channels × height × width of the last pooling.

**Accuracy** is the share of images that the network gets right: of those it was trained on, of those held out to choose
the epoch that is kept, and of the test images, which it never saw.
""")

ACCURACIES = {  # by part of the card
    "train": english("Train accuracy"),
    "validation": english("Held-out accuracy"),
    "test": english("Test accuracy"),
}


def opening(point: Checkpoint) -> None:
    """What the network is and how good it is, in one sentence."""
    card, info = point.card, model_info(point.card.model)
    test = card.accuracy["test"]
    said = say(
        "**{name}** {task}, and is right on {share} of {n:,} test {examples}. {description}",
        name=drawing.plain(point.name),
        task=drawing.plain(story.task_of(point)),
        share=percent(test.accuracy),
        n=test.n,
        examples=say(networks.examples_of(point)),
        description=drawing.plain(say(card.description or info.description), 600),
    )
    heads.head(drawing.plain(story.title_of(point.name)), said, say(ABOUT))
    if card.imported:
        st.badge(say("Imported"), icon=":material/upload_file:", color="blue")
        if warning := at_chance(test, len(card.classes)):
            st.warning(say("{words}.", words=drawing.plain(warning, 600)), icon=":material/casino:")


def drawing_of(point: Checkpoint) -> None:
    """The network drawn, with the layer that the other pages prune."""
    sketched.network(point, layer_of(point), "network drawn")


def layer_of(point: Checkpoint) -> str:
    """The layer that the other pages prune."""
    chosen = st.session_state.get("layer")
    return chosen if chosen in outline.channels_of(point) else default_layer(point)


def accuracies(point: Checkpoint) -> None:
    """How good it is, on the images it learned from and on others."""
    with st.grid(3, min_column_width=165, gap="small"):
        for part, score in point.card.accuracy.items():
            examples = say(networks.examples_of(point))
            right = say("{correct:,} of {n:,} {examples}", correct=score.correct, n=score.n, examples=examples)
            st.metric(say(ACCURACIES[part]), percent(score.accuracy), right, delta_color="off", delta_arrow="off")


def pictures(point: Checkpoint) -> None:
    """What it looks at: a test image of each class, and whose images they are."""
    dataset = point.card.dataset
    if not downloads.is_here(dataset):
        return
    images, labels = prepared.one_of_each(dataset, PICTURES)
    with st.grid(PICTURES, min_column_width=56, gap="small"):
        for picture, label in zip(thumbnails(images), labels, strict=True):
            caption, words = drawing.plain(label, 40), say("A test example of the class {label}", label=label)
            drawing.picture(picture, caption=caption, width="stretch", alt=words)
    title, credit = drawing.plain(say(datasets.dataset_info(dataset).title)), CREDITS.get(dataset, "")
    st.caption(
        say(
            "{title} ({credit}): one test example of each class."
            if credit
            else "{title}: one test example of each class.",
            title=title,
            credit=say(credit),
        )
    )


def card_of(point: Checkpoint) -> None:
    """All that the card says."""
    with st.expander(say("The whole card"), icon=":material/article:"):
        said = {
            drawing.plain(name): drawing.plain(fact, 2000) for name, fact in facts(point.card, point.sha256).items()
        }
        st.table(said, border="horizontal", alt=say("What the card says about the network"))


def facts(card: Card, sha256: str) -> dict[str, str]:
    """What the card says about the network and its training, in words."""
    info = datasets.dataset_info(card.dataset)
    size = " × ".join(map(str, card.shape))
    return {
        say("Network"): card.model,
        say("Pairs" if info.pairing else "Images"): say("{size}, {n} classes", size=size, n=len(card.classes)),
        **({say("Transform"): info.transform} if info.transform else {}),
        **(made_from(card.parent) if card.parent else {}),
        **(origin_of(card) if card.imported else training_of(card, say(info.examples))),
        say("Versions"): listed(f"{name} {version}" for name, version in card.versions.items()),
        "SHA-256": sha256,
    }


def made_from(parent: Parent) -> dict[str, str]:
    """Which network it was before it was compressed or fine-tuned."""
    removed = say(
        ", less channels of {plan} by {criterion} in {steps} steps"
        if parent.steps > 1
        else ", less channels of {plan} by {criterion}",
        plan=parent.plan,
        criterion=parent.criterion,
        steps=parent.steps,
    )
    epochs = parent.epochs
    tuned = say(", fine-tuned for {n:,} epoch" if epochs == 1 else ", fine-tuned for {n:,} epochs", n=epochs)
    made = f"{parent.name}{removed if parent.plan else ''}{tuned if epochs else ''}"
    return {say("Made from"): made, say("SHA-256 of that"): parent.sha256}


def training_of(card: Card, examples: str) -> dict[str, str]:
    """How the network was trained, on such `examples`, which are images or pairs."""
    return {
        say("Trained on"): say(
            "{n:,} {examples} of the {split} split ({origin} data)",
            n=card.train_images,
            examples=examples,
            split=say(card.split),
            origin=say(card.origin),
        ),
        say("Validated on"): say(
            "{n:,} held-out {examples}; epoch {kept} of {epochs} kept",
            n=card.validation_images,
            examples=examples,
            kept=card.kept_epoch,
            epochs=card.epochs,
        ),
        say("Recipe"): listed(f"{say(name).replace('_', ' ')} {value}" for name, value in card.recipe.items()),
        say("Seed"): str(card.seed),
    }


def origin_of(card: Card) -> dict[str, str]:
    """Where a network comes from that was not trained here."""
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (card.mean, card.std))
    return {
        say("Origin"): say("Imported: trained elsewhere, by a recipe that is not known here; tested here"),
        say("Normalised by"): say("mean {mean}; standard deviation {std}", mean=mean, std=std),
        **built_by(card.source or Source()),
    }


IN_FORM = {
    "": "",
    "flat": english("one number an image"),
    "share": english("one share an image, made a logit"),
}


def built_by(source: Source) -> dict[str, str]:
    """How an imported network is built and read, where that takes more than its name."""
    given = ", ".join(f"{key} = {value}" for key, value in source.options.items())
    output = say("{output!r} of several", output=source.output) if source.output else ""
    code = say("as it was imported, SHA-256 {begin}…", begin=source.code[:12]) if source.code else ""
    said = {
        say("Arguments"): given,
        say("Code"): code,
        say("Logits"): f"{output} {say(IN_FORM[source.form])}",
        say("Undone"): "; ".join(source.notes),
    }
    return {row: drawing.plain(text.strip(), 600) for row, text in said.items() if text.strip()}


def change(point: Checkpoint) -> None:
    """Rename, describe or delete a network of one's own."""
    waiting.show_trouble()
    with st.container():
        if point.name in SHIPPED:
            return
        with st.expander(say("Rename, describe or delete"), icon=":material/edit:"):
            if guard.ask_password(say("Changing this network"), point.name):
                return
            with st.form(f"change {point.name}", border=False):
                st.text_input(say("Name"), point.name, LONGEST_NAME, f"name of {point.name}")
                longest, key = LONGEST_DESCRIPTION, f"description of {point.name}"
                st.text_input(say("Description"), point.card.description, longest, key)
                st.form_submit_button(say("Save"), icon=":material/save:", on_click=save, args=(point,))
            with st.popover(say("Delete"), icon=":material/delete:"):
                st.markdown(say("The weights, the card and the records of its training go for good."))
                key, icon = f"delete {point.name}", ":material/delete_forever:"
                st.button(say("Delete for good"), key=key, icon=icon, on_click=delete, args=(point.name,))


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
    """The layers as they run, with what their sizes and parameters come from."""
    layout = cache.layout(point)
    table = layout.layers
    st.subheader(say("Layers"))
    st.caption(
        say(
            "As they run, {n:,} parameters in all; a layer that runs again with another output has a row for each.",
            n=layout.parameters,
        )
    )
    columns: dict[str, Any] = {
        "layer": say("Layer"),
        "kind": say("Kind"),
        "kernel": say("Kernel"),
        "stride": say("Stride"),
        "padding": say("Padding"),
        "output": say("Output"),
        "weights": say("Weights + biases"),
        "parameters": st.column_config.NumberColumn(say("Parameters"), format="localized"),
    }
    words = say("Layers with their kernels, strides, paddings, output shapes and parameters")
    st.dataframe(table, column_config=columns, hide_index=True, alt=words, height="auto")


def classes_of(point: Checkpoint) -> None:
    """Accuracy per class on the test set, of the network as it is."""
    tested = waiting.result_of(say("Testing the network"), lambda restart=False: work.unpruned(point, restart))
    drawing.draw(charts.class_bars(tables.class_table(tested, 0)), key="classes")
    examples = say(networks.examples_of(point))
    st.caption(say("Over {n:,} test {examples}, unpruned.", n=tested.done, examples=examples))


def data_sets() -> None:
    """Which data sets are on this machine, and how to get the others."""
    st.subheader(say("Data sets on this machine"))
    guard.ask_password(say("Downloading or deleting images"), "data")
    for info in (each for each in datasets.readable_datasets() if not each.own):
        name, there = info.name, datasets.availability(info.name)
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            title, size = say(info.title), " × ".join(map(str, info.shape))
            state, credit = say(HERE[there], part=say(BUNDLED.get(name, ""))), say(CREDITS[name])
            st.markdown(
                say("**{title}**, {size}: {state}. {credit}.", title=title, size=size, state=state, credit=credit)
            )
            if there != "full":
                downloads.show_download(name, ask=False)
    own.data_sets()


with links.page():
    importing.open_new_network()
    waiting.show_news()
    presets.pick_lab()
    point = networks.pick_checkpoint()
    opening(point)
    own.forms()
    drawing_of(point)
    accuracies(point)
    pictures(point)
    layers_of(point)
    st.subheader(say("Accuracy per class"))
    with st.container():
        if work.unpruned_ships(point) or downloads.has_data(point.card.dataset, offer=False):
            classes_of(point)
    with st.container(horizontal=True):
        reporting.report_button(point, asked_of(point, layer=layer_of(point)), Brought(), "model")
    card_of(point)
    change(point)
    data_sets()
