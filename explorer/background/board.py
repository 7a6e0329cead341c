"""The job board of a process: whose turn it is, what is kept, and what makes way."""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from explorer.background.jobs import CANCELLED, DONE, FAILED, Job, Start
from explorer.background.memory import give_back
from explorer.language.saying import say

FIRST = 10.0  # seconds that each job gets before any goes on: all that is on a screen soon has something to show
LONG = 2.0  # seconds of work, after which what it has freed is worth giving back
MOST_OF_ONE = 24  # unfinished heavy jobs of one owner
MOST_PAUSED = 2  # pausing jobs, whose unfinished work takes memory; more than that end, the longest unseen first


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
                job._fail(
                    say(
                        "{n} pieces of work that you asked for are not finished yet; wait, or cancel some",
                        n=MOST_OF_ONE,
                    )
                )
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

    def drop(self, key: Hashable) -> None:
        """End the job of that key, if there is one, and forget it: who asks again gets a new one."""
        with self._lock:
            if key in self._jobs:
                self._drop(self._jobs[key])
                self._resume()

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
        given_back = time.monotonic()
        while job := self._next():
            job.advance()
            if time.monotonic() - given_back > LONG or (job.finished and job.elapsed > LONG):
                give_back()  # which itself takes a moment
                given_back = time.monotonic()

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
