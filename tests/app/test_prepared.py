"""What is made of results for all tabs: made once, as the core makes it, and let go."""

from dataclasses import replace

import numpy as np
from by_hand import sweep_by_hand

from explorer.app import prepared
from explorer.engine import tables
from explorer.language.saying import speaking


def test_what_is_made_of_a_whole_result_is_made_once_and_let_go():
    whole = sweep_by_hand()
    made = prepared.class_table(whole, 1)
    assert made.equals(tables.class_table(whole, 1))
    assert prepared.class_table(whole, 1) is made and prepared.class_table(whole, 2) is not made
    assert prepared.class_chart(whole, 1, 300) is prepared.class_chart(whole, 1, 300)
    prepared.forget()
    assert prepared.class_table(whole, 1) is not made


def test_what_has_words_is_made_once_for_each_language():
    whole = sweep_by_hand()
    english = prepared.class_chart(whole, 1, 300)
    with speaking("zh"):
        chinese = prepared.class_chart(whole, 1, 300)
        assert prepared.class_chart(whole, 1, 300) is chinese is not english
    assert prepared.class_chart(whole, 1, 300) is english


def test_of_a_result_that_grows_nothing_is_kept():
    growing = replace(sweep_by_hand(), total=12)
    assert prepared.accuracy_table(growing) is not prepared.accuracy_table(growing)


def test_a_chart_keeps_the_order_of_its_curves_whichever_is_in_the_foreground():
    one, other = sweep_by_hand(), sweep_by_hand()
    one, other = (replace(sweep, importance=np.array([0.5, 0.1])) for sweep in (one, other))
    chart = prepared.axis_chart(1, "Mean", "", 170, "second", ("first", "second"), one, other)
    assert chart.data["curve"]["name"].unique().tolist() == ["second"]
    assert sorted(chart.data["named"]["name"].unique()) == ["first", "second"]
    assert prepared.axis_chart(1, "Mean", "", 170, "second", ("first", "second"), one, other) is chart


def test_flips_are_the_first_of_their_kind_with_their_pictures(truth):
    import explorer as ex

    sweep = ex.ask(ex.Experiment("simple-cnn_fashion-mnist", "conv2"))
    table = tables.flip_table(sweep, 16)
    for kind in ("broken", "repaired"):
        wanted = table[table["flip"] == kind].head(3)
        found = prepared.flips(sweep, 16, kind, 3)
        assert [(flip.label, flip.before, flip.after) for flip in found] == list(
            wanted[["label", "before", "after"]].itertuples(index=False, name=None)
        )
        assert all(flip.picture.startswith(b"\x89PNG") for flip in found)
