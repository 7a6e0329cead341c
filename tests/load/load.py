"""A class at once: `python tests/load/load.py [--sessions N] [--seconds S] [--soak MINUTES] [--url URL] [-- OPTION …]`.

Starts the app's server, with Streamlit's OPTIONs, and opens its first page in N tabs over the websocket, as a browser
does. Each tab moves K to a random one every 2 s on average: pauses are exponential, and none ends before the answer to
the last move is there. Prints how long an answer takes, from sending the move to the end of the page's run; how many of
the accuracies shown are not those of `python -m explorer sweep`; and, where the server is its own and on Linux, its
processor time a move and its resident memory. With --soak, tabs come and go, and each half minute is a row.
Exits with 1 where a number was wrong, or a tab got no answer.
"""

import argparse
import asyncio
import csv
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

PROJECT = Path(__file__).resolve().parent.parent.parent
NETWORK = "simple-cnn_fashion-mnist"  # which the app opens with
PAUSE = 2.0  # seconds between two moves of a tab, on average
STAY = 60.0  # seconds that a tab stays open in a soak, on average
LOOK = 30.0  # seconds between two looks at memory in a soak
PATIENCE = 120.0  # seconds
DONE = {ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY}


class Tab:
    """The Prune page in one tab: what a browser keeps of it to move K, and what it shows."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._page = self._query = self._fragment = self._slider = ""
        self.shown: tuple[int, str] | None = None  # K and its accuracy

    async def open(self) -> None:
        """What a browser asks first; ends once the page is there."""
        await self._run(ClientState())
        if not self._slider:
            raise RuntimeError("the page opened without a slider for K")

    async def move(self, k: int) -> None:
        """Move the slider to K = k; ends once the page has answered."""
        state = ClientState(query_string=self._query, page_script_hash=self._page, fragment_id=self._fragment)
        state.widget_states.widgets.add(id=self._slider).double_array_value.data.append(k)
        await self._run(state)

    async def _run(self, state: ClientState) -> None:
        await self._connection.send(BackMsg(rerun_script=state).SerializeToString())
        async for data in self._connection:
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._page = message.new_session.page_script_hash
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "delta":
                self._note(message.delta)
            elif kind == "script_finished" and message.script_finished in DONE:
                return

    def _note(self, delta) -> None:
        element = delta.new_element
        if element.slider.label == "Channels pruned (K)":
            self._slider, self._fragment = element.slider.id, delta.fragment_id
        elif found := re.fullmatch(r"Accuracy at K = (\d+)", element.metric.label):
            self.shown = (int(found[1]), element.metric.body)


@dataclass
class Tally:
    """What came of all moves."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)  # seconds that opening took

    def row(self, since: int = 0) -> dict[str, str]:
        """The figures of the moves after the first so many, by name."""
        ordered = sorted(self.seconds[since:]) or [float("nan")]
        return {
            "moves": f"{len(self.seconds) - since:,}",
            "p50": f"{statistics.median(ordered):.3f} s",
            "p95": f"{ordered[int(0.95 * len(ordered))]:.3f} s",
            "max": f"{ordered[-1]:.3f} s",
            "wrong": f"{len(self.wrong)}",
        }


@dataclass(frozen=True)
class Server:
    """Where the app answers, and its process where it is ours."""

    address: str
    process: int | None = None

    def processor(self) -> float:
        """Seconds of processor time so far; NaN where that cannot be seen."""
        if self.process is None:
            return float("nan")
        user, system = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident memory in MB; NaN where that cannot be seen."""
        if self.process is None:
            return float("nan")
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@contextmanager
def served(options: list[str]) -> Iterator[Server]:
    """The app on a port of its own, without results of the user's."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true"]
        command += [f"--server.port={port}", "--server.address=127.0.0.1", "--logger.level=warning", *options]
        quiet = {"cwd": PROJECT, "env": os.environ | {"EXPLORER_RESULTS": results}, "stdout": subprocess.DEVNULL}
        with subprocess.Popen(command, **quiet) as process:
            try:
                wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
                yield Server(f"http://127.0.0.1:{port}", process.pid if sys.platform == "linux" else None)
            finally:
                process.terminate()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer")


