"""What each layer of a network can spare, by shares of its channels: a map, or a small curve for each layer."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from explorer.answers import shipped
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
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import REVERSED
from explorer.pruning.modes import MODES
from explorer.show import charts
from explorer.show.sensitivity_figure import sensitivity_figure
from explorer.show.words import percent, points

MAP, CURVES = "map", "curves"
EVERYTHING = "all"
LOSSES = ("0.5", "1", "2", "5")  # points that a layer may cost
PRUNING = "Pruning shares of one layer at a time"
RANKING = "Ranking the channels of every layer"

PRUNE = "explorer/app/pages/prune.py"

ABOUT = """
**A cell** is the accuracy, in percent, with a share of *one* layer's channels pruned and everything else as it is:
those that the ranking puts last go first. The darker, the more is lost. K is the share of the layer's channels, to the
nearest whole number.

**A frame** is what a layer surely can spare: the largest share at which the change, compared image by image, lies with
its 95 % interval above the loss allowed, there and at every smaller share. Over fewer images the interval is wider.

**Layers on one line** lose their channels together, where a pruned channel is removed: they write to the same residual
stream, or filter each other's channels one by one. What layers can spare does not add up: what several of them cost at
once has to be measured.
"""


def opening(point: Checkpoint, found: Sensitivity | None, loss: float) -> None:
    """The title, and in one sentence what the layers can spare, as soon as that is known."""
    network = drawing.plain(story.title_of(point.name))
    if found is None:
        sentence = f"What {network} loses as more and more channels of one layer are pruned, one layer at a time."
    else:
        sentence = in_a_sentence(network, found, loss)
    heads.head("Which layers matter?", sentence, ABOUT)


def in_a_sentence(network: str, found: Sensitivity, loss: float) -> str:
    """What the layers can spare."""
    shares, names = found.spare(loss), [f"**{drawing.plain(name)}**" for name in found.names]
    cost = f"at a cost of surely at most {loss:g} point{'s'[: loss != 1]} of accuracy"
    if not any(shares):
        least = min(share for share in found.shares if share)
        return (
            f"No layer of {network} can spare {least} % of its channels {cost}, as far as {found.done:,} images tell."
        )
    most, fewest = max(shares), min(shares)
    generous = [name for name, share in zip(names, shares, strict=True) if share == most]
    meagre = [name for name, share in zip(names, shares, strict=True) if share == fewest]
    if most == fewest:
        return f"Each layer of {network} can spare {most} % of its channels {cost}, one layer at a time."
    return (
        f"{listed(generous)} of {network} can spare {most} % of the channels {cost}; {listed(meagre)} {spares(fewest)}."
    )


def spares(share: int) -> str:
    """A share as the second half of a sentence has it."""
    return f"only {share} %" if share else "none"


def listed(names: list[str]) -> str:
    """A few names, or how many there are."""
    if len(names) > 3:
        return f"{len(names)} layers"
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def pick(point: Checkpoint) -> tuple[str, str, int | None, float]:
    """Ranking, mode, how many images, and the points that a layer may cost, in the sidebar."""
    fitting = cache.fitting_criteria(point, default_layer(point))
    every = [*fitting, *(f"{name}{REVERSED}" for name in fitting)]
    criterion = views.pick_criterion(every)
    modes, wrong = cache.scan_modes(point, EVERYTHING), "no mode that fits these layers"
    mode = pickers.pick_named("Pruning a channel", "mode", modes, "filter", wrong, format_func=views.mode_title)
    st.caption(MODES[mode].sentence)
    words = "A layer's frame stands at the largest share that surely costs at most so many points of accuracy."
    loss = pickers.pick_named("May cost at most (points)", "loss", LOSSES, "1", "no loss to choose", help=words)
    limit = None if shipped.has_sensitivity(point, criterion, mode) else pick_images(point)
    return criterion, mode, limit, float(loss)


def pick_images(point: Checkpoint) -> int | None:
    """How many test images a large network is looked at on; None means all."""
    some = samples(point.model, point.card.test_images)
    if not some:
        return None
    examples = networks.examples_of(point)
    words = f"The first test {examples}: a sample at first, for a network of this size takes minutes over all."
    options = [*map(str, some), EVERYTHING]
    images = pickers.pick_option(f"Test {examples}", "images", options, format_func=counted, help=words)
    return None if images == EVERYTHING else int(images)


def counted(images: str) -> str:
    """A number of images as people read it."""
    return "All" if images == EVERYTHING else f"{int(images):,}"


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
        waiting.require_part(job, what, ask, lambda: work.sensitivity_so_far(job) is not None)
    picture_of = partial(draw, point, job, show, loss, live)
    links.fragment(explore, job, live, PRUNING, picture_of, every=waiting.POLL if live else None)
    if not live:
        numbers(point, job.latest, loss)


def explore(job: Job, live: bool, what: str, picture: Callable[[], None]) -> None:
    """The picture so far. `live` while more images come in, as `what` goes on."""
    with st.container():
        if live:
            waiting.progress(job, what)
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
    so_far = f"So far over {found.done:,}" if live else f"Over {found.done:,}"
    kind = (
        "In each cell the accuracy left, in percent; its interval is in the tooltip. Framed: what a layer can spare."
        if show == MAP
        else "A band is the 95 % interval; the dashed line is what a layer can spare."
    )
    words = (
        f"{so_far} test {networks.examples_of(point)}; unpruned {percent(found.correct_before / found.done)}. {kind}"
    )
    return words + (f" It came with the app (computed {found.made})." if found.made else "")


def open_on_prune(point: Checkpoint, layers: Sequence[str], way: Mapping[str, str]) -> None:
    """One of the layers, and a link to it on Prune, which is pruned there in this `way`."""
    usual = default_layer(point) if default_layer(point) in layers else layers[-1]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = pickers.pick_named("Layer", "layer", layers, usual, "not among the layers scanned", width=320)
        link = {"checkpoint": point.name, "layer": layer, **way}
        label = f"Prune {layer} channel by channel"
        st.page_link(PRUNE, label=label, icon=":material/content_cut:", query_params=link)


def numbers(point: Checkpoint, found: Sensitivity, loss: float) -> None:
    """What each layer can spare as a table, the files, and what is missing from them."""
    if found.slow:
        words = "This network cannot be traced, so every cell ran a copy of it: exact, but slow."
        st.caption(f":material/hourglass: {words}")
    table = prepared.sensitivity_table(found)
    name = drawing.plain_name(point.name, "sensitivity", found.run.criterion, found.run.mode)
    title = f"{point.name}: accuracy (%) by share pruned, {found.done:,} test {networks.examples_of(point)}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"What each layer can spare at {loss:g} point{'s'[: loss != 1]}")
        draw = partial(sensitivity_figure, table, found.spared(loss), title)
        drawing.figure_button(partial(prepared.figure_file, draw), name, "sensitivity")
        drawing.csv_button(table, name)
    columns: dict[str, Any] = {
        "layer": "Layer",
        "together": st.column_config.TextColumn("Goes with it", help="Layers that lose the same channels"),
        "channels": st.column_config.NumberColumn("Channels", format="localized"),
        "share": "Can spare",
        "k": st.column_config.NumberColumn("That is K", format="localized"),
        "accuracy": "Accuracy there",
        "change": "Change in points",
        "interval": "95 % interval",
    }
    shown = spare_table(table, found.spared(loss))
    if not shown["together"].any():
        del columns["together"]
    st.dataframe(
        drawing.in_words(shown[list(columns)], ["accuracy"], ["change"]),
        column_config=columns,
        hide_index=True,
        alt="The largest share of each layer's channels that surely costs no more than allowed",
    )
    if found.left_out:
        with st.expander(f"Layers left out: {len(found.left_out)}", icon=":material/do_not_disturb_on:"):
            for layer, why in found.left_out.items():
                st.caption(drawing.plain(f"{layer} is left out: {why}."))


def spare_table(table: Any, spared: dict[str, int]) -> Any:
    """The rows of the table at what each layer can spare, in words."""
    rows = table[(100 * table["share"]).round() == table["layer"].map(spared)]
    ends = zip(rows["change_low"], rows["change_high"], strict=True)
    return rows.assign(
        together=rows["layers"].str.split(" ").str[1:].str.join(", "),
        share=[f"{spared[layer]} %" for layer in rows["layer"]],
        interval=[f"{points(low)} to {points(high)}" if low < high else "–" for low, high in ends],
    )
