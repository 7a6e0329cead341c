"""How soon the app is there: two figures, medians of several starts, each of a new server.

    python tests/load/start.py --times 5

Server: from connecting, as a browser does, to the end of the first page's script. Browser: from `streamlit run` to the
painted curve; beside it the same for the smallest page with one Altair chart, which is as fast as it can be.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PROJECT = Path(__file__).resolve().parent.parent.parent
APP = PROJECT / "streamlit_app.py"
SMALLEST = """
import altair as alt
import pandas as pd
import streamlit as st

table = pd.DataFrame({"k": range(33), "accuracy": range(33)})
st.altair_chart(alt.Chart(table).mark_line().encode(x="k", y="accuracy"))
"""
PATIENCE = 120  # seconds
PAINTED = "document.querySelector('[data-testid=stVegaLiteChart] svg .mark-line path[d]')"  # a chart with its line


@contextmanager
def served(script: Path) -> Iterator[str]:
    """The address, without its scheme, of a new server of the script, which has begun to start."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless=true"]
        command += ["--server.address=127.0.0.1", f"--server.port={address.split(':')[1]}"]
        environment = os.environ | {"EXPLORER_RESULTS": results}
        with subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            try:
                yield address
            finally:
                server.terminate()


def wait_for(address: str) -> None:
    """Until the server answers."""
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        try:
            with urllib.request.urlopen(f"http://{address}/_stcore/health", timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"no server at {address} within {PATIENCE} s")


def run_script(address: str) -> float:
    """Seconds from connecting to the end of the first script run."""
    start = time.perf_counter()
    with connect(f"ws://{address}/_stcore/stream", max_size=None, subprotocols=["streamlit"]) as tab:
        rerun = BackMsg()
        rerun.rerun_script.query_string = ""
        tab.send(rerun.SerializeToString())
        for content in tab:
            message = ForwardMsg.FromString(content)
            if message.WhichOneof("type") == "script_finished":
                if message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY:
                    raise RuntimeError(f"the script ended with {message.script_finished}")
                return time.perf_counter() - start
    raise RuntimeError("the server hung up")


def until_painted(browser: Browser, script: Path) -> float:
    """Seconds from `streamlit run` to the painted chart, in a browser that is open but has seen nothing yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    start = time.perf_counter()
    with served(script) as address:
        wait_for(address)
        page.goto(f"http://{address}", wait_until="commit")
        page.wait_for_function(PAINTED, timeout=1000 * PATIENCE)
        seconds = time.perf_counter() - start
    context.close()
    return seconds


def main() -> None:
    """Measure in turns, so that what else the machine does strikes all alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="starts of each kind")
    times = parser.parse_args().times
    server, app, floor = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        smallest = Path(folder) / "smallest.py"
        smallest.write_text(SMALLEST)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for turn in range(times):
            with served(APP) as address:
                wait_for(address)
                server.append(run_script(address))
            app.append(until_painted(browser, APP))
            floor.append(until_painted(browser, smallest))
            print(f"{turn + 1}/{times}: {server[-1]:.2f} s, {app[-1]:.2f} s, {floor[-1]:.2f} s", flush=True)
        browser.close()
    print(f"server: the first script is done {median(server):.2f} s after connecting")
    print(f"browser: the curve is painted {median(app):.2f} s after `streamlit run`; the smallest page's chart")
    print(f"         {median(floor):.2f} s after it, so that the app takes {median(app) - median(floor):.2f} s more")


if __name__ == "__main__":
    main()
