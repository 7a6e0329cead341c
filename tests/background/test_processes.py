"""The queue of processes, with real ones: small Python scripts that stand in for a training."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from explorer.background import processes
from explorer.background.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from explorer.background.processes import Queue
from explorer.background.records import BROKEN, INTERRUPTED, REPORT_PAUSE, Job, Progress, Reporter, Request
from explorer.files import locks

PATIENCE = 60  # seconds, for a busy machine

# Notes when it begins and ends, waits for a file `go` beside the jobs, leaves its result, and waits for `stay` to go.
SCRIPT = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    name, code = sys.argv[1], int(sys.argv[2])
    with open("../times", "a") as times:
        print(name, "of", os.environ.get("EXPLORER_OWNER", "nobody"), "started by", os.getppid(), flush=True)
        print(name, "begins", file=times, flush=True)
        while not (Path("../go").exists() or Path("../go " + name).exists()):
            time.sleep(0.02)
        print("last words of", name, flush=True)
        print(name, "ends", file=times, flush=True)
    if code == 0:
        Path("../" + name + ".result").touch()
    while Path("../stay").exists():
        time.sleep(0.02)
    sys.exit(code)
    """
)


@pytest.fixture(autouse=True, params=["native", pytest.param("soft", marks=pytest.mark.slow)])
def kind(request, monkeypatch):
    """The operating system's locks, and those of files that name their owner."""
    monkeypatch.setenv("EXPLORER_LOCKS", request.param)


@pytest.fixture
def queue(tmp_path) -> Iterator[Queue]:
    """A queue of its own; whatever still runs or waits in it is stopped."""
    made = Queue(tmp_path / "jobs", ("-c", SCRIPT))
    yield made
    if made.folder.is_dir():
        for job in made.jobs():
            made.cancel(job.name)
        let(made, "go")
        until(lambda: not has_worker(made))


def ask(name: str, code: int = 0, **environment: str) -> Request:
    return Request([name, str(code)], {"what": name}, f"../{name}.result", environment)


def let(queue: Queue, name: str) -> None:
    (queue.folder / name).touch()


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def states(queue: Queue) -> dict[str, str]:
    return {job.name: job.state for job in queue.jobs()}


def job(queue: Queue, name: str) -> Job:
    return next(job for job in queue.jobs() if job.name == name)


def times(queue: Queue) -> list[str]:
    path = queue.folder / "times"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(queue: Queue, **expected: str) -> None:
    until(lambda: states(queue) == expected)


def begun(queue: Queue, name: str) -> Job:
    """The job once its script runs."""
    until(lambda: f"{name} begins" in times(queue))
    until(lambda: job(queue, name).run.pid)
    return job(queue, name)


def has_worker(queue: Queue) -> bool:
    with queue._alone():
        return locks.is_locked(queue.folder / "worker")


def worker_of(queue: Queue) -> int:
    """The id of the process that works the queue off: the parent of the one that runs."""
    (running,) = [job for job in queue.jobs() if job.state == RUNNING]
    return int((running.folder / "log.txt").read_text().split()[-1])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


# From asking to the end


def test_a_job_runs_and_leaves_its_words_and_its_end(queue):
    queue.submit("one", ask("one", EXPLORER_OWNER="me"))
    assert job(queue, "one").request.about == {"what": "one"}
    begun(queue, "one")
    assert states(queue) == {"one": RUNNING}
    let(queue, "go")
    wait_for(queue, one=DONE)
    until(lambda: job(queue, "one").run.ended)
    ended = job(queue, "one")
    assert ended.last_words() == "last words of one" and (ended.folder / "log.txt").read_text().startswith(
        "one of me started by"
    )
    assert ended.run.queued <= ended.run.started <= ended.run.ended and ended.run.code == 0
    until(lambda: not has_worker(queue))


def test_one_runs_at_a_time_in_the_order_they_came(queue):
    for name in ("c", "a", "b"):
        queue.submit(name, ask(name))
    begun(queue, "c")
    assert states(queue) == {"c": RUNNING, "a": QUEUED, "b": QUEUED}
    assert [job.place for job in queue.jobs()] == [0, 1, 2]
    let(queue, "go")
    wait_for(queue, c=DONE, a=DONE, b=DONE)
    assert times(queue) == [f"{name} {what}" for name in "cab" for what in ("begins", "ends")]


