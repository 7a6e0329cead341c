"""What the heads of the pages say, in plain words."""

import pytest
from app_test import labels, metrics, settle, visit

from explorer.answers.labs import LABS
from explorer.app import story
from explorer.images.registry import DATASETS
from explorer.networks.checkpoints import SHIPPED
from explorer.pruning.criteria import CRITERIA, REVERSED


def test_every_ranking_and_every_data_set_has_words():
    assert set(story.FIRST) == set(CRITERIA) and set(story.TASKS) == set(DATASETS)
    assert story.first_to_go(f"mean{REVERSED}") == "all but the least active, as a counter-check,"
    assert story.first_to_go("oracle-loss") == "those that cost the least, one after the other"


def test_networks_that_come_with_the_app_are_called_by_what_they_are():
    assert {story.title_of(name) for name in SHIPPED} >= {"SimpleCNN on Fashion-MNIST", "ResNet-18 on CIFAR-10"}
    assert story.title_of("resnet18-report_cifar10") == "ResNet-18 as in the report, on CIFAR-10"
    assert story.title_of("my-net_1") == "my-net_1"


def test_the_first_page_says_what_one_sees(shipped_answers):
    at = visit()
    said = [text.value for text in at.markdown]
    sentence = "This network tells ten kinds of clothing apart. Its last convolution has 32 channels; prune the least "
    assert at.header[0].value == "SimpleCNN on Fashion-MNIST" and any(text.startswith(sentence) for text in said)
    assert any("the most negative" in text for text in said), "raw means may lie below zero"


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_lab_is_in_the_head(shipped_answers, name):
    at = visit(lab=name)
    assert at.header[0].value.startswith(f"Lab {name}: ")
    assert any(LABS[name].did in text.value for text in at.markdown)
    assert ("Unpruned" in labels(at)) == (LABS[name].ks[0] == 0)


def test_whoever_presents_sees_the_numbers_and_the_curve_alone(shipped_answers):
    at = visit(present="true", k="5")
    assert len(at.get("vega_lite_chart")) == 1 and "Accuracy at K = 5" in metrics(at) and "Leave" in labels(at)
    next(button for button in at.button if button.label == "Leave").click()
    settle(at)
    assert len(at.get("vega_lite_chart")) == 2 and at.query_params == {"k": "5"}
    next(button for button in at.button if button.label == "Present").click()
    settle(at)
    assert at.query_params == {"present": "true", "k": "5"}
