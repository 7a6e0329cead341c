"""Predict, then reveal: the curve stays hidden until this tab has said what it expects, which stands in the link."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from explorer.answers.choices import criterion_named
from explorer.answers.exercise import PLACED, Duel, Guess, Outcome, compare, ks_to_guess, rivals_of
from explorer.answers.experiment import Experiment
from explorer.app import (
    asking,
    cache,
    downloads,
    drawing,
    links,
    pickers,
    prepared,
    reporting,
    story,
    views,
    waiting,
    work,
)
from explorer.app.heads import head
from explorer.app.views import View
from explorer.engine.curves import Sweep
from explorer.language import saying
from explorer.language.saying import english, joined, listed, say
from explorer.reports.asked import Asked
from explorer.reports.brought import Brought
from explorer.show import charts
from explorer.show.words import percent

TAKEN, REVEALED = "exercise", "revealed"  # in the link, as the keys of all that is expected are
ON = "1"
PLACES = tuple(f"expect_{place}" for place in range(1, PLACED + 1))
CLIFF, DROP, WINNER = "expect_cliff", "expect_drop", "expect_winner"
WHOSE, OUTCOME = "what the exercise is about", "what came of the exercise"
HEIGHT = 270  # pixels of the chart
QUIET: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "height": "stretch"}
ABOUT = english("""\
Say what you expect before you see it. **Accuracy** is the share of the test {examples} that the network gets right with
K channels pruned. The **last K within 1 point** is the last before accuracy is ever more than one percentage point
below that of the unpruned network. The **steepest drop** is the tenth of the channels over which accuracy
falls most; any K within it is right.

What you expect is kept nowhere but in this page's address, so that a link brings it back.""")


def is_taken() -> bool:
    """Whether this tab predicts."""
    links.note_link(
        TAKEN, pickers.one_of([ON, ""]), say("is not known: {key}={value} opens the exercise", key=TAKEN, value=ON)
    )
    links.linked(TAKEN, "")
    return st.session_state[TAKEN] == ON


def begin_button() -> None:
    """The way in, in the sidebar."""
    with st.sidebar:
        words = say("Say what you expect of the curve before you see it")
        st.button(say("Predict first"), icon=":material/psychology_alt:", help=words, on_click=_begin)


def page(view: View) -> None:
    """The exercise on what the pickers stand at: without the curve, and once it is revealed with it."""
    _forget_another_curve(view)
    links.linked(REVEALED, False)
    asked = _rivals(view)
    _head(view)
    if not all(work.ships(view.checkpoint, each) for each in asked):
        downloads.require_data(view.checkpoint.card.dataset)
    asks = [partial(work.sweep, view.checkpoint, each) for each in asked]
    for ask in asks:  # they are on their way while somebody thinks
        ask()
    ks = ks_to_guess(view.stops)
    _take_up(view, ks, asked)
    if not st.session_state[REVEALED]:
        _predict(view, ks, asked)
        return
    curves = [waiting.result_of(say("Pruning at every K"), ask) for ask in asks]
    guess = _guess(ks, asked)
    if guess.is_whole:
        _reveal(view, guess, *curves)
    else:  # of a link that says less than it should
        st.session_state[REVEALED] = False
        st.rerun()


def outcome_of(view: View) -> Outcome | None:
    """What came of the exercise on what the pickers stand at, where this tab has done it."""
    whose, outcome = st.session_state.get(OUTCOME, (None, None))
    return outcome if whose == _whose(view) else None


def _begin() -> None:
    _forget()
    st.session_state[TAKEN] = ON


def _leave() -> None:
    st.session_state[TAKEN] = ""


def _turn_over() -> None:
    st.session_state[REVEALED] = True


def _forget() -> None:
    """Expect nothing yet; before the pickers are drawn."""
    st.session_state.update(dict.fromkeys([*PLACES, CLIFF, DROP, WINNER]) | {REVEALED: False})


def _whose(view: View) -> tuple[str, Experiment]:
    return view.checkpoint.sha256, view.experiment