def true_accuracies() -> dict[int, str]:
    """The accuracy at each K as a page writes it, from the command line."""
    command = [sys.executable, "-m", "explorer", "sweep", NETWORK, "--csv", "-"]
    answer = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return {int(row["k"]): f"{100 * float(row['accuracy']):.2f} %" for row in csv.DictReader(answer.splitlines())}


async def use(address: str, truth: dict[int, str], tally: Tally, start: asyncio.Event, stay: float) -> None:
    """Open a tab, and from `start` on move K in it for `stay` seconds."""
    chance = random.Random()
    where = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
    began = time.monotonic()
    async with connect(where, subprotocols=["streamlit"], max_size=None, open_timeout=PATIENCE) as connection:
        tab = Tab(connection)
        async with asyncio.timeout(PATIENCE):
            await tab.open()
        tally.opened.append(time.monotonic() - began)
        await start.wait()
        end = time.monotonic() + stay
        due = time.monotonic() + chance.expovariate(1 / PAUSE)
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            k = chance.choice(list(truth))
            began = time.monotonic()
            async with asyncio.timeout(PATIENCE):
                await tab.move(k)
            tally.seconds.append(time.monotonic() - began)
            if tab.shown != (k, truth[k]):
                tally.wrong.append(f"K = {k} is {truth[k]}, and the page shows {tab.shown}")
            due = began + chance.expovariate(1 / PAUSE)


async def class_at_once(server: Server, sessions: int, seconds: float) -> Tally:
    """So many tabs for so long; prints the table."""
    truth, tally, start = true_accuracies(), Tally(), asyncio.Event()
    async with asyncio.TaskGroup() as tabs:
        for _ in range(sessions):
            tabs.create_task(use(server.address, truth, tally, start, seconds))
        while len(tally.opened) < sessions:
            await asyncio.sleep(0.1)
        processor, memory = server.processor(), server.memory()
        start.set()
    spent = (server.processor() - processor) / len(tally.seconds)
    row = {"sessions": f"{sessions}", **tally.row(), "CPU a move": f"{1000 * spent:.0f} ms"}
    row |= {"memory": f"{memory:.0f} MB", "at the end": f"{server.memory():.0f} MB"}
    print_row(row, head=True)
    return tally


async def soak(server: Server, sessions: int, minutes: float) -> Tally:
    """Tabs that come and go, so many at a time; prints a row each half minute."""
    truth, tally, start = true_accuracies(), Tally(), asyncio.Event()
    start.set()
    began = time.monotonic()

    async def come_and_go() -> None:
        while (left := began + 60 * minutes - time.monotonic()) > 0:
            await use(server.address, truth, tally, start, min(left, random.expovariate(1 / STAY)))

    async with asyncio.TaskGroup() as tabs:
        for _ in range(sessions):
            tabs.create_task(come_and_go())
        since = 0
        for turn in range(1, int(60 * minutes / LOOK) + 1):
            await asyncio.sleep(began + turn * LOOK - time.monotonic())
            row = {"minute": f"{turn * LOOK / 60:.1f}", "opened": f"{len(tally.opened)}", **tally.row(since)}
            print_row(row | {"memory": f"{server.memory():.0f} MB"}, head=turn == 1)
            since = len(tally.seconds)
    return tally


def print_row(row: dict[str, str], head: bool) -> None:
    if head:
        print(*(f"{name:>10}" for name in row))
    print(*(f"{value:>10}" for value in row.values()), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=30, help="tabs at a time (default: 30)")
    parser.add_argument("--seconds", type=float, default=60, help="how long they move K (default: 60)")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="let tabs come and go for so long instead")
    parser.add_argument("--url", help="a server that runs already, instead of one of its own")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="of Streamlit, for a server of its own")
    args = parser.parse_args()

    def load(server: Server) -> Tally:
        work = soak(server, args.sessions, args.soak) if args.soak else None
        return asyncio.run(work or class_at_once(server, args.sessions, args.seconds))

    tally, lost = Tally(), []
    try:
        with nullcontext(Server(args.url.rstrip("/"))) if args.url else served(args.options) as server:
            tally = load(server)
    except* (OSError, TimeoutError, WebSocketException) as errors:
        lost += errors.exceptions
    for line in [*tally.wrong[:10], *(f"A tab got no answer: {type(error).__name__} {error}" for error in lost[:1])]:
        print(line, file=sys.stderr)
    return 1 if tally.wrong or lost else 0


if __name__ == "__main__":
    sys.exit(main())
