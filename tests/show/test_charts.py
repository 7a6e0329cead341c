"""Charts and figures from plain tables: what they draw, say and write."""

import base64
import io
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from altair.utils.schemapi import debug_mode
from PIL import Image
from plain_tables import classes, curve, scanned, shares_pruned

from explorer.show import charts
from explorer.show.charts import compression
from explorer.show.charts.parts import ticks
from explorer.show.pictures import png, side_by_side, strip, thumbnails
from explorer.show.words import decimal, percent, points

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def checked():
    """Charts are checked against Altair's schema, which the app does without."""
    with debug_mode(True):
        yield


def epochs() -> pd.DataFrame:
    columns = {"train_loss": [2.0, 0.5], "validation_loss": [1.5, 0.25]}
    return pd.DataFrame({"epoch": [1, 2], "train_accuracy": [0.5, 0.8], "validation_accuracy": [0.6, 0.75], **columns})


def layers(chart: charts.Chart) -> list[dict]:
    return chart.spec["layer"]


def test_the_accuracy_curve_marks_k_and_says_so():
    chart = charts.accuracy_curve(curve(), 2)
    assert chart.data["here"][["k", "accuracy"]].values.tolist() == [[2, 0.7]]
    assert chart.data["curve"].columns.tolist() == ["k", "accuracy", "low", "high", "name"]
    assert chart.words == "Accuracy against channels pruned: 90.00 % at K = 0, 70.00 % at K = 2, 10.00 % at K = 4"
    assert {layer["mark"]["type"] for layer in layers(chart)} >= {"area", "line", "rule", "point"}
    assert [parameter["name"] for parameter in chart.spec["params"]] == ["pick"]


def test_the_training_curve_tells_training_from_held_out_images_and_says_where_it_is():
    chart = charts.training_curve(epochs(), "accuracy", 10)
    assert chart.words == "Accuracy by epoch; after 2 of 10: 80.00 % on training images, 75.00 % on held-out images"
    by_side = [[1, "training", 0.5], [2, "training", 0.8], [1, "held-out", 0.6], [2, "held-out", 0.75]]
    assert chart.data["epochs"].values.tolist() == by_side
    used = {channel for layer in layers(chart) for channel in layer["encoding"]}
    assert used >= {"color", "strokeDash", "shape"}
    looks = [
        layer["encoding"][look] for layer in layers(chart) for look in used - {"x", "y"} if look in layer["encoding"]
    ]
    legends = {json.dumps(look["legend"], sort_keys=True) for look in looks if "legend" in look}
    assert len(legends) == 1, "Vega makes one of them, and warns where they differ"
    assert chart.spec is charts.training_curve(epochs().head(1), "accuracy", 10).spec, "an epoch sends rows only"
    words = charts.training_curve(epochs(), "loss", 10).words
    assert words.endswith("0.500 on training images, 0.250 on held-out images")
    with pytest.raises(ValueError, match="unknown curve 'speed'; choose one of: loss, accuracy"):
        charts.training_curve(epochs(), "speed", 10)


def channels_of(count, pruned):
    states = ["pruned"] * pruned + ["kept"] * (count - pruned)
    return pd.DataFrame({"channel": range(count)[::-1], "value": np.arange(count) - 1.5, "state": states})


def axis_of(k, count=4, **more):
    return charts.pruning_axis(curve(), k, channels_of(count, k), "Mean activation", **more)


def test_the_one_axis_has_each_channel_between_the_k_before_and_the_k_that_prunes_it():
    chart = axis_of(2, strip="data:,", steepest=(1, 3))
    rows = chart.data["channels"]
    assert rows[["left", "right"]].values.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert rows.loc[rows["state"] == "pruned", "right"].max() == chart.data["here"]["k"][0] == 2
    assert chart.data["here"]["words"].tolist() == ["2 pruned, 2 kept"]
    assert chart.data["strip"].values.tolist() == [[0, 4, "data:,"]] and chart.data["drop"]["last"].tolist() == [3]
    assert chart.words == (
        "Accuracy against channels pruned: 90.00 % at K = 0, 70.00 % at K = 2, 10.00 % at K = 4; it falls most from "
        "K = 1 to 3. Channels pruned, in order: 3, 2. The slider below moves K by keyboard, as do the keys L and M"
    )


