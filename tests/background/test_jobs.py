"""Shared long work: done once, in order, cancelled, failed, bounded."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from explorer.background import jobs
from explorer.background.board import Jobs
from explorer.background.jobs import Job, Progress, reports

PATIENCE = 10  # seconds; far more than any of this takes


@dataclass(frozen=True)
class Step:
    done: int
    total: int


def counting(total: int) -> Iterator[Step]:
    yield from (Step(i, total) for i in range(1, total + 1))


@pytest.fixture
def clock(monkeypatch):
    """The time as jobs have it, as a list of one number: it goes on when a test says so."""
    now = [0.0]
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


class Gate:
    """Work that stops after each step until it is let on."""

    def __init__(self, total: int = 3) -> None:
        self.total, self.starts, self.closed = total, 0, threading.Event()
        self.reached, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self) -> Iterator[Step]:
        self.starts += 1
        try:
            for step in counting(self.total):
                yield step
                self.reached.release()
                assert self.go.acquire(timeout=PATIENCE)
        finally:
            self.closed.set()

    def at_step(self) -> None:
        assert self.reached.acquire(timeout=PATIENCE)

    def open(self) -> None:
        self.go.release(self.total)


def test_a_job_runs_to_its_end_with_counts():
    job = Jobs().submit("a", lambda: counting(4))
    assert job.wait(PATIENCE)
    assert (job.status, job.result, job.done, job.total, job.fraction) == ("done", Step(4, 4), 4, 4, 1.0)
    assert job.error is None and job.left == 0


def test_the_same_key_is_computed_once_for_all_threads():
    board, gate, jobs = Jobs(), Gate(), []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        jobs.append(board.submit("same", gate))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gate.open()
    assert len({id(job) for job in jobs}) == 1
    assert jobs[0].wait(PATIENCE) and gate.starts == 1
    assert board.submit("same", gate) is jobs[0]


def test_partial_results_and_time_left_show_while_it_runs():
    gate = Gate(total=4)
    job = Jobs().submit("a", gate)
    gate.at_step()
    assert (job.status, job.done, job.total, job.result) == ("running", 1, 4, None)
    assert job.left == pytest.approx(3 * job.elapsed, rel=0.5)
    gate.open()
    assert job.wait(PATIENCE)
    assert job.seconds_for(40) == pytest.approx(10 * job.elapsed)


def test_a_job_without_a_pace_does_not_guess():
    board, gate = Jobs(), Gate()
    running = board.submit("first", gate)
    assert board.submit("second", lambda: counting(2)).seconds_for(10) is None
    board.keep("kept", Step(4, 4))
    kept = board.get("kept")
    assert kept is not None and kept.seconds_for(10) is None
    gate.open()
    assert running.wait(PATIENCE)


def test_a_result_may_say_itself_how_far_the_work_is():
    @dataclass(frozen=True)
    class Round(Step):
        progress: float

    def rounds() -> Iterator[Round]:
        yield Round(2, 2, 0.25)
        raise ValueError("stop")

    job = Jobs().submit("a", rounds)
    assert job.wait(PATIENCE) and job.fraction == 0.25


def test_text_among_the_results_is_a_note_and_no_result():
    def speaks() -> Iterator[Step | str]:
        yield "a file was damaged"
        yield Step(1, 1)
        yield "the disk is full"

    job = Jobs().submit("a", speaks)
    assert job.wait(PATIENCE) and job.result == Step(1, 1)
    assert job.notes == ("a file was damaged", "the disk is full")


def test_heavy_jobs_queue_in_order_and_light_ones_do_not():
    board, first, order = Jobs(), Gate(), []

    def note(name: str) -> Iterator[Step]:
        order.append(name)
        yield Step(1, 1)

    running = board.submit("first", first)
    first.at_step()
    second = board.submit("second", lambda: note("second"))
    third = board.submit("third", lambda: note("third"))
    assert (second.status, third.status) == ("queued", "queued")
    assert (board.ahead(second), board.ahead(third)) == (1, 2)
    assert board.submit("light", lambda: note("light"), heavy=False).wait(PATIENCE)
    assert order == ["light"] and second.status == "queued"
    first.open()
    assert running.wait(PATIENCE) and third.wait(PATIENCE)
    assert order == ["light", "second", "third"]


def test_cancel_stops_the_work_keeps_what_there_is_and_can_start_again():
    board, gate = Jobs(), Gate()
    job = board.submit("a", gate)
    gate.at_step()
    job.cancel()
    gate.open()
    assert job.wait(PATIENCE)
    assert (job.status, job.result, job.latest) == ("cancelled", None, Step(2, 3))
    assert gate.closed.wait(PATIENCE), "the iterator must be closed, so that it can clean up"
    again = board.submit("a", lambda: counting(3))
    assert again is not job and again.wait(PATIENCE) and again.status == "done"


def test_a_queued_job_is_cancelled_at_once_and_never_starts():
    board, first, second = Jobs(), Gate(), Gate()
    board.submit("first", first)
    first.at_step()
    job = board.submit("second", second)
    job.cancel()
    assert job.status == "cancelled" and job.wait(0)
    first.open()
    third = board.submit("third", lambda: counting(1))
    assert third.wait(PATIENCE) and second.starts == 0


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("layer 'x' is unknown"), "layer 'x' is unknown"), (ZeroDivisionError("no"), "ZeroDivisionError: no")],
)
def test_a_failure_is_a_message_keeps_the_partial_result_and_can_start_again(error, message):
    def fails() -> Iterator[Step]:
        yield Step(1, 2)
        raise error

    board = Jobs()
    job = board.submit("a", fails)
    assert job.wait(PATIENCE)
    assert (job.status, job.error, job.latest, job.result) == ("failed", message, Step(1, 2), None)
    assert board.submit("b", lambda: counting(1)).wait(PATIENCE), "a failure must not stop the queue"
    assert board.submit("a", lambda: counting(1)).wait(PATIENCE)


def test_work_that_cannot_even_start_fails_with_its_message():
    def refuses() -> Iterator[Step]:
        raise OSError("data/none: no such folder")

    job = Jobs().submit("a", refuses)
    assert job.wait(PATIENCE) and (job.status, job.error) == ("failed", "data/none: no such folder")


def test_finished_jobs_are_dropped_least_recently_used_first_and_running_ones_never():
    board, gate = Jobs(capacity=2), Gate()
    running = board.submit("running", gate, heavy=False)
    gate.at_step()
    for name in ("one", "two"):
        assert board.submit(name, lambda: counting(1)).wait(PATIENCE)
    assert board.get("one") is None, "over capacity, the oldest finished one goes"
    assert board.get("running") is running and board.get("two") is not None
    gate.open()
    assert running.wait(PATIENCE)
    board.get("two")
    assert board.submit("three", lambda: counting(1)).wait(PATIENCE)
    assert board.get("running") is None and board.get("two") is not None
    assert len(board) == 2


def test_large_results_that_nobody_looks_at_make_room(monkeypatch):
    board = Jobs(most_bytes=250)
    for name in ("one", "two", "three"):
        board.keep(name, SimpleNamespace(nbytes=100))
    assert len(board) == 3, "somebody has just looked at each of them"
    monkeypatch.setattr(jobs, "WATCHED", 0.0)
    board.keep("four", 4)
    assert board.get("one") is None and board.get("two").result.nbytes == 100 and len(board) == 3
    board.keep("five", SimpleNamespace(nbytes=1000))
    board.keep("six", 6)
    assert [board.get(name) for name in ("two", "three", "five")] == [None] * 3 and board.get("four").result == 4


def test_a_board_keeps_at_least_one_job():
    with pytest.raises(ValueError, match="at least 1 job, not 0"):
        Jobs(capacity=0)


def test_a_result_found_on_the_way_is_kept_as_a_done_job_but_replaces_none():
    board = Jobs()
    board.keep("side", Step(2, 2))
    kept = board.get("side")
    assert kept is not None and (kept.status, kept.result, kept.wait(0)) == ("done", Step(2, 2), True)
    board.keep("side", Step(1, 1))
    assert board.get("side") is kept


def test_time_left_is_judged_by_the_stage_at_work(clock):
    def two_stages() -> Iterator[Step]:
        clock[0] += 60
        yield from counting(2)
        clock[0] += 3
        yield Step(1, 4)

    job = Job("a", two_stages)
    for _ in range(3):
        job.advance()
    assert (job.fraction, job.elapsed, job.left) == (0.25, 63, 9)


def test_what_was_there_before_took_no_time(clock):
    def resumed() -> Iterator[Progress]:
        yield Progress(60, 100, before=60)
        clock[0] += 7
        yield Progress(80, 100, before=60)

    job = Job("a", resumed)
    job.advance()
    assert job.fraction == 0.6 and job.left is None
    job.advance()
    assert job.elapsed == 7 and job.left == pytest.approx(7)


def test_work_that_reports_by_calling_becomes_partial_results():
    def work(told) -> None:
        told(1, 2)
        told(2, 2)

    assert list(reports(work)) == [Progress(1, 2, before=1), Progress(2, 2, before=1)]


def test_reporting_work_is_stopped_at_its_next_report_and_cleans_up():
    cleaned = []

    def endless(told) -> None:
        try:
            while True:
                told(1, 2)
        finally:
            cleaned.append(True)

    steps = reports(endless)
    assert next(steps) == Progress(1, 2, before=1)
    steps.close()
    assert cleaned == [True]


def test_an_error_in_reporting_work_comes_through():
    def fails(told) -> None:
        told(1, 2)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        list(reports(fails))


def test_a_job_that_nobody_looks_at_makes_way_and_goes_on_later(clock):
    board, left, short = Jobs(), Gate(total=3), Gate(total=1)
    abandoned = board.submit("left", left)
    left.at_step()
    wanted = board.submit("short", short)
    assert wanted.status == "queued" and board.ahead(wanted) == 1
    clock[0] += jobs.WATCHED
    wanted.watch()
    assert board.ahead(wanted) == 0
    short.open()
    left.go.release()  # one step, after which it is the other's turn
    assert wanted.wait(PATIENCE) and wanted.status == "done" and abandoned.done == 2
    left.open()
    assert abandoned.wait(PATIENCE) and abandoned.status == "done" and abandoned.done == 3


def test_work_that_cannot_be_closed_does_not_block_the_others(caplog):
    class Stuck:
        def __iter__(self):
            return self

        def __next__(self):
            time.sleep(0.01)
            return Step(1, 2)

        def close(self):
            raise RuntimeError("cannot close")

    board = Jobs()
    stuck = board.submit("stuck", Stuck)
    while stuck.latest is None:
        time.sleep(0.01)
    stuck.cancel()
    assert stuck.wait(PATIENCE) and stuck.status == "cancelled" and "could not be closed" in caplog.text
    after = board.submit("after", lambda: counting(1))
    assert after.wait(PATIENCE) and after.status == "done"


def test_a_job_that_makes_way_is_cancelled_at_once(clock):
    board, left, short = Jobs(), Gate(total=3), Gate(total=2)
    abandoned = board.submit("left", left)
    left.at_step()
    clock[0] += jobs.WATCHED
    wanted = board.submit("short", short)
    left.go.release()
    abandoned.cancel()
    left.open()
    short.open()
    assert abandoned.wait(PATIENCE) and abandoned.status == "cancelled" and left.closed.is_set()
    assert wanted.wait(PATIENCE) and wanted.status == "done"


def test_each_job_gets_its_first_seconds_before_any_goes_on(monkeypatch):
    monkeypatch.setattr("explorer.background.board.FIRST", 0.1)
    board, order = Jobs(), []

    def slow(name: str) -> Iterator[Step]:
        for step in counting(4):
            time.sleep(0.15)
            order.append(name)
            yield step

    submitted = [board.submit(name, lambda name=name: slow(name)) for name in "abc"]
    assert all(job.wait(PATIENCE) for job in submitted)
    assert "".join(order) == "abc" + "aaa" + "bbb" + "ccc"


def test_a_job_that_nobody_looks_at_for_long_pauses_until_somebody_does(clock):
    board, gate = Jobs(), Gate(total=3)
    job = board.submit("left", gate)
    gate.at_step()
    clock[0] += jobs.ABANDONED
    gate.open()
    assert not job.wait(0.5) and job.done == 2 and not board._busy, "the step under way ends, and no other begins"
    assert board.get("left") is job and job.wait(PATIENCE) and job.status == "done" and job.done == 3


def test_a_paused_job_goes_on_where_a_page_only_polls_it_and_ends_where_it_is_cancelled(clock):
    for act, status in ((lambda job: job.watch(), "done"), (lambda job: job.cancel(), "cancelled")):
        gate = Gate(total=2)
        job = Jobs().submit("left", gate)
        gate.at_step()
        clock[0] += jobs.ABANDONED
        gate.open()
        assert not job.wait(0.3)
        act(job)
        assert job.wait(PATIENCE) and job.status == status


def test_a_job_that_goes_on_unattended_does_not_pause(monkeypatch):
    monkeypatch.setattr("explorer.background.jobs.ABANDONED", 0.0)
    job = Jobs().submit("import", lambda: counting(3), unattended=True)
    assert job.wait(PATIENCE) and job.status == "done" and job.done == 3


def test_owners_take_turns_so_that_many_jobs_of_one_do_not_hold_up_another():
    board, order, gate = Jobs(), [], Gate(total=1)

    def noting(name: str) -> Iterator[Step]:
        for step in counting(3):
            order.append(name)
            yield step

    first = board.submit("gate", gate)
    gate.at_step()
    names = ["a1", "a2", "b1"]
    submitted = [board.submit(name, lambda name=name: noting(name), owner=name[0]) for name in names]
    gate.open()
    assert all(job.wait(PATIENCE) for job in [first, *submitted])
    assert order.index("b1") < 2 and order[:5].count("b1") >= 2, "its turn comes every other step"
    assert [name for name in order if name != "b1"] == ["a1"] * 3 + ["a2"] * 3


def test_who_asks_for_too_much_is_told_so_and_others_are_not(monkeypatch):
    monkeypatch.setattr("explorer.background.board.MOST_OF_ONE", 2)
    board, gate = Jobs(), Gate(total=1)
    jobs = [board.submit(name, gate, owner="greedy") for name in "ab"]
    refused = board.submit("c", lambda: counting(1), owner="greedy")
    assert refused.status == "failed" and "2 pieces of work that you asked for are not finished yet" in refused.error
    other = board.submit("d", lambda: counting(1), owner="modest")
    gate.go.release(2)
    assert all(job.wait(PATIENCE) for job in [*jobs, other]) and other.status == "done"
    again = board.submit("c", lambda: counting(1), owner="greedy")
    assert again.wait(PATIENCE) and again.status == "done"


def test_letting_go_drops_what_is_over_and_ends_what_nobody_waits_for(monkeypatch):
    board, left, wanted = Jobs(), Gate(), Gate(total=1)
    over = board.submit("over", lambda: counting(1))
    assert over.wait(PATIENCE)
    monkeypatch.setattr("explorer.background.jobs.WATCHED", 0.0)
    abandoned = board.submit("left", left)
    left.at_step()
    imported = board.submit("import", wanted, heavy=False, unattended=True)
    board.let_go()
    left.open()
    assert abandoned.wait(PATIENCE) and abandoned.status == "cancelled" and left.closed.is_set()
    wanted.open()
    assert imported.wait(PATIENCE) and imported.status == "done"
    assert board.get("over") is None and board.get("left") is None and board.get("import") is imported
    again = board.submit("left", lambda: counting(2))
    assert again is not abandoned and again.wait(PATIENCE) and again.status == "done"


def test_few_jobs_pause_and_those_longest_unseen_end_and_begin_anew(monkeypatch):
    monkeypatch.setattr("explorer.background.board.MOST_PAUSED", 1)
    monkeypatch.setattr("explorer.background.board.FIRST", 0.0)
    board, gates = Jobs(), [Gate(total=2) for _ in range(3)]
    jobs = []
    for i, gate in enumerate(gates):
        jobs.append(board.submit(i, gate, owner=i))
        gate.at_step() if i == 0 else None
    monkeypatch.setattr("explorer.background.jobs.ABANDONED", 0.0)
    for gate in gates:
        gate.open()
    end = time.monotonic() + PATIENCE
    while board._busy and time.monotonic() < end:
        time.sleep(0.01)
    begun = [job for job in jobs if job._steps is not None]
    assert len(begun) <= 1 and not board._busy
    monkeypatch.setattr("explorer.background.jobs.ABANDONED", 30.0)
    assert board.submit(0, lambda: counting(1)).wait(PATIENCE)


def test_long_work_gives_back_what_it_has_freed_while_it_goes_on(monkeypatch):
    given, board, gate = [], Jobs(), Gate(total=4)
    monkeypatch.setattr("explorer.background.board.give_back", lambda: given.append(job.done))
    monkeypatch.setattr("explorer.background.board.LONG", 0.0)
    job = board.submit("long", gate)
    gate.open()
    gate.go.release()
    assert job.wait(PATIENCE) and given[:3] == [1, 2, 3]
    end = time.monotonic() + PATIENCE
    while board._busy and time.monotonic() < end:
        time.sleep(0.01)
    assert len(given) > given.index(4) + 1, "and once more what it held to its end"
