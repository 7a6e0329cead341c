"""The exercise in a real browser: a click in the chart places an accuracy, and the report has what came of it."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from browsing import wait_until_done

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

MAKING = 300  # seconds that a report may take on a busy machine
KS, EXPECTED = (6, 11, 16, 21, 26), (95, 90, 80, 70)  # the first is clicked


def test_the_exercise_is_played_through_and_stands_in_the_report(page, address):
    page.goto(f"{address}/?exercise=1&lab=B")
    wait_until_done(page)
    reveal = page.get_by_role("button", name="Reveal")
    assert reveal.is_disabled() and not page.get_by_test_id("stMetric").count()
    chart = page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first
    box = chart.bounding_box()
    page.mouse.click(box["x"] + 0.26 * box["width"], box["y"] + 0.2 * box["height"])
    first = page.get_by_label(f"% at K = {KS[0]}", exact=True)
    page.wait_for_function("() => document.querySelector('[aria-label=\"% at K = 6\"]').value != ''")
    clicked = int(first.input_value())
    assert 60 <= clicked <= 100, "near the top of the chart"
    for k, percents in zip(KS[1:], EXPECTED, strict=True):
        field = page.get_by_label(f"% at K = {k}", exact=True)
        field.fill(str(percents))
        field.press("Enter")
    for label, k in (("Last K within 1 point", "5"), ("Steepest drop, at K", "28")):
        page.get_by_label(label, exact=True).fill(k)
        page.get_by_label(label, exact=True).press("Enter")
    page.get_by_role("radio", name="Mean activation").or_(page.get_by_role("button", name="Mean activation")).click()
    page.wait_for_url(re.compile("expect_winner=mean"))
    reveal.click()
    page.get_by_text("Mean error (points)", exact=True).wait_for()
    page.wait_for_url(re.compile("revealed=true"))
    assert f"expect_1={clicked}" in page.url
    error = page.get_by_test_id("stMetric").first.get_by_test_id("stMetricValue").inner_text()

    page.get_by_role("button").filter(has_text="Measure").first.click()
    page.get_by_text(re.compile(r"Half of the channels \(K = 16\) cost")).wait_for()

    page.get_by_role("button", name="Lab report").click()
    page.get_by_test_id("stPopoverBody").get_by_role("radio", name="English", exact=True).click()
    page.get_by_role("button", name="Make the report").click()
    download = page.get_by_role("button", name="Download the report")
    download.wait_for(timeout=1000 * MAKING)
    with page.expect_download() as started:
        download.click()
    with zipfile.ZipFile(io.BytesIO(Path(started.value.path()).read_bytes())) as archive:
        report = archive.read("report-en.html").decode().replace("\u00a0", " ")
    assert "What was expected" in report and f"off by {error.strip()} points" in report
    assert f"{clicked}.00 %" in report, "what was clicked"
    assert "Accuracy was expected to fall most at K = 28" in report