def test_a_new_k_on_the_one_axis_sends_rows_not_a_new_specification():
    first, second = axis_of(1, strip="data:,"), axis_of(3, strip="data:,")
    assert first.spec is second.spec and first.data["strip"].equals(second.data["strip"])
    assert "image" not in json.dumps(axis_of(1).spec), "without a picture there is no room for one"


def test_several_ways_have_a_legend_where_the_curves_leave_room():
    high, low = curve(), curve(accuracy=[0.7, 0.6, 0.4, 0.2, 0.1])
    legends = []
    for table in (high, low):
        chart = charts.pruning_axis(table, 1, channels_of(4, 1), "Mean", name="one", others={"two": curve()})
        assert set(chart.data["named"]["name"]) == {"one", "two"}
        legends += re.findall(r'"legendY": (\d+)', json.dumps(chart.spec))
    assert legends[0] > legends[-1] == "0"


def test_a_strip_of_maps_is_one_picture_in_their_order():
    maps = np.stack([np.full((4, 2), -3.0), np.arange(8.0).reshape(4, 2)])
    head, content = strip(maps).split(",")
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert head == "data:image/png;base64" and picture.shape == (32, 32, 3)
    dark, bright = [68, 1, 84], [253, 231, 37]  # the ends of viridis
    assert (picture[:, :16] == dark).all(), "a map that is the same everywhere is at its lowest everywhere"
    assert picture[0, 16].tolist() == dark and picture[-1, -1].tolist() == bright
    narrow = np.asarray(Image.open(io.BytesIO(base64.b64decode(strip(maps, rows_only=True).split(",")[1]))))
    assert narrow.shape == (32, 2, 3) and narrow[-1, 1].tolist() == bright


def test_a_new_k_sends_rows_not_a_new_specification():
    table = curve()
    first, second = charts.accuracy_curve(table, 1), charts.accuracy_curve(table, 3)
    assert first.spec is second.spec
    assert first.data["here"]["k"].tolist() != second.data["here"]["k"].tolist()


def test_a_browser_gets_the_rows_packed_once():
    chart = charts.accuracy_curve(curve(), 2)
    sent = pa.ipc.open_stream(chart.arrow["curve"]).read_all().to_pandas()
    assert sent["accuracy"].tolist() == curve()["accuracy"].tolist() and sent["name"].nunique() == 1
    assert chart.arrow is chart.arrow and set(chart.arrow) == set(chart.data)


def test_a_k_not_computed_yet_gets_the_rule_alone():
    chart = charts.accuracy_curve(curve(ks=(0, 10, 20, 30, 40)), 7)
    assert chart.data["here"]["k"].tolist() == [7] and chart.data["here"]["accuracy"].isna().all()
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


def names_of(part) -> Iterator[str]:
    """The names of the data that a part of a specification draws."""
    if isinstance(part, dict) and "name" in part.get("data", {}):
        yield part["data"]["name"]
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from names_of(inner)


def test_every_chart_is_valid_vega_lite_with_its_data_inside():
    table = pd.concat([curve(criterion="mean"), curve(criterion="l1")])
    channels = pd.DataFrame({"channel": [3, 1], "value": [-0.1, 0.2], "state": ["pruned", "kept"]})
    for chart in (
        charts.training_curve(epochs(), "loss", 10),
        charts.training_curve(epochs(), "accuracy", 1),
        charts.accuracy_curve(curve(), 1),
        charts.compare_curves(table),
        charts.channel_bars(channels, "Mean activation"),
        axis_of(1, strip="data:,", steepest=(0, 1)),
        axis_of(0, name="one", others={"two": curve()}),
        charts.class_bars(classes(), 3),
        charts.confusion_map(confusion("ab", [[5, 2], [1, 6]]), 3),
        charts.layer_bars(scanned()),
        charts.sensitivity_map(shares_pruned(), {"stem": 50, "block.1": 0}),
        charts.sensitivity_curves(shares_pruned(), {"stem": 50, "block.1": 0}),
    ):
        whole = chart.altair().to_dict()  # validates against the schema
        assert set(whole["datasets"]) == set(chart.data)
        assert set(names_of({key: part for key, part in whole.items() if key != "datasets"})) == set(chart.data)
        assert json.dumps(chart.spec) and chart.words