def test_submitted_by_many_processes_at_once_each_runs_once_and_alone(queue):
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from explorer.background.processes import Queue
        from explorer.background.records import Request
        folder, name, program = sys.argv[1], sys.argv[2], sys.argv[3:]
        for number in range(3):
            one = f"{name}{number}"
            Queue(Path(folder), tuple(program)).submit(one, Request([one, "0"], {}, f"../{one}.result"))
        try:
            Queue(Path(folder), tuple(program)).submit("same", Request(["same", "0"], {}, "../same.result"))
        except ValueError:
            sys.exit(3)
        """
    )
    command = [sys.executable, "-c", code, str(queue.folder)]
    tabs = [subprocess.Popen([*command, name, *queue.program], cwd=processes.PROJECT) for name in "pqr"]
    codes = [tab.wait(PATIENCE) for tab in tabs]
    assert sorted(codes) == [0, 3, 3], "one of them may have the name"
    let(queue, "go")
    names = {*(f"{name}{number}" for name in "pqr" for number in range(3)), "same"}
    wait_for(queue, **dict.fromkeys(sorted(names, key=lambda name: job(queue, name).run.queued), DONE))
    said = [line.split() for line in times(queue)]
    assert [what for _, what in said] == ["begins", "ends"] * 10 and {name for name, _ in said} == names


def test_failures_are_told_by_their_code_and_do_not_hold_up_the_next(queue):
    let_go = [queue.submit(name, ask(name, code)) for name, code in (("bad", 2), ("good", 0))]
    assert let_go == [None, None]
    let(queue, "go")
    wait_for(queue, bad=FAILED, good=DONE)
    assert job(queue, "bad").run.code == 2 and job(queue, "bad").last_words() == "last words of bad"


@pytest.mark.parametrize(
    ("program", "reason"),
    [(("-m", "no_such_module"), "No module named no_such_module"), (("no-such-file",), "No such file or directory")],
)
def test_what_cannot_be_started_fails_with_the_reason(tmp_path, program, reason):
    queue = Queue(tmp_path / "jobs", program)
    queue.submit("one", ask("one"))
    wait_for(queue, one=FAILED)
    assert reason in job(queue, "one").last_words()


def test_no_file_in_a_jobs_folder_is_taken_for_a_module(queue):
    folder = write(queue, "one", {"queued": 1.0}, asdict(ask("one")))
    let(queue, "go")
    (folder / "runpy.py").write_text("raise SystemExit('taken')")
    (folder / "filelock.py").write_text("raise SystemExit('taken')")
    queue.wake()
    wait_for(queue, one=DONE)


def test_jobs_have_a_low_priority(queue):
    queue.submit("one", ask("one"))
    assert os.getpriority(os.PRIO_PROCESS, begun(queue, "one").run.pid) >= processes.NICE


def test_a_folder_that_is_not_there_holds_no_jobs(queue):
    assert queue.jobs() == []
    queue.wake()
    assert not queue.folder.exists()


# Cancelling, resuming, removing


def test_a_running_job_is_cancelled_and_the_next_begins(queue):
    for name in "ab":
        queue.submit(name, ask(name))
    begun(queue, "a")
    queue.cancel("a")
    begun(queue, "b")
    assert states(queue) == {"a": CANCELLED, "b": RUNNING}
    queue.cancel("a")
    assert states(queue)["a"] == CANCELLED


def test_a_queued_job_is_cancelled_without_ever_running(queue):
    for name in "ab":
        queue.submit(name, ask(name))
    begun(queue, "a")
    queue.cancel("b")
    let(queue, "go")
    wait_for(queue, a=DONE, b=CANCELLED)
    assert not [line for line in times(queue) if line.startswith("b")]


def test_a_cancelled_job_resumes_behind_those_that_wait(queue):
    for name in "abc":
        queue.submit(name, ask(name))
    begun(queue, "a")
    queue.cancel("b")
    queue.resume("b")
    queue.resume("c")
    assert [(job.name, job.state) for job in queue.jobs()] == [("a", RUNNING), ("c", QUEUED), ("b", QUEUED)]
    let(queue, "go")
    wait_for(queue, a=DONE, b=DONE, c=DONE)
    assert [line for line in times(queue) if "begins" in line] == ["a begins", "c begins", "b begins"]


def test_a_running_job_cannot_be_removed_but_an_ended_one_can(queue, tmp_path):
    queue.submit("one", ask("one"))
    begun(queue, "one")
    with pytest.raises(ValueError, match="one is running; cancel it first"):
        queue.remove("one")
    queue.cancel("one")
    wait_for(queue, one=CANCELLED)
    (tmp_path / "state").touch()
    queue.remove("one", [tmp_path / "state", tmp_path / "nothing"])
    assert queue.jobs() == [] and not (tmp_path / "state").exists()
    with pytest.raises(ValueError, match="there is no job 'one' any more"):
        queue.resume("one")


def test_a_name_is_free_again_once_its_job_is_done(queue):
    queue.submit("one", ask("one", 1))
    with pytest.raises(ValueError, match="one is (queued|running) already; choose another name"):
        queue.submit("one", ask("one"))
    let(queue, "go")
    wait_for(queue, one=FAILED)
    with pytest.raises(ValueError, match="one is failed already; choose another name, or remove that one first"):
        queue.submit("one", ask("one"))
    queue.remove("one")
    for _ in range(2):
        queue.submit("one", ask("one"))
        wait_for(queue, one=DONE)
    assert (queue.folder / "one" / "log.txt").read_text().count("last words") == 1


# kill -9


def test_a_killed_job_is_interrupted_and_the_next_begins(queue):
    for name in "ab":
        queue.submit(name, ask(name))
    kill(begun(queue, "a").run.pid)
    begun(queue, "b")
    assert states(queue) == {"a": INTERRUPTED, "b": RUNNING} and job(queue, "a").run.code == -9
    let(queue, "go")
    queue.resume("a")
    wait_for(queue, b=DONE, a=DONE)


@pytest.mark.slow
def test_when_the_worker_is_killed_its_job_goes_on_and_no_second_runs_beside_it(queue):
    for name in "ab":
        queue.submit(name, ask(name))
    begun(queue, "a")
    kill(worker_of(queue))
    for _ in range(15):  # as pages do that look again and again
        queue.wake()
        assert states(queue) == {"a": RUNNING, "b": QUEUED}
        time.sleep(0.1)
    let(queue, "go a")
    until(lambda: queue.wake() or "b begins" in times(queue))
    assert states(queue) == {"a": DONE, "b": RUNNING}, "its result tells that it finished alone"
    assert times(queue) == ["a begins", "a ends", "b begins"]


@pytest.mark.parametrize("how", ["kill", "cancel"])
def test_a_job_stopped_after_its_work_is_done(queue, how):
    queue.submit("a", ask("a"))
    pid = begun(queue, "a").run.pid
    let(queue, "stay")
    let(queue, "go")
    until(lambda: (queue.folder / "a.result").exists())
    assert states(queue) == {"a": RUNNING}
    kill(pid) if how == "kill" else queue.cancel("a")
    wait_for(queue, a=DONE)
    assert job(queue, "a").run.code < 0
    (queue.folder / "stay").unlink()


def test_a_job_whose_worker_was_killed_can_be_cancelled(queue):
    queue.submit("a", ask("a"))
    begun(queue, "a")
    kill(worker_of(queue))
    queue.cancel("a")
    wait_for(queue, a=CANCELLED)


def test_when_job_and_worker_are_killed_the_job_is_interrupted(queue):
    queue.submit("a", ask("a"))
    pid = begun(queue, "a").run.pid
    kill(worker_of(queue))
    kill(pid)
    wait_for(queue, a=INTERRUPTED)
    let(queue, "go")
    queue.submit("b", ask("b"))
    until(lambda: queue.wake() or states(queue) == {"a": INTERRUPTED, "b": DONE})
    queue.resume("a")
    wait_for(queue, b=DONE, a=DONE)


def test_when_who_submitted_is_killed_with_its_whole_group_the_job_goes_on(queue):
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from explorer.background.processes import Queue
        from explorer.background.records import Request
        Queue(Path(sys.argv[1]), tuple(sys.argv[2:])).submit("one", Request(["one", "0"], {}, "../one.result"))
        print("submitted", flush=True)
        time.sleep(600)
        """
    )
    command = [sys.executable, "-c", code, str(queue.folder), *queue.program]
    server = subprocess.Popen(command, cwd=processes.PROJECT, stdout=subprocess.PIPE, start_new_session=True)
    assert server.stdout.readline() == b"submitted\n"
    os.killpg(server.pid, signal.SIGKILL)
    server.communicate()
    begun(queue, "one")
    let(queue, "go")
    wait_for(queue, one=DONE)


