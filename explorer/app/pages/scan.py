"""Which layers matter: what the network loses with some or all channels of one layer pruned, one after another."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.answers import shipped
from explorer.app import (
    cache,
    downloads,
    drawing,
    heads,
    links,
    networks,
    pickers,
    prepared,
    presets,
    sparing,
    story,
    views,
    waiting,
    work,
)
from explorer.background.jobs import Job
from explorer.engine.scan import LAYERS
from explorer.engine.scans import Scan
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.modes import MODES
from explorer.show import charts, figures
from explorer.show.words import percent

WHOLE = "layers"
SHOWN = {sparing.MAP: "Map", sparing.CURVES: "Curves", WHOLE: "Bars"}
EVERYTHING = sparing.EVERYTHING
WHICH = {"blocks": "Last of each block", EVERYTHING: "All"}
SCANNING = "Pruning one layer at a time"
SLACK = 0.02  # an accuracy that is so little above guessing still counts as such

ABOUT = """
**A bar** is what the network loses when *all* channels of one layer are set to zero and everything else stays:
accuracy unpruned minus accuracy without the layer, in points. The line at its end is the 95 % interval of that change
over the test images, each compared with itself (Agresti and Min).

**A residual block** computes y = F(x) + x. With F's last convolution pruned, y = x: what comes before still reaches
what comes after, so a block may be nearly redundant. **A sequential network** has no such way round a layer.