@pytest.mark.parametrize(("axis", "highest"), [("k", 4), ("ratio", 1)])
def test_curves_are_told_apart_by_colour_dash_and_shape(axis, highest):
    chart = charts.compare_curves(pd.concat([curve(criterion="mean"), curve(criterion="random")]), axis)
    encodings = [layer["encoding"] for layer in layers(chart)]
    assert {"color", "strokeDash", "shape"} <= {name for encoding in encodings for name in encoding}
    assert encodings[1]["x"]["field"] == axis and encodings[1]["x"]["scale"]["domain"] == [0, highest]
    assert chart.words.startswith("Accuracy against channels pruned: mean 70.00 % at K = 2, random")


def test_a_close_look_fits_the_bands_not_zero_to_one():
    near = charts.compare_curves(charts.up_to(curve(criterion="mean"), 0.25), "ratio", close=True)
    assert near.data["curves"]["k"].tolist() == [0, 1]
    for layer in layers(near):
        assert layer["encoding"]["y"]["scale"]["domain"] == [0.86, 0.92]
    assert layers(charts.compare_curves(curve(criterion="mean")))[1]["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_an_unknown_axis_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown axis 'percent'; choose one of: k, ratio"):
        charts.compare_curves(curve(criterion="mean"), "percent")


def test_pruned_channels_are_hollow_and_crossed_not_just_coloured():
    table = pd.DataFrame({"channel": [3, 1, 0], "value": [-0.1, 0.2, 0.3], "state": ["pruned", "pruned", "kept"]})
    chart = charts.channel_bars(table, "Mean activation")
    bars, crosses = layers(chart)
    assert {"fillOpacity", "strokeDash", "color"} <= set(bars["encoding"])
    assert crosses["encoding"]["text"]["condition"]["value"] == "×" and crosses["encoding"]["text"]["value"] == ""
    assert chart.words == "3 channels in pruning order, values from -0.100 to 0.300, of which 2 are pruned: 3, 1"
    assert chart.data["channels"]["place"].tolist() == [1, 2, 3]
    assert bars["encoding"]["x"]["sort"] is None, "the bars must keep the pruning order"


def test_class_bars_compare_with_a_tick_or_stand_alone():
    pruned, alone = charts.class_bars(classes(), 3), charts.class_bars(classes())
    assert [layer["mark"]["type"] for layer in layers(pruned)] == ["bar", "tick"]
    assert [layer["mark"]["type"] for layer in layers(alone)] == ["bar"]
    assert pruned.words == "Accuracy per class: cat changes most, 90.00 % to 50.00 % at K = 3"
    assert alone.words == "Accuracy per class: from cat at 50.00 % to dog at 80.00 %"


def confusion(names: str, counts: list[list[int]], against: str = "true") -> pd.DataFrame:
    cells = [(row, column, counts[i][j]) for i, row in enumerate(names) for j, column in enumerate(names)]
    table = pd.DataFrame(cells, columns=[against, "predicted", "count"])
    return table.assign(share=table["count"] / table.groupby(against)["count"].transform("sum"))


def test_the_confusion_matrix_writes_counts_frames_the_diagonal_and_keeps_classes_never_predicted():
    chart = charts.confusion_map(confusion("abc", [[5, 2, 0], [1, 6, 0], [3, 4, 0]]), 7)
    cells, frames, counts = layers(chart)
    assert [cells["mark"]["type"], frames["mark"]["type"], counts["mark"]["type"]] == ["rect", "rect", "text"]
    assert cells["encoding"]["opacity"]["field"] == "share" and counts["encoding"]["text"]["field"] == "count"
    assert frames["transform"] == [{"filter": "(datum.row === datum.column)"}]
    for side, title in (("x", "Predicted at this K"), ("y", "True class")):
        assert cells["encoding"][side]["scale"]["domain"] == ["a", "b", "c"]
        assert cells["encoding"][side]["title"] == title
    assert chart.data["cells"]["count"].tolist() == [5, 2, 1, 6, 3, 4]
    words = "Confusion matrix of 3 classes, true by predicted at K = 7, most off the diagonal: 4 true c predicted as b"
    assert chart.words == words