def test_a_submission_killed_half_way_leaves_no_job(queue, monkeypatch):
    def dies(source, target):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(processes.os, "replace", dies)
        with pytest.raises(SystemExit):
            queue.submit("one", ask("one"))
    assert queue.jobs() == []
    queue.submit("one", ask("one"))
    let(queue, "go")
    wait_for(queue, one=DONE)


def test_a_clock_that_jumps_loses_and_repeats_nothing(queue, monkeypatch):
    hours = iter([0, 5, -5, 100, -100] + [0] * 1000)
    monkeypatch.setattr(processes.time, "time", lambda now=time.time: now() + 3600 * next(hours))
    for name in "abc":
        queue.submit(name, ask(name))
    let(queue, "go")
    until(lambda: set(states(queue).values()) == {DONE})
    said = times(queue)
    assert sorted(said) == sorted(f"{name} {what}" for name in "abc" for what in ("begins", "ends"))
    assert all(first.split()[0] == second.split()[0] for first, second in zip(said[::2], said[1::2], strict=True))


def test_a_process_id_that_is_now_a_strangers_is_left_alone(queue):
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder = write(queue, "old", {"queued": 1.0, "started": 2.0, "pid": stranger.pid})
    assert states(queue) == {"old": INTERRUPTED}
    queue.cancel("old")
    queue.remove("old")
    assert not folder.exists() and stranger.poll() is None
    stranger.communicate(b"\n")
    assert stranger.returncode == 0


