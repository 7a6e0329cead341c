"""One journey in a real browser: open, read the accuracy, move K, see it change to what the CSV file says."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import students
import torch
from browsing import PROJECT, accuracy_at, percent, serving, wait_until_done

import explorer as ex
from explorer.images import reading
from explorer.networks import checkpoints
from explorer.networks.evaluation import logits, predict
from explorer.own import images as own_images

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]  # one server for all


def csv_of(page) -> pd.DataFrame:
    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()
    return pd.read_csv(io.BytesIO(Path(started.value.path()).read_bytes())).set_index("k")


def test_the_journey(page, address):
    page.goto(address)
    opening = accuracy_at(page, 16)
    page.locator("[data-testid=stVegaLiteChart] :is(svg, canvas)").first.wait_for()
    table = csv_of(page)
    assert list(table.index) == list(range(33)) and (table["n"] == 10_000).all()
    assert opening == percent(table["accuracy"][16])

    slider = page.get_by_role("slider", name="Channels pruned (K)")
    slider.focus()
    for k in (17, 18):
        slider.press("ArrowRight")
        assert accuracy_at(page, k) == percent(table["accuracy"][k])
    page.wait_for_url(re.compile(r"[?&]k=18\b"))

    page.get_by_role("button", name="+1").click()
    assert accuracy_at(page, 19) == percent(table["accuracy"][19])
    page.get_by_role("button", name="Last K within 1 point").click()
    page.wait_for_url(lambda url: "k=19" not in url)
    cliff = int(re.search(r"[?&]k=(\d+)", page.url)[1])
    assert accuracy_at(page, cliff) == percent(table["accuracy"][cliff])
    assert table["accuracy"][cliff] >= table["accuracy"][0] - 0.01 > table["accuracy"][cliff + 1]

    assert csv_of(page).equals(table), "the file does not depend on K"


def test_a_link_opens_the_same_view_in_another_tab(page, address):
    page.goto(f"{address}/?k=5&criterion=l1")
    first = accuracy_at(page, 5)
    page.get_by_role("button", name="−1").click()
    accuracy_at(page, 4)
    page.wait_for_url(re.compile(r"[?&]k=4\b"))
    other = page.context.new_page()
    other.goto(page.url)
    assert accuracy_at(other, 4) == accuracy_at(page, 4)
    other.goto(f"{address}/?k=5&criterion=l1")
    assert accuracy_at(other, 5) == first


def test_another_network_comes_with_its_own_layer(page, address):
    page.goto(f"{address}/?layer=conv1")
    accuracy_at(page, 8)
    layer = page.get_by_label("Layer (channels)")
    assert layer.input_value() == "conv1 (16)"
    page.get_by_label("Network", exact=True).click()
    page.get_by_role("option", name="Siamese network on MNIST pairs").click()
    page.wait_for_url(re.compile("siamese"))
    page.wait_for_function("() => document.querySelector('[aria-label*=\"Layer (channels)\"]').value[0] != 'c'")
    assert layer.input_value() == "encoder.features.3 (32)"


def test_a_click_in_the_curve_moves_k(page, address):
    page.goto(f"{address}/?k=1")
    accuracy_at(page, 1)
    box = page.get_by_test_id("stVegaLiteChart").first.bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_url(re.compile(r"[?&]k=(1[5-9]|2[0-2])\b"))


def test_figures_for_print_are_a_choice_of_formats(page, address):
    page.goto(f"{address}/activations?k=0&most=6")
    page.get_by_text("The 6 most active channels").wait_for()
    figures = page.get_by_role("button", name="Figure")
    for place, kind, start in ((0, "SVG", b"<?xml"), (1, "PNG", b"\x89PNG")):
        figures.nth(place).click()
        with page.expect_download() as started:
            page.get_by_role("button", name=kind, exact=True).click()
        assert Path(started.value.path()).read_bytes().startswith(start)
        page.keyboard.press("Escape")


def test_the_train_page_is_one_click_away(page, address):
    page.goto(address)
    accuracy_at(page, 16)
    page.get_by_role("link", name="Train").click()
    page.wait_for_url(re.compile("train"))
    page.get_by_role("button", name="Start training").wait_for()
    assert not page.get_by_test_id("stException").count()


@pytest.mark.parametrize("name", ["Activations", "Sweep", "Compare", "Scan", "Model", "Lessons"])
def test_the_other_pages_are_one_click_away(page, address, name):
    page.goto(address)
    accuracy_at(page, 16)
    page.get_by_role("link", name=name).click()
    page.wait_for_url(re.compile(name.lower()))
    page.locator("[data-testid=stVegaLiteChart] :is(svg, canvas)").first.wait_for()
    assert not page.get_by_test_id("stException").count()


@pytest.mark.parametrize(
    "path", ["", "activations", "sweep", "compare", "scan", "compress", "model", "train", "lessons"]
)
def test_a_page_opens_without_a_complaint(page, address, path):
    """Nothing that is asked for is missing, and neither Streamlit nor Vega warns of anything."""
    said: list[str] = []
    page.on("response", lambda answer: said.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("console", lambda line: said.append(line.text) if line.type in ("warning", "error") else None)
    page.goto(f"{address}/{path}")
    wait_until_done(page)
    assert not said


SMALL = f"""
import sys
sys.path.insert(0, {str(PROJECT / "tests")!r})
import explorer, archives, pytest
from streamlit.web.cli import main
with archives.serving() as web:
    archives.small_cifar10(pytest.MonkeyPatch(), web)
    web.cuts = [5000, 0]  # the connection is lost, and at first there is none
    main()
