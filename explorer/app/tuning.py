"""What fine-tuning wins back: networks pruned from this one and fine-tuned, and a form that queues another."""

from typing import Any

import pandas as pd
import streamlit as st

from explorer.answers import queueing, recovered
from explorer.answers.compressing import Compressed, Compression
from explorer.answers.recovered import AFTER, BEFORE, RECOVERED
from explorer.app import compressions, drawing, gains, guard, links, networks, story, tuned, waiting, watching
from explorer.files.names import LONGEST_NAME
from explorer.images import datasets
from explorer.language.saying import english, say
from explorer.networks.cards import Card
from explorer.networks.checkpoints import Checkpoint, list_checkpoints, read_card
from explorer.show import charts
from explorer.show.words import percent, points
from explorer.training import trainings
from explorer.training.finetuning import finetuning_recipe

EXAMPLE = "resnet18-half_cifar10"
MOST_EPOCHS = 100
TITLE = english("What fine-tuning wins back")
ABOUT = english(
    "The network is pruned and then trained on, as it was trained but in smaller steps; what is pruned in several "
    "steps, after each of them. It goes on when this tab or the server is closed."
)


def fine_tuning(point: Checkpoint, asked: Compression, found: Compressed) -> None:
    """Accuracy before pruning, after it, and recovered; what is being fine-tuned; and a form for more."""
    st.subheader(say(TITLE))
    cards = recovered.made_from(point)
    assert found.merits is not None
    both = (tuned.states_of(point, cards), recovered.untuned(found.merits, asked.steps))
    table = pd.concat(both, ignore_index=True)
    left, right = st.columns(2, gap="large")
    with left:
        drawing.draw(charts.recovery_steps(states_in_words(table)), key="recovery")
    with right:
        form(point, asked, found)
        lively = watching.is_lively(watching.listed(point.name))
        every = watching.LIVE if lively else watching.IDLE
        links.fragment(watching.watch, lively, point.name, every=every)
    side_by_side(point, cards, table)


def fine_tuned(point: Checkpoint) -> None:
    """What is known of networks pruned from this one and fine-tuned, by their cards alone: it takes no images."""
    cards = recovered.made_from(point)
    if cards:
        st.subheader(say(TITLE))
        table = tuned.states_of(point, cards)
        drawing.draw(charts.recovery_steps(states_in_words(table)), key="recovery")
        side_by_side(point, cards, table)


def offer_example(point: Checkpoint) -> None:
    """The way to a network that was compressed and fine-tuned, where it is among those here."""
    if EXAMPLE not in list_checkpoints():
        return
    try:
        card = read_card(EXAMPLE)
    except (ValueError, OSError):  # the page says so once it is chosen
        return
    made = card.parent
    if made is None or not made.plan or made.name not in list_checkpoints() or made.name == point.name:
        return
    told = say(
        "Example: {network}, fine-tuned to {accuracy}",
        network=story.title_of(EXAMPLE),
        accuracy=percent(card.accuracy["test"].accuracy),
    )
    how: dict[str, Any] = {"icon": ":material/lightbulb:", "type": "tertiary", "on_click": open_example}
    st.button(drawing.plain(told), key="example", args=(card,), **how)


def open_example(card: Card) -> None:
    """Turn to the network that another was made from, and to the plan that made it; for callbacks."""
    assert card.parent is not None
    networks.set_checkpoint(card.parent.name)
    take(card)


