"""What compressing gained, in the report of the page that carried a plan out, or of a network that came of one."""

from dataclasses import replace

import pandas as pd
import pytest
from reported import facts_of, falling

from explorer.answers.compressing import Compression, compressed
from explorer.networks import checkpoints
from explorer.networks.cards import Parent
from explorer.reports.brought import Brought, Removal
from explorer.reports.facts import Missing
from explorer.reports.findings import findings
from explorer.reports.removing import COLUMNS, ancestors, of_plan
from explorer.reports.reproducing import shell
from explorer.reports.sections.compression import compression
from explorer.reports.sections.conclusions import sentence_of
from explorer.reports.tables import tables_of
from explorer.reports.texts import language
from explorer.reports.writer import Writer


def removal(differ=0, after=0.8, **more):
    """A plan that leaves half of everything, made by hand."""
    change = 100 * (after - 0.9)
    rows = [["before", "mine", 100, 90, 0.9, 0.8, 0.95, 0.0], ["removed", "", 100, 80, after, 0.7, 0.9, change]]
    stages = pd.DataFrame(rows, columns=COLUMNS)
    totals = pd.DataFrame({
        "quantity": ["parameters", "MACs", "FLOPs", "file", "latency", "throughput", "latency"],
        "batch": pd.array([None, None, None, None, 1, 1, 64], dtype="Int64"),
        "before": [1000, 2000, 4000, 4096, 1.5, 600.0, 20.0], "after": [500, 700, 1400, 2048, 1.2, 700.0, 10.0],
        "share": [0.5, 0.35, 0.35, 0.5, 0.8, 1.2, 0.5],
    })  # fmt: skip
    return replace(Removal("mine", "conv1:4", "l1", stages, totals, "CPU", 2, differ=differ), **more)


def texts(facts, code="en"):
    """What the section says, and its tables' cells."""
    blocks = list(compression(Writer(facts, language(code), frozenset())))
    said = [block.text for block in blocks if hasattr(block, "text")]
    cells = [cell for block in blocks if hasattr(block, "rows") for row in block.rows for cell in row]
    return " ".join(said).replace("\u00a0", " "), [cell.replace("\u00a0", " ") for cell in cells]


def test_the_section_has_scales_and_accuracy_before_and_after():
    said, cells = texts(facts_of(falling(90, 80), removal=removal()))
    assert "chosen by L1 norm: conv1:4." in said and "On all 100 test images the smaller network predicts what" in said
    assert cells[:5] == ["Before: mine", "100", "90.00 %", "80.00 % to 95.00 %", "+0.00"]
    assert cells[10:14] == ["Parameters", "1,000", "500", "50.00 %"] and "Time for a batch of 64 (ms)" in cells
    assert "FLOPs" not in cells


def test_a_network_without_a_plan_has_no_such_section():
    assert texts(facts_of(falling(90, 80))) == ("", [])


def test_a_network_whose_parent_is_not_here_says_so():
    said, cells = texts(facts_of(falling(90, 80), missing=(Missing("removal", "gone"),)))
    assert "it takes the network gone that this one was made from" in said and not cells


def test_predictions_that_rounding_decides_are_counted():
    assert (
        "On 3 of 100 test images the smaller network predicts otherwise"
        in texts(facts_of(falling(90, 80), removal=removal(3)))[0]
    )


@pytest.mark.parametrize(
    ("after", "end"), [(0.8, "10.00 points lower."), (0.95, "5.00 points higher."), (0.9, "the same.")]
)
def test_the_finding_says_which_way_accuracy_went(after, end):
    facts = facts_of(falling(90, 80), removal=removal(after=after))
    (found,) = [found for found in findings(facts) if found.question == "removal"]
    said = sentence_of(found, language("en")).replace("\u00a0", " ").replace("+", "")
    assert "35.00 % of the multiply-adds and 80.00 % of the time for one image are left" in said and said.endswith(end)
    assert set(tables_of(facts)) >= {"compression", "scales"}


def test_a_plan_in_chinese_has_no_english_sentence():
    said, cells = texts(facts_of(falling(90, 80), removal=removal()), "zh")
    assert "移除" in said and "参数量" in cells and "test images" not in said


def test_the_script_removes_as_the_page_did():
    target = removal(target="points=1", rounded=True, limit=500, steps=3, minimum=2)
    told = shell(facts_of(falling(90, 80), removal=target))
    how = "--criterion l1 --steps 3 --minimum 2 --limit 500"
    assert f"compress mine --target points=1 --round {how} --out again/compressed\n" in told
    assert "# For the target points=1 channels were removed as conv1:4;" in told
    plain = shell(facts_of(falling(90, 80), removal=removal(rounded=True)))
    assert "compress mine --plan conv1:4 --criterion l1 --steps 1 --minimum 1 --out" in plain and "target" not in plain


@pytest.mark.slow
def test_what_was_asked_stands_in_the_removal():
    asked = Compression(target="macs=0.9", minimum=2, limit=40)
    *_, found = compressed(checkpoints.load("simple-cnn_fashion-mnist"), asked, "cpu")
    gone = of_plan("simple-cnn_fashion-mnist", found)
    assert (gone.target, gone.minimum, gone.limit, gone.steps) == ("macs=0.9", 2, 40, 1)
    assert gone.plan == found.plan.text and gone.stages["n"].tolist() == [40, 40]


def test_two_plans_are_two_reports():
    one, other = (Brought(removal=removal(plan=plan)) for plan in ("conv1:4", "conv1:5"))
    assert one.about != other.about and one.key == Brought(removal=removal()).key and Brought().about is None


def test_ancestors_end_where_the_weights_are_others(tmp_path, monkeypatch):
    point = checkpoints.look_up("simple-cnn_fashion-mnist")
    child = replace(point, card=replace(point.card, parent=Parent(point.name, point.sha256, "conv1:4", "l1")))
    assert [each.name for each in ancestors(child)] == [point.name]
    other = replace(point, card=replace(point.card, parent=Parent(point.name, "0" * 64, "conv1:4", "l1")))
    assert not list(ancestors(other))
    gone = replace(point, card=replace(point.card, parent=Parent("nobody", point.sha256)))
    assert not list(ancestors(gone))
