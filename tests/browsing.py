"""The app in a real browser: where it is, and how to tell that a page is done."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
PATIENCE = 120  # seconds; a busy machine may need many
DONE = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const busy = '[data-testid=stProgress], [data-testid=stSkeleton], [data-testid=stSpinner]';
    const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')];
    const drawn = charts.every(chart => chart.querySelector('svg, canvas'));
    return app.dataset.testScriptState == 'notRunning' && !document.querySelector(busy) && drawn;
}"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def serving(folder: Path, *streamlit: str, **places: str) -> Iterator[str]:
    """The app's address while it is served; `streamlit` is how Python starts it, `places` more of its environment."""
    port, log = free_port(), folder / "log.txt"
    command = [sys.executable, *streamlit, "run", "streamlit_app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1"]
    with log.open("wb") as output:
        how = {"cwd": PROJECT, "stdout": output, "stderr": subprocess.STDOUT, "env": os.environ | places}
        server = subprocess.Popen(command, **how)
    try:
        end = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/_stcore/health"):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE)
    trouble = [line for line in log.read_text().splitlines() if "Traceback" in line or "Error" in line]
    assert not trouble, log.read_text()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def is_foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))


def wait_until_done(page) -> None:
    """Until the page has a title, and nothing on it runs or is still to come."""
    page.locator("[data-testid=stMain] [data-testid=stHeading]").first.wait_for()
    page.wait_for_function(DONE)


def accuracy_at(page, k: int) -> str:
    """The accuracy that the page shows, once it shows K = k and has all the images."""
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text(f"Accuracy at K = {k}", exact=True))
    metric.wait_for()
    page.wait_for_function("() => !document.querySelector('[data-testid=stProgress]')")
    return metric.get_by_test_id("stMetricValue").inner_text().strip()


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"
