"""The labs on the pages: one click sets every picker, and each way is drawn beside the assignment."""

from types import SimpleNamespace

import pytest
from app_test import BUNDLED, metrics, prune_link, settle, visit

from explorer.answers.labs import LABS
from explorer.app import cache, presets, work
from explorer.background.jobs import FAILED
from explorer.images import datasets
from explorer.networks import checkpoints

pytestmark = pytest.mark.slow  # real networks on real images


def test_a_lab_opens_the_same_whichever_was_open_before(monkeypatch):
    state, said = {"dtype": "bfloat16"}, []
    monkeypatch.setattr(
        presets, "st", SimpleNamespace(session_state=state, toast=lambda words, icon: said.append(words))
    )
    for name in "ADEBCDA":
        presets.open_lab(LABS[name])
        layout = {key: value for key, value in LABS[name].maps.items() if key not in presets.RANKING}
        assert {key: state[key] for key in presets.PLAIN} == {**presets.PLAIN, **layout}
        assert (state["layer"], state["criterion"], state["dtype"]) == (LABS[name].layer, "mean", "float32")
    presets._open_maps(LABS["C"])
    asked = {"layer": "layer4.1.conv2", "criterion": "block-mean", "output": "block", "columns": 11, "most": 64, "k": 0}
    assert asked.items() <= state.items() and state["colouring"] == "colour"
    assert said == ["The maps of lab C: layer4.1.conv2, ranked by mean of the block's output, nothing pruned (K = 0)."]


def test_a_link_to_a_lab_opens_it_as_assigned_with_both_curves(real_cifar10):
    at = visit(lab="A")
    picked = prune_link(at)
    assert (picked["checkpoint"], picked["layer"], picked["mode"]) == ("simple-cnn_cifar10", "conv2", "filter")
    assert picked["schedule"] == "once" and metrics(at)["Accuracy at K = 14"] == "47.04 %"
    assert at.main.button_group(key="variant").value == "As assigned"
    assert any("zeroes weights alone" in text.value for text in at.markdown)
    assert "As scripted" in at.get("vega_lite_chart")[0].proto.spec


@pytest.mark.parametrize(
    ("lab", "checkpoint", "layer", "curves"),
    [
        ("B", "siamese_mnist-pairs", "encoder.features.3", ["As assigned"]),
        ("D", "lab-resnet_cifar10", "res2.feature2.0", ["As assigned", "As scripted"]),
        ("E", "block-net_cifar10", "conv2", ["As assigned", "By L1 norm", "By L2 norm"]),
    ],
)
def test_a_lab_opens_with_its_curves_its_maps_and_its_table(real_cifar10, lab, checkpoint, layer, curves):
    if datasets.availability(checkpoints.read_card(checkpoint).dataset) == "missing":
        pytest.skip(f"the images of {checkpoint} are not under the data root")
    at = visit(lab=lab)
    picked = prune_link(at)
    assert (picked["checkpoint"], picked["layer"]) == (checkpoint, layer) and not at.error and not at.warning
    spec = at.get("vega_lite_chart")[0].proto.spec
    assert all(curve in spec for curve in curves[1:])
    ways = [group.value for group in at.main.button_group if group.key == "variant"]
    assert ways == ([curves[0]] if len(curves) > 1 else []), "where there is one way, there is nothing to choose"
    settle(at.switch_page("explorer/app/pages/activations.py"))
    layout = LABS[lab].maps
    columns = [field.value for field in at.number_input if field.key == "columns"]
    assert columns == [layout.get("columns")] and len(at.dataframe) == 1 and not at.error and not at.warning
    settle(at.switch_page("explorer/app/pages/sweep.py"))
    assert at.main.button_group(key="axis").value == LABS[lab].axis
    assert set(curves) <= set(at.dataframe[0].value["criterion"]) and not at.error and not at.warning


def test_the_sweep_of_a_lab_is_on_its_own_k_with_a_curve_for_each_way(real_cifar10):
    at = visit("sweep", lab="A")
    assert at.slider(key="ks").value == (0, 30) and at.number_input(key="step").value == 2
    spec = at.get("vega_lite_chart")[0].proto.spec
    assert "Lab A, as assigned" in spec and "Lab A, as scripted" in spec
    at.sidebar.button_group(key="lab").select("E")
    at = settle(at)
    assert at.slider(key="ks").value == (0, 64) and "Lab E, by L2 norm" in at.get("vega_lite_chart")[0].proto.spec


def test_a_labs_other_way_that_failed_says_so(real_cifar10):
    at = visit(lab="A")
    other = LABS["A"].experiment(LABS["A"].variants[1])
    job = work.jobs().get(("sweep", cache.identity(checkpoints.load("simple-cnn_cifar10")), other))
    assert job is not None
    job.status, job.error = FAILED, "it broke"
    at.run()
    assert [each.value for each in at.error] == ["it broke"]
    (again,) = [button for button in at.button if button.label == "Try again"]
    again.click()
    settle(at)
    assert not at.error and work.jobs().get(job.key) is not job


def test_a_labs_other_way_is_one_click_away(real_cifar10):
    at = visit(lab="A")
    at.main.button_group(key="variant").select("As scripted")
    at = settle(at)
    picked = prune_link(at)
    assert (picked["mode"], picked["schedule"], picked["lab"]) == ("weights", "rerank", "A")
    label, value = next(iter((each.label, each) for each in at.metric if each.label == "Channels left"))
    assert value.value == "0 of 32" and "32 gone at K = 14" in value.delta, label
    at.sidebar.selectbox(key="mode").select("filter")
    at = settle(at)
    assert at.main.button_group(key="variant").value is None
    assert any("something else than the lab's own ways" in text.value for text in at.caption)


def test_lab_c_has_a_second_network_one_click_away(shipped_answers):
    at = visit(lab="C")
    assert prune_link(at)["checkpoint"] == "resnet18-report_cifar10"
    first, spec = metrics(at), at.get("vega_lite_chart")[0].proto.spec
    assert "As scripted" in spec and "Another recipe" in spec
    at.main.button_group(key="variant").select("Another recipe")
    at = settle(at)
    picked = prune_link(at)
    assert (picked["checkpoint"], picked["layer"], picked["lab"]) == ("resnet18_cifar10", "layer2.1.conv2", "C")
    assert at.main.button_group(key="variant").value == "Another recipe" and not at.error
    assert metrics(at) != first and "As assigned" in at.get("vega_lite_chart")[0].proto.spec


def test_a_lab_chosen_in_the_sidebar_sets_every_picker(real_cifar10):
    at = visit(criterion="random", layer="conv1")
    at.sidebar.button_group(key="lab").select("A")
    at = settle(at)
    picked = prune_link(at)
    assert (picked["checkpoint"], picked["layer"], picked["criterion"]) == ("simple-cnn_cifar10", "conv2", "mean")


def test_what_else_a_link_to_a_lab_says_stands(real_cifar10):
    assert prune_link(visit(lab="A", mode="weights"))["mode"] == "weights"


def test_a_lab_whose_network_is_not_here_says_how_to_train_it(monkeypatch):
    monkeypatch.setattr("explorer.app.presets.list_checkpoints", lambda: [BUNDLED])
    at = visit(lab="C")
    assert "`python -m explorer train resnet18 --data cifar10 --name resnet18-report_cifar10`" in at.info[0].value
    assert prune_link(at)["checkpoint"] == BUNDLED
