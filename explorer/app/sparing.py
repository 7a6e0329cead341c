"""What each layer of a network can spare, by shares of its channels: a map, or a small curve for each layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.answers import shipped
from explorer.answers.archive import made_in_words
from explorer.answers.choices import default_layer
from explorer.app import (
    cache,
    downloads,
    drawing,
    heads,
    links,
    networks,
    pickers,
    prepared,
    story,
    views,
    waiting,
    work,
)
from explorer.background.jobs import Job
from explorer.engine.scan import samples
from explorer.engine.sensitivities import Sensitivity
from explorer.language.saying import english, listed, say
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import REVERSED
from explorer.pruning.modes import MODES
from explorer.show import charts
from explorer.show.sensitivity_figure import sensitivity_figure
from explorer.show.words import percent, points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAP, CURVES = "map", "curves"
EVERYTHING = "all"
LOSSES = ("0.5", "1", "2", "5")  # points that a layer may cost
PRUNING = english("Pruning shares of one layer at a time")
RANKING = english("Ranking the channels of every layer")

PRUNE = "explorer/app/pages/prune.py"

ABOUT = english(
    """
**A cell** is the accuracy, in percent, with a share of *one* layer's channels pruned and everything else as it is:
those that the ranking puts last go first. The darker, the more is lost. K is the share of the layer's channels, to the
nearest whole number.

**A frame** is what a layer surely can spare: the largest share at which the change, compared image by image, lies with
its 95 % interval above the loss allowed, there and at every smaller share. Over fewer images the interval is wider.

