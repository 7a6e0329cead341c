"""Charts and figures from plain tables: what they draw, say and write."""

import json

import numpy as np
import pandas as pd
import pytest

from explorer import charts


def curve(ks=range(5), accuracy=(0.9, 0.88, 0.7, 0.4, 0.1), **columns) -> pd.DataFrame:
    table = pd.DataFrame({"k": list(ks), "accuracy": accuracy, "channels": 4})
    return table.assign(low=table["accuracy"] - 0.02, high=table["accuracy"] + 0.02, **columns)


def layers(chart: charts.Chart) -> list[dict]:
    return chart.spec["layer"]


def test_the_accuracy_curve_marks_k_and_says_so():
    chart = charts.accuracy_curve(curve(), 2)
    assert chart.data["here"][["k", "accuracy"]].values.tolist() == [[2, 0.7]]
    assert chart.data["curve"].columns.tolist() == ["k", "accuracy", "low", "high"]
    assert chart.words == "Accuracy against channels pruned: 90.00 % at K = 0, 70.00 % at K = 2, 10.00 % at K = 4"
    assert {layer["mark"]["type"] for layer in layers(chart)} >= {"area", "line", "rule", "point"}
    assert [parameter["name"] for parameter in chart.spec["params"]] == ["pick"]


def test_a_new_k_sends_rows_not_a_new_specification():
    table = curve()
    first, second = charts.accuracy_curve(table, 1), charts.accuracy_curve(table, 3)
    assert first.spec is second.spec
    assert first.data["here"]["k"].tolist() != second.data["here"]["k"].tolist()


def test_a_k_not_computed_yet_gets_the_rule_alone():
    chart = charts.accuracy_curve(curve(ks=(0, 10, 20, 30, 40)), 7)
    assert chart.data["here"]["k"].tolist() == [7]
    assert chart.data["here"]["accuracy"].isna().all()
    assert "K = 7" not in chart.words


def test_the_axes_can_stand_before_the_curve_is_known():
    frame, later = charts.empty_curve(4, height=340), charts.accuracy_curve(curve(), 2, height=340)
    assert frame.spec == later.spec and "not known" in frame.words
    assert all(rows.empty and set(later.data[name]) <= set(rows) for name, rows in frame.data.items())


def test_points_are_left_out_where_they_would_run_together():
    many = curve(ks=range(513), accuracy=np.linspace(0.9, 0.1, 513))
    sizes = [layer["mark"].get("size") for layer in layers(charts.accuracy_curve(many, 5))]
    assert 0 in sizes and 0 not in [layer["mark"].get("size") for layer in layers(charts.accuracy_curve(curve(), 2))]


def test_every_chart_is_valid_vega_lite_with_its_data_inside():
    table = pd.concat([curve(criterion="mean"), curve(criterion="l1")])
    channels = pd.DataFrame({"channel": [3, 1], "value": [-0.1, 0.2], "state": ["pruned", "kept"]})
    for chart in (
        charts.accuracy_curve(curve(), 1),
        charts.compare_curves(table),
        charts.channel_bars(channels, "Mean activation"),
        charts.class_bars(classes(), 3),
    ):
        whole = chart.altair().to_dict()  # validates against the schema
        assert set(whole["datasets"]) == set(chart.data)
        used = {layer["data"]["name"] for layer in whole["layer"] if "data" in layer} | {
            whole.get("data", {}).get("name")
        }
        assert used - {None} == set(chart.data)
        assert json.dumps(chart.spec) and chart.words


@pytest.mark.parametrize(("axis", "highest"), [("k", 4), ("ratio", 1)])
def test_curves_are_told_apart_by_colour_dash_and_shape(axis, highest):
    chart = charts.compare_curves(pd.concat([curve(criterion="mean"), curve(criterion="random")]), axis)
    encodings = [layer["encoding"] for layer in layers(chart)]
    assert {"color", "strokeDash", "shape"} <= {name for encoding in encodings for name in encoding}
    assert encodings[1]["x"]["field"] == axis and encodings[1]["x"]["scale"]["domain"] == [0, highest]
    assert chart.words.startswith("Accuracy against channels pruned: mean 70.00 % at K = 2, random")


def test_an_unknown_axis_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown axis 'percent'; choose one of: k, ratio"):
        charts.compare_curves(curve(criterion="mean"), "percent")


def test_pruned_channels_are_hollow_and_crossed_not_just_coloured():
    table = pd.DataFrame({"channel": [3, 1, 0], "value": [-0.1, 0.2, 0.3], "state": ["pruned", "pruned", "kept"]})
    chart = charts.channel_bars(table, "Mean activation")
    bars, crosses = layers(chart)
    assert {"fillOpacity", "strokeDash", "color"} <= set(bars["encoding"])
    assert crosses["mark"]["text"] == "×"
    assert chart.words == "3 channels in pruning order, values from -0.100 to 0.300, of which 2 are pruned: 3, 1"
    assert chart.data["channels"]["place"].tolist() == [1, 2, 3]
    assert bars["encoding"]["x"]["sort"] is None, "the bars must keep the pruning order"