def side_by_side(point: Checkpoint, cards: dict[str, Card], table: pd.DataFrame) -> None:
    """A row for each network, with its accuracy in each state."""
    rows = []
    for name, states in table.groupby("network", sort=False):
        known = states.set_index("state")
        told = {state: in_words(known.loc[state]) if state in known.index else "–" for state in (AFTER, RECOVERED)}
        last, first = known.iloc[-1], known.loc[BEFORE]
        rows.append({
            say("Network"): named(str(name)),
            say("Multiply-adds"): macs_in_words(last["macs"], first["macs"]),
            say("Before"): in_words(first),
            say("After pruning"): told[AFTER],
            say("Fine-tuned"): told[RECOVERED],
            say("Points"): points(100 * (last["accuracy"] - first["accuracy"])),
            say("Epochs"): int(last["epochs"]),
            say("Steps"): int(last["steps"]),
        })  # fmt: skip
    shown = pd.DataFrame(rows)
    alt = say("Accuracy before pruning, after pruning, and fine-tuned, and the multiply-adds left")
    st.dataframe(shown, hide_index=True, alt=alt)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            say(
                "Over {counts} test {examples}, with 95 % intervals."
                if cards
                else "Over {counts} test {examples}, with 95 % intervals. None is pruned from this network and "
                "fine-tuned yet.",
                counts=gains.together(sorted(set(table["n"]), reverse=True)),
                examples=say(networks.examples_of(point)),
            )
        )
        name = drawing.plain_name(point.name, "finetuning")
        drawing.csv_button(table, name, "CSV")
    for name, card in cards.items():
        if card.parent and st.session_state["plan"] != card.parent.plan:
            label = drawing.plain(say("Take the plan of {network}", network=name))
            st.button(label, key=f"Take the plan of {name}", icon=":material/tune:", on_click=take, args=(card,))


def states_in_words(table: pd.DataFrame) -> pd.DataFrame:
    """The table of states, with what it calls networks and states in the page's language."""
    return table.assign(network=table["network"].map(named), state=table["state"].map(say))


def named(network: str) -> str:
    """What the table's name of a network is on the page: its own, or the plan's here and how it is carried out."""
    plan, _, way = network.partition(", ")
    return say("this plan, {way}", way=compressions.in_words(way)) if plan == recovered.HERE else network


def in_words(row: Any) -> str:
    """An accuracy with its interval."""
    return f"{percent(row['accuracy'])} ({100 * row['low']:.2f}…{100 * row['high']:.2f})"


def macs_in_words(left: Any, before: Any) -> str:
    """The multiply-adds that are left, and what share of those before that is."""
    if pd.isna(left) or pd.isna(before):
        return "–"
    return f"{gains.short('MACs', left)} ({percent(left / before)})"


def take(card: Card) -> None:
    """Turn to the plan that a network was pruned by; for callbacks."""
    assert card.parent is not None
    asked = {"plan": card.parent.plan, "way": "hand", "compress_by": card.parent.criterion, "steps": card.parent.steps}
    st.session_state.update(asked)
    for key in asked:
        links.drop_note(key)


def form(point: Checkpoint, asked: Compression, found: Compressed) -> None:
    """How long, under which name, and a button that queues it."""
    if "train" not in datasets.dataset_info(point.card.dataset).files:
        st.caption(say("There are no training images of this data set, so that nothing can be fine-tuned."))
        return
    if guard.is_locked():
        guard.ask_password(say("Fine-tuning it here"), "tune")
        return
    usual = finetuning_recipe(point.card).epochs
    label = say("Epochs after each of {n} steps" if asked.steps > 1 else "Epochs", n=asked.steps)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        epochs = st.number_input(label, 1, MOST_EPOCHS, usual, key=f"epochs for {point.name}")
        free = trainings.first_free(f"{point.name}-finetuned")
        key = f"name of tuned {point.name}"
        name = st.text_input(say("Name"), key=key, placeholder=free, max_chars=LONGEST_NAME) or free
        how: dict[str, Any] = {"key": "finetune here", "icon": ":material/model_training:", "help": say(ABOUT)}
        if st.button(say("Fine-tune this plan"), **how):
            more: dict[str, Any] = {"steps": asked.steps, "minimum": asked.minimum, "limit": asked.limit}
            waiting.attempt(lambda: queueing.queue(point, found.plan, name, int(epochs), **more))
            st.rerun()
    waiting.show_trouble()
