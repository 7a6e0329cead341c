"""The Scan page: bars of whole layers, and shares of each."""

from app_test import BUNDLED, layer_link, percent, settle, visit
from by_hand import sensitivity_by_hand

from explorer.answers import door
from explorer.app import cache, sparing, work
from explorer.background.jobs import CANCELLED
from explorer.networks import checkpoints


def test_the_scan_page_shows_what_each_layer_costs(truth):
    at = visit("scan", show="layers")
    *_, whole = door.scan(checkpoints.load(BUNDLED))
    table = at.dataframe[0].value
    assert table["layer"].tolist() == ["unpruned", "conv1", "conv2"]
    assert table["accuracy"].tolist() == whole.frame()["accuracy"].tolist()
    assert table["accuracy"].tolist()[::2] == [truth["accuracy"][0], truth["accuracy"][32]]
    assert any("Over 10,000 test images" in caption.value for caption in at.caption)
    (why,) = [text.value for text in at.markdown if "Nothing leads around a layer" in text.value]
    assert (
        "Without any one of its 2 convolutions" in why
        and f"only guess ({percent(table['accuracy'][1:].max())} right)" in why
    )
    assert "layers" not in [each.key for each in at.sidebar.button_group], "blocks or all would change nothing"
    assert {button.label for button in at.get("download_button")} == {"PNG", "SVG", "PDF", "Download CSV"}


def test_a_layer_of_the_scan_opens_on_prune():
    at = visit("scan", show="layers", mode="weights")
    assert "layer=conv2" in layer_link(at).query_string and "mode=weights" in layer_link(at).query_string
    at.selectbox(key="layer").select("conv1")
    settle(at)
    assert layer_link(at).label == "Prune conv1 channel by channel"
    assert f"checkpoint={BUNDLED}&layer=conv1&mode=weights" in layer_link(at).query_string
    assert visit(checkpoint=BUNDLED, layer="conv1", mode="weights").selectbox(key="layer").value == "conv1"


def test_a_large_network_is_scanned_on_a_sample_and_says_how_long_all_would_take(large):
    at = visit("scan", show="layers", checkpoint=large)
    assert at.dataframe[0].value["layer"].tolist() == ["unpruned", "res1.feature2.0", "res2.feature2.0"]
    (about,) = (caption.value for caption in at.caption if "test images, with" in caption.value)
    assert about.startswith("Over 20 test images") and "All 10,000 images would take about" in about
    assert not any("Nothing leads around" in text.value for text in at.markdown), "shortcuts do"
    at.segmented_control(key="images").set_value("40")
    at.segmented_control(key="layers").set_value("all")
    settle(at)
    assert len(at.dataframe[0].value) == 10
    at.segmented_control(key="layers").set_value("blocks")
    settle(at)
    blocks = work.jobs().get(("scan", cache.identity(checkpoints.load(large)), large, "blocks", "filter", 40))
    assert blocks is not None and blocks.elapsed == 0, "they were there already"
    assert len(at.dataframe[0].value) == 3


def test_a_scan_that_was_cancelled_keeps_what_it_has(large, monkeypatch):
    at = visit("scan", show="layers", checkpoint=large, mode="weights")
    job = work.jobs().get(("scan", cache.identity(checkpoints.load(large)), large, "blocks", "weights", 20))
    assert job is not None
    job.status = CANCELLED
    settle(at)
    assert "Pruning one layer at a time was cancelled" in at.warning[0].value
    assert len(at.dataframe[0].value) == 3 and at.get("vega_lite_chart")
    (again,) = [button for button in at.button if button.label == "Start again"]
    again.click()
    settle(at)
    assert not at.warning and work.jobs().get(job.key) is not job


def test_layers_that_a_mode_does_not_fit_are_named(large):
    at = visit("scan", show="layers", checkpoint=large, mode="inputs", layers="all")
    assert at.dataframe[0].value["layer"].tolist()[1:] == [
        "res1.feature1.0", "res1.feature1.3", "res2.feature1.0", "res2.feature1.3",
    ]  # fmt: skip
    left_out = [caption.value for caption in at.caption if "is left out" in caption.value]
    assert len(left_out) == 5 and "stem.0 is left out: mode 'inputs' prunes" in left_out[0]


def test_a_residual_network_says_which_layer_can_be_spared_and_offers_all_of_them():
    at = visit("scan", show="layers", lab="D")
    table = at.dataframe[0].value[1:].set_index("layer")
    least, most = table["change"].idxmax(), table["change"].idxmin()
    (said,) = [text.value for text in at.markdown if "one pruned whole at a time" in text.value]
    assert f"**{least}**" in said and f"**{most}** {-table['change'][most]:.2f}." in said
    assert at.sidebar.button_group(key="layers").value == "blocks" and at.sidebar.button_group(key="lab").value == "D"


