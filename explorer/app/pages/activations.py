"""What the channels of a layer put out: on average over a split, and on real images."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.answers.computing import run_of
from explorer.app import cache, downloads, drawing, links, pickers, prepared, presets, story, sweeps, titles, views
from explorer.app.views import View
from explorer.engine.oracle import Oracle
from explorer.language.saying import english, joined, say
from explorer.pruning.criteria import Criterion
from explorer.pruning.points import POINTS
from explorer.pruning.rankings import Ranking
from explorer.show import charts, figures
from explorer.show.pictures import thumbnails

TO_SEE = english("To see what it makes of them takes the images of")
EXAMPLES = 8  # of as many classes as there are
SCREEN_DPI = 120
NARROW = 100  # pixels of a column of numbers
FEWEST_COLUMNS, MOST_COLUMNS = 4, 64
NUMBERS = {"from 0": 0, "from 1": 1}
LABELS = {
    "raw": english("Mean raw output (before ReLU)"),
    "activation": english("Mean after activation"),
    "block": english("Mean output of the block"),
}
TENSORS = {
    "raw": english("raw output, before ReLU"),
    "activation": english("after activation"),
    "block": english("output of the block"),
}


def explore(view: View, ranking: Ranking, gone: dict[int, int]) -> None:
    """The bars, the maps and one channel, at K; `gone` says how many channels are then pruned."""
    k = views.pick_k(list(gone))
    pruned = gone[k]
    criterion = criterion_named(view.experiment.criterion)
    table, title = prepared.channel_table(ranking, pruned), measured(criterion)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(
            say("{measure}, channel by channel", measure=title),
            help=say(
                "Solid bars are kept at this K; hollow ones with a cross are pruned. Click a bar to see its channel."
            ),
        )
        draw = partial(figures.channel_figure, table, title)
        name = views.file_name(view, view.experiment.criterion, f"k{k}", "bars")
        drawing.figure_button(partial(prepared.figure_file, draw), name, "bars")
    bars = charts.channel_bars(table, say(criterion.title), height=300)
    drawing.draw(bars, key="bars", on_select=show_clicked, selection_mode="pick")
    maps(view, ranking, k, pruned)
    examples(view, ranking, pruned)


def measured(criterion: Criterion | Oracle) -> str:
    """What a criterion scores channels by, with the tensor that it looks at: "Mean activation (raw output)"."""
    tensor = TENSORS.get(getattr(criterion, "point", "")) if criterion.needs_data else None
    title = say(criterion.title)
    return say("{measure} ({tensor})", measure=title, tensor=say(tensor)) if tensor else title


def output_of(view: View, where: str) -> str:
    """The output that statistics are of, in words; a batch norm is spoken of where there is one."""
    has_norm = "bn-scale" in cache.fitting_criteria(view.checkpoint, view.layer)
    return say(POINTS[where] if has_norm or where != "activation" else "output after the activation")


def show_clicked() -> None:
    """Show the channel whose bar was clicked."""
    picked = st.session_state["bars"].selection.pick
    if picked:
        st.session_state["channel"] = str(picked[0]["channel"])


def maps(view: View, ranking: Ranking, k: int, pruned: int) -> None:
    """The grid of averaged maps, for the screen and for print, and the numbers behind it."""
    st.subheader(say("Averaged maps"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = cache.fitting_points(view.checkpoint, view.layer)
        words = say(" or ").join(say(POINTS[point]) for point in points)
        how: dict[str, Any] = {"help": words, "format_func": titles.named(titles.OUTPUTS)}
        where = pickers.pick_option(say("Output"), "output", points, **how)
        words = say("First pruned first, or as in the network.")
        order = pickers.pick_option(say("Order"), "order", figures.ORDERS, help=words)
        colour = pickers.pick_option(say("Colouring"), "colouring", list(figures.COLOUR_MAPS)[::-1])
        words = say("One scale for all maps, or each map from its own lowest value.")
        scale = pickers.pick_option(say("Scale"), "scale", ["shared", "per map"], help=words)
        columns, most, numbers = layout(view)
    averages = sweeps.layer_statistics(view, where)
    shown = figures.grid_channels(order, ranking.order, averages.mean, most)
    look = prepared.Grid(
        channels=tuple(shown),
        pruned=frozenset(map(int, ranking.order[:pruned])),
        titles=None if numbers == "none" else tuple(map(str, shown)),
        colour=colour,
        shared=scale == "shared",
        columns=columns,
    )
    picture = prepared.grid_file(averages, look, say(LABELS[where]), "png", SCREEN_DPI, drawing.ink())
    which = say("the {n} most active channels" if most else "the {n} channels", n=len(shown))
    words = say(
        "Averaged maps of {which} of {layer}, {order} order, {pruned} crossed out as pruned",
        which=which,
        layer=view.layer,
        order=say(order),
        pruned=pruned,
    )
    drawing.picture(picture, alt=words)
    with st.container(horizontal=True, vertical_alignment="center"):
        words = say(
            "{which} over {n:,} {split} {examples}: {output}; pruned channels have a cross."
            if pruned
            else "{which} over {n:,} {split} {examples}: {output}; nothing is pruned.",
            which=drawing.sentence(which),
            n=averages.done,
            split=say(view.experiment.ranked_on),
            examples=say(view.examples),
            output=output_of(view, where),
        )
        alone = say("This network cannot be traced, so there is no other output to look at.")
        st.caption(joined([words, "" if len(points) > 1 else alone]))
        with drawing.figure_button_of(say("Figure")):
            words = say("Without crosses.")
            before = st.toggle(say("Before pruning"), True, key="figure before pruning", help=words)
            first = NUMBERS.get(numbers, 0)
            numbered = None if numbers == "none" else tuple(str(channel + first) for channel in shown)
            printed = replace(look, titles=numbered, pruned=frozenset() if before else look.pruned)
            name = views.file_name(view, *views.way_of(view.experiment), where, f"k{0 if before else k}", "maps")
            drawing.figure_files(partial(prepared.grid_file, averages, printed, say(LABELS[where])), name, "maps")
    numbers_of(view, prepared.statistics_table(averages, ranking, pruned), where, k)


def layout(view: View) -> tuple[int | None, int | None, str]:
    """What a figure for print may need besides: columns, how many channels, and how they are numbered."""
    with st.popover(say("Layout"), icon=":material/grid_on:"):
        columns = pickers.pick_count(say("Columns"), "columns", FEWEST_COLUMNS, MOST_COLUMNS, say("automatic"))
        words = say("The channels with the highest mean of this output.")
        most = pickers.pick_count(say("Most active only"), "most", 1, view.channels, say("all"), help=words)
        words = say("In the figure for print; on the page channels are numbered from 0, as in PyTorch.")
        numbers = pickers.pick_option(say("Numbers"), "numbers", [*NUMBERS, "none"], help=words)
    return columns, most, numbers


def numbers_of(view: View, table: pd.DataFrame, where: str, k: int) -> None:
    """The channels' means and other statistics, in pruning order."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(say("Every channel"), width="content")
        name = views.file_name(view, *views.way_of(view.experiment), where, f"k{k}", "channels")
        run = vars(run_of(view.experiment, view.checkpoint)) | {"output": where, "k": k}
        drawing.csv_button(pd.concat([pd.DataFrame(run, table.index), table], axis=1), name, key="channels")
    if np.allclose(table["importance"], table["mean"], equal_nan=True):
        table = table.drop(columns="importance")
    columns: dict[str, Any] = {
        "channel": say("Channel"),
        "importance": measured(criterion_named(view.experiment.criterion)),
        "state": say("State"),
        "mean": say("Mean"),
        "std": say("Std. deviation"),
        "minimum": say("Lowest"),
        "maximum": say("Highest"),
        "mean_absolute": say("Mean size"),
        "mean_positive": say("Positive part"),
        "positive": say("Above zero"),
    }
    columns = {name: st.column_config.Column(title, width=NARROW) for name, title in columns.items()}
    st.dataframe(
        drawing.in_words(table.assign(state=charts.stated(table["state"])), ["positive"]),
        column_config=columns,
        hide_index=True,
        height=320,
        alt=say("Statistics of the {n} channels, first pruned first", n=len(table)),
    )
    st.caption(
        say(
            "First pruned first; the statistics are of the {output}. Mean size is that of the values without their "
            "sign, positive part that of the values with the negative ones set to zero.",
            output=output_of(view, where),
        )
    )


