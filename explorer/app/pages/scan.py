"""Which layers matter: what the network loses with some or all channels of one layer pruned, one after another."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from explorer.answers import shipped
from explorer.answers.archive import made_in_words
from explorer.answers.labs import lab_with
from explorer.answers.questions import QUESTIONS
from explorer.app import (
    cache,
    downloads,
    drawing,
    evidence,
    heads,
    links,
    networks,
    pickers,
    prepared,
    presets,
    sparing,
    story,
    titles,
    views,
    waiting,
    work,
)
from explorer.background.jobs import Job
from explorer.engine.scan import LAYERS
from explorer.engine.scans import Scan
from explorer.language.saying import english, say
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.modes import MODES
from explorer.show import charts, figures
from explorer.show.words import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHOLE = "layers"
SHOWN = {sparing.MAP: english("Map"), sparing.CURVES: english("Curves"), WHOLE: english("Bars")}
EVERYTHING = sparing.EVERYTHING
WHICH = {"blocks": english("Last of each block"), EVERYTHING: english("All")}
SCANNING = english("Pruning one layer at a time")
SLACK = 0.02  # an accuracy that is so little above guessing still counts as such

ABOUT = english(
    """
**A bar** is what the network loses when *all* channels of one layer are set to zero and everything else stays:
accuracy unpruned minus accuracy without the layer, in points. The line at its end is the 95 % interval of that change
over the test images, each compared with itself (Agresti and Min).

**A residual block** computes y = F(x) + x. With F's last convolution pruned, y = x: what comes before still reaches
what comes after, so a block may be nearly redundant. **A sequential network** has no such way round a layer.

This is lab C's question: which block should be pruned, and which one carries the network?
"""
)


def opening(point: Checkpoint, scan: Scan | None) -> None:
    """The title, and in one sentence which layers matter, as soon as that is known."""
    network = drawing.plain(story.title_of(point.name))
    if scan is None:
        sentence = say(
            "Each bar is what {network} loses with all channels of one layer pruned, one layer at a time.",
            network=network,
        )
    elif is_sequential(point) and scan.accuracy.max() <= scan.guessing + SLACK:
        sentence = say(
            "Without any one of its {n} convolutions {network} can only guess ({accuracy} right). Nothing leads around "
            "a layer here: with all its channels pruned, the next one sees the same for every image. Channel by "
            "channel they differ: follow one below.",
            n=len(scan.layers),
            network=network,
            accuracy=percent(scan.accuracy.max()),
        )
    else:
        lost, names = -scan.change, scan.names
        least, most = int(lost.argmin()), int(lost.argmax())
        sentence = say(
            "Of {n} layers of {network}, one pruned whole at a time, **{cheap}** costs {least:.2f} points of accuracy "
            "and **{dear}** {most:.2f}."
            if lost[least] >= 0
            else "Of {n} layers of {network}, one pruned whole at a time, **{cheap}** even gains {least:.2f} points of "
            "accuracy and **{dear}** {most:.2f}.",
            n=len(names),
            network=network,
            cheap=names[least],
            least=abs(lost[least]),
            dear=names[most],
            most=lost[most],
        )
    heads.head(say("Which layers matter?"), sentence, say(ABOUT))


def is_sequential(point: Checkpoint) -> bool:
    """Whether there is nothing but convolutions to scan: no residual additions that lead around any."""
    return cache.scanned_layers(point, "blocks") == cache.scanned_layers(point, EVERYTHING)


def pick_layers(point: Checkpoint) -> str:
    """Which layers are scanned; nothing to choose where those of the blocks are all."""
    if is_sequential(point):
        return "blocks"
    words = say("The last convolution of each residual block, before the addition; or all, in the order they run.")
    return pickers.pick_option(say("Convolutions"), "layers", list(LAYERS), format_func=titles.named(WHICH), help=words)


def draw(point: Checkpoint, job: Job, live: bool) -> None:
    """The bars so far, and the way from one of them to Prune. `live` while more images come in."""
    scan: Scan = job.latest
    chart = charts.layer_bars(prepared.scan_table(scan)[1:])
    drawing.draw(chart, key="bars", on_select=partial(sparing.choose_clicked, "bars"), selection_mode="pick")
    st.caption(about(point, scan, job, live))
    sparing.open_on_prune(point, scan.names, {"mode": scan.run.mode})


def about(point: Checkpoint, scan: Scan, job: Job, live: bool) -> str:
    """What the bars stand for, and how long all test images would take."""
    examples = say(networks.examples_of(point))
    words = say(
        "{over} {n:,} test {examples}, with 95 % intervals. Unpruned: {accuracy}. In network order from the top; click "
        "a bar to choose its layer.",
        over=say("So far over" if live else "Over"),
        n=scan.done,
        examples=examples,
        accuracy=percent(scan.correct_before / scan.done),
    )
    if scan.made:
        words += say(" They came with the app (computed {made}).", made=made_in_words(scan.made))
    everything = point.card.test_images
    seconds = job.seconds_for(everything)
    if scan.total < everything and seconds is not None:
        words += say(
            " All {n:,} {examples} would take about {duration}.",
            n=everything,
            examples=examples,
            duration=waiting.duration(seconds),
        )
    return words


def other_recipes(point: Checkpoint) -> bool:
    """Whether a lab compares the blocks of this network with those of the same one, trained by another recipe."""
    lab = lab_with(point.name)
    return lab is not None and len(lab.checkpoints) > 1


def recipes(point: Checkpoint) -> None:
    """What the blocks are worth by each recipe that trained the lab's network: in words, and the bars of the others."""
    lab = lab_with(point.name)
    assert lab is not None
    question = next(question for question in QUESTIONS[lab.name] if question.name == "blocks")
    found = evidence.found(question.takes)
    if found is None:
        return
    st.markdown(drawing.plain(prepared.answer(question, tuple(found), *found.values()), 1500))
    for title, scan in found.items():
        if scan.run.checkpoint != point.name:
            st.subheader(say(title), anchor=False)
            drawing.draw(charts.layer_bars(prepared.scan_table(scan)[1:]), key=f"bars, {title}")