**Layers on one line** lose their channels together, where a pruned channel is removed: they write to the same residual
stream, or filter each other's channels one by one. What layers can spare does not add up: what several of them cost at
once has to be measured.
"""
)


def opening(point: Checkpoint, found: Sensitivity | None, loss: float) -> None:
    """The title, and in one sentence what the layers can spare, as soon as that is known."""
    network = drawing.plain(story.title_of(point.name))
    if found is None:
        words = "What {network} loses as more and more channels of one layer are pruned, one layer at a time."
        sentence = say(words, network=network)
    else:
        sentence = in_a_sentence(network, found, loss)
    heads.head(say("Which layers matter?"), sentence, say(ABOUT))


def in_a_sentence(network: str, found: Sensitivity, loss: float) -> str:
    """What the layers can spare."""
    shares, names = found.spare(loss), [f"**{drawing.plain(name)}**" for name in found.names]
    cost = say(
        "at a cost of surely at most {loss:g} point of accuracy"
        if loss == 1
        else "at a cost of surely at most {loss:g} points of accuracy",
        loss=loss,
    )
    if not any(shares):
        return say(
            "No layer of {network} can spare {least} % of its channels {cost}, as far as {images:,} images tell.",
            network=network,
            least=min(share for share in found.shares if share),
            cost=cost,
            images=found.done,
        )
    most, fewest = max(shares), min(shares)
    if most == fewest:
        return say(
            "Each layer of {network} can spare {most} % of its channels {cost}, one layer at a time.",
            network=network,
            most=most,
            cost=cost,
        )
    return say(
        "{generous} of {network} can spare {most} % of the channels {cost}; {meagre} only {fewest} %."
        if fewest
        else "{generous} of {network} can spare {most} % of the channels {cost}; {meagre} none.",
        generous=few([name for name, share in zip(names, shares, strict=True) if share == most]),
        network=network,
        most=most,
        cost=cost,
        meagre=few([name for name, share in zip(names, shares, strict=True) if share == fewest]),
        fewest=fewest,
    )


def few(names: list[str]) -> str:
    """A few names, or how many there are."""
    if len(names) > 3:
        return say("{n} layers", n=len(names))
    *others, last = names
    return say("{others} and {last}", others=listed(others), last=last) if others else last


def pick(point: Checkpoint) -> tuple[str, str, int | None, float]:
    """Ranking, mode, how many images, and the points that a layer may cost, in the sidebar."""
    fitting = cache.fitting_criteria(point, default_layer(point))
    every = [*fitting, *(f"{name}{REVERSED}" for name in fitting)]
    criterion = views.pick_criterion(every)
    modes, wrong = cache.scan_modes(point, EVERYTHING), say("no mode that fits these layers")
    mode = pickers.pick_named(say("Pruning a channel"), "mode", modes, "filter", wrong, format_func=views.mode_title)
    st.caption(say(MODES[mode].sentence))
    words = say("A layer's frame stands at the largest share that surely costs at most so many points of accuracy.")
    label, wrong = say("May cost at most (points)"), say("no loss to choose")
    loss = pickers.pick_named(label, "loss", LOSSES, "1", wrong, help=words)
    limit = None if shipped.has_sensitivity(point, criterion, mode) else pick_images(point)
    return criterion, mode, limit, float(loss)


def pick_images(point: Checkpoint) -> int | None:
    """How many test images a large network is looked at on; None means all."""
    some = samples(point.model, point.card.test_images)
    if not some:
        return None
    examples = say(networks.examples_of(point))
    words = say(
        "The first test {examples}: a sample at first, for a network of this size takes minutes over all.",
        examples=examples,
    )
    options = [*map(str, some), EVERYTHING]
    images = pickers.pick_option(
        say("Test {examples}", examples=examples), "images", options, format_func=counted, help=words
    )
    return None if images == EVERYTHING else int(images)


def counted(images: str) -> str:
    """A number of images as people read it."""
    return say("All") if images == EVERYTHING else f"{int(images):,}"


def draw_page(point: Checkpoint, show: str, top: Any, picture: Any) -> None:
    """What the layers can spare, as a map or as curves, with all numbers below."""
    with st.sidebar:
        criterion, mode, limit, loss = pick(point)
    ask = partial(work.sensitivity, point, criterion, mode, limit)
    ships = shipped.has_sensitivity(point, criterion, mode, limit)
    there = ships or downloads.is_here(point.card.dataset)
    with picture:
        if there:
            waiting.wait_briefly(ask())
    live = not (there and ask().finished)  # whatever ends from here on is not in the head yet
    with top:
        opening(point, None if live else ask().result, loss)
    with picture:
        if not ships:
            downloads.require_data(point.card.dataset)
        job = ask()
        waiting.notes(job)
        what = RANKING if work.sensitivity_so_far(job) is None else PRUNING
        waiting.require_part(job, say(what), ask, lambda: work.sensitivity_so_far(job) is not None)
    picture_of = partial(draw, point, job, show, loss, live)
    links.fragment(explore, job, live, PRUNING, picture_of, every=waiting.POLL if live else None)
    if not live:
        numbers(point, job.latest, loss)


def explore(job: Job, live: bool, what: str, picture: Callable[[], None]) -> None:
    """The picture so far. `live` while more images come in, as `what` goes on."""
    with st.container():
        if live:
            waiting.progress(job, say(what))
    picture()
    if live and job.finished:
        st.rerun()


def draw(point: Checkpoint, job: Job, show: str, loss: float, live: bool) -> None:
    """The map or the curves, and the way from a layer to Prune."""
    found = work.sensitivity_so_far(job)
    assert found is not None, "the page waits for it"
    table, spared = prepared.sensitivity_table(found), found.spared(loss)
    if show == MAP:
        chart = charts.sensitivity_map(table, spared, loss)
        drawing.draw(chart, key="map", on_select=partial(choose_clicked, "map"), selection_mode="pick")
    else:
        drawing.draw(charts.sensitivity_curves(table, spared, loss), key="curves")
    st.caption(about(point, found, show, live))
    way = {"mode": found.run.mode, "criterion": found.run.criterion}
    open_on_prune(point, [row.layer for row in found.rows], way)


def choose_clicked(chart: str) -> None:
    """Choose the layer that was clicked in the chart of that key; for callbacks."""
    picked = st.session_state[chart].selection.pick
    if picked:
        st.session_state["layer"] = picked[0]["layer"]


def about(point: Checkpoint, found: Sensitivity, show: str, live: bool) -> str:
    """What the picture stands for, and over which images."""
    kind = say(
        "In each cell the accuracy left, in percent; its interval is in the tooltip. Framed: what a layer can spare."
        if show == MAP
        else "A band is the 95 % interval; the dashed line is what a layer can spare."
    )
    return say(
        "{over} {n:,} test {examples}; unpruned {accuracy}. {kind}{came}",
        over=say("So far over" if live else "Over"),
        n=found.done,
        examples=say(networks.examples_of(point)),
        accuracy=percent(found.correct_before / found.done),
        kind=kind,
        came=say(" It came with the app (computed {made}).", made=made_in_words(found.made)) if found.made else "",
    )


def open_on_prune(point: Checkpoint, layers: Sequence[str], way: Mapping[str, str]) -> None:
    """One of the layers, and a link to it on Prune, which is pruned there in this `way`."""
    usual = default_layer(point) if default_layer(point) in layers else layers[-1]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label, wrong = say("Layer"), say("not among the layers scanned")
        layer = pickers.pick_named(label, "layer", layers, usual, wrong, width=320)
        link = {"checkpoint": point.name, "layer": layer, **way}
        label = say("Prune {layer} channel by channel", layer=layer)
        st.page_link(PRUNE, label=label, icon=":material/content_cut:", query_params=link)


def numbers(point: Checkpoint, found: Sensitivity, loss: float) -> None:
    """What each layer can spare as a table, the files, and what is missing from them."""
    if found.slow:
        words = say("This network cannot be traced, so every cell ran a copy of it: exact, but slow.")
        st.caption(f":material/hourglass: {words}")
    table = prepared.sensitivity_table(found)
    name = drawing.plain_name(point.name, "sensitivity", found.run.criterion, found.run.mode)
    with st.container(horizontal=True, vertical_alignment="center"):
        words = (
            "What each layer can spare at {loss:g} point"
            if loss == 1
            else "What each layer can spare at {loss:g} points"
        )
        st.subheader(say(words, loss=loss))
        draw = partial(figure, point, found, loss)
        drawing.figure_button(partial(prepared.figure_file, draw), name, "sensitivity")
        drawing.csv_button(table, name)
    columns: dict[str, Any] = {
        "layer": say("Layer"),
        "together": st.column_config.TextColumn(say("Goes with it"), help=say("Layers that lose the same channels")),
        "channels": st.column_config.NumberColumn(say("Channels"), format="localized"),
        "share": say("Can spare"),
        "k": st.column_config.NumberColumn(say("That is K"), format="localized"),
        "accuracy": say("Accuracy there"),
        "change": say("Change in points"),
        "interval": say("95 % interval"),
    }
    shown = spare_table(table, found.spared(loss))
    if not shown["together"].any():
        del columns["together"]
    st.dataframe(
        drawing.in_words(shown[list(columns)], ["accuracy"], ["change"]),
        column_config=columns,
        hide_index=True,
        alt=say("The largest share of each layer's channels that surely costs no more than allowed"),
    )
    left_out(found.left_out)


def left_out(layers: Mapping[str, str]) -> None:
    """Which layers are left out, and why."""
    if layers:
        with st.expander(say("Layers left out: {n}", n=len(layers)), icon=":material/do_not_disturb_on:"):
            for layer, why in layers.items():
                st.caption(drawing.plain(say("{layer} is left out: {why}.", layer=layer, why=why)))


def figure(point: Checkpoint, found: Sensitivity, loss: float) -> Figure:
    """The map as a figure for print."""
    title = say(
        "{network}: accuracy (%) by share pruned, {n:,} test {examples}",
        network=point.name,
        n=found.done,
        examples=say(networks.examples_of(point)),
    )
    return sensitivity_figure(prepared.sensitivity_table(found), found.spared(loss), title)


def spare_table(table: Any, spared: dict[str, int]) -> Any:
    """The rows of the table at what each layer can spare, in words."""
    rows = table[(100 * table["share"]).round() == table["layer"].map(spared)]
    ends = zip(rows["change_low"], rows["change_high"], strict=True)
    return rows.assign(
        together=[listed(layers.split(" ")[1:]) for layers in rows["layers"]],
        share=[say("{percent} %", percent=spared[layer]) for layer in rows["layer"]],
        interval=[
            say("{low} to {high}", low=points(low), high=points(high)) if low < high else "–" for low, high in ends
        ],
    )