def test_a_confusion_matrix_of_many_classes_has_no_text_and_one_of_two_is_tall_enough():
    names = [f"class {i}" for i in range(100)]
    big = charts.confusion_map(confusion(names, np.eye(100, dtype=int).tolist(), "unpruned"), 3)
    assert [layer["mark"]["type"] for layer in layers(big)] == ["rect", "rect"] and big.spec["height"] == 700
    assert layers(big)[0]["encoding"]["y"]["title"] == "Predicted at K = 0"
    two = charts.confusion_map(confusion("ab", [[5, 2], [1, 6]]), 3)
    assert len(layers(two)) == 3 and two.spec["height"] == 280


def test_layers_stand_in_network_order_with_what_they_cost():
    chart = charts.layer_bars(scanned())
    rows = chart.data["layers"]
    assert rows["layer"].tolist() == ["stem", "block.2", "block.1"]
    assert rows[["lost_low", "lost", "lost_high"]].values.tolist() == [[78, 80, 82], [3, 5, 7], [-5, -3, -1]]
    assert rows["label"].tolist() == ["80.00", "5.00", "−3.00"]
    bars, whiskers, labels = layers(chart)
    assert bars["encoding"]["y"]["sort"] is None, "the bars must keep the network's order"
    assert (whiskers["encoding"]["x"]["field"], whiskers["encoding"]["x2"]["field"]) == ("lost_low", "lost_high")
    assert labels["encoding"]["text"]["field"] == "label" and (rows["beside"] >= 0).all()
    low, high = bars["encoding"]["x"]["scale"]["domain"]
    assert low == -5 and high > 82
    assert chart.words == (
        "Accuracy lost in points with a layer pruned whole: 3 layers, from block.1 with −3.00 to stem with 80.00"
    )
    assert [parameter["name"] for parameter in chart.spec["params"]] == ["pick"]


def test_layers_that_cost_nothing_still_make_an_axis():
    chart = charts.layer_bars(scanned(change=0.0, change_low=-0.0, change_high=0.0))
    assert chart.data["layers"]["label"].tolist() == ["0.00"] * 3
    assert layers(chart)[0]["encoding"]["x"]["scale"]["domain"] == [0, 1]


def test_many_layers_get_fewer_pixels_each():
    few, many = (pd.concat([scanned()] * times) for times in (2, 20))
    assert charts.layer_bars(few).spec["height"] / len(few) > charts.layer_bars(many).spec["height"] / len(many)


SPARED = {"stem": 50, "block.1": 0}


def test_the_map_of_layers_and_shares_writes_accuracies_and_frames_what_can_be_spared():
    chart = charts.sensitivity_map(shares_pruned(), SPARED, 2)
    rects, frames, labels = layers(chart)
    assert [each["mark"]["type"] for each in (rects, frames, labels)] == ["rect", "rect", "text"]
    assert rects["encoding"]["opacity"]["field"] == "lost" and labels["encoding"]["text"]["field"] == "label"
    cells = chart.data["cells"]
    assert cells["name"].tolist() == ["stem"] * 3 + ["block.1 + 1 more"] * 3
    assert cells["label"].tolist() == ["90.0", "90.0", "10.0", "90.0", "80.0", "30.0"]
    assert cells["column"].tolist() == ["0 %", "50 %", "100 %"] * 2
    assert cells["spared"].tolist() == [False, True, False, True, False, False]
    assert frames["transform"] == [{"filter": "datum.spared"}]
    assert rects["encoding"]["y"]["sort"] is None, "layers keep the network's order"
    assert [parameter["name"] for parameter in chart.spec["params"]] == ["pick"]
    assert chart.words == (
        "Accuracy of 2 layers by share of their channels pruned, unpruned 90.00 %: at a cost of surely at most 2 "
        "points stem can spare 50 %, block.1 + 1 more 0 %"
    )


def test_a_small_curve_for_each_layer_with_its_band_and_a_rule_at_what_it_can_spare():
    chart = charts.sensitivity_curves(shares_pruned(), SPARED)
    assert chart.spec["facet"]["field"] == "name" and chart.spec["facet"]["sort"] == ["stem", "block.1 + 1 more"]
    band, line, rule, points = chart.spec["spec"]["layer"]
    assert [each["mark"]["type"] for each in (band, line, rule, points)] == ["area", "line", "rule", "point"]
    assert band["encoding"]["y"]["field"] == "low" and rule["transform"] == [{"filter": "datum.spared"}]