This is lab C's question: which block should be pruned, and which one carries the network?
"""


def opening(point: Checkpoint, scan: Scan | None) -> None:
    """The title, and in one sentence which layers matter, as soon as that is known."""
    network = drawing.plain(story.title_of(point.name))
    if scan is None:
        sentence = f"Each bar is what {network} loses with all channels of one layer pruned, one layer at a time."
    elif is_sequential(point) and scan.accuracy.max() <= scan.guessing + SLACK:
        sentence = (
            f"Without any one of its {len(scan.layers)} convolutions {network} can only guess "
            f"({percent(scan.accuracy.max())} right). Nothing leads around a layer here: with all its channels "
            "pruned, the next one sees the same for every image. Channel by channel they differ: follow one below."
        )
    else:
        lost, names = -scan.change, scan.names
        least, most = int(lost.argmin()), int(lost.argmax())
        cheap = f"costs {lost[least]:.2f} points" if lost[least] >= 0 else f"even gains {-lost[least]:.2f} points"
        sentence = (
            f"Of {len(names)} layers of {network}, one pruned whole at a time, **{names[least]}** {cheap} of accuracy "
            f"and **{names[most]}** {lost[most]:.2f}."
        )
    heads.head("Which layers matter?", sentence, ABOUT)


def is_sequential(point: Checkpoint) -> bool:
    """Whether there is nothing but convolutions to scan: no residual additions that lead around any."""
    return cache.scanned_layers(point, "blocks") == cache.scanned_layers(point, EVERYTHING)


def pick_layers(point: Checkpoint) -> str:
    """Which layers are scanned; nothing to choose where those of the blocks are all."""
    if is_sequential(point):
        return "blocks"
    words = "The last convolution of each residual block, before the addition; or all, in the order they run."
    return pickers.pick_option("Convolutions", "layers", list(LAYERS), format_func=WHICH.get, help=words)


def draw(point: Checkpoint, job: Job, live: bool) -> None:
    """The bars so far, and the way from one of them to Prune. `live` while more images come in."""
    scan: Scan = job.latest
    chart = charts.layer_bars(prepared.scan_table(scan)[1:])
    drawing.draw(chart, key="bars", on_select=partial(sparing.choose_clicked, "bars"), selection_mode="pick")
    st.caption(about(point, scan, job, live))
    sparing.open_on_prune(point, scan.names, {"mode": scan.run.mode})


def about(point: Checkpoint, scan: Scan, job: Job, live: bool) -> str:
    """What the bars stand for, and how long all test images would take."""
    examples = networks.examples_of(point)
    so_far = f"So far over {scan.done:,}" if live else f"Over {scan.done:,}"
    unpruned = f"Unpruned: {percent(scan.correct_before / scan.done)}."
    order = "In network order from the top; click a bar to choose its layer."
    words = f"{so_far} test {examples}, with 95 % intervals. {unpruned} {order}"
    if scan.made:
        words += f" They came with the app (computed {scan.made})."
    everything = point.card.test_images
    seconds = job.seconds_for(everything)
    if scan.total < everything and seconds is not None:
        words += f" All {everything:,} {examples} would take about {waiting.duration(seconds)}."
    return words


def numbers(scan: Scan, examples: str) -> None:
    """The table, the files, and what is missing from them."""
    if scan.slow:
        st.caption(
            ":material/hourglass: This network cannot be traced, so every layer ran a copy of it: exact, but slow."
        )
    table = prepared.scan_table(scan)
    name = drawing.plain_name(scan.run.checkpoint, "scan", scan.run.mode)
    title = f"{scan.run.checkpoint}: accuracy lost with a layer pruned whole, {scan.done:,} {scan.run.split} {examples}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Every number")
        draw = partial(figures.layers_figure, table[1:], title)
        drawing.figure_button(partial(prepared.figure_file, draw), name, "scan")
        drawing.csv_button(table, name)
    shares = {"accuracy": "Accuracy", "low": "95 % from", "high": "95 % to"}
    columns: dict[str, Any] = {
        "position": st.column_config.NumberColumn("Place", help="Among all convolutions, in the order they run"),
        "layer": "Layer",
        "channels": st.column_config.NumberColumn("Channels", format="localized"),
        "parameters": st.column_config.NumberColumn("Parameters", format="localized"),
        **shares,
        "change": "Change in points",
    }
    st.dataframe(
        drawing.in_words(table[list(columns)].fillna({"layer": "unpruned"}), shares, ["change"]),
        column_config=columns,
        hide_index=True,
        alt="Accuracy with each layer pruned whole; the first row is the unpruned network",
    )
    if scan.left_out:
        with st.expander(f"Layers left out: {len(scan.left_out)}", icon=":material/do_not_disturb_on:"):
            for layer, why in scan.left_out.items():
                st.caption(drawing.plain(f"{layer} is left out: {why}."))


def views_of(point: Checkpoint) -> list[str]:
    """What can be shown, first what is at hand: bars that come with the app rather than a map that takes minutes."""
    only_bars = shipped.has_scan(point, "blocks", "filter") and not shipped.has_sensitivity(point, "mean", "filter")
    return sorted(SHOWN, key=lambda name: name != WHOLE) if only_bars else list(SHOWN)


def draw_page(point: Checkpoint, top: Any, picture: Any) -> None:
    """What the network loses without each layer, as bars, with all numbers below."""
    with st.sidebar:
        which = pick_layers(point)
        modes, wrong = cache.scan_modes(point, which), "no mode that fits these layers"
        mode = pickers.pick_named("Pruning a channel", "mode", modes, "filter", wrong, format_func=views.mode_title)
        st.caption(MODES[mode].sentence)
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
        waiting.require_part(job, SCANNING, ask, lambda: job.latest is not None)
    bars = partial(draw, point, job, live)
    links.fragment(sparing.explore, job, live, SCANNING, bars, every=waiting.POLL if live else None)
    if not live:
        numbers(job.latest, networks.examples_of(point))


with links.page():
    presets.pick_lab()
    point = networks.pick_checkpoint()
    top, picture = st.container(), st.container()
    with st.sidebar:
        words = "10, 20 … 100 % of each layer's channels pruned, as a map or as curves; or bars of whole layers pruned."
        show = pickers.pick_option("Show", "show", views_of(point), format_func=SHOWN.get, help=words)
    if show == WHOLE:
        draw_page(point, top, picture)
    else:
        sparing.draw_page(point, show, top, picture)
