"""How soon a lab is there after its click, on a machine without CIFAR-10 and MNIST: a table.

    python tests/load/clicks.py [--labs ABCDE] [--after SECONDS]

For each lab a new server. Some seconds after its first page is painted: a click on the lab, on its other way, on
Activations for its maps, and on Prune's CSV file; then the same in another tab, where all of it is known. A figure is
seconds from the click to what is painted, or the file, and in brackets the server's processor time. The last row is of
the smallest page with one Altair chart, of which a click draws another: as fast as it can be.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import load
import start
from playwright.sync_api import Page, sync_playwright
from start import PAINTED, PATIENCE

from explorer.answers.labs import LABS, Lab

SMALLEST = """
import altair as alt
import pandas as pd
import streamlit as st

slope = {"up": 1, "down": -1}[st.segmented_control("Curve", ["up", "down"], default="up")]
table = pd.DataFrame({"k": range(33), "accuracy": [slope * k for k in range(33)]})
st.altair_chart(alt.Chart(table).mark_line().encode(x="k", y="accuracy"))
"""
LINES = """() => [...document.querySelectorAll('svg :is(.mark-line, .mark-area) path[d]')]
    .map(line => line.getAttribute('d')).join()"""
STILL = "document.querySelector('[data-testid=stApp]').dataset.testScriptState == 'notRunning'"
PICTURE = """[...document.querySelectorAll('[data-testid=stMain] img[alt^="Averaged maps"]')]
    .some(image => image.complete && image.naturalWidth > 0)"""


COLUMNS = ("curve, numbers", "other way", "maps", "CSV")


class Clicks:
    """Clicks in one tab, and how long each took, in words."""

    def __init__(self, page: Page, processor: Callable[[], float]) -> None:
        self.page, self._processor = page, processor
        self.took: list[str] = []

    def time(self, click: Callable[[], None], wait: Callable[[], object]) -> None:
        """Note how long a click took, to the end of `wait`."""
        spent, began = self._processor(), time.perf_counter()
        click()
        wait()
        seconds = time.perf_counter() - began
        self.page.wait_for_function(STILL)
        self.took.append(f"{seconds:.2f} s ({self._processor() - spent:.2f})")
        self.page.wait_for_timeout(1000)

    def draw(self, name: str) -> None:
        """A click on a choice of that name, after which other lines are painted."""
        before = self.page.evaluate(LINES)
        changed = f"before => {{ const now = ({LINES})(); return now && now != before; }}"
        self.time(
            self.page.get_by_role("radio", name=name, exact=True).click,
            lambda: self.page.wait_for_function(changed, arg=before),
        )


def visit_lab(clicks: Clicks, lab: Lab) -> None:
    """A lab's curve with its numbers, its other way, its maps, and its file."""
    page = clicks.page
    clicks.draw(lab.name)
    if len(lab.variants) > 1:
        clicks.draw(lab.variants[1].title)
    else:
        clicks.took.append("")
    page.wait_for_function(STILL)
    maps = page.get_by_role("link", name="Activations", exact=True)
    clicks.time(maps.click, lambda: page.wait_for_function(PICTURE))
    page.get_by_role("link", name="Prune", exact=True).click()
    page.wait_for_function(PAINTED)
    page.wait_for_timeout(1000)
    button = page.get_by_role("button", name="Download CSV")
    with page.expect_download() as file:
        clicks.time(button.click, lambda: file.value)
    assert Path(file.value.path()).read_text().startswith("checkpoint,")


def print_row(name: str, took: list[str]) -> None:
    """A row of the table."""
    print(f"{name:16}" + "".join(f"{each:>18}" for each in took), flush=True)


def main() -> None:
    """One lab after the other, each on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labs", default="".join(LABS), help="their letters")
    parser.add_argument("--after", type=float, default=3.0, help="seconds from the first page to the first click")
    asked = parser.parse_args()
    print_row("", list(COLUMNS))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["EXPLORER_DATA"] = folder
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])

        def opened(address: str) -> Page:
            page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(address)
            page.wait_for_function(PAINTED)
            page.wait_for_timeout(1000 * asked.after)
            return page

        for lab in map(LABS.get, asked.labs):
            with load.served([]) as server:
                for turn in ("first", "second"):
                    clicks = Clicks(opened(server.address), server.processor)
                    visit_lab(clicks, lab)
                    print_row(f"{lab.name}, {turn}", clicks.took)
                    clicks.page.context.close()
        smallest = Path(folder) / "smallest.py"
        smallest.write_text(SMALLEST)
        with start.served(smallest) as address:
            start.wait_for(address)
            clicks = Clicks(opened(f"http://{address}"), lambda: float("nan"))
            clicks.draw("down")
            clicks.draw("up")
            print_row("the smallest", clicks.took)
        browser.close()


if __name__ == "__main__":
    main()