def test_a_map_of_many_layers_has_lower_rows():
    tall = pd.concat([shares_pruned(layer=f"layer{i}", layers=f"layer{i}")[:3] for i in range(40)])
    few, many = charts.sensitivity_map(shares_pruned(), SPARED), charts.sensitivity_map(tall, {"layer3": 50})
    assert many.spec["height"] / 40 < few.spec["height"] / 2 and layers(many)[2]["mark"]["fontSize"] == 12


def test_thumbnails_enlarge_whole_pixels():
    grey = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    small, _ = thumbnails(grey, 6)
    assert small.shape == (6, 6) and small[:3, :3].tolist() == [[0] * 3] * 3
    assert thumbnails(np.zeros((1, 3, 4, 4), np.uint8), 8)[0].shape == (8, 8, 3)


def test_a_picture_as_a_file_keeps_its_pixels_unless_it_is_large():
    grey, large = np.arange(12, dtype=np.uint8).reshape(3, 4), np.full((700, 1400, 3), 7, np.uint8)
    assert np.array_equal(Image.open(io.BytesIO(png(grey))), grey)
    small = Image.open(io.BytesIO(png(large)))
    assert small.format == "PNG" and small.size == (467, 234) and (np.array(small) == 7).all()


def test_a_pair_of_images_stands_side_by_side():
    left, right = np.zeros((2, 1, 3, 4), np.uint8), np.ones((2, 1, 3, 4), np.uint8)
    pair = side_by_side([left, right])
    assert pair.shape == (2, 1, 3, 8) and not pair[..., :4].any() and pair[..., 4:].all()
    assert np.array_equal(side_by_side([left]), left)


# Curves that zoom


NINE = [f"criterion {i}" for i in range(9)]


def parts_of(chart: charts.Chart) -> tuple[list[dict], dict]:
    """The layers of the curves, and the overview."""
    above, below = chart.spec["vconcat"]
    return above["layer"], below


@pytest.mark.parametrize(("axis", "highest"), [("k", 4), ("ratio", 1)])
def test_dragging_in_the_overview_zooms_the_curves_and_a_click_picks_one(axis, highest):
    chart = charts.zoomable_curves(pd.concat([curve(criterion="mean"), curve(criterion="random")]), axis)
    above, below = parts_of(chart)
    brush, pick = (next(each for each in chart.spec["params"] if each["name"] == name) for name in ("zoom", "pick"))
    assert brush["select"] == {"type": "interval", "encodings": ["x"]} and brush["views"] == [below["name"]]
    assert pick["select"]["fields"] == ["criterion", "k"] and brush["views"] != pick["views"]
    for layer in above:
        assert layer["encoding"]["x"]["scale"]["domain"] == {"param": "zoom"}
        filters = json.dumps(layer.get("transform", "none of the line at K"))
        assert f"inrange(datum.{axis}, zoom.{axis})" in filters or "none of" in filters, "so that the axis fits"
    assert below["encoding"]["x"]["field"] == axis and below["encoding"]["x"]["scale"]["domain"] == [0, highest]
    assert chart.words.startswith("Accuracy against channels pruned: mean 70.00 % at K = 2, random")
    whole = chart.altair().to_dict()  # validates against the schema
    assert set(whole["datasets"]) == set(chart.data) == {"curves", "here"}


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 64, [0, 8, 16, 24, 32, 40, 48, 56, 64]),
        (0, 31, [0, 4, 8, 12, 16, 20, 24, 28, 31]),
        (1, 31, [1, 6, 11, 16, 21, 26, 31]),
        (0, 1, [0, 1]),
        (5, 5, [5]),
    ],
)
def test_the_axis_of_k_begins_and_ends_with_the_k_there_are(low, high, wanted):
    assert ticks(low, high) == wanted
    table = curve(range(low, high + 1), np.linspace(0.9, 0.1, high - low + 1), criterion="mean")
    for chart in (charts.compare_curves(table), charts.zoomable_curves(table)):
        axis = json.dumps([layer["encoding"]["x"]["axis"] for layer in (chart.spec.get("layer") or parts_of(chart)[0])])
        assert str(wanted) in axis