def numbers(scan: Scan, examples: str) -> None:
    """The table, the files, and what is missing from them."""
    if scan.slow:
        words = say("This network cannot be traced, so every layer ran a copy of it: exact, but slow.")
        st.caption(f":material/hourglass: {words}")
    table = prepared.scan_table(scan)
    name = drawing.plain_name(scan.run.checkpoint, "scan", scan.run.mode)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(say("Every number"))
        draw = partial(figure, scan, examples)
        drawing.figure_button(partial(prepared.figure_file, draw), name, "scan")
        drawing.csv_button(table, name)
    shares = {"accuracy": say("Accuracy"), "low": say("95 % from"), "high": say("95 % to")}
    columns: dict[str, Any] = {
        "position": st.column_config.NumberColumn(
            say("Place"), help=say("Among all convolutions, in the order they run")
        ),
        "layer": say("Layer"),
        "channels": st.column_config.NumberColumn(say("Channels"), format="localized"),
        "parameters": st.column_config.NumberColumn(say("Parameters"), format="localized"),
        **shares,
        "change": say("Change in points"),
    }
    st.dataframe(
        drawing.in_words(table[list(columns)].fillna({"layer": say("unpruned")}), shares, ["change"]),
        column_config=columns,
        hide_index=True,
        alt=say("Accuracy with each layer pruned whole; the first row is the unpruned network"),
    )
    sparing.left_out(scan.left_out)


def figure(scan: Scan, examples: str) -> Figure:
    """The bars as a figure for print."""
    title = say(
        "{network}: accuracy lost with a layer pruned whole, {n:,} {split} {examples}",
        network=scan.run.checkpoint,
        n=scan.done,
        split=say(scan.run.split),
        examples=say(examples),
    )
    return figures.layers_figure(prepared.scan_table(scan)[1:], title)


def views_of(point: Checkpoint) -> list[str]:
    """What can be shown: first bars, where a lab compares blocks, or where they come with the app and no map does."""
    bars = shipped.has_scan(point, "blocks", "filter") and not shipped.has_sensitivity(point, "mean", "filter")
    return sorted(SHOWN, key=lambda name: name != WHOLE) if bars or other_recipes(point) else list(SHOWN)


def draw_page(point: Checkpoint, top: Any, picture: Any) -> None:
    """What the network loses without each layer, as bars, with all numbers below."""
    with st.sidebar:
        which = pick_layers(point)
        modes, wrong = cache.scan_modes(point, which), say("no mode that fits these layers")
        mode = pickers.pick_named(
            say("Pruning a channel"), "mode", modes, "filter", wrong, format_func=views.mode_title
        )
        st.caption(say(MODES[mode].sentence))
        limit = None if shipped.has_scan(point, which, mode) else sparing.pick_images(point)
    ask = partial(work.scan, point, which, mode, limit)
    there = shipped.has_scan(point, which, mode, limit) or downloads.is_here(point.card.dataset)
    with picture:
        if there:
            waiting.wait_briefly(ask())
    live = not (there and ask().finished)  # whatever ends from here on is not in the head yet
    with top:
        opening(point, None if live else ask().result)
    with picture:
        if not shipped.has_scan(point, which, mode, limit):
            downloads.require_data(point.card.dataset)
        job = ask()
        waiting.require_part(job, say(SCANNING), ask, lambda: job.latest is not None)
    bars = partial(draw, point, job, live)
    links.fragment(sparing.explore, job, live, SCANNING, bars, every=waiting.POLL if live else None)
    if which == "blocks" and mode == "filter" and other_recipes(point):
        recipes(point)
    if not live:
        numbers(job.latest, networks.examples_of(point))


with links.page():
    presets.pick_lab()
    point = networks.pick_checkpoint()
    top, picture = st.container(), st.container()
    with st.sidebar:
        words = say(
            "10, 20 … 100 % of each layer's channels pruned, as a map or as curves; or bars of whole layers pruned."
        )
        show = pickers.pick_option(say("Show"), "show", views_of(point), format_func=titles.named(SHOWN), help=words)
    if show == WHOLE:
        draw_page(point, top, picture)
    else:
        sparing.draw_page(point, show, top, picture)
