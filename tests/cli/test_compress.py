import pandas as pd
import pytest

from explorer.cli import main
from explorer.networks import checkpoints

NET = "simple-cnn_fashion-mnist"
QUICK = ["--limit", "200", "--device", "cpu"]


@pytest.mark.slow
def test_compress_proves_weighs_and_saves(capsys, tmp_path):
    out = tmp_path / "there"
    assert (
        main.main(
            [
                "compress",
                NET,
                "--share",
                "0.5",
                "--minimum",
                "8",
                "--steps",
                "2",
                "--name",
                "half",
                "--out",
                str(out),
                *QUICK,
            ]
        )
        == 0
    )
    said, progress = capsys.readouterr()
    assert "plan: conv1:8,conv2:16\n" in said
    assert "Removed or masked, all 200 predictions are the same" in said
    assert "adding up what each changes alone" in said
    assert "one MAC is a multiply-add, which is two FLOPs" in said
    accuracy = pd.read_csv(out / "accuracy.csv")
    assert accuracy["network"].tolist() == ["unpruned", "block", "2 steps"]
    whole = 28 * 28 * 16 * 9 + 14 * 14 * 32 * 16 * 9 + 49 * 32 * 256 + 2560
    half = 28 * 28 * 8 * 9 + 14 * 14 * 16 * 8 * 9 + 49 * 16 * 256 + 2560
    assert accuracy["macs"].tolist() == [whole, half, half]
    assert accuracy["n"].unique().tolist() == [200]
    scales = pd.read_csv(out / "scales.csv").set_index(["quantity", "batch"])
    assert scales.loc[("MACs",), "after"].item() == half
    half_net = checkpoints.load("half", out)
    assert half_net.model.conv2.weight.shape == (16, 8, 3, 3)
    assert half_net.card.test_images == 10_000, "its card is about all of them"
    assert pd.read_csv(out / "layers.csv")["layer"].tolist() == ["conv1", "relu", "pool", "conv2", "fc1", "fc2"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give one plan"),
        (["--share", "0.5", "--plan", "conv1:1"], "give one plan"),
        (["--layer", "conv1"], "give one plan"),
        (["--share", "1.5"], "a share of 1.5 is outside 0…1"),
        (["--plan", "conv1"], "'conv1' is not LAYER:K"),
        (["--plan", "conv9:1"], "'conv9', which is no convolution here; choose of: conv1, conv2"),
        (["--layer", "conv1", "--k", "16"], "K = 16 leaves layer 'conv1' empty"),
        (["--layer", "conv1", "--k", "9", "--minimum", "8"], "below the minimum of 8 channels"),
        (["--share", "0.5", "--minimum", "0"], "a minimum of 0"),
        (["--share", "0.01"], "this plan prunes nothing"),
        (["--share", "0.5", "--criterion", "best"], "unknown criterion 'best'"),
        (["--share", "0.5", "--steps", "99"], "99 steps are outside 1…16"),
        (["--target", "half"], "'half' is no target; give points=1"),
        (["--target", "macs=0.001"], "0.10 % of the MACs cannot be reached; the nearest that can is"),
        (["--threshold", "-1"], "a threshold of -1 is below 0"),
        (["--share", "0.5", "--format", "pickle"], "unknown format 'pickle'; choose some of: safetensors, torch"),
        (["--share", "0.5", "--name", "../half"], "../half"),
        (["--share", "0.5", "--out", "/proc/nowhere"], "cannot make the folder /proc/nowhere"),
    ],
)
def test_bad_input_is_one_sentence(capsys, options, said):
    assert main.main(["compress", NET, *options, *QUICK]) == 2
    out, err = capsys.readouterr()
    assert err.count("error: ") == 1 and said in err


@pytest.mark.slow
def test_a_threshold_and_round_widths(capsys):
    assert main.main(["compress", NET, "--threshold", "1.1", "--round", *QUICK]) == 0
    plan = capsys.readouterr().out.splitlines()[0].removeprefix("plan: ")
    for part in plan.split(","):
        layer, k = part.split(":")
        assert ({"conv1": 16, "conv2": 32}[layer] - int(k)) % 8 == 0


@pytest.mark.slow
@pytest.mark.parametrize(("target", "column", "most"), [("macs=0.5", "share", 0.5), ("points=3", "lost", 3.0)])
def test_a_target_is_met(capsys, tmp_path, target, column, most):
    assert main.main(["compress", NET, "--target", target, "--out", str(tmp_path / "there"), *QUICK]) == 0
    block = pd.read_csv(tmp_path / "there" / "accuracy.csv").iloc[-1]
    found = {"share": 1 - block["flops_reduction"], "lost": -block["change"]}[column]
    assert block["flops_reduction"] > 0 and found <= most
