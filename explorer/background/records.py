"""What a queue of processes writes down about a job, and reads again whatever state the files are in."""

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, FiniteFloat, PositiveInt, TypeAdapter

from explorer.background.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from explorer.files.locks import is_locked

INTERRUPTED = "interrupted"  # its process was killed, or the machine stopped
BROKEN = "broken"  # its files are corrupt, or none of ours
STOPPED = frozenset({FAILED, CANCELLED, INTERRUPTED})  # what can be resumed

REPORT_PAUSE = 0.5  # seconds between two reports of progress

TAIL = 4096  # bytes of a log that its last words are looked for in
MOST_BYTES = 1_000_000  # of a file that a queue reads
STRICT = ConfigDict(strict=True, extra="forbid")  # numbers are numbers and texts are texts, whoever edited the files

Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(max_length=200)]
Variable = Annotated[str, Field(pattern=r"^(EXPLORER_[A-Z]+|OMP_NUM_THREADS)$")]  # none that runs something else
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[FiniteFloat, Field(ge=0)]
Record = TypeVar("Record")


@dataclass(frozen=True)
class Request:
    """What was asked; it never changes."""

    arguments: Sequence[Text]  # of the queue's program
    about: Mapping[str, Any]  # for whoever shows the job
    result: Name  # the file, seen from the job's folder, that is there once the work is done
    environment: Mapping[Variable, Text] = field(default_factory=dict)

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Run:
    """How the latest run of a job went; times are those of time.time()."""

    queued: FiniteFloat
    started: FiniteFloat | None = None
    ended: FiniteFloat | None = None
    pid: PositiveInt | None = None
    code: int | None = None  # the exit code, or minus the signal that killed it
    cancelled: bool = False

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Progress:
    """How far a run is: `done` of `total`, of which `before` was done when, `seconds` ago, it first said so."""

    done: Count
    total: Count
    before: Count
    seconds: Seconds

    __pydantic_config__ = STRICT

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
        if self.state == BROKEN:
            return None
        try:
            return _record(Progress, self.folder / "progress.json")
        except (OSError, ValueError):
            return None

    def last_words(self) -> str:
        """The last line that it printed; empty where there is none, and of what is broken."""
        if self.state == BROKEN:
            return ""
        try:
            with open(self.folder / "log.txt", "rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


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
            write_json(self.path, asdict(Progress(done, total, before, now - began)), lasting=False)


def read_job(folder: Path) -> Job:
    """The job in a folder, whatever state its files are in. What leads out of the queue's own folders is broken."""
    try:
        check_ours(folder)
        alive = is_running(folder)
        request, run = _record(Request, folder / "request.json"), run_in(folder)
        result = folder / request.result
        if not result.resolve().is_relative_to(folder.resolve().parent.parent):
            raise ValueError(f"{request.result} lies elsewhere")
        state = _state(run, alive, result.is_file())
    except (OSError, ValueError):
        return Job(folder.name, folder, BROKEN)
    return Job(folder.name, folder, state, request, run)


def check_ours(folder: Path) -> None:
    """ValueError where the folder, or something in it, is a symbolic link: what we write is none."""
    linked = [path.name for path in (folder, *folder.iterdir()) if path.is_symlink()]
    if linked:
        raise ValueError(f"{linked[0]} is a symbolic link")


def is_running(folder: Path) -> bool:
    """Whether the job's process lives, or the worker has yet to write down how it ended; ask under the mutex only."""
    locks = [path for path in (folder / "lock", folder / "watched") if not (folder.is_symlink() or path.is_symlink())]
    return any(map(is_locked, locks))


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


def run_in(folder: Path) -> Run:
    """How the latest run of the job in a folder went; ValueError where its file does not say."""
    return _record(Run, folder / "run.json")


def _record(kind: type[Record], path: Path) -> Record:
    """What a JSON file holds; ValueError where that is something else."""
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path.name} is too large")
    return TypeAdapter(kind).validate_json(content)


def write_json(path: Path, fields: Mapping[str, Any], lasting: bool = True) -> None:
    """Write a JSON object whole or not at all; a `lasting` one down to the disk."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(fields, file)
        file.flush()
        if lasting:
            os.fsync(file.fileno())
    os.replace(part, path)
