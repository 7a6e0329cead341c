import io
import itertools
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import tiny as tiny_data
import torch
from PIL import Image

from explorer.answers import door
from explorer.cli import bar as bar_module
from explorer.cli import main
from explorer.cli.bar import Bar
from explorer.engine.sensitivities import SENSITIVITY_COLUMNS
from explorer.files.places import PROJECT
from explorer.images import datasets, downloads
from explorer.images.registry import DATASETS
from explorer.networks import checkpoints
from explorer.networks.registry import build
from explorer.training import loop, recipes
from explorer.training.recipes import Recipe


@pytest.fixture
def quick(tiny, tmp_path, monkeypatch):
    """The command `train simple-cnn --data tiny` in a folder of its own, four epochs short."""
    monkeypatch.setitem(recipes.RECIPES, "simple-cnn", Recipe(epochs=4, batch_size=16))
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    return ["train", "simple-cnn", "--data", "tiny", "--device", "cpu"]


def complaint(capsys, *argv):
    """The one sentence on stderr of a command that must fail."""
    assert main.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("error: ")
    return err


def test_models_lists_networks_and_checkpoints(capsys, quick, tmp_path):
    assert main.main(["models"]) == 0
    assert "simple-cnn" in capsys.readouterr().out
    main.main(quick)
    (tmp_path / "broken.safetensors").write_bytes(b"")
    (tmp_path / "broken.json").write_text("{}")
    capsys.readouterr()
    assert main.main(["models"]) == 0
    out = capsys.readouterr().out
    assert "simple-cnn_tiny" in out and "simple-cnn on Tiny" in out and "of 40)" in out
    assert "the card broken.json lacks the field 'model'" in out


