"""The Sweep page."""

import pytest
from app_test import BUNDLED, metrics, percent, settle, visit
from streamlit.testing.v1 import AppTest

from explorer.answers import computing
from explorer.answers.computing import sweep_of
from explorer.answers.experiment import Experiment
from explorer.app import work
from explorer.engine.curves import Band
from explorer.networks import checkpoints


def test_the_sweep_page_shows_the_numbers_of_each_ranking(truth):
    at = visit("sweep")
    worth, table = at.dataframe[0].value, at.dataframe[1].value
    assert list(table.columns) == ["mean", "l1", "random"]
    assert table["mean"].tolist() == truth["accuracy"].tolist()
    assert table.loc[0].tolist() == pytest.approx([truth["accuracy"][0]] * 3), "K = 0 is the same network for all"
    assert worth["criterion"].tolist() == ["mean", "l1", "random"]
    assert worth["title"].tolist() == ["Mean activation", "L1 norm", "Random, 20 orders"]
    assert worth.loc[0, ["K = 8", "K = 16", "K = 24"]].tolist() == truth["accuracy"][[8, 16, 24]].tolist()
    mean = truth["accuracy"].to_numpy()
    assert worth["area"][0] == percent((mean[0] / 2 + mean[1:-1].sum() + mean[-1] / 2) / 32)


@pytest.mark.slow
def test_the_random_orders_are_those_of_the_core():
    at = visit("sweep", criteria="random", seed="3", ks=["0", "32"], step="8")
    point = checkpoints.load(BUNDLED)
    asked = Experiment(BUNDLED, "conv2", "random", seed=3, ks=(0, 8, 16, 24, 32))
    *_, sweeps = computing.along_seeds(computing.seeds_of(asked, point, 20), point)
    assert at.dataframe[1].value["random"].tolist() == pytest.approx(Band(sweeps).mean.tolist())
    assert any("Of 20 random orders the mean, and where 95 % of further ones fall" in each.value for each in at.caption)


@pytest.mark.slow
def test_curves_of_every_kind_are_named_for_what_they_are():
    at = visit("sweep", criteria=["mean", "l1"], reversed="mean", oracle="loss", also="held-out", step="8")
    worth = at.dataframe[0].value
    assert worth["criterion"].tolist() == [
        "mean on test", "mean on held-out", "l1", "mean-reversed on test", "mean-reversed on held-out",
        "oracle-loss on test", "oracle-loss on held-out",
    ]  # fmt: skip
    areas = {name: float(area.split()[0]) for name, area in zip(worth["criterion"], worth["area"], strict=True)}
    assert areas["oracle-loss on test"] > areas["mean on test"] > areas["mean-reversed on test"]
    (said,) = [text.value for text in at.markdown if "flatter" in text.value]
    assert said.count("choosing on the very test images that it is measured on, instead of the held-out images") == 3
    assert "tried 528 pruned networks on 10,000 test images" in said and "on 1,000 held-out images" in said


def test_a_range_without_a_k_says_so():
    at = visit("sweep", criteria=["mean"], schedule="rerank", step="16", ks=["1", "5"])
    assert "none of those lies in this range: widen it" in at.info[0].value and not at.error and not at.dataframe


def test_what_takes_a_while_starts_on_a_click():
    at = visit("sweep", layer="conv1", criteria="l1", oracle="accuracy", ks=["0", "16"], step="8")
    assert at.dataframe[0].value["criterion"].tolist() == ["l1"]
    (start,) = [button for button in at.button if button.label == "Start"]
    costs = "**Greedy oracle (accuracy)**: 136 pruned networks on 1,000 test images, which takes a while."
    assert any(costs in text.value for text in at.markdown)
    assert not work.is_known(checkpoints.load(BUNDLED), Experiment(BUNDLED, "conv1", "oracle-accuracy", ks=(0, 8, 16)))
    assert start.key.startswith("start ")


@pytest.mark.slow
def test_more_curves_than_can_be_told_apart_are_cut_with_a_word():
    every = ["mean", "l1", "l2", "fpgm", "mean-abs", "relu", "apoz", "variance", "taylor"]
    at = visit("sweep", criteria=every, reversed=["mean", "l1", "l2", "fpgm"], ks=["0", "32"], step="32")
    assert "the first 12 of 13 curves" in at.info[0].value and len(at.dataframe[0].value) == 12


