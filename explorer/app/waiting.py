"""How work in the background waits, runs, ends, fails and is cancelled on a page."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from explorer.app import drawing, guard, work
from explorer.background.jobs import CANCELLED, DONE, FAILED, QUEUED, Job
from explorer.files.errors import sentence
from explorer.language.saying import again, say

POLL = 0.3  # seconds between looks at a running job
PATIENCE = 0.4  # seconds that quick work may take before a page talks about it
MORE = 0.9  # seconds after that in which it may have a first part
PAUSE = 0.05  # seconds between looks meanwhile
LONG = 3  # seconds after which a job offers to be cancelled
NEWS, READ = "what has become of something, and until when that is said", 12  # seconds
TROUBLE = "what a button could not do"


# Each of these writes into one container, whether there is anything to say or not: what comes after it keeps its place
# on the page from run to run. Containers that move are built anew in the browser, whatever somebody does there.
def attempt(action: Callable[..., Any], *arguments: Any) -> bool:
    """Change the server, or leave a note, for `show_trouble`, why that could not be; whether it was. For callbacks."""
    try:
        guard.check()
        action(*arguments)
    except (ValueError, OSError) as error:
        st.session_state[TROUBLE] = say("That did not work: {why}.", why=sentence(error))
        return False
    return True


def show_trouble() -> None:
    """Say, once, what the last button could not do."""
    with st.container():
        if TROUBLE in st.session_state:
            st.error(drawing.plain(st.session_state.pop(TROUBLE)), icon=":material/error:")


def tell(words: str) -> None:
    """Let pages say for a while, here or where the browser turns to, what has become of something."""
    st.session_state[NEWS] = (words, time.monotonic() + READ)


def show_news() -> None:
    """Say it in every run, as the browser drops a toast together with the run that it is of."""
    words, until = st.session_state.get(NEWS, ("", 0.0))
    if time.monotonic() < until:
        st.toast(again(words), icon=":material/check_circle:", duration="infinite")


def result_of(what: str, ask: Callable[..., Job]) -> Any:
    """The result of the job that `ask()` gives; until there is one, show how the job stands and stop the page.

    The page runs again by itself once the job has finished. `ask(restart=True)` starts it anew.
    """
    job = ask()
    with st.container():
        wait_briefly(job)
        notes(job)
        if job.status == DONE:
            return job.result
        if job.finished:
            show_end(job, what, ask)
        else:
            follow(job, what)
        st.stop()


def wait_briefly(job: Job) -> None:
    """Give quick work a moment, so that it never flashes a progress bar."""
    if not job.finished:
        with st.skeleton(height=400):
            job.wait(PATIENCE)


def wait_for_first(job: Job, ready: Callable[[], bool]) -> None:
    """Give quick work a moment to end, or else to be `ready` to be shown: a progress bar would only delay it."""
    job.wait(PATIENCE)
    until = time.monotonic() + MORE
    while not (job.finished or ready()) and time.monotonic() < until:
        job.wait(PAUSE)


def require_part(job: Job, what: str, ask: Callable[..., Job], ready: Callable[[], bool]) -> None:
    """Stops the page until the job is `ready` to be shown, though it may still run."""
    if job.status in (FAILED, CANCELLED):
        show_end(job, what, ask)
    elif not ready():
        follow(job, what, ready)
    if not ready():
        st.stop()


def notes(job: Job) -> None:
    """What came up on the way to a job's result, such as a saved one that could not be trusted."""
    for note in job.notes:
        st.warning(drawing.plain(note), icon=":material/inventory_2:")


def show_end(job: Job, what: str, ask: Callable[..., Any]) -> None:
    """Say that a job failed or was cancelled, with a button to start it anew."""
    failed = job.status == FAILED
    with st.container(horizontal=True, vertical_alignment="center"):
        if failed:
            st.error(drawing.plain(job.error), title=say("{what} failed", what=what), icon=":material/error:")
        else:
            words = say("{what} was cancelled at {share:.0%}.", what=what, share=job.fraction)
            st.warning(words, icon=":material/cancel:")
        label = say("Try again" if failed else "Start again")
        st.button(label, key=f"again {job.key}", icon=":material/refresh:", on_click=lambda: _call(ask))


def _call(ask: Callable[..., Any]) -> None:
    ask(restart=True)


def follow(job: Job, what: str, ready: Callable[[], bool] = lambda: False) -> None:
    """A live progress bar with time left and cancel; the page runs again once the job has finished or is `ready`."""
    st.fragment(progress_or_rerun, run_every=POLL)(job, what, ready)


def progress_or_rerun(job: Job, what: str, ready: Callable[[], bool] = lambda: False) -> None:
    """The progress of a running job; the page anew once it has finished. For a fragment that runs by itself."""
    if job.finished or ready():
        st.rerun()
    progress(job, what)


def progress(job: Job, what: str) -> None:
    """How far a running job is, how long it will take, and, once it takes long, a button to cancel it."""
    if job.finished:
        return
    job.watch()
    with st.container(horizontal=True, vertical_alignment="center"):
        if ahead := work.jobs().ahead(job):
            words = say(
                "{what}: waiting for {n} other job" if ahead == 1 else "{what}: waiting for {n} other jobs",
                what=what,
                n=ahead,
            )
            st.progress(job.fraction, f":material/hourglass_empty: {words}")
        else:
            st.progress(job.fraction, f":material/autorenew: {how_far(what, job.fraction, job.left)}")
        if job.status == QUEUED or job.elapsed > LONG:
            cancel_button(job)


def how_far(what: str, share: float, left: float | None) -> str:
    """How far something is, in a line, with the time that is left where it is known."""
    time_left = None if left is None else duration(left)
    return say(
        "{what}: {share:.0%}" if left is None else "{what}: {share:.0%}, {time} left",
        what=what,
        share=share,
        time=time_left,
    )


def cancel_button(job: Job) -> None:
    """A button to cancel a job."""
    label = say("Cancelling…" if job.cancelling else "Cancel")
    key, icon = f"cancel {job.key}", ":material/cancel:"
    st.button(label, key=key, icon=icon, on_click=job.cancel, disabled=job.cancelling)


def several(jobs: Mapping[str, Job], what: str) -> None:
    """How far several jobs are, by their titles, in one line that `what` begins; each for itself is a click away.

    The line keeps its place when they are through. For a fragment that runs by itself.
    """
    running = {title: job for title, job in jobs.items() if not job.finished}
    with st.container(horizontal=True, vertical_alignment="center"):
        if not running:
            return
        done = sum(job.fraction for job in jobs.values()) / len(jobs)
        lefts = [job.left for job in running.values()]
        left = None if None in lefts else sum(filter(None, lefts))
        st.progress(done, f":material/autorenew: {how_far(what, done, left)}")
        with st.popover(say("Details"), icon=":material/list:", key="details of several"):
            for title, job in running.items():
                progress(job, title)
        ends = all(job.cancelling for job in running.values())
        label, key = say("Cancelling…" if ends else "Cancel"), "cancel several"
        st.button(label, key=key, icon=":material/cancel:", on_click=_cancel, args=(running,), disabled=ends)


def _cancel(jobs: Mapping[str, Job]) -> None:
    for job in jobs.values():
        job.cancel()


def duration(seconds: float) -> str:
    """Seconds as people say them: 40 s, 3 min, 1 h 20 min."""
    if seconds < 100:
        return say("{seconds:.0f} s", seconds=seconds)
    minutes = round(seconds / 60)
    if minutes < 100:
        return say("{minutes} min", minutes=minutes)
    return say("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)
