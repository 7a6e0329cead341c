"""Figures for print: what they draw, and that it can be read in black and white."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import font_manager
from matplotlib.image import imread
from plain_tables import classes, curve, scanned, shares_pruned

from explorer.language.saying import language, speaking
from explorer.networks.registry import build
from explorer.pruning import activations
from explorer.show import figures
from explorer.show.fonts import lettered
from explorer.show.sensitivity_figure import sensitivity_figure

MAPS = np.arange(5 * 3 * 4, dtype=float).reshape(5, 3, 4)
TITLES = ["7", "2", "0", "4", "1"]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_grid_shows_every_map_titled_in_order_with_one_colour_bar():
    figure = figures.maps_figure(MAPS, TITLES, pruned=[0, 3], columns=2)
    assert texts(figure) == ["7 ×", "2", "0", "4 ×", "1"]
    assert len(figure.axes) == 2 and len(figure.axes[0].images) == 1
    shown = np.asarray(figure.axes[0].images[0].get_array().filled(np.nan))
    assert np.array_equal(np.sort(shown[~np.isnan(shown)]), MAPS.ravel()), "every value once, the gaps empty"
    crosses = figure.axes[0].collections[1].get_segments()
    assert len(crosses) == 4, "two strokes a pruned map"


def test_maps_stand_where_their_titles_say():
    figure = figures.maps_figure(MAPS, TITLES, columns=2)
    shown = np.asarray(figure.axes[0].images[0].get_array().filled(np.nan))
    for text, one in zip(figure.axes[0].texts, MAPS, strict=True):
        middle, base = text.get_position()
        left, top = round(middle - 2), int(np.ceil(base))
        assert np.array_equal(shown[top : top + 3, left : left + 4], one)


def test_a_scale_of_its_own_stretches_each_map():
    figure = figures.maps_figure(np.stack([MAPS[0], np.full((3, 4), 5.0)]), ["a", "b"], shared=False)
    shown = np.asarray(figure.axes[0].images[0].get_array().filled(np.nan))
    values = shown[~np.isnan(shown)]
    assert values.min() == 0 and values.max() == 1 and np.count_nonzero(values == 0) == 13


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (16, 8), (32, 8), (64, 16), (128, 16), (256, 16), (512, 16)])
def test_grids_have_the_usual_number_of_columns(count, columns):
    assert figures.grid_columns(count) == columns


@pytest.mark.parametrize(
    ("order", "most", "expected"),
    [
        ("sorted", None, [3, 0, 1, 2]),
        ("original", None, [0, 1, 2, 3]),
        ("sorted", 2, [0, 2]),
        ("sorted", 3, [3, 0, 2]),
        ("original", 1, [2]),
    ],
)
def test_a_grid_shows_the_most_active_channels_in_the_order_asked_for(order, most, expected):
    mean = np.array([0.4, -1.0, 0.9, 0.4 - 1e-9])
    assert figures.grid_channels(order, np.array([3, 0, 1, 2]), mean, most) == expected


def test_grids_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="unknown order 'random'; choose one of: sorted, original"):
        figures.grid_channels("random", np.arange(2), np.zeros(2))
    for most in (0, 3):
        with pytest.raises(ValueError, match=f"cannot show the {most} most active channels; choose 1 to 2"):
            figures.grid_channels("sorted", np.arange(2), np.zeros(2), most)


def test_maps_without_titles_stand_closer():
    titled, bare = figures.maps_figure(MAPS, TITLES, columns=2), figures.maps_figure(MAPS, None, columns=2)
    assert texts(bare) == [] and len(texts(titled)) == 5
    assert bare.get_figheight() < titled.get_figheight()


def test_every_map_is_framed():
    frames, crosses = figures.maps_figure(MAPS, TITLES, columns=2).axes[0].collections
    assert len(frames.get_segments()) == 5 and not crosses.get_segments()
    assert frames.get_segments()[0].max(0).tolist() == [4, 6] and frames.get_segments()[0].min(0).tolist() == [0, 3]


def test_a_grid_of_one_column_stays_on_a_page():
    figure = figures.maps_figure(np.zeros((512, 4, 4)), [str(i) for i in range(512)], columns=1)
    assert figure.get_figheight() < 31 and figures.figure_bytes(figure, dpi=50)


def test_the_ring_of_lab_d_is_seen():
    """Its block's outermost pixels see only biases: the averaged maps have a border, whole and unsmoothed."""
    torch.manual_seed(0)
    net = build("lab-resnet").eval()
    images = [(torch.randn(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64))]
    ring = np.ones((11, 11), bool)
    ring[1:-1, 1:-1] = False
    raw = activations.collect(net, "res2.feature2.0", images).maps
    assert raw.shape == (256, 11, 11)
    assert np.ptp(raw[:, ring], axis=1).max() < 1e-6 < np.ptp(raw[:, ~ring], axis=1).min()
    figure = figures.maps_figure(np.where(ring, 0.0, 1.0)[None].repeat(256, 0), colour="grey", columns=16)
    assert figure.axes[0].images[0].get_interpolation() == "nearest"
    pixels = imread(io.BytesIO(figures.figure_bytes(figure, dpi=110)))[..., 0]
    middle = pixels[round(0.5 / 16 * len(pixels))]
    black = np.flatnonzero(middle < 0.1)
    runs = np.split(black, np.flatnonzero(np.diff(black) > 1) + 1)
    assert len(runs) >= 32 and min(map(len, runs[:32])) >= 4, "a black edge left and right of each of 16 maps"


