"""Long work in this process, shared by everyone who asks for it: progress, cancel, survive a closed tab."""

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from explorer.background.memory import give_back
from explorer.files.errors import as_os_error, sentence

log = logging.getLogger(__name__)

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
FINISHED = frozenset({DONE, FAILED, CANCELLED})

WATCHED = 5.0  # seconds for which a look at a job counts; pages look several times a second
FIRST = 10.0  # seconds that each job gets before any goes on: all that is on a screen soon has something to show
MOST_OF_ONE = 24  # unfinished heavy jobs of one owner
MOST_PAUSED = 2  # pausing jobs, whose unfinished work takes memory; more than that end, the longest unseen first
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
        if not self.elapsed or not self.fraction:
            return None
        return (self.elapsed - self._stage) * (1 / self.fraction - 1)

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


class Jobs:
    """The jobs of this process by key: the same work is done once, however many ask for it.

    Heavy jobs run one at a time in the order they came, once each has had its first seconds. Those that nobody looks at
    any more (a page that was left) make way, between two steps, for those that somebody does, and pause after a while.
    Owners take turns, so that one who asks for much does not hold up the rest; who has `MOST_OF_ONE` unfinished jobs
    gets no further one. Light ones (a download) start at once. Finished jobs are kept for whoever asks again, the least
    recently used dropped first once there are more than `capacity`, or once those that nobody looks at make the results
    (their `nbytes`) more than `most_bytes`; queued and running ones are never dropped.
    """

    def __init__(self, capacity: int = 16, most_bytes: int = 2**30) -> None:
        if capacity < 1:
            raise ValueError(f"a job board must keep at least 1 job, not {capacity}")
        self.capacity, self.most_bytes = capacity, most_bytes
        self._lock = threading.RLock()
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._heavy: list[Job] = []  # unfinished, in the order they came
        self._served: dict[Hashable, float] = {}  # when an owner's job last had a step, of those with jobs
        self._busy = False

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, key: Hashable) -> Job | None:
        """The job known by `key`, if it is still kept."""
        with self._lock:
            if key in self._jobs:
                self._jobs.move_to_end(key)
                self._jobs[key].watch()
            return self._jobs.get(key)

    def submit(
        self, key: Hashable, start: Start, heavy: bool = True, unattended: bool = False, owner: Hashable = None
    ) -> Job:
        """The job of `key`, started now unless it is known already and neither failed nor cancelled.

        `start()` is called on the job's own thread and gives an iterator of partial results. One that is `unattended`
        goes on though nobody looks at it. A heavy one beyond its `owner`'s share fails, saying so.
        """
        with self._lock:
            known = self._jobs.get(key)
            if known is not None and known.status not in (FAILED, CANCELLED) and not known.cancelling:
                self._jobs.move_to_end(key)
                known.watch()
                return known
            job = self._jobs[key] = Job(key, start, unattended, owner)
            self._jobs.move_to_end(key)
            self._evict()
            if heavy and self._is_over_share(owner):
                job._fail(f"{MOST_OF_ONE} pieces of work that you asked for are not finished yet; wait, or cancel some")
            elif heavy:
                job._wake = self._resume
                self._heavy.append(job)
                self._resume()
            else:
                threading.Thread(target=job._run, name=f"job {key}", daemon=True).start()
            return job

    def _is_over_share(self, owner: Hashable) -> bool:
        unfinished = [job for job in self._heavy if job.owner == owner and not job.finished]
        return owner is not None and len(unfinished) >= MOST_OF_ONE

    def _resume(self) -> None:
        """Start the thread of the heavy jobs, where there is none and one of them is wanted."""
        with self._lock:
            if not self._busy and any(job.is_wanted for job in self._heavy if not job.finished):
                self._busy = True
                threading.Thread(target=self._drain, name="heavy jobs", daemon=True).start()

    def keep(self, key: Hashable, result: Any) -> None:
        """Take in a result that came up on the way to another one, as a job that is done."""
        with self._lock:
            known = self._jobs.get(key)
            if known is None or known.status in (FAILED, CANCELLED):
                job = self._jobs[key] = Job(key)
                job.latest, job.status = result, DONE
                job._finished.set()
                self._jobs.move_to_end(key)
                self._evict()

    def let_go(self) -> None:
        """Drop the jobs that have finished, and end those that nobody waits for."""
        with self._lock:
            for job in list(self._jobs.values()):
                if job.finished or not (job.unattended or job.is_watched):
                    self._drop(job)
            self._resume()  # for those that are to end

    def ahead(self, job: Job) -> int:
        """How many heavy jobs go before this one."""
        with self._lock:
            waiting = [each for each in self._heavy if not each.finished]
            before = waiting[: waiting.index(job)] if job in waiting else []
            return sum(each.is_watched for each in before)

    def _drain(self) -> None:
        """Take steps of the heavy jobs until all have finished or pause, then let the thread end."""
        while job := self._next():
            job.advance()
        give_back()

    def _next(self) -> Job | None:
        """Whose turn it is: one to cancel, else of those that are watched, else of those wanted: see `FIRST`."""
        with self._lock:
            self._heavy = [job for job in self._heavy if not job.finished]
            self._end_paused()
            wanted = [job for job in self._heavy if job.is_wanted]
            urgent = [job for job in wanted if job.cancelling] or [job for job in wanted if job.is_watched]
            self._busy = bool(wanted)
            turns = [job for job in urgent or wanted if job.elapsed < FIRST] or urgent or wanted
            if not turns:
                return None
            owners = {job.owner for job in self._heavy}
            self._served = {owner: at for owner, at in self._served.items() if owner in owners}
            job = min(turns, key=lambda job: self._served.get(job.owner, 0.0))  # of the same owner the oldest
            self._served[job.owner] = time.monotonic()
            return job

    def _end_paused(self) -> None:
        paused = [job for job in self._heavy if not job.is_wanted and job._steps is not None]
        for job in sorted(paused, key=lambda job: job._watched)[: max(0, len(paused) - MOST_PAUSED)]:
            self._drop(job)

    def _drop(self, job: Job) -> None:
        """End a job, and forget it: who asks again gets a new one."""
        job.cancelling = True
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]

    def _evict(self) -> None:
        finished = [key for key, job in self._jobs.items() if job.finished]
        for key in finished[: max(0, len(self._jobs) - self.capacity)]:
            del self._jobs[key]
        held = sum(map(_bytes_of, self._jobs.values()))
        for key, job in list(self._jobs.items()):
            if held > self.most_bytes and job.finished and not job.is_watched and _bytes_of(job):
                held -= _bytes_of(job)
                del self._jobs[key]


def _bytes_of(job: Job) -> int:
    return getattr(job.latest, "nbytes", 0)


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is."""

    done: int
    total: int


class StoppedError(Exception):
    """Raised inside work that reports its progress, once nobody wants it any more."""


def reports(work: Callable[[Callable[[int, int], None]], Any]) -> Iterator[Progress]:
    """Turn work that calls `progress(done, total)` into an iterator of Progress, for `Jobs.submit`.

    Closing the iterator makes the next report raise StoppedError inside the work, which may then clean up.
    """
    said: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
    stop, errors = threading.Event(), []

    def progress(done: int, total: int) -> None:
        if stop.is_set():
            raise StoppedError
        said.put(Progress(done, total))

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