def classes() -> pd.DataFrame:
    table = pd.DataFrame({"class": ["cat", "dog"], "accuracy": [0.5, 0.8], "before": [0.9, 0.7], "n": [10, 20]})
    return table.assign(change=100 * (table["accuracy"] - table["before"]))


def test_class_bars_compare_with_a_tick_or_stand_alone():
    pruned, alone = charts.class_bars(classes(), 3), charts.class_bars(classes())
    assert [layer["mark"]["type"] for layer in layers(pruned)] == ["bar", "tick"]
    assert [layer["mark"]["type"] for layer in layers(alone)] == ["bar"]
    assert pruned.words == "Accuracy per class: cat changes most, 90.00 % to 50.00 % at K = 3"
    assert alone.words == "Accuracy per class: from cat at 50.00 % to dog at 80.00 %"


def test_thumbnails_enlarge_whole_pixels():
    grey = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    small, _ = charts.thumbnails(grey, 6)
    assert small.shape == (6, 6) and small[:3, :3].tolist() == [[0] * 3] * 3
    assert charts.thumbnails(np.zeros((1, 3, 4, 4), np.uint8), 8)[0].shape == (8, 8, 3)


MAPS = np.arange(5 * 3 * 4, dtype=float).reshape(5, 3, 4)
TITLES = ["7", "2", "0", "4", "1"]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_grid_shows_every_map_titled_in_order_with_one_colour_bar():
    figure = charts.maps_figure(MAPS, TITLES, pruned=[0, 3], columns=2)
    assert texts(figure) == ["7 ×", "2", "0", "4 ×", "1"]
    assert len(figure.axes) == 2 and len(figure.axes[0].images) == 1
    shown = np.asarray(figure.axes[0].images[0].get_array().filled(np.nan))
    assert np.array_equal(np.sort(shown[~np.isnan(shown)]), MAPS.ravel()), "every value once, the gaps empty"
    crosses = figure.axes[0].collections[0].get_segments()
    assert len(crosses) == 4, "two strokes a pruned map"


def test_maps_stand_where_their_titles_say():
    figure = charts.maps_figure(MAPS, TITLES, columns=2)
    shown = np.asarray(figure.axes[0].images[0].get_array().filled(np.nan))
    for text, one in zip(figure.axes[0].texts, MAPS, strict=True):
        middle, base = text.get_position()
        left, top = round(middle - 2), int(np.ceil(base))
        assert np.array_equal(shown[top : top + 3, left : left + 4], one)


def test_a_scale_of_its_own_stretches_each_map():
    figure = charts.maps_figure(np.stack([MAPS[0], np.full((3, 4), 5.0)]), ["a", "b"], shared=False)
    shown = np.asarray(figure.axes[0].images[0].get_array().filled(np.nan))
    values = shown[~np.isnan(shown)]
    assert values.min() == 0 and values.max() == 1 and np.count_nonzero(values == 0) == 13


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (16, 8), (32, 8), (64, 16), (128, 16), (256, 16), (512, 16)])
def test_grids_have_the_usual_number_of_columns(count, columns):
    assert charts.grid_columns(count) == columns


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_becomes_a_file_of_each_kind(kind, start):
    assert charts.figure_bytes(charts.maps_figure(MAPS, TITLES), kind).startswith(start)


def test_a_png_for_print_is_large_enough_for_a_page():
    header = charts.figure_bytes(charts.maps_figure(MAPS, TITLES))[16:24]
    width = int.from_bytes(header[:4], "big")
    assert width >= 11 * 300


def test_bad_figures_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown colouring 'pink'; choose one of: grey, colour"):
        charts.maps_figure(MAPS, TITLES, colour="pink")
    with pytest.raises(ValueError, match="5 maps need as many titles, not 1"):
        charts.maps_figure(MAPS, ["7"])
    with pytest.raises(ValueError, match="unknown file format 'gif'; choose one of: png, svg, pdf"):
        charts.figure_bytes(charts.maps_figure(MAPS, TITLES), "gif")


def test_map_pictures_share_one_scale():
    low, high = charts.map_pictures(np.stack([np.zeros((2, 2)), np.ones((2, 2))]), "grey", 4)
    assert low.shape == (4, 4, 3) and low.max() == 0 and high.min() == 255


def test_pyplot_stays_out_of_it():
    import sys

    charts.maps_figure(MAPS, TITLES)
    assert "matplotlib.pyplot" not in sys.modules


def test_a_pair_of_images_stands_side_by_side():
    left, right = np.zeros((2, 1, 3, 4), np.uint8), np.ones((2, 1, 3, 4), np.uint8)
    pair = charts.side_by_side([left, right])
    assert pair.shape == (2, 1, 3, 8) and not pair[..., :4].any() and pair[..., 4:].all()
    assert np.array_equal(charts.side_by_side([left]), left)