def test_train_prints_a_line_an_epoch_and_saves(capsys, quick, tmp_path):
    assert main.main([*quick, "--seed", "5", "--epochs", "3", "--out", str(tmp_path / "there")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["1/3", "2/3", "3/3"] and lines[3].startswith("saved ")
    card = checkpoints.read_card("simple-cnn_tiny", tmp_path / "there")
    assert (card.seed, card.epochs) == (5, 3)
    assert f"({card.accuracy['test'].correct} of 40)" in lines[3]


def test_train_options_reach_the_card(capsys, quick, tmp_path):
    options = "--name mine --batch-size 8 --lr 0.01 --optimizer sgd --weight-decay 1e-4 --schedule late-cosine"
    options += " --augment flip,crop=2 --accumulate 2 --skip-below 1e-6 --clamp 2 --label-smoothing 0.1 --epochs 1"
    assert main.main([*quick, *options.split(), "--description", "a try"]) == 0
    card = checkpoints.read_card("mine", tmp_path)
    assert card.description == "a try"
    changed = {"batch_size": 8, "lr": 0.01, "optimizer": "sgd", "weight_decay": 1e-4, "schedule": "late-cosine"}
    changed |= {"accumulate": 2, "skip_below": 1e-6, "clamp": 2, "label_smoothing": 0.1, "epochs": 1}
    assert card.recipe == {**asdict(Recipe()), **changed, "flip": 0.5, "crop": 2, "mean": [0.5], "std": [0.5]}


def test_train_goes_on_from_a_checkpoint(capsys, quick, tmp_path):
    tiny_data.small(tmp_path)
    assert main.main(["train", "--from", "small", "--device", "cpu", "--out", str(tmp_path), "--epochs", "2"]) == 0
    out, _ = capsys.readouterr()
    assert "small, from which it started: test accuracy 50.00 % (20 of 40)" in out
    card = checkpoints.read_card("small-tuned", tmp_path)
    assert card.parent.name == "simple-cnn_tiny" and card.parent.epochs == 2, "what the small one was made from"
    assert card.widths == tiny_data.WIDTHS
    assert (card.recipe["lr"], card.recipe["schedule"], card.epochs) == (1e-5, "cosine", 2)


def test_train_keeps_a_file_that_says_how_far_it_is(capsys, quick, tmp_path):
    assert main.main([*quick, "--progress", str(tmp_path / "progress.json")]) == 0
    told = json.loads((tmp_path / "progress.json").read_text())
    assert (told["done"], told["total"], told["before"]) == (288, 288, 16) and told["seconds"] > 0


def test_train_refuses_a_batch_larger_than_the_data(capsys, quick):
    assert "a batch of 80 is more than the 72 images to train on" in complaint(capsys, *quick, "--batch-size", "80")


def test_train_that_diverges_keeps_the_last_good_epoch(capsys, quick, tmp_path):
    argv = [*quick, "--optimizer", "sgd", "--lr", "100", "--epochs", "20"]
    assert main.main(argv) == 2
    assert "error: the loss is no longer finite in epoch" in capsys.readouterr().err


def test_train_interrupted_and_resumed(capsys, quick, monkeypatch):
    def interrupt(*args, really=loop.train, **options):
        for epoch in really(*args, **options):
            yield epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train", interrupt)
        assert main.main(quick) == 130
    out, err = capsys.readouterr()
    assert err == "stopped; --resume goes on from the last finished epoch\n"
    assert main.main([*quick, "--resume"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[:3]] == ["2/4", "3/4", "4/4"]


def test_resume_without_a_state_says_so(capsys, quick):
    assert main.main([*quick, "--resume"]) == 0
    out, err = capsys.readouterr()
    assert err == "there is no unfinished training of simple-cnn_tiny, so it starts from scratch\n"
    assert "1/4" in out


def test_data_says_where_it_is(capsys, monkeypatch, tmp_path):
    def download(name, progress):
        for done in range(5):
            progress(done, 4)
        return tmp_path / name

    monkeypatch.setattr(downloads, "download", download)
    assert main.main(["data", "mnist"]) == 0
    assert capsys.readouterr().out == f"MNIST is in {tmp_path / 'mnist'}\n"


def test_data_without_a_network(capsys, monkeypatch, tmp_path):
    def refuse(url, timeout):
        raise OSError("no route to host")

    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    monkeypatch.setattr(downloads.urllib.request, "urlopen", refuse)
    monkeypatch.setattr(downloads, "PAUSES", ())
    assert ": no route to host); try again, or put the official files in" in complaint(capsys, "data", "mnist")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "COMMAND"),
        (["prune"], "invalid choice: 'prune'"),
        (["data"], "NAME"),
        (["data", "imagenet"], "unknown data set 'imagenet'; choose one of: cifar10"),
        (["train", "simple-cnn"], "--data NAME must be given, or --from CHECKPOINT to fine-tune that"),
        (["train", "--from", "nobody"], "unknown checkpoint 'nobody'; there are: "),
        (["train", "vgg", "--data", "mnist"], "unknown model 'vgg'; choose one of: block-net"),
        (["train", "simple-cnn", "--data", "imagenet"], "unknown data set 'imagenet'"),
        (["train", "simple-cnn", "--data", "mnist", "--epochs", "0"], "epochs 0 is not"),
        (["train", "simple-cnn", "--data", "mnist", "--epochs", "many"], "invalid int value: 'many'"),
        (["train", "simple-cnn", "--data", "mnist", "--seed", "-3"], "seed -3 is not"),
        (["train", "simple-cnn", "--data", "mnist", "--device", "abacus"], "device 'abacus' is not available"),
        (["train", "simple-cnn", "--data", "mnist", "--flip"], "unrecognized arguments: --flip"),
        (["train", "simple-cnn", "--data", "mnist", "--augment", "mixup"], "unknown augmentation 'mixup'; choose none"),
        (["train", "simple-cnn", "--data", "mnist", "--augment", "crop=99"], "crop 99 is not a whole number in 0…16"),
        (["train", "simple-cnn", "--data", "mnist", "--batch-size", "0"], "batch size 0 is not a whole number"),
        (["train", "simple-cnn", "--data", "mnist", "--lr", "-1"], "learning rate -1.0 is outside"),
        (["train", "simple-cnn", "--data", "mnist", "--lr", "fast"], "invalid float value: 'fast'"),
        (["train", "simple-cnn", "--data", "mnist", "--schedule", "steps"], "unknown schedule 'steps'; choose one of"),
        (["train", "simple-cnn", "--data", "mnist", "--clamp", "nan"], "clamp nan is outside 0…1000"),
        (["train", "simple-cnn", "--data", "mnist", "--name", "My Net"], "checkpoint name 'My Net' is not plain"),
        (["train", "siamese", "--data", "mnist"], "siamese looks at pairs of images, but mnist holds single images"),
        (["train", "block-net", "--data", "mnist-pairs"], "block-net looks at single images, but mnist-pairs holds"),
    ],
)
def test_bad_input_is_one_sentence(capsys, monkeypatch, tmp_path, argv, words):
    monkeypatch.setenv("EXPLORER_CHECKPOINTS", str(tmp_path))
    assert words in complaint(capsys, *argv)