def _forget_another_curve(view: View) -> None:
    """Whatever was expected was of the curve before; what a link brings is of its own."""
    if st.session_state.setdefault(WHOSE, _whose(view)) != _whose(view):
        st.session_state[WHOSE] = _whose(view)
        _forget()


def _rivals(view: View) -> list[Experiment]:
    """The curve that is guessed at, and that of another criterion where it can be had: one of the two wins."""
    other = replace(view.experiment, criterion=rivals_of(view.experiment.criterion)[1], seed=0)
    point, layer, mode = view.checkpoint, view.layer, other.mode
    fits = other.criterion in cache.fitting_criteria(point, layer)
    fits = fits and other.schedule in cache.fitting_schedules(point, layer, other.criterion, mode)
    there = work.ships(point, other) or downloads.is_here(point.card.dataset)
    return [view.experiment, other] if fits and there else [view.experiment]


def _take_up(view: View, ks: Sequence[int], asked: Sequence[Experiment]) -> None:
    """What the link says of all that is expected, which is drawn only until it is revealed."""
    for key, k in zip(PLACES, ks, strict=False):
        pickers.link_count(say("accuracy at K = {k}", k=k), key, 0, 100, say("none"))
    pickers.link_count(say("last K within 1 point"), CLIFF, 0, view.channels, say("none"))
    pickers.link_count(say("steepest drop"), DROP, 0, view.channels, say("none"))
    criteria = [each.criterion for each in asked]
    links.note_link(
        WINNER, pickers.one_of(criteria), say("is not known: choose one of {known}", known=listed(criteria))
    )
    pickers.keep_if(WINNER, lambda kept: kept in (None, *criteria), None)
    links.linked(WINNER, None)


def _guess(ks: Sequence[int], asked: Sequence[Experiment]) -> Guess:
    """What is expected so far."""
    state = st.session_state
    percents = [state[key] for key, _ in zip(PLACES, ks, strict=False)]
    shares = [None if each is None else each / 100 for each in percents]
    rivals = tuple(each.criterion for each in asked) if len(asked) > 1 else ()
    return Guess(tuple(zip(ks, shares, strict=True)), state[CLIFF], state[DROP], rivals, state[WINNER])


def _head(view: View) -> None:
    point = view.checkpoint
    scores, examples = point.card.accuracy, say(view.examples)
    told = [say("This network {task}.", task=story.task_of(point))]
    if "test" in scores:
        share = percent(scores["test"].accuracy)
        told.append(say("Unpruned, it gets {share} of its test {examples} right.", share=share, examples=examples))
    first = story.first_to_go(view.experiment.criterion)
    told.append(say("{layer}; prune {first}.", layer=story.layer_of(point, view.layer), first=first))
    if not st.session_state[REVEALED]:
        told.append(say("**What do you expect?** Click in the chart, or type below it."))
    title = say("Predict, then reveal: {title}", title=story.title(point, view.lab))
    head(title, joined(told), say(ABOUT, examples=examples))


def _predict(view: View, ks: Sequence[int], asked: Sequence[Experiment]) -> None:
    """The chart without a curve, and what is to be said of it."""
    frame = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for key, k in zip(PLACES, ks, strict=False):
            pickers.pick_count(say("% at K = {k}", k=k), key, 0, 100, "?", width=125)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        words = say("The last K before accuracy is ever more than one point below the unpruned network's")
        pickers.pick_count(say("Last K within 1 point"), CLIFF, 0, view.channels, "?", help=words, width=175)
        words = say("A K within the tenth of the channels over which accuracy falls most")
        pickers.pick_count(say("Steepest drop, at K"), DROP, 0, view.channels, "?", help=words, width=165)
        if len(asked) > 1:
            label, criteria = say("Which order keeps more, over all K?"), [each.criterion for each in asked]
            st.segmented_control(label, criteria, format_func=views.criterion_title, **links.linked(WINNER, None))
        guess = _guess(ks, asked)
        look: dict[str, Any] = {"type": "primary", "icon": ":material/visibility:", "disabled": not guess.is_whole}
        st.button(say("Reveal"), key="reveal", on_click=_turn_over, **look)
        st.button(say("Leave"), type="tertiary", help=say("Leave the exercise"), on_click=_leave)
    with frame:
        ends = (view.stops[0], view.stops[-1])
        chart = charts.guess_chart(ends, dict(guess.accuracies), height=HEIGHT)
        drawing.draw(chart, key="guesses", on_select=partial(_place, ks), selection_mode="pick")


