"""Long work in this process, shared by everyone who asks for it: progress, cancel, survive a closed tab."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from explorer.files.errors import as_os_error, sentence

log = logging.getLogger(__name__)

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
FINISHED = frozenset({DONE, FAILED, CANCELLED})

WATCHED = 5.0  # seconds for which a look at a job counts; pages look several times a second
ABANDONED = 30.0  # seconds without a look after which a heavy job pauses, until somebody looks again

Start = Callable[[], Iterable[Any]]


class Job:
    """One piece of work that gives partial results, each with its `done` and `total` counts.

    Read it from any thread. `latest` is the newest partial result, kept when the job is cancelled or fails. Text that
    comes up among them is no result, but a note for the user: `notes` has them all.
    """

    def __init__(self, key: Hashable, start: Start = tuple, unattended: bool = False, owner: Hashable = None) -> None:
        self.key = key
        self.owner = owner  # who asked for it first
        self.unattended = unattended  # whether it goes on though nobody looks
        self.status = QUEUED
        self.latest: Any = None
        self.error: str | None = None
        self.notes: tuple[str, ...] = ()
        self.cancelling = False
        self._start = start
        self._steps: Iterator[Any] | None = None  # once it has begun
        self._spent = 0.0  # seconds of the steps taken so far
        self._since: float | None = None  # when the step under way began
        self._stage = 0.0  # seconds spent when progress last began anew
        self._before = 0.0  # the progress one step ago
        self._watched = time.monotonic()
        self._finished = threading.Event()
        self._wake: Callable[[], None] = lambda: None  # lets a paused job go on

    def __repr__(self) -> str:
        return f"Job({self.key!r}, {self.status}, {self.done}/{self.total})"

    @property
    def finished(self) -> bool:
        """Whether the job is done, failed or cancelled: nothing more will come."""
        return self.status in FINISHED

    @property
    def result(self) -> Any:
        """The last partial result of a job that is done; None before, and for one that failed or was cancelled."""
        return self.latest if self.status == DONE else None

    @property
    def done(self) -> int:
        """How much is done, in the job's own units (bytes, batches, epochs)."""
        return int(getattr(self.latest, "done", 0))

    @property
    def total(self) -> int:
        """How much there is to do, in the same units; 0 while not known."""
        return int(getattr(self.latest, "total", 0))

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1: what the result itself says of it, else by its counts."""
        if self.status == DONE:
            return 1.0
        said = getattr(self.latest, "progress", None)
        if said is not None:
            return float(said)
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of running so far; 0 while queued."""
        since = self._since
        return self._spent + (time.monotonic() - since if since is not None else 0.0)

    @property
    def left(self) -> float | None:
        """Seconds left of this stage at its pace so far; None while there is nothing to judge by."""
        if self.finished:
            return 0.0
        there = getattr(self.latest, "before", 0) / self.total if self.total else 0.0
        if not self.elapsed or self.fraction <= there:
            return None
        return (self.elapsed - self._stage) * (1 - self.fraction) / (self.fraction - there)

    def seconds_for(self, amount: int) -> float | None:
        """Seconds that `amount`, in the job's own units, takes at the pace so far; None while there is none."""
        return self.elapsed / self.done * amount if self.elapsed and self.done else None

    def cancel(self) -> None:
        """Ask the job to stop after its current step; a job that has not begun is cancelled at once."""
        self.cancelling = True
        if self.status == QUEUED:
            self._end(CANCELLED)
        self._wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has finished, at most `timeout` seconds; whether it has."""
        return self._finished.wait(timeout)

    def watch(self) -> None:
        """Say that somebody is looking at the job: heavy jobs that nobody looks at make way for it, and then pause."""
        self._watched = time.monotonic()
        self._wake()

    @property
    def is_watched(self) -> bool:
        """Whether somebody has looked at the job within the last seconds."""
        return time.monotonic() - self._watched < WATCHED

    @property
    def is_wanted(self) -> bool:
        """Whether the job should go on: somebody has looked at it not long ago, or it goes on without."""
        return self.unattended or self.cancelling or time.monotonic() - self._watched < ABANDONED

    def _run(self) -> None:
        """All steps of the work, on this thread."""
        while not self.finished:
            self.advance()

    def advance(self) -> None:
        """The next step of the work, on this thread: to its end, its first error, or a cancel.

        A heavy job may take the steps of another that it needs, too: no two of them ever take one at a time.
        """
        if self.cancelling:
            return self._end(CANCELLED)
        self.status, self._since = RUNNING, time.monotonic()
        try:
            if self._steps is None:
                self._steps = iter(self._start())
            self._take(next(self._steps))
        except StopIteration:
            self._end(DONE)
        except (ValueError, OSError) as error:  # the core's own words, one clear sentence
            self._fail(sentence(error))
        except Exception as error:  # nothing above this thread could report it
            if isinstance(as_os_error(error), OSError):
                self._fail(sentence(error))
                return
            log.exception("job %r failed", self.key)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            self._spent, self._since = self.elapsed, None

    def _take(self, step: Any) -> None:
        """Keep a partial result, or a note."""
        if isinstance(step, str):
            self.notes += (step,)
            return
        self.latest = step
        if self.fraction < self._before:
            self._stage = self._spent
        self._before = self.fraction

    def _fail(self, message: str) -> None:
        self.error = message
        self._end(FAILED)

    def _end(self, status: str) -> None:
        try:
            getattr(self._steps, "close", lambda: None)()
        except Exception:  # the jobs behind it must go on
            log.exception("job %r could not be closed", self.key)
        self._steps, self._start = None, tuple  # with all that they hold on to
        if not self.finished:
            self.status = status
        self._finished.set()


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is, and how far it was when it first said so, such as bytes of an earlier attempt."""

    done: int
    total: int
    before: int = 0


class StoppedError(Exception):
    """Raised inside work that reports its progress, once nobody wants it any more."""


def reports(work: Callable[[Callable[[int, int], None]], Any]) -> Iterator[Progress]:
    """Turn work that calls `progress(done, total)` into an iterator of Progress, for `Jobs.submit`.

    Closing the iterator makes the next report raise StoppedError inside the work, which may then clean up.
    """
    said: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
    stop, errors = threading.Event(), []
    before: int | None = None

    def progress(done: int, total: int) -> None:
        nonlocal before
        if stop.is_set():
            raise StoppedError
        before = done if before is None else before
        said.put(Progress(done, total, before))

    def run() -> None:
        try:
            work(progress)
        except StoppedError:
            pass
        except Exception as error:  # raised again below, on the thread that asked
            errors.append(error)
        finally:
            said.put(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (step := said.get()) is not None:
            yield step
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]