@pytest.mark.parametrize("criterion", ["mean-reversed", "taylor", "oracle-accuracy"])
def test_every_way_to_order_the_channels_is_on_every_page(criterion):
    at = visit(criterion=criterion, ranked_on="held-out", k="8")
    point = checkpoints.load(BUNDLED)
    *_, whole = sweep_of(Experiment(BUNDLED, "conv2", criterion, ranked_on="held-out", ks=(0, 8)), point)
    assert not at.warning and metrics(at)["Accuracy at K = 8"] == percent(whole.accuracy[1])
    assert any("held-out images" in caption.value for caption in at.caption)
    assert not visit("activations", criterion=criterion, ranked_on="held-out").warning


def test_the_sweep_page_keeps_to_the_k_asked_for():
    at = visit("sweep", ks=["4", "20"], step="8", criteria="l1")
    assert at.dataframe[1].value.index.tolist() == [4, 12, 20]
    assert list(at.dataframe[1].value.columns) == ["l1"]
    assert set(at.dataframe[0].value["area"]) == {"–"}, "an area needs the whole curve"


def test_ranking_again_keeps_to_its_own_k():
    at = visit("sweep", criteria=["mean", "taylor"], schedule="rerank", step="16")
    table = at.dataframe[1].value
    assert table.index.tolist() == [0, 16, 32] and not at.error, "taylor, which cannot be ranked again, is ranked once"


def test_the_k_and_the_ranking_of_the_other_pages_are_marked_and_stay():
    at = visit(criterion="l2", k="5")
    at = settle(at.switch_page("explorer/app/pages/sweep.py"))
    assert at.number_input(key="k").value == 5 and at.selectbox(key="criterion").value == "l2"
    worth = at.dataframe[0].value
    assert worth["criterion"].tolist() == ["mean", "l1", "l2", "random"], "it joins those compared"
    (sentence,) = [text.value for text in at.markdown if "channels of **conv2** pruned" in text.value]
    accuracies = at.dataframe[1].value.loc[5]
    assert "with K = 5 of the 32" in sentence and f"keeps {percent(accuracies.max())}" in sentence
    link = next(link.proto for link in at.get("page_link"))
    assert link.label == "Look closer at L2 norm at K = 5 on Prune" and "criterion=l2" in link.query_string
    at.multiselect(key="criteria").set_value(["l1"])
    at.number_input(key="k").set_value(7)
    at = settle(at)
    assert at.dataframe[0].value["criterion"].tolist() == ["l1"], "it may be taken away"
    at = settle(at.switch_page("explorer/app/pages/prune.py"))
    assert at.slider(key="k").value == 7 and at.selectbox(key="criterion").value == "l2"


def test_several_jobs_are_one_line_with_each_a_click_away():
    def script():
        from explorer.app import waiting
        from explorer.background.jobs import DONE, RUNNING, Job, Progress

        jobs = {name: Job(name) for name in ("one", "two", "three")}
        for job, done in zip(jobs.values(), (100, 50, 0), strict=True):
            job.latest, job.status = Progress(done, 100), DONE if done == 100 else RUNNING
        waiting.several(jobs, "Pruning")

    at = AppTest.from_function(script).run()
    assert not at.exception and at.progress[0].text == ":material/autorenew: Pruning: 50%"
    details = [bar.text for bar in at.get("popover")[0].get("progress")]
    assert len(at.progress) == 3 and details == [":material/autorenew: two: 50%", ":material/autorenew: three: 0%"]


@pytest.mark.slow
def test_no_ranking_chosen_is_an_invitation_not_an_error():
    at = visit("sweep")
    at.multiselect(key="criteria").set_value([])
    settle(at)
    assert "Choose at least one ranking" in at.info[0].value and not at.get("vega_lite_chart")


def test_a_second_chart_shows_the_first_channels_closely():
    at = visit("sweep", axis="ratio", zoom="0.1", criteria="l1")
    assert len(at.get("vega_lite_chart")) == 2
    assert "The first 10 % of the channels" in [head.value for head in at.subheader]