# Curves and bars


def lines(figure) -> list:
    return figure.axes[0].lines


def test_the_accuracy_figure_has_markers_a_band_a_grid_and_percents():
    figure = figures.accuracy_figure({"Mean": curve()})
    (line,), axes = lines(figure), figure.axes[0]
    assert line.get_xdata().tolist() == [0, 1, 2, 3, 4] and line.get_ydata().tolist() == [0.9, 0.88, 0.7, 0.4, 0.1]
    assert line.get_marker() == "o" and axes.get_ylim() == (0, 1)
    assert axes.yaxis.get_major_formatter()(0.5) == "50%"
    assert axes.xaxis.get_gridlines()[0].get_visible() and axes.get_xlabel() == "Channels pruned (K)"
    (band,) = axes.collections
    assert band.get_paths()[0].get_extents().extents.tolist() == pytest.approx([0, 0.08, 4, 0.92])
    assert said(axes) == ["95 % interval"] and axes.get_xticks().tolist() == [0, 1, 2, 3, 4]


def said(axes) -> list[str]:
    """What the legend says."""
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_accuracy_figure_says_what_it_is_of_and_what_each_band_means():
    table = {"Mean": curve(), "Random": curve()}
    (axes,) = figures.accuracy_figure(table, title="net, conv2\nK = 0 … 4", orders=["Random"]).axes
    assert axes.get_title(loc="left") == "net, conv2\nK = 0 … 4"
    assert said(axes) == ["Mean", "Random", "95 % interval", "where 95 % of random orders fall"]
    (alone,) = figures.accuracy_figure({"Random": curve()}, orders=["Random"]).axes
    assert said(alone) == ["where 95 % of random orders fall"]


def test_curves_of_several_rankings_differ_in_dash_and_marker_not_only_in_colour():
    table = {f"ranking {i}": curve() for i in range(7)}
    drawn = lines(figures.accuracy_figure(table, "ratio"))
    assert len({line.get_marker() for line in drawn}) == len({line.get_color() for line in drawn}) == 7
    assert len({str(line._dash_pattern) for line in drawn}) == 7
    assert drawn[0].get_xdata().max() == 1
    assert said(figures.accuracy_figure(table).axes[0])[:7] == [f"ranking {i}" for i in range(7)]


def test_a_long_curve_has_fewer_markers_than_points_and_a_close_one_its_own_range():
    k = range(257)
    table = curve(k, np.linspace(0.92, 0.9, 257)).assign(channels=256)
    figure = figures.accuracy_figure({"Mean": table}, "ratio", close=True)
    assert lines(figure)[0].get_markevery() == 6 and figure.axes[0].get_ylim() == (0.88, 0.94)


def test_an_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="unknown axis 'percent'; choose one of: k, ratio"):
        figures.accuracy_figure({"Mean": curve()}, "percent")


