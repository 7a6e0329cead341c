"""Everybody can read and use every page: nothing that axe-core calls serious or critical, and a keyboard will do."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import PATIENCE, accuracy_at, percent, wait_until_done

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

PAGES = ["", "activations", "sweep", "compare", "scan", "compress", "model", "train"]
PAGES += ["lessons?lesson=leak", "?exercise=1&lab=B"]
OURS = {"serious", "critical"}
# By rule, a class of elements of Vega's that it gives a role and no name, and that no specification can name: the frame
# in which one drags a range, and the ground behind it. The chart around them has a name.
NOT_OURS = {"svg-img-alt": "role-mark zoom_brush"}
# What Streamlit writes white on the primary colour: what was chosen of a long list. In the dark no colour is both light
# enough for words on the ground (4.5) and dark enough below white ones.
CHIPS = {"exclude": [["[data-testid=stMultiSelect] span[title]"]]}


def violations(page) -> list[str]:
    """What axe-core finds that is serious and ours: the rule, the element and the fix, a line each."""
    found = Axe().run(page, context=CHIPS).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:120]}: {' '.join(node['failureSummary'].split())[:240]}"
        for rule in found
        if rule["impact"] in OURS
        for node in rule["nodes"]
        if rule["id"] not in NOT_OURS or NOT_OURS[rule["id"]] not in node["html"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_serious_violation(page, address, path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/{path}")
    wait_until_done(page)
    assert not violations(page)
    unnamed = page.locator("[data-testid=stMain] :is(img, svg.marks, [role=img], canvas):visible").evaluate_all(
        "all => all.filter(each => !each.closest('[aria-hidden=true], [aria-label], [alt], [title]'))"
        ".map(each => each.outerHTML.slice(0, 200))"
    )
    assert not unnamed, "pictures and charts have a text that says what they show"


def test_axe_finds_a_violation_where_there_is_one(page, address):
    page.goto(address)
    accuracy_at(page, 16)
    page.evaluate(
        "() => document.querySelector('[data-testid=stMain] h2, h1').append(document.createElement('button'))"
    )
    assert any(line.startswith("button-name: <button>") for line in violations(page))


def test_k_moves_by_keyboard_alone(page, address, truth):
    """Tab goes to the slider of K, and the arrow keys move it."""
    accuracies = truth.set_index("k")["accuracy"]
    page.goto(address)
    accuracy_at(page, 16)
    slider = page.get_by_role("slider", name="Channels pruned (K)")
    for _ in range(60):
        page.keyboard.press("Tab")
        if slider.evaluate("slider => slider == document.activeElement"):
            break
    else:
        pytest.fail("Tab never comes to the slider")
    for key, k in (("ArrowRight", 17), ("ArrowRight", 18), ("ArrowLeft", 17), ("Home", 0), ("End", 32)):
        page.keyboard.press(key)
        assert accuracy_at(page, k) == percent(accuracies[k])
        slider.and_(page.locator(":focus")).wait_for(timeout=1000 * PATIENCE)  # and stays where one is