def examples(view: View, ranking: Ranking, pruned: int) -> None:
    """One channel's maps on a few real images."""
    st.subheader(say("One channel on real images"))
    options, top = [str(channel) for channel in range(view.channels)], str(ranking.order[-1])
    wrong = say("not in {layer}", layer=view.layer)
    channel = int(pickers.pick_named(say("Channel"), "channel", options, top, wrong, width=200))
    state = charts.PRUNED if channel in ranking.order[:pruned] else charts.KEPT
    if not downloads.has_data(view.checkpoint.card.dataset, why=TO_SEE):
        return
    images, labels, outputs = prepared.examples(view.checkpoint, view.layer, st.session_state["output"], EXAMPLES)
    colours = figures.map_pictures(outputs[:, channel], st.session_state["colouring"])
    grid = st.grid(EXAMPLES, min_column_width=80, gap="small")
    for image, picture, label in zip(thumbnails(images), colours, labels, strict=True):
        with grid.cell():
            words = say("One of the test {examples}: {label}", examples=say(view.examples), label=label)
            drawing.picture(image, width="stretch", alt=words)
            words = say("What channel {channel} puts out for it", channel=channel)
            drawing.picture(picture, caption=label, width="stretch", alt=words)
    st.caption(
        say(
            "Channel {channel} is {state}: above, test {examples} of different classes; below, what the channel puts "
            "out for them, all on one scale.",
            channel=channel,
            state=say(state),
            examples=say(view.examples),
        )
    )


with links.page():
    view = views.pick_view()
    switch = partial(presets.pick_way, view.lab, view.variant, maps=True)
    story.head_of_activations(view.checkpoint, view.layer, view.lab, switch)
    ranking, gone = sweeps.steps(view)
    links.fragment(explore, view, ranking, gone)
