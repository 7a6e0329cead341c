"""What memory the app takes: every page of every network that comes with it, in a browser.

    python tests/load/memory.py [--rounds N] [--stay S] [--networks NAME …]

Starts the app's server on Linux and opens each page of each network in a tab of its own, N times (2). A tab stays open
until all on its page has come, S seconds (20) at most, so that work goes on that nobody waits for. After the last tab
has been closed it watches for a minute. Prints resident memory at the start, at the highest, after each network, and
15, 30 and 60 s after the last tab, in all and without what belongs to files (the libraries); and the share of a core
that the server still uses then.
"""

import argparse
import contextlib
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Server, print_row, served
from playwright.sync_api import Browser, TimeoutError, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent.parent
PAGES = ("", "activations", "sweep", "compare", "scan", "compress", "model", "train")
AFTER = (15, 30, 60)  # seconds after the last tab was closed
LOOK = 0.25  # seconds between two looks for the highest
USE = 10.0  # seconds at the end for which processor time is counted
IMPORTS = 30.0  # seconds after the first page, in which the server imports torch
DONE = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const busy = '[data-testid=stProgress], [data-testid=stSkeleton], [data-testid=stSpinner]';
    const titled = document.querySelector('[data-testid=stMain] [data-testid=stHeading]');
    return titled && app.dataset.testScriptState == 'notRunning' && !document.querySelector(busy);
}"""


def memory_of(server: Server) -> tuple[float, float]:
    """Resident memory in MB: all of it, and what belongs to no file."""
    status = Path(f"/proc/{server.process}/status").read_text()
    whole, own = (int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmRSS", "RssAnon"))
    return whole, own


class Watch:
    """Looks at a server's memory again and again; `row` prints what it is at a moment, and the highest up to it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.began = time.monotonic()
        self.peak = 0.0
        self.ended = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self.ended.wait(LOOK):
            with contextlib.suppress(OSError):  # it has just ended
                self.peak = max(self.peak, memory_of(self.server)[0])

    def row(self, what: str, head: bool = False) -> None:
        """Print a row of the table."""
        whole, own = memory_of(self.server)
        numbers = {"resident": whole, "of no file": own, "highest": max(self.peak, whole)}
        row = {"seconds": f"{time.monotonic() - self.began:.0f}"}
        row |= {name: f"{megabytes:,.0f} MB" for name, megabytes in numbers.items()}
        print_row({**row, "": f"  {what}"}, head)


@contextmanager
def watching(server: Server) -> Iterator[Watch]:
    """Looks at the server's memory meanwhile."""
    watch = Watch(server)
    try:
        yield watch
    finally:
        watch.ended.set()


def visit(browser: Browser, address: str, stay: float) -> bool:
    """Open a page in a tab of its own until it is done, or for so many seconds; whether it was done."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    try:
        page.goto(address)
        page.wait_for_function(DONE, timeout=1000 * stay)
        return True
    except TimeoutError:
        return False
    finally:
        context.close()


def main() -> None:
    """Visit, wait, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = sorted(path.stem for path in (PROJECT / "checkpoints").glob("*.safetensors"))
    parser.add_argument("--rounds", type=int, default=2, help="how often all are visited (default: 2)")
    parser.add_argument("--stay", type=float, default=20, help="seconds that a page is open at most (default: 20)")
    parser.add_argument("--networks", nargs="+", default=known, metavar="NAME", help="which (default: all)")
    args = parser.parse_args()
    with served([]) as server, watching(server) as watch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        visit(browser, server.address, args.stay)
        watch.row("first page", head=True)
        time.sleep(IMPORTS)
        watch.row("torch is imported")
        for turn in range(args.rounds):
            for name in args.networks:
                there = [visit(browser, f"{server.address}/{at}?checkpoint={name}", args.stay) for at in PAGES]
                left = [page or "prune" for page, is_done in zip(PAGES, there, strict=True) if not is_done]
                watch.row(f"{name}, round {turn + 1}" + (f"; left early: {', '.join(left)}" if left else ""))
        browser.close()
        closed = time.monotonic()
        for seconds in AFTER:
            time.sleep(closed + seconds - time.monotonic())
            watch.row(f"{seconds} s after the last tab")
        before = server.processor()
        time.sleep(USE)
        print(f"{100 * (server.processor() - before) / USE:.0f} % of a core in the {USE:.0f} s after that")


if __name__ == "__main__":
    main()