def test_train_on_a_missing_data_set(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    argv = ["train", "simple-cnn", "--data", "cifar10", "--out", str(tmp_path / "out")]
    assert "run `python -m explorer data cifar10`" in complaint(capsys, *argv)


def test_train_to_an_unwritable_folder(capsys, quick, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write to" in complaint(capsys, *quick, "--out", str(tmp_path / "file"))


def test_an_os_error_is_one_sentence(capsys, quick, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    assert complaint(capsys, *quick) == "error: No space left on device; free some space on the disk\n"


class Terminal(io.StringIO):
    def __init__(self, live):
        super().__init__()
        self.live = live

    def isatty(self):
        return self.live


@pytest.mark.parametrize("live", [True, False])
def test_bar(monkeypatch, live):
    clock = iter([0.0, 20.0, 40.0, 40.05, 60.0])  # the third call comes at once, and is not shown
    monkeypatch.setattr(bar_module.time, "monotonic", lambda: next(clock))
    stream = Terminal(live)
    with Bar("training", stream) as bar:
        for done in (40, 60, 61, 80):
            bar(done, 200)
    if live:
        shown = [
            f"\r[{'#' * filled:<30}] {text}\x1b[K" for filled, text in ((6, LINES[0]), (9, LINES[1]), (12, LINES[2]))
        ]
        assert stream.getvalue() == "".join(shown) + "\r\x1b[K"
    else:
        assert stream.getvalue() == "".join(f"{line}\n" for line in LINES)


LINES = ("training 20 %", "training 30 %, 2:20 left", "training 40 %, 2:00 left")


@pytest.mark.slow
def test_as_a_module(tmp_path):
    """The real thing: exit codes, streams, and a start without a traceback."""

    def explorer(*argv):
        environment = os.environ | {"EXPLORER_CHECKPOINTS": str(tmp_path)}
        command = [sys.executable, "-m", "explorer", *argv]
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)

    listed = explorer("models")
    assert listed.returncode == 0 and "simple-cnn" in listed.stdout and listed.stderr == ""
    refused = explorer("data", "imagenet")
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr == f"error: unknown data set 'imagenet'; choose one of: {', '.join(DATASETS)}\n"


FASHION = "simple-cnn_fashion-mnist"


def test_sweep_prints_a_table_and_writes_the_same_csv_everywhere(capsys, tmp_path):
    command = ["sweep", FASHION, "--limit", "200", "--k", "0:33:16"]
    assert main.main(command) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["k", "pruned_channel", "n", "correct", "accuracy", "low", "high"] and len(table) == 4
    assert main.main([*command, "--csv", "-"]) == 0
    printed = capsys.readouterr().out
    assert main.main([*command, "--csv", str(tmp_path / "a.csv")]) == 0
    assert "3 K on 200 images" in capsys.readouterr().out
    assert (tmp_path / "a.csv").read_text() == printed
    rows = [line.split(",") for line in printed.splitlines()]
    assert rows[0][:3] == ["checkpoint", "checkpoint_sha256", "dataset"]
    assert [row[9] for row in rows[1:]] == ["0", "16", "32"]


def test_sweep_options_reach_the_csv(capsys):
    options = [
        "--layer",
        "conv1",
        "--criterion",
        "random",
        "--mode",
        "weights",
        "--seed",
        "7",
        "--split",
        "train",
        "--rank-on",
        "train",
    ]
    assert main.main(["sweep", FASHION, "--limit", "50", "--k", "1:2", "--csv", "-", *options]) == 0
    row = capsys.readouterr().out.splitlines()[1].split(",")
    assert row[2:11] == ["fashion-mnist", "train", "conv1", "random", "", "weights", "7", "1", "16"]


def test_a_sweep_that_ranks_again_says_how_many_channels_are_gone(capsys):
    command = ["sweep", FASHION, "--limit", "50", "--k", "0:33:8", "--mode", "weights", "--schedule", "rerank"]
    assert main.main(command) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0][:2] == ["k", "gone"] and all(int(gone) >= int(k) for k, gone, *_ in table[1:])


def test_a_sweep_is_kept_and_a_damaged_one_is_said_and_computed_anew(capsys, monkeypatch, results):
    command = ["sweep", FASHION, "--limit", "200", "--csv", "-"]
    assert main.main(command) == 0
    first = capsys.readouterr().out
    kept = list(results.glob("sweep-*.safetensors"))
    with monkeypatch.context() as patch:
        patch.setattr("explorer.answers.computing.sweep_orders_stream", None)  # nothing is computed
        assert main.main(command) == 0
    assert capsys.readouterr().out == first
    kept[0].write_bytes(kept[0].read_bytes()[:-1])
    assert main.main(command) == 0
    out, err = capsys.readouterr()
    assert out == first and err == (
        f"The saved result {kept[0].name} is damaged, or no saved result, so it is computed anew; "
        "the file now ends in .bad.\n"
    )


def test_sweep_in_bfloat16_says_how_far_it_agrees_at_each_k(capsys):
    command = ["sweep", FASHION, "--limit", "40", "--k", "0:33:16", "--dtype", "bfloat16"]
    assert main.main(command) == 0
    out, err = capsys.readouterr()
    table = [line.split() for line in out.splitlines()]
    assert table[0][-1] == "agreement" and all(0.8 <= float(row[-1]) <= 1 for row in table[1:])
    assert "bfloat16 agrees with float32 on " in err and "of the predictions for the first 40 images; least at K" in err
    assert main.main([*command, "--csv", "-"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(",bfloat16")


def test_an_audited_sweep_says_what_its_audit_found_and_is_that_of_float32(capsys):
    command = ["sweep", FASHION, "--limit", "120", "--k", "0:33:16"]
    assert main.main([*command, "--csv", "-"]) == 0
    exact = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    assert main.main([*command, "--dtype", "audited", "--csv", "-"]) == 0
    out, err = capsys.readouterr()
    assert [line.split(",") for line in out.splitlines()] == [
        [*row, "dtype" if not place else "audited"] for place, row in enumerate(exact)
    ]
    assert "of the predictions were run again in float32" in err and "had 0 disagreements" in err
    assert main.main(["sensitivity", FASHION, "--limit", "60", "--dtype", "audited", "--csv", "-"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].endswith(",audited") and "had 0 disagreements" in err


def test_several_random_orders_give_a_row_for_each_k_and_seed(capsys):
    command = ["sweep", FASHION, "--limit", "50", "--k", "0:33:16", "--criterion", "random", "--orders", "20"]
    assert main.main([*command, "--seed", "3", "--csv", "-"]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[8] for row in rows] == [str(seed) for seed in range(3, 23) for _ in range(3)]
    assert [row[9] for row in rows[:3]] == ["0", "16", "32"] and {row[5] for row in rows} == {"random"}
    assert main.main(command) == 0
    assert capsys.readouterr().out.split()[:4] == ["k", "accuracy", "low", "high"]


def test_an_oracle_says_how_many_images_it_looked_at(capsys):
    words = f"sweep {FASHION} --limit 60 --k 0:33:16 --criterion oracle-loss --rank-on held-out --csv -"
    assert main.main(words.split()) == 0
    printed = capsys.readouterr()
    assert "the oracle looked at 60 held-out images" in printed.err
    assert [line.split(",")[5:7] for line in printed.out.splitlines()[1:]] == [["oracle-loss", "held-out"]] * 3


def test_stats_prints_a_row_a_channel_and_writes_csv(capsys, tmp_path):
    assert main.main(["stats", FASHION, "--layer", "conv1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 17
    assert main.main(["stats", FASHION, "--csv", str(tmp_path / "s.csv")]) == 0
    assert capsys.readouterr().out.endswith("32 channels over 10,000 images\n")
    assert (tmp_path / "s.csv").read_text().startswith("channel,mean,std,")


def test_scan_prints_a_row_a_layer_and_writes_csv(capsys, tmp_path):
    command = ["scan", FASHION, "--limit", "200", "--mode", "weights"]
    assert main.main(command) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    names = "position layer channels parameters n correct accuracy low high change"
    assert rows[0] == names.split() and [row[1] for row in rows[1:]] == ["unpruned", "conv1", "conv2"]
    assert main.main([*command, "--layers", "all", "--split", "train", "--csv", "-"]) == 0
    printed = capsys.readouterr().out
    assert main.main([*command, "--layers", "all", "--split", "train", "--csv", str(tmp_path / "a.csv")]) == 0
    assert "2 layers on 200 images, the largest change −" in capsys.readouterr().out
    assert (tmp_path / "a.csv").read_text() == printed
    table = pd.read_csv(io.StringIO(printed))
    assert table["split"].unique().tolist() == ["train"] and table["mode"].unique().tolist() == ["weights"]
    assert table["n"].tolist() == [200] * 3 and table["change"][0] == 0


def test_scan_says_what_is_left_out_and_what_is_slow(capsys, monkeypatch):
    def streams(*args, really=door.scan, **how):
        for part in really(*args, **how):
            yield replace(part, slow=True, left_out={"conv9": "it does not fit"})

    monkeypatch.setattr(door, "scan", streams)
    assert main.main(["scan", FASHION, "--limit", "20"]) == 0
    err = capsys.readouterr().err
    assert "cannot be traced" in err and "left out conv9: it does not fit\n" in err


def test_sensitivity_prints_a_row_a_layer_and_writes_csv(capsys, tmp_path):
    command = ["sensitivity", FASHION, "--limit", "60", "--criterion", "l1", "--mode", "weights"]
    assert main.main(command) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split()[:4] == ["layer", "channels", "n", "0"] and rows[0].endswith("100 % spares at 1 points")
    assert [row.split()[:3] for row in rows[1:]] == [["conv1", "16", "60"], ["conv2", "32", "60"]]
    assert main.main([*command, "--points", "100"]) == 0
    assert all(row.endswith(" 100 %") for row in capsys.readouterr().out.splitlines()[1:])
    assert main.main([*command, "--csv", "-"]) == 0
    printed = capsys.readouterr().out
    assert main.main([*command, "--csv", str(tmp_path / "a.csv")]) == 0
    assert "2 layers at 11 shares on 60 images, " in capsys.readouterr().out
    assert (tmp_path / "a.csv").read_text() == printed
    table = pd.read_csv(io.StringIO(printed))
    assert tuple(table.columns) == SENSITIVITY_COLUMNS and len(table) == 22
    assert table["criterion"].unique().tolist() == ["l1"] and table["k"].tolist()[:3] == [0, 2, 3]


def test_bench_prints_the_promised_json(capsys):
    assert main.main(["bench", FASHION, "--limit", "50", "--k", "0:33:16", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    promised = "pass_seconds sweep_seconds lab_loop_seconds sweep_over_pass speedup predictions_agree"
    assert set(promised.split()) | {"max_logit_difference", "n", "ks"} <= set(result)
    assert (result["n"], result["ks"]) == (50, 3)
    assert main.main(["bench", FASHION, "--limit", "50", "--k", "0:33:16"]) == 0
    assert "× one pass" in capsys.readouterr().out
    assert main.main(["bench", FASHION, "--limit", "50", "--sensitivity", "--mode", "weights"]) == 0
    assert "2 layers, 22 cells" in capsys.readouterr().out
    assert main.main(["bench", FASHION, "--limit", "50", "--sensitivity", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 22


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sweep nope", "unknown checkpoint 'nope'; there are: "),
        ("sweep nope.safetensors", "unknown checkpoint 'nope.safetensors'"),
        (f"sweep {FASHION} --layer conv3", "unknown layer 'conv3'; choose one of: conv1, conv2"),
        (f"sweep {FASHION} --layer fc1", "layer 'fc1' is a Linear, not a Conv2d"),
        (f"sweep {FASHION} --criterion best", "unknown criterion 'best'; choose one of: mean, "),
        (f"sweep {FASHION} --criterion block-mean", "'conv2' does not end in a residual addition"),
        (f"sweep {FASHION} --schedule daily", "unknown schedule 'daily'; choose one of: once, rerank"),
        (f"sweep {FASHION} --criterion bn-scale", "layer 'conv2' has no batch norm with a scale right behind it"),
        (f"sweep {FASHION} --criterion best-reversed", "unknown criterion 'best-reversed'; choose one of: mean, "),
        (f"sweep {FASHION} --criterion random --orders 3", "3 orders are outside 20…200"),
        (f"sweep {FASHION} --orders 20", "several orders need the criterion random, not 'mean'"),
        (f"sweep {FASHION} --mode best", "unknown mode 'best'; choose one of: filter, weights"),
        (f"sweep {FASHION} --rank-on val", "unknown split 'val'; choose one of: test, train"),
        (f"sweep {FASHION} --k 0:34", "K = 33 is outside 0…32"),
        (f"sweep {FASHION} --k=-3:2", "K = -3 is outside 0…32"),
        (f"sweep {FASHION} --k 0:99999999999999999999", "K = 33 is outside 0…32"),
        (f"sweep {FASHION} --k 7", "--k '7' is not START:STOP[:STEP]"),
        (f"sweep {FASHION} --k 0:x", "--k '0:x' is not START:STOP[:STEP]"),
        (f"sweep {FASHION} --k 0:9:0", "--k '0:9:0' is not START:STOP[:STEP]"),
        (f"sweep {FASHION} --k 5:5", "there is no K to compute; choose at least one in 0…32"),
        (f"sweep {FASHION} --limit 0", "limit 0 is outside 1…10000"),
        (f"sweep {FASHION} --limit ten", "argument --limit: invalid int value: 'ten'"),
        (f"sweep {FASHION} --dtype int8", "unknown dtype 'int8'; choose one of: float32, bfloat16"),
        (f"sweep {FASHION} --device meta", "device 'meta' is not available here"),
        (f"sweep {FASHION} --criterion random --seed -1", "seed -1 is outside 0…2147483647"),
        (f"sweep {FASHION} --device abacus", "device 'abacus' is not available here"),
        (f"sweep {FASHION} --csv missing/a.csv", "cannot write missing/a.csv (No such file or directory)"),
        (f"stats {FASHION} --csv .", "cannot write . (Is a directory)"),
        (f"stats {FASHION} --split val", "unknown split 'val'; choose one of: "),
        (f"bench {FASHION} --k 0:99", "is outside 0…32"),
        ("scan nope", "unknown checkpoint 'nope'; there are: "),
        ("sensitivity nope", "unknown checkpoint 'nope'; there are: "),
        (f"sensitivity {FASHION} --criterion best", "unknown criterion 'best'; choose one of: mean, "),
        (f"sensitivity {FASHION} --mode best", "unknown mode 'best'; choose one of: filter, weights"),
        (
            f"sensitivity {FASHION} --limit 20 --dtype bfloat16",
            "dtype 'bfloat16' is none that sensitivity takes; choose one of: float32, audited",
        ),
        (
            f"sensitivity {FASHION} --limit 20 --dtype audited --jobs 2",
            "workers prune layer by layer in float32 alone; leave --dtype audited out, or --jobs",
        ),
        (
            f"bench {FASHION} --sensitivity --batch-size 9",
            "--sensitivity counts seconds of the processor; leave --device and --batch-size out",
        ),
        (f"bench {FASHION} --batch-size 0", "batch size 0 is not at least 1"),
        (f"sensitivity {FASHION} --limit 0", "limit 0 is outside 1…10000"),
        (
            f"sensitivity {FASHION} --limit 20 --points -1",
            "-1 points are no loss of accuracy; give a number from 0 to 100",
        ),
        (f"sensitivity {FASHION} --points few", "argument --points: invalid float value: 'few'"),
        (f"sensitivity {FASHION} --csv missing/a.csv", "cannot write missing/a.csv (No such file or directory)"),
        (f"scan {FASHION} --layers some", "unknown layers 'some'; choose one of: blocks, all"),
        (f"scan {FASHION} --mode best", "unknown mode 'best'; choose one of: filter, weights"),
        (f"scan {FASHION} --mode inputs", "there is no layer to scan: mode 'inputs' prunes the input channels"),
        (f"scan {FASHION} --split val", "unknown split 'val'; choose one of: test, train"),
        (f"scan {FASHION} --limit 0", "limit 0 is outside 1…10000"),
        (f"scan {FASHION} --device abacus", "device 'abacus' is not available here"),
        (f"scan {FASHION} --csv missing/a.csv", "cannot write missing/a.csv (No such file or directory)"),
    ],
)
def test_bad_sweeps_are_one_sentence(capsys, words, sentence):
    assert sentence in complaint(capsys, *words.split())


# A network and images of one's own


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A folder with images of two classes and the weights of a small network for them; nothing is imported yet."""
    for name, i in itertools.product(("cat", "dog"), range(6)):
        path = tmp_path / "images" / name / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 36), (40 * i, 20, 200 if name == "cat" else 90)).save(path)
    torch.manual_seed(0)
    torch.save(build("torchvision/squeezenet1_1", (3, 32, 32), 2).state_dict(), tmp_path / "net.pth")
    for variable in ("DATA", "CHECKPOINTS"):
        monkeypatch.setenv(f"EXPLORER_{variable}", str(tmp_path / variable.lower()))
    return tmp_path


def test_own_images_and_networks_go_through_every_command(capsys, own):
    images = ["import-images", str(own / "images"), "--name", "pets", "--size", "32", "--title", "Our pets"]
    assert main.main(images) == 0
    assert capsys.readouterr().out == "Our pets is data set pets: 2 classes, splits test\n"
    network = ["import-network", "squeezenet1_1", str(own / "net.pth"), "--data", "pets", "--name", "mine"]
    assert main.main([*network, "--mean", "0.5", "--std=0.2,0.3,0.4", "--description", "a try"]) == 0
    card = checkpoints.read_card("mine")
    assert (card.mean, card.std, card.description) == ((0.5,), (0.2, 0.3, 0.4), "a try")
    said = f"({card.accuracy['test'].correct} of 12)"
    out = capsys.readouterr().out
    assert out.startswith("saved ") and out.endswith(f"{said}\n") and "validation" not in out
    assert main.main(["models"]) == 0
    assert "torchvision/squeezenet1_1 on Our pets, imported, test accuracy" in capsys.readouterr().out
    assert main.main(["sweep", "mine", "--k", "0:2", "--limit", "5", "--csv", "-"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["layer"].tolist() == ["features.12.expand3x3"] * 2 and table["n"].tolist() == [5, 5]
    for command in (["stats", "mine"], ["scan", "mine", "--limit", "5"], ["bench", "mine", "--k", "0:2", "--json"]):
        assert main.main(command) == 0
    capsys.readouterr()
    assert "unknown model 'squeezenet1_1'" in complaint(capsys, "train", "squeezenet1_1", "--data", "pets")
    assert "Our pets has no train split" in complaint(capsys, "train", "simple-cnn", "--data", "pets")
    assert "Our pets has no train split" in complaint(capsys, "sweep", "mine", "--rank-on", "train")
    assert "was imported" in complaint(capsys, "sweep", "mine", "--rank-on", "held-out")
    assert "called 'pets' already" in complaint(capsys, *images)


def test_how_images_become_a_data_set_is_said_and_kept(capsys, own):
    (own / "images" / "cat" / "._0.png").write_bytes(b"of macOS")
    images = ["import-images", str(own / "images"), "--name", "pets", "--size", "16", "--resize", "exact"]
    assert main.main([*images, "--mean", "0.5", "--std", "0.2,0.3,0.4"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["pets is data set pets: 2 classes, splits test", "skipped: 1 hidden file"]
    info = datasets.dataset_info("pets")
    assert (info.mean, info.std) == ((0.5,), (0.2, 0.3, 0.4)) and info.transform.startswith("both sides to 16 pixels")
    images[3] = "others"
    assert "is in colour (mode RGB)" in complaint(capsys, *images, "--grey")
    assert "unknown resize 'magic'; choose one of: short, exact" in complaint(capsys, *images, "--resize", "magic")
    assert "a mean alone is no normalisation" in complaint(capsys, *images, "--mean", "0.5")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "pets"], "unknown data set 'pets'"),
        (["--data", "fashion-mnist"], "images of 3 channels, not 1"),
        (["--data", "fashion-mnist", "--mean", "a"], "'a' is not a list of numbers"),
    ],
)
def test_import_network_says_what_does_not_fit(capsys, own, options, words):
    assert words in complaint(capsys, "import-network", "squeezenet1_1", str(own / "net.pth"), *options)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (MemoryError(), ""),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0"), ": 2.00 GiB at once"),
        (None, ": 400000000000000 bytes at once"),
    ],
)
def test_too_little_memory_is_one_sentence(capsys, quick, monkeypatch, error, asked):
    def fail(*_, **__):
        if error:
            raise error
        torch.empty(10**14)

    monkeypatch.setattr(loop, "_new_model", fail)
    fix = "; train with a smaller --batch-size, look at fewer images with --limit"
    assert complaint(capsys, *quick) == f"error: there is too little memory{asked}{fix}\n"


def test_a_mistake_of_our_own_is_not_taken_for_bad_input(quick, monkeypatch):
    monkeypatch.setattr(loop, "_new_model", lambda *_: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        main.main(quick)


def test_what_a_device_is_given_is_gone(capsys):
    assert main.main(["sweep", FASHION, "--limit", "20", "--k", "0:2", "--csv", "/dev/null"]) == 0
    assert "saved /dev/null" in capsys.readouterr().out and Path("/dev/null").is_char_device()


def test_a_finished_network_is_trained_over_only_when_told_to(tiny, tmp_path, capsys):
    train = ["train", "simple-cnn", "--data=tiny", "--epochs=1", f"--out={tmp_path}", "--name=mine", "--batch-size=32"]
    assert main.main([*train, "--seed=1"]) == 0
    first = checkpoints.load("mine", tmp_path)
    assert main.main([*train, "--seed=2"]) == 2
    assert "there is a network called 'mine' already; choose another name, or train over it with --replace" in (
        capsys.readouterr().err
    )
    assert checkpoints.load("mine", tmp_path).sha256 == first.sha256
    assert main.main([*train, "--seed=2", "--replace"]) == 0
    assert checkpoints.load("mine", tmp_path).card.seed == 2


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--description=caf\udce9", "a description is one line of at most 500 characters"),
        ("--description=" + "x" * 501, "a description is one line of at most 500 characters"),
        ("--description=two\nlines", "a description is one line of at most 500 characters"),
        ("--name=" + "n" * 65, "is longer than 64 characters; choose a shorter one"),
        ("--name=" + "n" * 300, "is longer than 64 characters; choose a shorter one"),
    ],
)
def test_what_would_fail_at_the_end_of_a_training_is_refused_before_it(tiny, tmp_path, capsys, option, words):
    assert main.main(["train", "simple-cnn", "--data=tiny", f"--out={tmp_path}", option]) == 2
    assert words in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_two_trainings_of_one_name_do_not_run_at_once(tiny, tmp_path, capsys):
    recipe = Recipe(epochs=2, batch_size=32)
    first = loop.train("simple-cnn", "tiny", recipe, tmp_path, name="twin")
    next(first)
    assert main.main(["train", "simple-cnn", "--data=tiny", f"--out={tmp_path}", "--name=twin", "--seed=2"]) == 2
    assert "'twin' is being written by somebody else just now" in capsys.readouterr().err
    list(first)
    assert checkpoints.load("twin", tmp_path).card.seed == 0
