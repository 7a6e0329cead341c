import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from by_hand import of_counts, scan_by_hand, sweep_by_hand
from torch import nn

from explorer.engine import tables
from explorer.engine.curves import ACCURACY_COLUMNS, Band, Run
from explorer.files import csv
from explorer.networks import checkpoints, layers

HEADER = (
    "checkpoint,checkpoint_sha256,dataset,split,layer,criterion,ranked_on,mode,seed,"
    "k,channels,pruned_channel,n,correct,accuracy,low,high"
)


def test_accuracy_csv_has_the_columns_that_scripts_rely_on():
    result = sweep_by_hand()
    object.__setattr__(result, "run", Run(checkpoint="net", layer="conv", criterion="mean"))
    lines = csv.csv_bytes(result.frame()).decode().splitlines()
    assert lines[0] == HEADER
    assert lines[1].startswith("net,,,,conv,mean,,filter,0,0,2,,6,5,0.8333333333333334,")
    assert lines[2].startswith("net,,,,conv,mean,,filter,0,1,2,1,6,4,")
    assert len(lines) == 4


def test_scan_csv_has_a_row_for_the_unpruned_network_and_one_a_layer():
    table = scan_by_hand().frame()
    lines = csv.csv_bytes(table).decode().splitlines()
    assert lines[0] == (
        "checkpoint,checkpoint_sha256,dataset,split,mode,layer,position,channels,parameters,"
        "n,correct,accuracy,low,high,change,change_low,change_high,p_value"
    )
    assert lines[1].startswith("net,,data,test,filter,,0,0,0,6,4,0.6666666666666666,")
    assert lines[3].startswith("net,,data,test,filter,b,2,8,80,6,0,0.0,") and len(lines) == 5
    assert table["change"].tolist() == pytest.approx([0, 0, -400 / 6, 100 / 6])
    assert table["position"].tolist() == [0, 1, 2, 4] and table["p_value"].tolist() == [1, 1, 0.125, 1]
    rows = table[1:]
    assert (rows["change_low"] <= rows["change"]).all() and (rows["change"] <= rows["change_high"]).all()
    assert (table["low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["high"]).all()


def test_accuracies_in_another_dtype_say_so():
    result = sweep_by_hand()
    object.__setattr__(result, "run", Run(dtype="bfloat16"))
    assert csv.csv_bytes(result.frame()).decode().splitlines()[0] == HEADER + ",dtype"


def test_csv_reads_back_in_full_precision():
    table = sweep_by_hand().frame()
    again = pd.read_csv(io.BytesIO(csv.csv_bytes(table)))
    for column in ("accuracy", "low", "high"):
        assert again[column].tolist() == table[column].tolist()


def test_layers_are_listed_once_in_the_order_they_run_and_their_parameters_add_up():
    point = checkpoints.load("siamese_mnist-pairs")
    table = layers.layer_table(point)
    assert table["layer"].tolist()[:4] == [f"encoder.features.{i}" for i in range(4)]
    assert table["layer"].is_unique
    assert table["output"].tolist()[3] == "32 × 14 × 14" and table["kind"].tolist()[3] == "Conv2d"
    assert table["parameters"].sum() == sum(weights.numel() for weights in point.model.parameters())
    assert not any(module._forward_hooks for module in point.model.modules())


def test_layers_of_a_network_that_cannot_be_traced_with_weights_outside_of_layers(fickle):
    point = checkpoints.load(fickle)
    point.model.scale = nn.Parameter(torch.ones(3))
    point.model.spare = nn.Linear(2, 2)
    table = layers.layer_table(point)
    assert table["layer"].tolist() == ["conv", "relu", "fc", "", "spare"]
    assert table["output"].tolist() == ["4 × 6 × 6", "4 × 6 × 6", "10", "10", ""]
    assert table["parameters"].sum() == sum(weights.numel() for weights in point.model.parameters())


def test_class_and_flip_tables_by_hand():
    classes = tables.class_table(sweep_by_hand(), 1)
    assert classes["accuracy"].tolist() == [0.5, 1, 0.5]
    assert classes["change"].tolist() == [-50, 0, 0]
    flips = tables.flip_table(sweep_by_hand(), 1)
    assert flips.to_dict("list") == {
        "image": [1, 4, 5],
        "label": ["a", "c", "c"],
        "before": ["a", "c", "a"],
        "after": ["b", "a", "c"],
        "flip": ["broken", "broken", "repaired"],
    }


def test_confusion_table_by_hand():
    table = tables.confusion_table(sweep_by_hand(), 1)
    assert table.columns.tolist() == ["true", "predicted", "count", "share"]
    assert table["true"].tolist() == list("aaabbbccc") and table["predicted"].tolist() == list("abcabcabc")
    assert table["count"].tolist() == [1, 1, 0, 0, 2, 0, 1, 0, 1]
    assert table["share"].tolist() == [0.5, 0.5, 0, 0, 1, 0, 0.5, 0, 0.5]
    became = tables.confusion_table(sweep_by_hand(), 2, "unpruned")
    assert became[became["count"] > 0].values.tolist() == [["a", "b", 3, 1], ["b", "b", 2, 1], ["c", "b", 1, 1]]
    with pytest.raises(ValueError, match="unknown comparison 'wrong'; choose one of: true, unpruned"):
        tables.confusion_table(sweep_by_hand(), 1, "wrong")


def test_a_row_of_the_confusion_matrix_without_images_has_no_shares():
    table = tables.confusion_table(replace(sweep_by_hand(), predictions=np.ones((3, 6), np.uint8)), 1, "unpruned")
    assert table["share"].isna().sum() == 6 and table["count"].sum() == 6


def test_a_table_says_which_run_and_k_it_is_of():
    result = replace(sweep_by_hand(), run=Run(checkpoint="net", layer="conv", criterion="mean"))
    table = tables.identified(tables.class_table(result, 1), result, 1)
    header = csv.csv_bytes(table).decode().splitlines()
    assert header[0] == (
        "checkpoint,checkpoint_sha256,dataset,split,layer,criterion,ranked_on,mode,seed,schedule,dtype,k,gone,channels,"
        "class,n,correct,accuracy,low,high,before,change"
    )
    assert header[1].startswith("net,,,,conv,mean,,filter,0,once,float32,1,1,2,a,2,1,0.5,") and len(header) == 4


def test_curves_and_bands_become_points_and_rows():
    band = Band(tuple(of_counts(counts, n=10) for counts in ([9, 4], [9, 6])))
    points = tables.curve_table({"mean": of_counts([9, 5], n=10), "random": band})
    assert list(points.columns) == ["criterion", "k", "channels", "accuracy", "low", "high"]
    assert points["criterion"].tolist() == ["mean", "mean", "random", "random"]
    assert points["k"].tolist() == [0, 1, 0, 1] and points["accuracy"].tolist() == [0.9, 0.5, 0.9, 0.5]
    assert points["low"].tolist()[2:] == band.interval[0].tolist()
    rows = band.frame()
    assert list(rows.columns) == list(ACCURACY_COLUMNS) and rows["correct"].tolist() == [9, 4, 9, 6]
    assert band.sweeps[1].frame().equals(rows[2:].reset_index(drop=True))


def test_summary_by_hand():
    curves = {"one": of_counts([900, 898, 100]), "band": Band((of_counts([900, 898, 896]), of_counts([900, 100, 100])))}
    table = tables.summary_table({**curves, "part": of_counts([900, 898, 100]).at([0, 1])}, [1, 2])
    assert list(table.columns) == ["criterion", "K = 1", "K = 2", "area", "cliff"]
    assert table["K = 1"].tolist() == pytest.approx([0.898, 0.499, 0.898])
    assert table["K = 2"].tolist()[:2] == pytest.approx([0.1, 0.498]) and np.isnan(table["K = 2"][2])
    assert table["area"].tolist()[:2] == pytest.approx([0.699, (0.898 + 0.3) / 2]) and np.isnan(table["area"][2])
    assert table["cliff"].tolist() == [1, 1, 1]  # of the band the median of 2 and 0
    assert np.isnan(tables.summary_table({"late": of_counts([900, 898, 100]).at([1, 2])}, [])["cliff"][0])


def test_csv_is_written_whole_or_not_at_all(tmp_path, capsys):
    table = pd.DataFrame({"a": [1]})
    csv.write_csv(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"
    with pytest.raises(OSError):
        csv.write_csv(table, tmp_path / "missing" / "a.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        csv.write_csv(table, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "folder"]
    (tmp_path / "link").symlink_to(tmp_path / "a.csv")
    csv.write_csv(pd.DataFrame({"a": [2]}), tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a.csv").read_text() == "a\n2\n"
    csv.write_csv(table, "-")
    assert capsys.readouterr().out == "a\n1\n"


def test_statistics_table_has_a_row_a_channel():
    from explorer.pruning.statistics import ChannelStatistics

    numbers = np.array([1.0, 2.0])
    table = ChannelStatistics(np.zeros((2, 1, 1)), *[numbers] * 7, done=1, total=1).frame()
    assert table["channel"].tolist() == [0, 1] and table["mean"].tolist() == [1, 2]


def test_writing_a_csv_leaves_other_files_alone(tmp_path):
    mine = tmp_path / "out.csv.part"
    mine.write_text("mine")
    csv.check_writable(tmp_path / "out.csv")
    csv.write_csv(pd.DataFrame({"k": [0]}), tmp_path / "out.csv")
    assert mine.read_text() == "mine" and (tmp_path / "out.csv").read_text() == "k\n0\n"
    assert len(list(tmp_path.iterdir())) == 2
