"""What the channels of a layer put out: on average over a split, and on real images."""

from functools import partial

import streamlit as st

from explorer import charts
from explorer.activations import POINTS
from explorer.app_pages import cache, controls
from explorer.app_pages.controls import View
from explorer.ranking import CRITERIA, Ranking

EXAMPLES = 8  # images, each of another class as far as there are classes
SCREEN_DPI = 110


def explore(view: View, ranking: Ranking) -> None:
    """The bars, the maps and one channel, at K."""
    k = controls.pick_k(view.ks)
    criterion = CRITERIA[view.experiment.criterion]
    st.subheader(
        f"{criterion.title} of each channel",
        help="Solid bars are kept at this K; hollow ones with a cross are pruned. Click a bar to see its channel.",
    )
    bars = charts.channel_bars(cache.channel_table(ranking, k), criterion.title, height=300)
    controls.draw(bars, key="bars", on_select=show_clicked, selection_mode="pick")
    maps(view, ranking, k)
    examples(view, ranking, k)


def show_clicked() -> None:
    """Show the channel whose bar was clicked."""
    picked = st.session_state["bars"].selection.pick
    if picked:
        st.session_state["channel"] = str(picked[0]["channel"])


def maps(view: View, ranking: Ranking, k: int) -> None:
    """The grid of averaged maps, for the screen and for print."""
    st.subheader("Averaged maps")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        points = cache.fitting_points(view.checkpoint, view.layer)
        where = controls.pick_option("Output", "output", points, help=" or ".join(POINTS[point] for point in points))
        order = controls.pick_option("Order", "order", ["sorted", "original"])
        colour = controls.pick_option("Colouring", "colouring", list(charts.COLOUR_MAPS)[::-1])
        scale = controls.pick_option(
            "Scale",
            "scale",
            ["shared", "per map"],
            help="One scale for all maps, or each map from its own lowest value.",
        )
    averages = controls.layer_statistics(view, where)
    shown = ranking.order if order == "sorted" else sorted(ranking.order)
    look = cache.Grid(tuple(map(int, shown)), frozenset(map(int, ranking.order[:k])), colour, scale == "shared")
    label = "Mean activation" if where == "activation" else "Mean raw output"
    picture = cache.grid_file(averages, look, label, "png", SCREEN_DPI, controls.ink())
    words = f"Averaged maps of the {len(shown)} channels of {view.layer}, {order} order, {k} crossed out as pruned"
    st.image(picture, width="stretch", alt=words)
    name = controls.file_name(view, where, "maps")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Over {averages.done:,} {view.experiment.ranked_on} images, {POINTS[where]}; pruned channels have a cross."
        )
        for kind, mime in charts.FORMATS.items():
            st.download_button(
                kind.upper(),
                partial(cache.grid_file, averages, look, label, kind),
                f"{name}.{kind}",
                mime,
                key=f"maps {kind}",
                icon=":material/download:",
                on_click="ignore",
            )
        table = cache.statistics_table(averages, ranking, k)
        controls.csv_button(table, controls.file_name(view, where, "channels"), "CSV")


def examples(view: View, ranking: Ranking, k: int) -> None:
    """One channel's maps on a few real images."""
    st.subheader("One channel on real images")
    options, top = [str(channel) for channel in range(view.channels)], str(ranking.order[-1])
    channel = int(controls.pick_named("Channel", "channel", options, top, f"not in {view.layer}", width=200))
    state = "pruned" if channel in ranking.order[:k] else "kept"
    images, labels, outputs = cache.examples(
        view.checkpoint, view.checkpoint.sha256, view.layer, st.session_state["output"], EXAMPLES
    )
    colours = charts.map_pictures(outputs[:, channel], st.session_state["colouring"])
    grid = st.grid(EXAMPLES, min_column_width=100, gap="small")
    for image, picture, label in zip(charts.thumbnails(images), colours, labels, strict=True):
        with grid.cell():
            st.image(image, width="stretch", output_format="PNG", alt=f"A test image of {label}")
            st.image(
                picture,
                caption=label,
                width="stretch",
                output_format="PNG",
                alt=f"What channel {channel} puts out for {label}",
            )
    st.caption(
        f"Channel {channel} is {state} at K = {k}: above, one test image of each of the first classes; below, what the "
        "channel puts out for it, all on one scale."
    )


with controls.page():
    view = controls.pick_view()
    ranking = controls.ranking(view)
    st.fragment(explore)(view, ranking)