def _place(ks: Sequence[int]) -> None:
    """Expect what was clicked in the chart; a callback."""
    for picked in st.session_state["guesses"].selection.pick:
        st.session_state[PLACES[ks.index(int(picked["k"]))]] = round(100 * picked["share"])


def _reveal(view: View, guess: Guess, curve: Sweep, rival: Sweep | None = None) -> None:
    """What was expected on the curve, how far off it was, and why; then the questions of the lab."""
    outcome = compare(guess, curve, rival)
    st.session_state[OUTCOME] = (_whose(view), outcome)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(say("Explore this curve"), icon=":material/content_cut:", on_click=_leave, type="primary")
        st.button(say("Try again"), icon=":material/restart_alt:", on_click=_forget)
        asked = Asked(view.experiment, view.lab, exercise=outcome)
        reporting.report_button(view.checkpoint, asked, Brought({view.experiment: curve}), "exercise")
    _numbers(outcome)
    shown = curve.at(view.stops)
    chart = charts.guess_chart(
        (shown.ks[0], shown.ks[-1]), dict(guess.accuracies), prepared.accuracy_table(shown), HEIGHT
    )
    drawing.draw(chart, key="revealed guesses")
    st.caption(say("The line was measured, with its 95 % interval; the diamonds were expected."))
    st.subheader(say("Expected and measured"), anchor=False)
    st.markdown("\n".join(f"- {drawing.plain(each, 1000)}" for each in _surprises(outcome, view.examples)))
    if view.lab:
        st.subheader(say("Questions of lab {lab}", lab=view.lab.name), anchor=False)
        asking.show(view.lab)


def _numbers(outcome: Outcome) -> None:
    """How far off each part of the guess was."""
    off = outcome.cliff - outcome.cliff_expected
    with st.grid(4, min_column_width=180, gap="small"):
        error, over = f"{outcome.mean_error:.2f}", say("over {count} K", count=len(outcome.points))
        st.metric(say("Mean error (points)"), error, over, **QUIET)
        words = "expected {k}, off by {off}" if off else "expected {k}, exactly"
        said = say(words, k=outcome.cliff_expected, off=abs(off))
        st.metric(say("Last K within 1 point"), f"{outcome.cliff}", said, **QUIET)
        st.metric(say("Steepest drop (K)"), *_drop(outcome), **QUIET)
        if duel := outcome.duel:
            st.metric(say("The better order"), *_winner(duel), **QUIET)


def _drop(outcome: Outcome) -> tuple[str, str]:
    """Where the steepest drop is, and how far off it was expected."""
    if outcome.drop is None:
        return say("None"), say("expected at {k}", k=outcome.drop_expected)
    words = "expected at {k}, off by {off}" if outcome.drop_off else "expected at {k}, within it"
    said = say(words, k=outcome.drop_expected, off=abs(outcome.drop_off))
    return say("{first} to {last}", first=outcome.drop[0], last=outcome.drop[1]), said


def _winner(duel: Duel) -> tuple[str, str]:
    """Whether the better of two orders was guessed, and which it is."""
    if duel.winner is None:
        return say("Neither"), say("neither is surely better")
    title = say(criterion_named(duel.winner).title)
    return say("Guessed" if duel.winner == duel.expected else "Missed"), say("{order} is better", order=title)


def _surprises(outcome: Outcome, examples: str) -> list[str]:
    """The sentences about the exercise that the report has, too, without the mean error: a metric says it."""
    from explorer.reports.exercised import sentences  # with the words of the report, which no page waits for
    from explorer.reports.texts import language

    return sentences(outcome, language(saying.language()), say(examples))[1:]
