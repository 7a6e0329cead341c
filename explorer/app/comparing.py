"""The comparison of this tab: which answers stand side by side, what tells them apart, and the way to add one."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.answers import notation, outline
from explorer.answers.choices import criterion_named
from explorer.answers.experiment import RANKED_ON, Experiment
from explorer.answers.notation import Answer
from explorer.app import cache, drawing, links, recent, story, titles
from explorer.app.lines import Line
from explorer.app.views import View
from explorer.files.errors import sentence
from explorer.language.saying import joined, listed, say
from explorer.networks.checkpoints import list_checkpoints
from explorer.pruning.criteria import REVERSED
from explorer.pruning.modes import MODES

ANSWERS = recent.GATHERED  # the key of the comparison, in the address once for each answer
MOST = 6  # answers side by side
PAGE = "explorer/app/pages/compare.py"


# Which answers


def answers() -> list[View]:
    """The answers of the comparison, in its order; says of a link's that cannot be shown, why."""
    links.linked(ANSWERS, [])
    said, found, wrong = st.session_state[ANSWERS], dict[str, View](), list[str]()
    for text in said[:MOST]:
        try:
            view = view_of(text)
            found.setdefault(text_of(view), view)
        except (ValueError, OSError) as error:
            wrong.append(sentence(error))
    if len(said) > MOST:
        wrong.append(say("there are {count}, and at most {most} stand side by side", count=len(said), most=MOST))
    if wrong:
        words = say(
            "Not every answer of the link can be compared: {wrong}."
            if len(wrong) == 1
            else "Not every answer of the link can be compared: {wrong} (and {more} more).",
            wrong=wrong[0],
            more=len(wrong) - 1,
        )
        links.note(ANSWERS, words)
    st.session_state[ANSWERS] = list(found)
    return list(found.values())


def view_of(text: str) -> View:
    """The answer that a link's text names; ValueError for the first thing in it that does not exist or fit."""
    answer = notation.read(text)
    asked = answer.experiment
    _check(say("network"), asked.checkpoint, list_checkpoints())
    point = cache.checkpoint(asked.checkpoint)
    convs = outline.channels_of(point)
    of_layer = (point, asked.layer)
    _check(say("layer of {network}", network=point.name), asked.layer, convs)
    _check(say("ranking that fits {layer}", layer=asked.layer), asked.criterion, cache.criteria_for(*of_layer))
    _check(say("mode that fits {layer}", layer=asked.layer), asked.mode, cache.fitting_modes(*of_layer))
    needs_data = criterion_named(asked.criterion).needs_data
    _check(say("split to rank on"), asked.ranked_on, cache.splits_to_rank_on(point) if needs_data else RANKED_ON)
    _check(say("schedule that fits"), asked.schedule, cache.fitting_schedules(*of_layer, asked.criterion, asked.mode))
    if asked.dtype != "float32":
        _check(say("type to compute in on this machine"), asked.dtype, cache.native_dtypes())
    if asked.ks and asked.ks[-1] > convs[asked.layer]:
        raise ValueError(
            say(
                "{layer} has {channels} channels, so that there is no K = {k}",
                layer=asked.layer,
                channels=convs[asked.layer],
                k=asked.ks[-1],
            )
        )
    return View(point, asked, convs[asked.layer], orders=answer.orders)


def text_of(view: View) -> str:
    """An answer as links name it."""
    return notation.written(view.experiment, view.orders)


def _check(what: str, name: str, known: Sequence[str] | dict[str, int]) -> None:
    if name not in known:
        shown = name if len(name) <= 40 else f"{name[:40]}…"
        raise ValueError(
            say("“{shown}” is no {what}: choose one of {known}", shown=shown, what=what, known=listed(known))
        )


def usual(view: View) -> list[View]:
    """What is compared before anybody has chosen: the ways of the lab that is lit, or else two rankings."""
    if view.lab and view.lab.layer == view.layer and len(view.lab.variants) > 1:
        asked = [view.lab.experiment(way) for way in view.lab.variants]
    else:
        fitting = [name for name in cache.fitting_criteria(view.checkpoint, view.layer) if name != "random"][:2]
        ks = view.experiment.ks if view.experiment.schedule == "once" else None
        asked = [Experiment(view.checkpoint.name, view.layer, name, ks=ks) for name in fitting]
    return [replace(view, checkpoint=cache.checkpoint(each.checkpoint), experiment=each, lab=None) for each in asked]


# What they are called

RANKING = "ranking"
ALWAYS = ("network", "layer", RANKING)  # what an answer's name says wherever two differ in it


