"""The Scan page."""

from app_test import BUNDLED, layer_link, percent, settle, visit

from explorer.answers import door
from explorer.app import cache, work
from explorer.background.jobs import CANCELLED
from explorer.networks import checkpoints


def test_the_scan_page_shows_what_each_layer_costs(truth):
    at = visit("scan")
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
    at = visit("scan", mode="weights")
    assert "layer=conv2" in layer_link(at).query_string and "mode=weights" in layer_link(at).query_string
    at.selectbox(key="layer").select("conv1")
    settle(at)
    assert layer_link(at).label == "Prune conv1 channel by channel"
    assert f"checkpoint={BUNDLED}&layer=conv1&mode=weights" in layer_link(at).query_string
    assert visit(checkpoint=BUNDLED, layer="conv1", mode="weights").selectbox(key="layer").value == "conv1"


def test_a_large_network_is_scanned_on_a_sample_and_says_how_long_all_would_take(large):
    at = visit("scan", checkpoint=large)
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
    at = visit("scan", checkpoint=large, mode="weights")
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
    at = visit("scan", checkpoint=large, mode="inputs", layers="all")
    assert at.dataframe[0].value["layer"].tolist()[1:] == [
        "res1.feature1.0", "res1.feature1.3", "res2.feature1.0", "res2.feature1.3",
    ]  # fmt: skip
    left_out = [caption.value for caption in at.caption if "is left out" in caption.value]
    assert len(left_out) == 5 and "stem.0 is left out: mode 'inputs' prunes" in left_out[0]


def test_a_residual_network_says_which_layer_can_be_spared_and_offers_all_of_them():
    at = visit("scan", lab="D")
    table = at.dataframe[0].value[1:].set_index("layer")
    least, most = table["change"].idxmax(), table["change"].idxmin()
    (said,) = [text.value for text in at.markdown if "one pruned whole at a time" in text.value]
    assert f"**{least}**" in said and f"**{most}** {-table['change'][most]:.2f}." in said
    assert at.sidebar.button_group(key="layers").value == "blocks" and at.sidebar.button_group(key="lab").value == "D"
