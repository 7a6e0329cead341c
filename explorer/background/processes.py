"""Long work in processes of its own: a queue on disk that outlives closed tabs, the server, and kill -9.

A job is a folder: `request.json` says what was asked, `run.json` how its latest run went, `log.txt` what it printed,
`progress.json` how far it is. `lock` is locked by its process for as long as that lives, `watched` by the worker that
sees it through. A lock goes with the process that holds it, however that ends, so no process id is trusted that may
be a stranger's now.

One detached worker (`python -m explorer.background.processes FOLDER PROGRAM…`) runs the queued jobs one after another,
at low priority, and ends with the last. Each job takes its own lock (`held`): where the worker alone is killed, the job
goes on, and the next worker waits for it. Whoever reads or changes the queue holds `mutex` meanwhile, for milliseconds.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import BaseFileLock

from explorer.background.jobs import DONE, QUEUED, RUNNING
from explorer.background.records import BROKEN, STOPPED, Job, Request, Run, is_running, read_job, run_in, write_json
from explorer.files.locks import is_locked, take
from explorer.files.places import PROJECT
from explorer.language.saying import say

NICE = 5  # of 19: how far jobs stand back behind everything else
ORPHAN_POLL = 1.0  # seconds between looks at a job whose worker was killed

WINDOWS = 0  # flags there, where `start_new_session` says nothing
if sys.platform == "win32":
    WINDOWS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS

ROOM = 1_000_000  # bytes that must be free on the disk for a job to start

PYTHON = (sys.executable, "-P", "-m")  # -P: of the folder that it runs in, no file is taken for a module


@dataclass(frozen=True)
class Queue:
    """The jobs in a folder. Use it from any thread of any process.

    `program` is what `python` runs with each job's arguments: `-m` and a module, `-c`, or a file.
    """

    folder: Path
    program: tuple[str, ...] = ("-m", "explorer")

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
                    raise ValueError(
                        say(
                            "{name} is {state} already; choose another name, or remove that one first",
                            name=name,
                            state=say(job.state),
                        )
                    )
            part, target = self.folder / f".{name}", self.folder / name  # what begins with a dot is no job
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                write_json(part / "request.json", asdict(request))
                write_json(part / "run.json", asdict(Run(time.time())))
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
            write_json(job.folder / "run.json", asdict(replace(job.run, cancelled=True)))
            if job.state == RUNNING and job.run.pid is not None:
                with contextlib.suppress(OSError):  # its lock is held, so the id is its own; it may just have ended
                    os.kill(job.run.pid, signal.SIGTERM)

    def resume(self, name: str) -> None:
        """Queue a job again that failed, was cancelled or was interrupted; nothing where it is in the queue."""
        with self._alone():
            job = self._known(name)
            if job.state == BROKEN:
                raise ValueError(
                    say("{name} cannot be resumed, since its files are not readable; remove it", name=name)
                )
            if job.state in STOPPED:
                write_json(job.folder / "run.json", asdict(Run(time.time())))
        self.wake()

    def remove(self, name: str, leftovers: Iterable[Path] = ()) -> None:
        """Delete the job's folder, and before it its `leftovers`; ValueError while it runs."""
        with self._alone():
            job = self._known(name)
            if is_running(job.folder):
                raise ValueError(say("{name} is running; cancel it first", name=name))
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
            if not waiting or self.is_full() or is_locked(self.folder / "worker"):
                return
        paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with open(self.folder / "worker.log", "wb") as log:
            worker = subprocess.Popen(
                [*PYTHON, "explorer.background.processes", str(self.folder.absolute()), *self.program],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl+C and a closed terminal stop the server, not this
                creationflags=WINDOWS,
            )
        threading.Thread(target=worker.wait, daemon=True).start()  # so that none is left as a zombie

    def work(self) -> None:
        """Be the worker: run the queued jobs until there are none, unless there is a worker already."""
        with self._alone():
            worker = take(self.folder / "worker", wait=0)
        if worker is None:
            return
        with contextlib.ExitStack() as held:
            held.callback(worker.release)
            while True:
                with self._alone():
                    jobs = self._jobs()
                    waiting = [job for job in jobs if job.state == QUEUED]
                    if not waiting:
                        held.close()  # before the mutex: who submits from now on finds no worker, and wakes one
                        return
                    orphan = any(job.state == RUNNING for job in jobs)
                    started = None if orphan else self._start(waiting[0])
                if started:
                    self._see_through(waiting[0], *started)
                elif orphan:
                    time.sleep(ORPHAN_POLL)

    def _start(self, job: Job) -> "tuple[subprocess.Popen[bytes], BaseFileLock] | None":
        """The job's process, and the lock of who watches it; None where it cannot be started: why, says its log."""
        assert job.request and job.run
        watched = take(job.folder / "watched", wait=0)
        assert watched is not None
        (job.folder / "progress.json").unlink(missing_ok=True)
        run = replace(job.run, started=time.time())
        write_json(job.folder / "run.json", asdict(run))
        with open(job.folder / "log.txt", "ab") as log:
            try:
                process = subprocess.Popen(
                    [*PYTHON, "explorer.background.held", "lock", *self.program, *job.request.arguments],
                    cwd=job.folder,
                    env=os.environ | dict(job.request.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            except (OSError, ValueError) as error:
                log.write(f"error: it could not be started ({error})\n".encode(errors="replace"))
                write_json(job.folder / "run.json", asdict(replace(run, ended=time.time(), code=2)))
                watched.release()
                return None
        try:
            write_json(job.folder / "run.json", asdict(replace(run, pid=process.pid)))
        except OSError:  # what could not be cancelled must not run
            process.kill()
            raise
        return process, watched

    def _see_through(self, job: Job, process: "subprocess.Popen[bytes]", watched: BaseFileLock) -> None:
        """Wait for the job's end and write it down."""
        code = process.wait()
        with self._alone():
            with contextlib.suppress(OSError, ValueError):  # its files may have been edited, or be gone
                run = run_in(job.folder)
                write_json(job.folder / "run.json", asdict(replace(run, ended=time.time(), code=code)))
            watched.release()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else reads or changes the queue meanwhile."""
        mutex = take(self.folder / "mutex")
        assert mutex is not None
        try:
            yield
        finally:
            mutex.release()

    def _jobs(self) -> list[Job]:
        folders = (path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        jobs = sorted(map(read_job, folders), key=lambda job: (job.run.queued if job.run else -math.inf, job.name))
        running = any(job.state == RUNNING for job in jobs)
        waiting = [job.name for job in jobs if job.state == QUEUED]
        return [replace(job, place=waiting.index(job.name) + running) if job.state == QUEUED else job for job in jobs]

    def _known(self, name: str) -> Job:
        for job in self._jobs():
            if job.name == name:
                return job
        raise ValueError(say("there is no job {name!r} any more", name=name))


def _stand_back() -> None:
    """Lower this process's priority and, by inheritance, that of its jobs, so that pages stay quick on few cores.

    On Windows it was started with a low one.
    """
    if sys.platform != "win32":
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):  # where Linux shares the cores between sessions first, lower this session's part
        Path("/proc/self/autogroup").write_text(str(NICE), encoding="ascii")


if __name__ == "__main__":
    _stand_back()
    Queue(Path(sys.argv[1]), tuple(sys.argv[2:])).work()
