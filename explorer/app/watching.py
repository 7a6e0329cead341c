"""Trainings as they are now, whichever page asked for them: how far each is, and what can be done with it."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from explorer.app import drawing, guard, waiting
from explorer.background.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from explorer.background.records import BROKEN, INTERRUPTED
from explorer.images import datasets
from explorer.language.saying import english, say
from explorer.networks.registry import model_info
from explorer.show import charts
from explorer.show.words import percent
from explorer.training import trainings
from explorer.training.recipes import Recipe, difference
from explorer.training.trainings import Training

LIVE, IDLE = 1.0, 4.0  # seconds between looks while something trains or waits, and otherwise
COLOURS: dict[str, Any] = {
    RUNNING: "blue",
    QUEUED: "grey",
    DONE: "green",
    FAILED: "red",
    CANCELLED: "grey",
    INTERRUPTED: "orange",
    BROKEN: "red",
}
STATES = {
    RUNNING: english(":material/model_training: Running"),
    QUEUED: english(":material/hourglass_empty: Queued"),
    DONE: english(":material/check_circle: Done"),
    FAILED: english(":material/error: Failed"),
    CANCELLED: english(":material/cancel: Cancelled"),
    INTERRUPTED: english(":material/power_off: Interrupted"),
    BROKEN: english(":material/broken_image: Broken"),
}


def watch(lively: bool, start: str = "") -> None:
    """All trainings as they are now, or those that `start` from one network; the page anew when they begin or end."""
    queue = trainings.queue()
    queue.wake()
    found = listed(start)
    if is_lively(found) != lively:
        st.rerun()
    st.set_page_config(page_title=title_of_tab(found))
    waiting.show_trouble()
    with st.container():
        if queue.is_full() and is_lively(found):
            words = english("The disk with {folder} is full: free some space, and trainings go on.")
            st.error(say(words, folder=drawing.plain(str(queue.folder))), icon=":material/hard_drive:")
    if not found and not start:
        st.caption(say("None yet: what you start shows here, in every tab, and goes on when you close this one."))
    for place, each in enumerate(found):
        with st.container(border=True):
            header(each)
            BODIES[each.state](each)
            if each.recipe is not None:
                curves(each, each.recipe, shown=place == 0)


def listed(start: str = "") -> list[Training]:
    """All trainings, or those that start from the network of that name."""
    return [each for each in trainings.list_trainings() if start in ("", each.start)]


def title_of_tab(found: list[Training]) -> str:
    """What the browser's tab says: what trains, and how far it is."""
    for each in found:
        if each.state == RUNNING:
            progress = each.job.progress()
            return f"{'' if progress is None else f'{progress.fraction:.0%} '}{each.name} – Pruning Explorer"
    return "Pruning Explorer"


def is_lively(found: list[Training]) -> bool:
    """Whether something trains or waits."""
    return any(each.state in (RUNNING, QUEUED) for each in found)