def named(views: Sequence[View]) -> dict[str, View]:
    """The answers by names that tell them apart: a number, and in words what is not the same of all.

    What is as usual goes without saying, unless nothing else would be said of one, or of two the same.
    """
    words, usual = [_words_of(view) for view in views], [_words_of(_usual_of(view)) for view in views]
    parts = words[0] if words else {}
    differ = [part for part in parts if len({each[part] for each in words}) > 1] or [RANKING]
    unusual = [
        {part for part in differ if part in ALWAYS or one[part] != two[part]}
        for one, two in zip(words, usual, strict=True)
    ]
    brief = [_joined(each, some) for each, some in zip(words, unusual, strict=True)]
    clear = len(set(brief)) == len(brief) and all(brief)
    names = brief if clear else [_joined(each, differ) for each in words]
    return {f"{place} · {name}": view for place, (name, view) in enumerate(zip(names, views, strict=True), start=1)}


def _joined(words: dict[str, str], parts: Collection[str]) -> str:
    return listed(text for part, text in words.items() if text and part in parts)


def _usual_of(view: View) -> View:
    """The same answer, over its own K, where it is pruned as usual."""
    usual = Experiment(view.checkpoint.name, view.layer, view.experiment.criterion, ks=view.experiment.ks)
    return replace(view, experiment=usual)


def in_full(view: View) -> str:
    """Everything that an answer is, in words."""
    return listed(filter(None, _words_of(view).values()))


def _words_of(view: View) -> dict[str, str]:
    """What makes an answer, part by part; empty where there is nothing to say of one."""
    asked = view.experiment
    criterion = criterion_named(asked.criterion)
    split = say(titles.SPLITS[asked.ranked_on]).lower()
    ks = [str(k) for k in asked.ks or ()]
    seed = say(
        "seed {first}" if view.orders == 1 else "seeds {first} to {last}",
        first=asked.seed,
        last=asked.seed + view.orders - 1,
    )
    is_random = asked.criterion.removesuffix(REVERSED) == "random"
    ranked_on = say("ranked on {split} {examples}", split=split, examples=say(view.examples))
    return {
        "network": story.title_of(asked.checkpoint),
        "layer": asked.layer,
        RANKING: say(criterion.title) if view.orders == 1 else say("{n} random orders", n=view.orders),
        "mode": drawing.within(say(MODES[asked.mode].title)),
        "ranked on": ranked_on if criterion.needs_data else "",
        "schedule": say("ranked once" if asked.schedule == "once" else "ranked again at each K"),
        "seed": seed if is_random else "",
        "dtype": asked.dtype,
        "K": say("K = {ks} … {last}", ks=listed(ks[:3]), last=ks[-1]) if ks else say("every K"),
    }


def line_of(name: str, view: View) -> Line:
    """An answer as a curve of that name."""
    return Line(name, view.experiment, view.orders, label=name)


# To add, to take away, to move


def offer(shown: Sequence[Answer]) -> None:
    """In the sidebar: the way to set what one looks at beside other answers, and the way to those."""
    there = len(st.session_state.get(ANSWERS, []))
    with st.sidebar, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        add_button(say("Compare"), shown)
        if there:
            label = say("{there} side by side" if there > 1 else "1 answer so far", there=there)
            st.page_link(PAGE, label=label, icon=":material/compare_arrows:")


def add_button(label: str, shown: Sequence[Answer]) -> None:
    """A button that lets these answers join the comparison; says why where they cannot."""
    there = st.session_state.get(ANSWERS, [])
    texts = [notation.written(each.experiment, each.orders) for each in shown]
    new = [text for text in texts if text not in there]
    fit = new[: MOST - len(there)]
    what = say("what the sidebar stands at" if len(shown) == 1 else "these {n} curves", n=len(shown))
    words = say("Set {what} beside other answers, on the page Compare: {most} at most", what=what, most=MOST)
    if not new:
        words = say("The comparison has {what} already", what=what)
    elif not fit:
        words = say("{most} answers stand side by side already: remove one on the page Compare first", most=MOST)
    look: dict[str, Any] = {"key": "compare", "icon": ":material/add_chart:", "help": words, "disabled": not fit}
    st.button(label, on_click=add, args=(fit, len(new)), **look)


def add(texts: Sequence[str], wanted: int = 1) -> None:
    """Let these answers join the comparison, of so many that were `wanted`; for callbacks."""
    _set([*st.session_state.get(ANSWERS, []), *texts])
    now = len(st.session_state[ANSWERS])
    words = [
        say(
            "{now} answer in the comparison, on the page Compare."
            if now == 1
            else "{now} answers in the comparison, on the page Compare.",
            now=now,
        )
    ]
    if len(texts) < wanted:
        words += [say("There was room for {n} of {wanted}.", n=len(texts), wanted=wanted)]
    st.toast(joined(words), icon=":material/add_chart:")


def keep(texts: Sequence[str]) -> None:
    """Let the comparison be these answers; for callbacks."""
    _set(texts)


def _set(texts: Sequence[str]) -> None:
    st.session_state[ANSWERS] = list(texts)
    links.drop_note(ANSWERS)
