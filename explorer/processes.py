"""Long work in processes of its own: a queue on disk that outlives closed tabs, the server, and kill -9.

A job is a folder: `request.json` says what was asked, `run.json` how its latest run went, `log.txt` what it printed,
`progress.json` how far it is, and `lock` is locked by its process for as long as that lives. The kernel takes a lock
away with the last process that holds it, however that ended, so no process id is trusted that may be a stranger's now.

One detached worker (`python -m explorer.processes FOLDER PROGRAM…`) runs the queued jobs one after another, at low
priority, and ends with the last. It hands each job its lock: where the worker alone is killed, the job goes on, and the
next worker waits for it. Whoever reads or changes the queue holds `mutex` meanwhile, for milliseconds.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from explorer.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING

try:
    import fcntl
except ImportError:  # Windows, which has no locks that a child inherits
    fcntl = None  # type: ignore[assignment]

INTERRUPTED = "interrupted"  # its process was killed, or the machine stopped
BROKEN = "broken"  # its files are corrupt, or none of ours
STOPPED = frozenset({FAILED, CANCELLED, INTERRUPTED})  # what can be resumed

PROJECT = Path(__file__).resolve().parent.parent
NICE = 5  # of 19: how far jobs stand back behind everything else
ORPHAN_POLL = 1.0  # seconds between looks at a job whose worker was killed
REPORT_PAUSE = 0.5  # seconds between two reports of progress
ROOM = 1_000_000  # bytes that must be free on the disk for a job to start
TAIL = 4096  # bytes of a log that its last words are looked for in


@dataclass(frozen=True)
class Request:
    """What was asked; it never changes."""

    arguments: Sequence[str]  # of the queue's program
    about: Mapping[str, Any]  # for whoever shows the job
    result: str  # the file, seen from the job's folder, that is there once the work is done
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """How the latest run of a job went; times are those of time.time()."""

    queued: float
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    code: int | None = None  # the exit code, or minus the signal that killed it
    cancelled: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a run is: `done` of `total`, of which `before` was done when, `seconds` ago, it first said so."""

    done: int
    total: int
    before: int
    seconds: float

    @property
    def fraction(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def left(self) -> float | None:
        """Seconds left at the pace so far; None while there is nothing to judge by."""
        if self.done <= self.before:
            return None
        return self.seconds * (self.total - self.done) / (self.done - self.before)


@dataclass(frozen=True)
class Job:
    """A job as it stood when the queue was read. What is broken has neither request nor run."""

    name: str
    folder: Path
    state: str
    request: Request | None = None
    run: Run | None = None
    place: int = 0  # of a queued one: how many run or wait before it

    def progress(self) -> Progress | None:
        """How far it is; None before its run has said so."""
        try:
            known = Progress(**_load(self.folder / "progress.json"))
            return known if all(map(_is_number, asdict(known).values())) else None
        except (OSError, ValueError, TypeError):
            return None

    def last_words(self) -> str:
        """The last line that it printed; empty where there is none."""
        try:
            with open(self.folder / "log.txt", "rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@dataclass(frozen=True)
class Queue:
    """The jobs in a folder. Use it from any thread of any process; `program` runs with each job's arguments."""

    folder: Path
    program: tuple[str, ...] = (sys.executable, "-m", "explorer")

    def jobs(self) -> list[Job]:
        """All jobs, in the order in which they were queued; those that are broken come first."""
        if not self.folder.is_dir():
            return []
        with self._alone():
            return self._jobs()

    def submit(self, name: str, request: Request) -> None:
        """Queue a job, whole or not at all; one that is done makes way for it.

        Raises ValueError where a job of that name is not done, OSError where the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            for job in self._jobs():
                if job.name == name and job.state != DONE:
                    raise ValueError(f"{name} is {job.state} already; choose another name, or remove that one first")
            part, target = self.folder / f".{name}", self.folder / name  # what begins with a dot is no job
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                _write(part / "request.json", asdict(request))
                _write(part / "run.json", asdict(Run(time.time())))
                shutil.rmtree(target, ignore_errors=True)
                os.replace(part, target)
            except OSError:
                shutil.rmtree(part, ignore_errors=True)
                raise
        self.wake()

    def cancel(self, name: str) -> None:
        """Stop a job that runs, and take one that waits out of the queue; nothing where it is over."""
        with self._alone():
            job = self._known(name)
            if job.run is None or job.state not in (QUEUED, RUNNING):
                return
            _write(job.folder / "run.json", asdict(replace(job.run, cancelled=True)))
            if job.state == RUNNING and job.run.pid is not None:
                with contextlib.suppress(ProcessLookupError):  # its lock is held, so the id is its own
                    os.kill(job.run.pid, signal.SIGTERM)

    def resume(self, name: str) -> None:
        """Queue a job again that failed, was cancelled or was interrupted; nothing where it is in the queue."""
        with self._alone():
            job = self._known(name)
            if job.state == BROKEN:
                raise ValueError(f"{name} cannot be resumed, since its files are not readable; remove it")
            if job.state in STOPPED:
                _write(job.folder / "run.json", asdict(Run(time.time())))
        self.wake()

    def remove(self, name: str, leftovers: Iterable[Path] = ()) -> None:
        """Delete the job's folder, and before it its `leftovers`; ValueError while it runs."""
        with self._alone():
            job = self._known(name)
            if _is_locked(job.folder / "lock"):
                raise ValueError(f"{name} is running; cancel it first")
            for path in leftovers:
                path.unlink(missing_ok=True)
            if job.folder.is_symlink():
                job.folder.unlink()
            else:
                shutil.rmtree(job.folder)

    def is_full(self) -> bool:
        """Whether the disk has no room for what a job writes down, so that none can start."""
        return self.folder.is_dir() and shutil.disk_usage(self.folder).free < ROOM

    def wake(self) -> None:
        """Start a worker where jobs wait and there is none: it was killed, or the machine stopped."""
        if not self.folder.is_dir():
            return
        with self._alone():
            waiting = any(job.state == QUEUED for job in self._jobs())
            if not waiting or self.is_full() or _is_locked(self.folder / "worker"):
                return
        paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with open(self.folder / "worker.log", "wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "explorer.processes", str(self.folder.absolute()), *self.program],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl+C and a closed terminal stop the server, not this
            )
        threading.Thread(target=worker.wait, daemon=True).start()  # so that none is left as a zombie

    def work(self) -> None:
        """Be the worker: run the queued jobs until there are none, unless there is a worker already."""
        with self._alone():
            worker = _lock(self.folder / "worker", wait=False)
        if worker is None:
            return
        with worker:
            while True:
                with self._alone():
                    jobs = self._jobs()
                    waiting = [job for job in jobs if job.state == QUEUED]
                    if not waiting:
                        worker.close()  # before the mutex: who submits from now on finds no worker, and wakes one
                        return
                    orphan = any(job.state == RUNNING for job in jobs)
                    started = None if orphan else self._start(waiting[0])
                if started:
                    self._see_through(waiting[0], *started)
                elif orphan:
                    time.sleep(ORPHAN_POLL)

    def _start(self, job: Job) -> "tuple[subprocess.Popen[bytes], BinaryIO] | None":
        """The job's process and lock; None where it cannot be started, which is then in its log."""
        assert job.request and job.run
        lock = _lock(job.folder / "lock")
        assert lock is not None
        (job.folder / "progress.json").unlink(missing_ok=True)
        run = replace(job.run, started=time.time())
        _write(job.folder / "run.json", asdict(run))
        with open(job.folder / "log.txt", "ab") as log:
            try:
                process = subprocess.Popen(
                    [*self.program, *job.request.arguments],
                    cwd=job.folder,
                    env=os.environ | dict(job.request.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[lock.fileno()],
                )
            except (OSError, ValueError) as error:
                log.write(f"error: it could not be started ({error})\n".encode(errors="replace"))
                _write(job.folder / "run.json", asdict(replace(run, ended=time.time(), code=2)))
                lock.close()
                return None
        try:
            _write(job.folder / "run.json", asdict(replace(run, pid=process.pid)))
        except OSError:  # what could not be cancelled must not run
            process.kill()
            raise
        return process, lock

    def _see_through(self, job: Job, process: "subprocess.Popen[bytes]", lock: BinaryIO) -> None:
        """Wait for the job's end and write it down."""
        code = process.wait()
        with self._alone(), lock, contextlib.suppress(OSError, ValueError, TypeError):  # its folder may be gone
            run = _run_in(job.folder)
            _write(job.folder / "run.json", asdict(replace(run, ended=time.time(), code=code)))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else reads or changes the queue meanwhile."""
        mutex = _lock(self.folder / "mutex")
        assert mutex is not None
        with mutex:
            try:
                yield
            finally:
                _unlock(mutex)  # at once, even where a process that is just being started still has the file open

    def _jobs(self) -> list[Job]:
        folders = (path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        jobs = sorted(map(_read, folders), key=lambda job: (job.run.queued if job.run else -math.inf, job.name))
        running = any(job.state == RUNNING for job in jobs)
        waiting = [job.name for job in jobs if job.state == QUEUED]
        return [replace(job, place=waiting.index(job.name) + running) if job.state == QUEUED else job for job in jobs]

    def _known(self, name: str) -> Job:
        for job in self._jobs():
            if job.name == name:
                return job
        raise ValueError(f"there is no job {name!r} any more")


class Reporter:
    """Writes how far a run is into a file, for `Job.progress`: call it with (done, total) as often as you like."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start: tuple[float, int] | None = None  # when, and how much was done by then
        self.said = -math.inf

    def __call__(self, done: int, total: int) -> None:
        """Say that `done` of `total` is done, unless something was said just now. A full disk is no reason to stop."""
        now = time.monotonic()
        self.start = self.start or (now, done)
        if now - self.said < REPORT_PAUSE and done < total:
            return
        self.said = now
        began, before = self.start
        with contextlib.suppress(OSError):
            _write(self.path, asdict(Progress(done, total, before, now - began)), lasting=False)


def _read(folder: Path) -> Job:
    """The job in a folder, whatever state its files are in."""
    try:
        alive = _is_locked(folder / "lock")
        request, run = _request_in(folder), _run_in(folder)
    except (OSError, ValueError, TypeError):
        return Job(folder.name, folder, BROKEN)
    return Job(folder.name, folder, _state(run, alive, (folder / request.result).is_file()), request, run)


def _state(run: Run, alive: bool, result: bool) -> str:
    """The state of a job whose process is `alive` and whose `result` is there, or not."""
    if alive:
        return RUNNING
    killed = run.code is None or run.code < 0  # None where its worker was killed, too
    if run.code == 0 or (run.started and killed and result):  # it had finished its work by then
        return DONE
    if run.cancelled:
        return CANCELLED
    if run.started is None:
        return QUEUED
    return FAILED if run.code is not None and run.code > 0 else INTERRUPTED


def _request_in(folder: Path) -> Request:
    request = Request(**_load(folder / "request.json"))
    texts = [*request.arguments, request.result, *request.environment, *request.environment.values()]
    if not isinstance(request.about, dict) or not all(isinstance(text, str) for text in texts):
        raise ValueError("not a request")
    return request


def _run_in(folder: Path) -> Run:
    run = Run(**_load(folder / "run.json"))
    times, whole = (run.queued, run.started, run.ended), (run.pid, run.code)
    known = all(time is None or _is_number(time) for time in times) and run.queued is not None
    known = known and all(number is None or type(number) is int for number in whole)
    if not known or (run.pid is not None and run.pid < 1):
        raise ValueError("not a run")
    return run


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _load(path: Path) -> dict[str, Any]:
    """A JSON object; ValueError where it is something else."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(fields, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return fields


def _write(path: Path, fields: Mapping[str, Any], lasting: bool = True) -> None:
    """Write a JSON object whole or not at all; a `lasting` one down to the disk."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(fields, file)
        file.flush()
        if lasting:
            os.fsync(file.fileno())
    os.replace(part, path)


def _lock(path: Path, wait: bool = True, shared: bool = False) -> BinaryIO | None:
    """The file, open and locked until it is closed; None where another holds it and we are not to wait."""
    if fcntl is None:
        raise ValueError("work in the background needs Linux or macOS; here use the command line, `python -m explorer`")
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    file = open(path, "ab")  # noqa: SIM115 - the lock lasts for as long as it is open
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        file.close()
        return None
    return file


def _unlock(file: BinaryIO) -> None:
    fcntl.flock(file, fcntl.LOCK_UN)


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock; ask under the mutex only, since the question takes the lock for a moment."""
    file = _lock(path, wait=False, shared=True)
    if file is not None:
        file.close()
    return file is None


def _stand_back() -> None:
    """Lower this process's priority and, by inheritance, that of its jobs, so that pages stay quick on few cores."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):  # where Linux shares the cores between sessions first, lower this session's part
        Path("/proc/self/autogroup").write_text(str(NICE))


if __name__ == "__main__":
    _stand_back()
    Queue(Path(sys.argv[1]), tuple(sys.argv[2:])).work()