"""


def test_a_download_is_picked_up_by_itself_in_every_tab(page, tmp_path):
    with serving(tmp_path, "-c", SMALL, EXPLORER_DATA=str(tmp_path / "data")) as address:
        other = page.context.new_page()
        for tab in (page, other):
            tab.goto(f"{address}/?checkpoint=simple-cnn_cifar10")
            tab.get_by_role("button", name="Download CIFAR-10").wait_for()
        page.get_by_role("button", name="Download CIFAR-10").click()
        for tab in (page, other):
            tab.get_by_text(re.compile("Downloading CIFAR-10: . of . MB")).wait_for()
        for tab in (page, other):
            tab.get_by_test_id("stMetric").filter(has=tab.get_by_text("Channels left")).wait_for()
            assert tab.get_by_role("button", name="Download CIFAR-10").count() == 0


def test_a_point_of_a_curve_takes_its_k_to_every_page(page, address):
    """And zooming, which leaves some of the rows or none, is no reason for Vega to complain."""
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type in ("warning", "error") else None)
    page.goto(f"{address}/sweep?criteria=mean&k=3")
    chart = page.get_by_test_id("stVegaLiteChart").first
    chart.locator(":is(svg, canvas)").first.wait_for()
    page.get_by_text("with K = 3 of the 32 channels").wait_for()
    box = chart.bounding_box()
    left, right, overview = box["x"] + 100, box["x"] + box["width"] + 76, box["y"] + box["height"] - 25
    for start, end in ((0.3, 0.6), (0.4, 0.405)):
        page.mouse.move(left + start * (right - left), overview)
        page.mouse.down()
        page.mouse.move(left + end * (right - left), overview, steps=8)
        page.mouse.up()
        page.wait_for_timeout(500)  # or else the next is part of a double click
    page.mouse.click(left + 0.9 * (right - left), overview)  # all of it again
    for height in range(50, 120, 5):  # wherever the curve is
        page.wait_for_timeout(500)
        if re.search(r"[?&]k=3\b", page.url):
            page.mouse.click(left + 20 / 32 * (right - left), box["y"] + height)
    page.wait_for_url(re.compile(r"[?&]k=(19|20|21)\b"))
    page.get_by_role("link", name="Prune", exact=True).click()
    page.get_by_text(re.compile(r"Accuracy at K = (19|20|21)")).first.wait_for()
    assert not said


def test_a_lesson_is_read_and_followed_to_its_curve(page, address):
    page.goto(f"{address}/lessons?lesson=leak")
    wait_until_done(page)
    text = page.get_by_test_id("stMain").inner_text()
    assert "1. What one would expect." in text and "2. What was measured" in text and "3. Why." in text
    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()
    table = pd.read_csv(io.BytesIO(Path(started.value.path()).read_bytes()))
    means = table.groupby("ranked_on")["accuracy"].apply(lambda each: np.trapezoid(each) / (len(each) - 1))
    said = re.search(r"ranked on training images, is ([+−]\d+\.\d\d) points \(95 % interval", text)[1]
    assert said.replace("−", "-") == f"{100 * (means['test'] - means['train']):+.2f}", "the sentence is of these curves"
    (chart,) = page.get_by_test_id("stVegaLiteChart").all()
    assert chart.locator("svg, canvas").first.bounding_box()["width"] > 300

    page.get_by_text("B · Ranking leak").or_(page.get_by_text("A · Surviving bias")).first.wait_for()
    page.get_by_text("A · Surviving bias", exact=True).click()
    page.wait_for_url(re.compile("/lessons$"))  # the first lesson is not worth a word in the address
    page.get_by_text("Lab A as assigned and as its script does it").wait_for()
    page.get_by_role("link", name="As scripted on Prune").click()
    page.wait_for_url(re.compile(r"lab=A"))
    page.get_by_test_id("stMetric").filter(has=page.get_by_text("Accuracy at K = 16", exact=True)).wait_for()
    assert not page.get_by_test_id("stException").count()


def test_back_takes_back_one_action(page, address):
    page.goto(f"{address}/?k=5")
    first = accuracy_at(page, 5)
    page.get_by_label("Ranking").click()
    page.get_by_role("option", name="L1 norm", exact=True).click()
    page.wait_for_url(re.compile("criterion=l1"))
    wait_until_done(page)
    by_weights = accuracy_at(page, 5)
    page.get_by_role("button", name="+1").click()
    page.wait_for_url(re.compile(r"k=6\b"))
    accuracy_at(page, 6)
    page.go_back()
    assert accuracy_at(page, 5) == by_weights and "criterion=l1" in page.url
    page.go_back()
    page.wait_for_function(f"() => document.querySelector('[data-testid=stMetricValue]').innerText.trim() == '{first}'")
    assert page.url.endswith("/?k=5") and page.get_by_label("Ranking").input_value() == "Mean activation"

    page.get_by_role("link", name="Scan").click()
    page.wait_for_url(re.compile("scan"))
    wait_until_done(page)
    page.go_back()
    assert accuracy_at(page, 5) == first


def test_another_language_keeps_what_is_chosen_and_back_takes_it_back(page, address):
    page.goto(f"{address}/?criterion=l2&k=5")
    accuracy_at(page, 5)
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("中文").click()
    page.get_by_text("K = 5 时的准确率").wait_for()
    wait_until_done(page)
    rankings = [box.input_value() for box in sidebar.get_by_test_id("stSelectbox").locator("input").all()]
    assert "L2 范数" in rankings and page.evaluate("document.documentElement.lang") == "zh-CN"
    page.get_by_role("button", name="+1").click()
    page.get_by_text("K = 6 时的准确率").wait_for()
    page.wait_for_url(re.compile(r"[?&]k=6\b"))
    assert "criterion=l2" in page.url and "mode=" not in page.url
    page.go_back()
    page.go_back()
    accuracy_at(page, 5)
    page.get_by_role("link", name="Activations").wait_for()
    assert page.evaluate("document.documentElement.lang") == "en"


def test_to_turn_to_another_page_is_one_step_back(page, address):
    """Though each page gives itself an address of its own, with what was chosen before."""
    page.goto(f"{address}/?criterion=l1&k=5")
    first = accuracy_at(page, 5)
    for name in ("Sweep", "Activations"):
        before = page.evaluate("history.length")
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(re.compile(rf"/{name.lower()}\?.*criterion=l1"))
        wait_until_done(page)
        assert page.evaluate("history.length") == before + 1
    page.go_back()
    page.wait_for_url(re.compile("/sweep.*criterion=l1"))
    page.go_back()
    page.wait_for_url(re.compile(r"/\?criterion=l1&k=5"))
    assert accuracy_at(page, 5) == first


def test_a_network_of_ones_own_in_three_steps(page, own_things, tmp_path):
    """From the first page to its curve, whose numbers are those of masked copies."""
    net = students.net_of(students.text(students.NET))
    (own_things / "lab.py").write_text(students.text(students.NET, students.TRAINS))
    torch.save({"model": net.state_dict()}, own_things / "lab.pt")
    own_images.import_images(own_things / "pets", "pets", 32)
    with serving(tmp_path, "-m", "streamlit", EXPLORER_TRUST_OWN="1") as address:
        page.goto(address)
        page.get_by_role("button", name="Your own network").click()
        for step, choice, words in (
            ("File", "lab.py", "They fit: Net"),
            ("2. Weights", "net.pth", "holds the weights of another network"),
            ("2. Weights", "lab.pt", "Undone: the entry 'model' of lab.pt."),
            ("3. Images", "pets, 3 × 32 × 32", "They fit: Net"),
        ):
            page.get_by_label(step, exact=True).click()
            page.get_by_role("option", name=choice, exact=True).click()
            page.get_by_text(words).first.wait_for()
        page.get_by_role("button", name="Import network").click()
        page.get_by_text("net_pets is imported. The entry 'model' of lab.pt.").wait_for()
        shown = accuracy_at(page, 3)
        page.locator("[data-testid=stVegaLiteChart] :is(svg, canvas)").first.wait_for()
        page.wait_for_url(re.compile("checkpoint=net_pets"))
    point = checkpoints.load("net_pets")
    pruned = ex.prune(net, "conv2", ex.rank(net, "conv2", ex.batches(point)).order[:3])
    right = predict(logits(pruned, ex.batches(point))) == reading.load_split("pets", "test").labels
    assert shown == percent(right.float().mean().item())