def test_pruned_channels_are_hatched():
    table = pd.DataFrame({"channel": [3, 1, 0], "value": [-0.1, 0.2, 0.3], "state": ["pruned", "pruned", "kept"]})
    axes = figures.channel_figure(table, "Mean activation").axes[0]
    kept, pruned = axes.containers
    assert [bar.get_height() for bar in pruned] == [-0.1, 0.2] and [bar.get_height() for bar in kept] == [0.3]
    assert [bar.get_x() + bar.get_width() / 2 for bar in pruned] == pytest.approx([0, 1])
    assert all(bar.get_hatch() for bar in pruned) and not any(bar.get_hatch() for bar in kept)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "1", "0"]
    assert axes.get_ylabel() == "Mean activation"


def test_many_channels_are_not_numbered():
    table = pd.DataFrame({"channel": range(100), "value": 1.0, "state": "kept"})
    axes = figures.channel_figure(table, "L1 norm").axes[0]
    assert not axes.get_xticklabels() and len(axes.patches) == 100


def test_the_class_figure_has_a_bar_for_now_and_a_tick_for_before():
    figure = figures.class_figure(classes(), 3)
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.8]
    assert lines(figure)[0].get_xdata().tolist() == [0.9, 0.7]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"] and axes.yaxis_inverted()
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"K = 3", "K = 0"}


# Files


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_becomes_a_file_of_each_kind(kind, start):
    assert figures.figure_bytes(figures.maps_figure(MAPS, TITLES), kind).startswith(start)


def test_a_png_for_print_is_large_enough_for_a_page():
    header = figures.figure_bytes(figures.maps_figure(MAPS, TITLES))[16:24]
    width = int.from_bytes(header[:4], "big")
    assert width >= 11 * 300


def test_bad_figures_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown colouring 'pink'; choose one of: grey, colour"):
        figures.maps_figure(MAPS, TITLES, colour="pink")
    with pytest.raises(ValueError, match="5 maps need as many titles, not 1"):
        figures.maps_figure(MAPS, ["7"])
    with pytest.raises(ValueError, match="unknown file format 'gif'; choose one of: png, svg, pdf"):
        figures.figure_bytes(figures.maps_figure(MAPS, TITLES), "gif")


def test_map_pictures_share_one_scale():
    low, high = figures.map_pictures(np.stack([np.zeros((2, 2)), np.ones((2, 2))]), "grey", 4)
    assert low.shape == (4, 4, 3) and low.max() == 0 and high.min() == 255


def test_pyplot_stays_out_of_it(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # a student's code may have asked for it
    figures.maps_figure(MAPS, TITLES)
    assert "matplotlib.pyplot" not in sys.modules


def test_layers_for_print():
    figure = figures.layers_figure(scanned(), "net")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["stem", "block.2", "block.1"]
    assert axes.yaxis_inverted(), "the first layer on top"
    assert [bar.get_width() for bar in axes.patches] == [80, 5, -3]
    assert [text.get_text() for text in axes.texts] == ["80.00", "5.00", "−3.00"]
    assert figures.figure_bytes(figure, "svg").startswith(b"<?xml")


def test_a_sensitivity_figure_has_a_number_in_each_cell_and_a_frame_a_layer():
    figure = sensitivity_figure(shares_pruned(), {"stem": 50, "block.1": 0}, "net")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["90.0", "90.0", "10.0", "90.0", "80.0", "30.0"]
    assert [frame.get_xy() for frame in axes.patches] == [(0.5, -0.5), (-0.5, 0.5)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["stem", "block.1 + 1 more"]
    assert figures.figure_bytes(figure, "svg")


def test_many_threads_draw_with_the_fonts_of_one():
    """Each page's script is a thread of its own, and Matplotlib keeps the fonts of every thread that drew."""

    def draw():
        figures.figure_bytes(lettered(lambda: figures.maps_figure(MAPS, TITLES)))
        return threading.get_ident(), language()

    def page(_):
        with speaking("zh"):
            return figures.by_one_thread(draw)

    page(0)
    fonts = font_manager._get_font.cache_info().currsize
    with ThreadPoolExecutor(4) as pages:
        ((_, spoken),) = set(pages.map(page, range(4)))
    assert spoken == "zh" and font_manager._get_font.cache_info().currsize == fonts