def header(each: Training) -> None:
    """Its name, what is trained on what, and its state."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{drawing.plain(each.name)}**", width="content")
        st.badge(say(STATES[each.state]), color=COLOURS[each.state])
    if each.recipe is not None:
        words = say(
            "{network} on {images}, from {start}, {changes}" if each.start else "{network} on {images}, {changes}",
            network=say(model_info(each.model).title),
            images=say(datasets.dataset_info(each.dataset).title),
            start=drawing.plain(each.start),
            changes=difference(each.recipe, each.model, each.dataset) or say("by its own recipe"),
        )
        st.caption(words)


def running(each: Training) -> None:
    """How far it is, how long it will take, and a button to stop it."""
    progress, recipe = each.job.progress(), each.recipe
    assert recipe is not None
    with st.container(horizontal=True, vertical_alignment="center"):
        if progress is None:
            st.progress(0.0, say(":material/hourglass_empty: Starting"))
        elif progress.done >= progress.total:
            st.progress(1.0, say(":material/fact_check: Testing the epoch kept"))
        else:
            words = say(
                ":material/autorenew: Epoch {epoch} of {epochs}"
                if progress.left is None
                else ":material/autorenew: Epoch {epoch} of {epochs}, {left} left",
                epoch=int(progress.fraction * recipe.epochs) + 1,
                epochs=recipe.epochs,
                left=waiting.duration(progress.left or 0),
            )
            st.progress(progress.fraction, words)
        label = say("Cancelling…" if each.cancelling else "Cancel")
        button(each, label, "cancel", trainings.queue().cancel, disabled=each.cancelling)


def queued(each: Training) -> None:
    """Its place, and a button to take it out."""
    place = each.job.place
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        waits = say("Waits for {n} other training." if place == 1 else "Waits for {n} other trainings.", n=place)
        st.markdown(waits if place else say("About to start."), width="content")
        button(each, say("Cancel"), "cancel", trainings.queue().cancel)


def done(each: Training) -> None:
    """How good the network is, and the way to prune it."""
    score = trainings.score_of(each.name)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        if score is None:
            st.markdown(say("Its network is no longer there."), width="content")
        else:
            words = say(
                "Test accuracy **{share}** ({correct:,} of {n:,} test {examples})",
                share=percent(score.accuracy),
                correct=score.correct,
                n=score.n,
                examples=say(datasets.dataset_info(each.dataset).examples),
            )
            st.markdown(words, width="content")
            st.page_link(
                "explorer/app/pages/prune.py",
                label=say("Prune it"),
                icon=":material/content_cut:",
                query_params={"checkpoint": each.name},
            )
        words = say("Take it off this list; the network stays.")
        button(each, say("Clear"), "playlist_remove", trainings.remove, help=words)


def stopped(each: Training) -> None:
    """Why it stopped, with the ways on: resume or remove."""
    words = each.job.last_words()
    if each.state == FAILED or (each.state == INTERRUPTED and words.startswith("error: ")):  # a full disk keeps no code
        said = drawing.sentence(words.removeprefix("error: ")) or say("It said nothing")
        st.error(say("{words}.", words=drawing.plain(said)), icon=":material/error:")
    elif each.state == INTERRUPTED:
        st.warning(say("Its process was killed, or the machine stopped."), icon=":material/power_off:")
    finished, recipe = len(trainings.history(each.name)), each.recipe
    assert recipe is not None
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        words = say("{finished} of {epochs} epochs are finished.", finished=finished, epochs=recipe.epochs)
        st.markdown(words, width="content")
        with st.container(horizontal=True, width="content"):
            button(each, say("Resume"), "resume", trainings.queue().resume)
            remove(each)


def broken(each: Training) -> None:
    """What cannot be read can only be removed."""
    st.error(say("Its files are corrupt, or this app did not write them."), icon=":material/broken_image:")
    remove(each)


def remove(each: Training) -> None:
    """Remove it after a second look at what is lost."""
    megabytes = sum(path.stat().st_size for path in trainings.leftovers(each.name)) / 1e6
    with st.popover(say("Remove"), icon=":material/delete:"):
        st.markdown(say("Its finished epochs go, too, and {size:.0f} MB are free again.", size=megabytes))
        button(each, say("Remove for good"), "delete_forever", trainings.remove)


def curves(each: Training, recipe: Recipe, shown: bool) -> None:
    """Loss and accuracy, after each epoch, on the images it learns from and on those held out."""
    history = trainings.history(each.name)
    if history.empty or each.state == QUEUED:
        return
    if each.state != RUNNING and not st.toggle(say("Curves"), value=shown, key=f"curves {each.name}"):
        return
    left, right = st.columns(2, gap="medium")
    for column, what in ((left, "loss"), (right, "accuracy")):
        with column:
            drawing.draw(charts.training_curve(history, what, recipe.epochs), key=f"{what} {each.name}")


BODIES: dict[str, Callable[[Training], None]] = {
    RUNNING: running,
    QUEUED: queued,
    DONE: done,
    FAILED: stopped,
    CANCELLED: stopped,
    INTERRUPTED: stopped,
    BROKEN: broken,
}


def button(each: Training, label: str, icon: str, action: Callable[[str], None], **look: Any) -> None:
    """A button that does something to a training."""
    key, icon = f"{icon} {each.name}", f":material/{icon}:"
    look["disabled"] = guard.is_locked() or look.get("disabled", False)
    st.button(label, key=key, icon=icon, on_click=act, args=(action, each.name), **look)


def act(action: Callable[[str], None], name: str) -> None:
    """What a training's button does; a callback."""
    waiting.attempt(action, name)
