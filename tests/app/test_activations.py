"""The Activations page."""

from app_test import captions, settle, visit


def test_activations_follow_their_options():
    at = visit("activations", output="activation", order="original", colouring="grey", scale="per map", channel="3")
    assert not at.warning
    assert at.selectbox(key="channel").value == "3"
    assert any("after" in caption.value for caption in at.caption)


def test_a_link_sets_the_whole_layout_of_the_maps():
    link = {"k": "0", "most": "5", "columns": "4", "numbers": "from 1", "order": "original", "scale": "per map"}
    at = visit("activations", **link)
    assert not at.warning
    assert "The 5 most active channels over 10,000 test images: raw output" in captions(at)
    assert "nothing is pruned" in captions(at)
    assert at.number_input(key="columns").value == 4 and at.number_input(key="most").value == 5


def test_no_more_of_the_most_active_than_there_are_channels():
    at = visit("activations", most="20")
    at.selectbox(key="layer").select("conv1")
    settle(at)
    assert at.number_input(key="most").value is None and "The 16 channels" in captions(at)


def test_the_means_of_all_channels_stand_sorted_on_the_page():
    table = visit("activations", k="3").dataframe[0].value
    assert len(table) == 32 and table["mean"].is_monotonic_increasing and "importance" not in table
    assert table["state"].tolist() == ["pruned"] * 3 + ["kept"] * 29
    other = visit("activations", k="3", criterion="l1").dataframe[0].value
    assert other["importance"].is_monotonic_increasing, "where it is ranked by something else than the mean shown"