def test_scan_says_what_the_blocks_of_lab_cs_other_network_are_worth(shipped_answers):
    for name, other in (("resnet18-report", "Another recipe"), ("resnet18", "The report's recipe")):
        at = visit("scan", checkpoint=f"{name}_cifar10")
        decides = "the recipe decides whether the last block is needed"
        (said,) = [text.value for text in at.markdown if decides in text.value]
        assert "The report's recipe: of 8 blocks" in said and "Another recipe: of 8 blocks" in said
        assert other in [each.value for each in at.subheader] and len(at.get("vega_lite_chart")) == 2
    assert not any("recipe" in text.value for text in visit("scan", show="layers").markdown)


# Shares of each layer


def test_the_map_says_what_each_layer_can_spare(large):
    at = visit("scan", checkpoint=large, criterion="l1", mode="channel", loss="5")
    *_, found = door.sensitivity(checkpoints.load(large), "l1", "channel", limit=20)
    shown = at.dataframe[0].value
    assert shown["layer"].tolist() == [row.layer for row in found.rows]
    assert shown["share"].tolist() == [f"{share} %" for share in found.spare(5)]
    assert shown["together"].tolist() == [", ".join(row.layers[1:]) for row in found.rows]
    assert "res2.down_sample.0" in " ".join(shown["together"]), "the shortcut is added to the same stream"
    caption = next(caption.value for caption in at.caption if "test images; unpruned" in caption.value)
    assert caption.startswith("Over 20 test images") and "Framed" in caption
    assert at.get("vega_lite_chart") and {"Download CSV", "PDF"} <= {each.label for each in at.get("download_button")}
    at.selectbox(key="loss").select("0.5")
    settle(at)
    assert at.dataframe[0].value["share"].tolist() == [f"{share} %" for share in found.spare(0.5)]
    at.segmented_control(key="show").set_value("curves")
    settle(at)
    assert any("dashed line" in caption.value for caption in at.caption)


def test_a_layer_of_the_map_opens_on_prune_with_its_ranking_and_mode(large):
    at = visit("scan", checkpoint=large, criterion="l1", layer="stem.0")
    assert layer_link(at).label == "Prune stem.0 channel by channel"
    assert f"checkpoint={large}&layer=stem.0&mode=filter&criterion=l1" in layer_link(at).query_string


def test_what_was_cancelled_of_the_map_is_said_and_can_be_started_again(large):
    at = visit("scan", checkpoint=large, criterion="l2")
    key = ("sensitivity", cache.identity(checkpoints.load(large)), large, "l2", "filter", 20)
    job = work.jobs().get(key)
    assert job is not None
    job.status = CANCELLED
    settle(at)
    assert "Pruning shares of one layer at a time was cancelled" in at.warning[0].value
    (again,) = [button for button in at.button if button.label == "Start again"]
    again.click()
    settle(at)
    assert not at.warning and work.jobs().get(key) is not job


def found_by_hand(**change):
    return sparing.in_a_sentence("Net", sensitivity_by_hand(**change), 4)


def test_the_sentence_says_who_can_spare_most_and_least():
    cost = "at a cost of surely at most 4 points of accuracy"
    assert found_by_hand() == f"**a** of Net can spare 50 % of the channels {cost}; **b + 1 more** none."
    nothing = [[0, 0, 0], [0, 0, 0]]
    assert found_by_hand(broken=nothing, repaired=nothing) == (
        f"Each layer of Net can spare 100 % of its channels {cost}, one layer at a time."
    )
    all_lost = [[0, 90, 90], [0, 90, 90]]
    assert found_by_hand(broken=all_lost, repaired=nothing) == (
        f"No layer of Net can spare 50 % of its channels {cost}, as far as 100 images tell."
    )
    assert sparing.few(list("abc")) == "a, b and c" and sparing.few(list("abcd")) == "4 layers"


def test_bars_that_ship_come_before_a_map_that_would_take_minutes(shipped_answers, monkeypatch, tmp_path):
    assert visit("scan").segmented_control(key="show").value == "map"
    monkeypatch.setattr("explorer.answers.shipped.has_sensitivity", lambda *asked: False)
    at = visit("scan")
    assert at.segmented_control(key="show").value == "layers" and at.dataframe[0].value["layer"][0] == "unpruned"
