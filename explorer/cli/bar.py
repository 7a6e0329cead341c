"""Progress on the terminal."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from explorer.background.records import Reporter


class Bar:
    """Progress with the time left: on a terminal one line that is redrawn, elsewhere a line every ten seconds.

    Call it with (done, total); leave the `with` block, or call `clear`, to give the line back.
    """

    WIDTH = 30

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.pause = 0.1 if self.live else 10.0
        self.shown = time.monotonic()
        self.start: tuple[float, int] | None = None  # when, and how much was done by then

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done, unless something was shown just now."""
        now = time.monotonic()
        self.start = self.start or (now, done)
        if now - self.shown < self.pause:
            return
        self.shown = now
        text = f"{self.label} {100 * done // max(total, 1)} %{self._left(now, done, total)}"
        if self.live:
            filled = self.WIDTH * done // max(total, 1)
            self._write(f"\r[{'#' * filled:<{self.WIDTH}}] {text}\x1b[K")
        else:
            self._write(text + "\n")

    def clear(self) -> None:
        """Wipe the line, so that something else can be printed there."""
        if self.live:
            self._write("\r\x1b[K")

    def _left(self, now: float, done: int, total: int) -> str:
        started, before = self.start or (now, done)
        if done <= before:
            return ""
        seconds = round((now - started) * (total - done) / (done - before))
        return f", {seconds // 60}:{seconds % 60:02} left"

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def reporting(bar: "Bar", path: Path | None) -> Callable[[int, int], None]:
    """Who is told how far a training is: whoever looks at the terminal and, with a path, whoever reads that file."""
    if path is None:
        return bar
    reporter = Reporter(path)

    def both(done: int, total: int) -> None:
        bar(done, total)
        reporter(done, total)

    return both