def test_k_is_marked_and_the_curve_of_the_sidebar_is_thicker():
    table = pd.concat([curve(criterion="mean"), curve(criterion="l1")])
    chart = charts.zoomable_curves(table, k=2, lit="l1")
    assert chart.data["here"][["k", "ratio", "label"]].values.tolist() == [[2, 0.5, "K = 2"]]
    assert chart.data["curves"].groupby("criterion")["lit"].all().to_dict() == {"l1": True, "mean": False}
    assert chart.spec is charts.zoomable_curves(table, k=3, lit="mean").spec, "another K sends rows only"
    between = charts.zoomable_curves(table, "ratio", k=1.6, label="40 %").data["here"]
    assert between[["ratio", "label"]].values.tolist() == [[0.4, "40 %"]]
    assert charts.zoomable_curves(table, k=9).data["here"].empty and charts.zoomable_curves(table).data["here"].empty


def test_nine_curves_differ_in_colour_dash_and_shape_each():
    table = pd.concat([curve(criterion=name) for name in NINE])
    above, _ = parts_of(charts.zoomable_curves(table))
    for channel in ("strokeDash", "shape"):
        (looks,) = {
            json.dumps(each["encoding"][channel]["scale"]["range"]) for each in above if channel in each["encoding"]
        }
        assert len({json.dumps(look) for look in json.loads(looks)}) == 9
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    assert [len(set(theme[each]["chartCategoricalColors"])) for each in ("light", "dark")] == [9, 9]


def test_the_legend_breaks_where_names_are_long():
    def columns(names):
        above, _ = parts_of(charts.zoomable_curves(pd.concat([curve(criterion=name) for name in names])))
        return above[0]["encoding"]["color"]["legend"]["columns"]

    assert columns(["mean", "l1"]) == 2 and columns([f"oracle-accuracy on held-out {i}" for i in range(9)]) == 3


def test_the_band_of_random_orders_is_drawn_as_given():
    table = curve(criterion="random").assign(low=0.1, high=0.95)
    rows = charts.zoomable_curves(table).data["curves"]
    assert rows["low"].tolist() == [0.1] * 5 and rows["high"].tolist() == [0.95] * 5


def test_an_unknown_axis_of_zoomable_curves_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown axis 'percent'; choose one of: k, ratio"):
        charts.zoomable_curves(curve(criterion="mean"), "percent")


def test_numbers_in_words_have_all_their_decimals_and_true_signs():
    assert [percent(share) for share in (0.1, 0.88081, 1, float("nan"))] == [
        "10.00 %",
        "88.08 %",
        "100.00 %",
        "–",
    ]
    assert [points(change) for change in (-5.244, 0, 8.9)] == ["−5.24", "+0.00", "+8.90"]
    assert [decimal(value) for value in (-1.12345, 2, float("nan"))] == ["−1.1235", "2.0000", "–"]


def outlined() -> tuple[pd.DataFrame, pd.DataFrame]:
    names = ["layer", "kind", "channels", "side", "output", "runs", "place", "on_shortcut"]
    rows = [
        ("", "input", 3, 32, "3 × 32 × 32", 1, 0.0, False),
        ("stem", "convolution", 16, 32, "16 × 32 × 32", 1, 1.0, False),
        ("block", "convolution", 1024, 16, "1024 × 16 × 16", 2, 2.0, False),
        ("down", "convolution", 1024, 16, "1024 × 16 × 16", 1, 2.0, True),
    ]
    return pd.DataFrame(rows, columns=names), pd.DataFrame({"start": [1.0], "end": [2.0]})


def test_the_network_is_drawn_with_its_sizes_and_its_shortcuts():
    boxes, shortcuts = outlined()
    chart = charts.network_drawing(boxes, shortcuts, "block")
    rows = chart.data["boxes"]
    assert rows["size"].tolist() == ["3", "16", "1,024", "1,024"]
    assert rows["named"].tolist() == ["image", "stem", "block × 2", "down"]
    assert rows["tone"].tolist() == [0, 0, 1, 0], "the layer that is pruned stands out"
    high = rows["high"] - rows["low"]
    assert high[0] == high[1] > high[2] > high[3]
    assert (chart.data["gaps"]["left"] < chart.data["gaps"]["right"]).all() and len(chart.data["gaps"]) == 2
    corners = chart.data["around"]
    assert corners["at"].tolist() == [1.6, 1.6, 2.4, 2.4] and corners["height"].tolist() == [0, 0.95, 0.95, 0]
    assert chart.words == "The network: 3 convolutions, 0 linear layers, 1 residual additions"
    chart.altair().to_dict()  # validates against the schema
    assert charts.network_drawing(boxes, shortcuts.head(0)).spec["height"] == chart.spec["height"]