# Files that are corrupt or none of ours


def write(queue: Queue, name: str, run: object, request: object = None) -> Path:
    """A job's folder with files as given."""
    folder = queue.folder / name
    folder.mkdir(parents=True)
    for file, content in (("run", run), ("request", request or {"arguments": [], "about": {}, "result": "x"})):
        (folder / f"{file}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


STRANGE_RUNS = [
    "",
    "{",
    "[]",
    "null",
    {},
    {"queued": "now"},
    {"queued": None},
    {"queued": 1.0, "pid": -1},
    {"queued": 1.0, "pid": 0},
    {"queued": 1.0, "pid": 2.5},
    {"queued": 1.0, "code": "0"},
    {"queued": 1.0, "colour": "red"},
    '{"queued": NaN}',
    '{"queued": Infinity}',
    "[" * 100_000,
]
STRANGE_REQUESTS = [
    "nothing",
    {"arguments": [1], "about": {}, "result": "x"},
    {"arguments": 5, "about": {}, "result": "x"},
    {"arguments": [], "about": 5, "result": "x"},
    {"arguments": [], "about": {}, "result": "x", "environment": {"A": 1}},
    {"arguments": []},
    {"arguments": [], "about": {}, "result": "x", "environment": {"PYTHONPATH": "/tmp"}},
    {"arguments": [], "about": {}, "result": "/etc/passwd"},
    {"arguments": [], "about": {}, "result": "../../../../../../etc/passwd"},
    {"arguments": [], "about": {}, "result": "x" * 5000},
    {"arguments": [], "about": {}, "result": "x", "environment": []},
    '{"arguments": [], "about": {}, "result": "\\ud800"}',
]


def test_what_is_not_ours_is_broken_never_run_and_can_be_removed(queue):
    bad = [write(queue, f"run{i}", run) for i, run in enumerate(STRANGE_RUNS)]
    bad += [write(queue, f"request{i}", {"queued": 1.0}, request) for i, request in enumerate(STRANGE_REQUESTS)]
    let_run(queue)
    assert states(queue) == {**{folder.name: BROKEN for folder in bad}, "good": DONE}
    for name in (folder.name for folder in bad):
        assert job(queue, name).last_words() == "" and job(queue, name).progress() is None
        queue.cancel(name)
        with pytest.raises(ValueError, match=f"{name} cannot be resumed, since its files are not readable; remove it"):
            queue.resume(name)
        queue.remove(name)
    assert states(queue) == {"good": DONE}


def let_run(queue: Queue) -> None:
    """Another job comes and goes."""
    queue.submit("good", ask("good"))
    let(queue, "go")
    until(lambda: states(queue)["good"] == DONE)


def test_folders_and_files_of_strangers(queue, tmp_path):
    queue.folder.mkdir()
    (queue.folder / "empty").mkdir()
    (queue.folder / "letter.txt").write_text("hello")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (queue.folder / "link").symlink_to(tmp_path / "elsewhere")
    assert states(queue) == {"empty": BROKEN, "link": BROKEN}
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["precious"], "nothing is written there"
    queue.remove("empty")
    queue.remove("link")
    assert states(queue) == {} and (tmp_path / "elsewhere" / "precious").exists()
    with pytest.raises(ValueError, match="there is no job '../elsewhere' any more"):
        queue.remove("../elsewhere")


@pytest.mark.parametrize("file", ["request.json", "run.json", "log.txt", "progress.json", "lock"])
def test_a_file_that_leads_elsewhere_is_neither_read_nor_written(queue, tmp_path, file):
    folder = write(queue, "one", {"queued": 1.0}, asdict(ask("one")))
    secret = tmp_path / "secret"
    secret.write_text((folder / file).read_text() if (folder / file).exists() else "secret")
    before = secret.read_bytes()
    (folder / file).unlink(missing_ok=True)
    (folder / file).symlink_to(secret)
    let(queue, "go")
    queue.wake()
    until(lambda: not has_worker(queue))
    assert states(queue) == {"one": BROKEN} and job(queue, "one").last_words() == "" and secret.read_bytes() == before
    queue.remove("one")
    assert secret.exists() and not folder.exists()


# Progress


def test_progress_is_what_was_last_said(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(processes.time, "monotonic", lambda: clock[0])
    report, one = Reporter(tmp_path / "progress.json"), Job("one", tmp_path, RUNNING)
    assert one.progress() is None
    report(20, 100)
    assert one.progress() == Progress(20, 100, 20, 0.0) and one.progress().left is None
    clock[0] += REPORT_PAUSE / 2
    report(30, 100)
    assert one.progress().done == 20, "not so soon after the last"
    clock[0] += 10 - REPORT_PAUSE / 2
    report(40, 100)
    assert one.progress() == Progress(40, 100, 20, 10.0)
    assert one.progress().left == 30 and one.progress().fraction == 0.4
    report(100, 100)
    assert one.progress().done == 100, "the end is always said"
    assert not list(tmp_path.glob("*.part"))


def test_nothing_starts_on_a_full_disk_until_there_is_room(queue, monkeypatch):
    assert not queue.is_full()
    with monkeypatch.context() as patch:
        patch.setattr(processes.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
        queue.submit("a", ask("a"))
        assert queue.is_full() and states(queue) == {"a": QUEUED} and not has_worker(queue)
    let(queue, "go")
    queue.wake()
    until(lambda: states(queue) == {"a": DONE})


def test_what_cannot_be_written_down_is_not_queued(queue, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(processes.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            queue.submit("a", ask("a"))
    assert queue.jobs() == [] and not (queue.folder / ".a").exists()


def test_a_full_disk_is_no_reason_to_stop(tmp_path):
    Reporter(tmp_path / "missing" / "progress.json")(1, 2)


@pytest.mark.parametrize("text", ["", "[1]", '{"done": 1}', '{"done": "1", "total": 2, "before": 0, "seconds": 1}'])
def test_progress_that_is_not_ours_is_none(tmp_path, text):
    (tmp_path / "progress.json").write_text(text)
    assert Job("one", tmp_path, RUNNING).progress() is None


def test_the_last_words_of_a_long_log(tmp_path):
    (tmp_path / "log.txt").write_bytes(b"x" * 100_000 + b"\n" + b"\xff the end \n\n")
    assert Job("one", tmp_path, FAILED).last_words() == "� the end"