def test_layers_that_lose_channels_together_are_dashed():
    boxes, shortcuts = outlined()
    chart = charts.network_drawing(boxes, shortcuts, "block", ["down"])
    rows = chart.data["boxes"]
    assert rows["tone"].tolist() == [0, 0, 1, 1] and rows["partner"].tolist() == [False, False, False, True]
    assert chart.words.endswith("; down and block lose the same channels")
    assert "strokeDash" in str(chart.spec)
    chart.altair().to_dict()  # validates against the schema


def test_plans_are_named_where_their_words_do_not_touch():
    rows = pd.DataFrame({
        "plan": ["90 %", "80 %", "70 %", "10 %", "unpruned"],
        "macs_share": [0.03, 0.09, 0.2, 0.95, 1.0],
        "accuracy": [0.38, 0.39, 0.48, 0.87, 0.88],
        "here": [False, True, False, False, False],
    })  # fmt: skip
    assert compression.labels(rows) == ["", "80 %", "70 %", "", "unpruned"]


def test_what_was_fine_tuned_is_a_diamond_among_the_plans():
    table = pd.DataFrame({
        "plan": ["unpruned", "50 %", "small"], "macs_share": [1.0, 0.4, 0.4], "accuracy": [0.9, 0.5, 0.8],
        "low": [0.89, 0.49, 0.79], "high": [0.91, 0.51, 0.81], "tuned": [False, False, True],
    })  # fmt: skip
    chart = charts.accuracy_against_macs(table, "50 %")
    assert chart.words == "Accuracy against multiply-adds left: unpruned 90.00 % at 100.00 %, small 80.00 % at 40.00 %"
    assert chart.data["plans"]["pareto"].tolist() == [True, False, True]
    (shape,) = (each["encoding"]["shape"] for each in chart.altair().to_dict()["layer"] if "shape" in each["encoding"])
    assert shape["condition"] == {"test": "datum.tuned", "value": "diamond"} and shape["value"] == "circle"


def test_the_chart_of_guesses_shows_nothing_of_the_curve_before_it_is_revealed():
    hidden = charts.guess_chart((0, 32), {5: 0.9, 16: None})
    assert hidden.words == "Accuracy expected against channels pruned: 90.00 % at K = 5"
    assert set(hidden.data) == {"asked", "expected", "lattice"} and hidden.data["expected"]["k"].tolist() == [5]
    lattice = hidden.data["lattice"]
    assert set(lattice["k"]) == {5, 16} and lattice["share"].min() == 0 and lattice["share"].max() == 1
    rows = pd.DataFrame({"k": [0, 5, 16], "accuracy": [0.9, 0.8, 0.2], "low": 0.1, "high": 0.95})
    revealed = charts.guess_chart((0, 32), {5: 0.9, 16: 0.5}, rows)
    assert revealed.data["apart"][["share", "accuracy"]].to_numpy().tolist() == [[0.9, 0.8], [0.5, 0.2]]
    nothing = charts.guess_chart((0, 32), {5: None})
    assert len(nothing.spec["layer"]) < len(hidden.spec["layer"]), "a mark of nothing has no name"
    for chart in (hidden, revealed, nothing):
        chart.altair()


def test_what_fine_tuning_wins_back_is_drawn_network_by_network():
    states = [("small", "before pruning", 0.9), ("small", "after pruning", 0.6), ("small", "fine-tuned", 0.88)]
    table = pd.DataFrame(
        [(*each, each[2] - 0.01, each[2] + 0.01) for each in [*states, ("this plan", "before pruning", 0.9)]],
        columns=["network", "state", "accuracy", "low", "high"],
    )
    chart = charts.recovery_steps(table)
    assert chart.words == (
        "Accuracy of small: before pruning 90.00 %, after pruning 60.00 %, fine-tuned 88.00 %; "
        "this plan: before pruning 90.00 %"
    )
    assert chart.altair().to_dict() and chart.data["states"] is table
