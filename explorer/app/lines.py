"""The curves of the Sweep page: which there are, and the work behind each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from explorer.answers import shipped
from explorer.answers.choices import ORDERS, criterion_named
from explorer.answers.experiment import RANKED_ON, Experiment
from explorer.app import cache, downloads, drawing, links, pickers, views, work
from explorer.app.titles import SPLITS, named
from explorer.app.views import View
from explorer.background.jobs import Job
from explorer.engine.curves import Band, Sweep
from explorer.engine.oracle import ORACLES
from explorer.language.saying import again, listed, say
from explorer.pruning.criteria import REVERSED

USUAL = ["mean", "l1", "random"]
RANDOM = "random"


@dataclass(frozen=True)
class Line:
    """One curve of the page, or the band of several random orders."""

    name: str
    experiment: Experiment
    orders: int = 1
    label: str = ""  # of a lab's own way of doing it

    @property
    def title(self) -> str:
        """What it is, in words."""
        title = say(criterion_named(self.experiment.criterion).title)
        if self.label:
            return again(self.label)
        if self.orders > 1:
            return say("{title}, {n} orders", title=title, n=self.orders)
        split = self.experiment.ranked_on
        return say("{title}, ranked on {split}", title=title, split=say(split)) if " on " in self.name else title


# Which curves


def pick_lines(view: View) -> list[str]:
    """The rankings whose curves are drawn, by name: those of the page's own list, in words."""
    keep_lit(view)
    fitting = list(cache.fitting_criteria(view.checkpoint, view.layer))
    return pickers.pick_among(
        say("Rankings to compare"), "criteria", fitting, USUAL, format_func=views.criterion_title, width=390
    )


def pick_evidence(view: View) -> View:
    """What the curves look at though the sidebar's ranking does not: images to rank on, and a seed."""
    asked = view.experiment
    changes: dict[str, Any] = {}
    if not criterion_named(asked.criterion).needs_data:
        splits = cache.splits_to_rank_on(view.checkpoint)
        changes["ranked_on"] = pickers.pick_option(say("Rank on"), "ranked_on", splits, format_func=named(SPLITS))
    if asked.criterion.removesuffix(REVERSED) != RANDOM:
        changes["seed"] = views.pick_seed()
    return replace(view, experiment=replace(asked, **changes))


def pick_more(view: View, criteria: Sequence[str]) -> list[Line]:
    """The curves to draw: those of the `criteria` and, as chosen here, the same reversed, oracles, on other images."""
    ranked_by = [name for name in cache.fitting_criteria(view.checkpoint, view.layer) if name != RANDOM]
    oracles = [name.removeprefix(ORACLE) for name in ORACLES]
    turned = pickers.pick_among(say("Most important first"), "reversed", ranked_by, format_func=views.criterion_title)
    searched = pickers.pick_several(say("Greedy oracle"), "oracle", oracles, [], format_func=searching)
    others = pickers.pick_several(
        say("Rank also on"), "also", cache.splits_to_rank_on(view.checkpoint), [], format_func=named(SPLITS)
    )
    orders = views.pick_orders(*ORDERS)
    names = [name for name in criteria if name != RANDOM] + [f"{name}{REVERSED}" for name in turned]
    names += [f"{ORACLE}{name}" for name in searched]
    lines = lab_lines(view) + [line for name in names for line in ranked(view, name, others)]
    if RANDOM in criteria:
        lines.append(Line(RANDOM, asked(view, RANDOM, seed=view.experiment.seed), orders))
    return lines


def searching(oracle: str) -> str:
    """What a greedy search looks at, as a picker shows it."""
    return say(oracle.capitalize())


def keep_lit(view: View) -> None:
    """Let the ranking of the sidebar be among the curves once it is another than before; then it may be taken away."""
    name, before = view.experiment.criterion, st.session_state.get(links.LIT)
    st.session_state[links.LIT] = name
    linked = before is None and any(key in st.query_params for key in ("criteria", "reversed", "oracle"))
    if name == before or linked or (lab_lines(view) and view.variant):
        return
    if name in ORACLES:
        key, value = "oracle", name.removeprefix(ORACLE)
    elif name.endswith(REVERSED):
        key, value = "reversed", name.removesuffix(REVERSED)
    else:
        key, value = "criteria", name
    chosen = st.session_state.get(key, USUAL if key == "criteria" else [])
    if value not in chosen:
        st.session_state[key] = [*chosen, value]


def lit_of(view: View, lines: list[Line]) -> Line | None:
    """The curve that is ranked and pruned as the sidebar says."""
    return next((line for line in lines if _way(line.experiment) == _way(view.experiment)), None)


def _way(asked: Experiment) -> tuple[str, ...]:
    """How an experiment ranks and prunes, whatever the K and the seed."""
    on = asked.ranked_on if criterion_named(asked.criterion).needs_data else ""
    return (asked.criterion, asked.mode, asked.schedule, on)


def light(line: Line) -> None:
    """Let the sidebar stand at a curve's ranking; one of a lab's ways brings its mode and schedule. For callbacks."""
    asked = line.experiment
    way = {"criterion": asked.criterion}
    if criterion_named(asked.criterion).needs_data:
        way["ranked_on"] = asked.ranked_on
    if line.label:
        way |= {"mode": asked.mode, "schedule": asked.schedule}
    st.session_state.update(way)


def lab_lines(view: View) -> list[Line]:
    """The curves of the view's lab, one for each way of doing it with this network."""
    lab = view.lab
    if lab is None or lab.layer != view.layer:
        return []
    return [
        Line(
            way.title,
            lab.experiment(way, view.experiment.dtype, every=True),
            label=say("Lab {name}, {way}", name=lab.name, way=drawing.within(say(way.title))),
        )
        for way in lab.variants
        if (way.checkpoint or lab.checkpoint) == view.checkpoint.name
    ]


ORACLE = "oracle-"


def ranked(view: View, name: str, others: Sequence[str]) -> list[Line]:
    """A criterion's curve, and where it looks at images one for each of the other splits."""
    first = view.experiment.ranked_on
    splits = [split for split in RANKED_ON if split in (first, *others)]
    if len(splits) == 1 or not criterion_named(name).needs_data:
        return [Line(name, asked(view, name))]
    return [Line(f"{name} on {split}", asked(view, name, ranked_on=split)) for split in splits]


def asked(view: View, criterion: str, **changes: Any) -> Experiment:
    """The view's experiment with another criterion; it is ranked once where ranking again does not fit it."""
    schedules = cache.fitting_schedules(view.checkpoint, view.layer, criterion, view.experiment.mode)
    once: dict[str, Any] = {} if view.experiment.schedule in schedules else {"schedule": "once", "ks": None}
    return replace(view.experiment, **{"criterion": criterion, "seed": 0, **once, **changes})


def at_ks(view: View, line: Line, ks: tuple[int, ...] | None) -> Line:
    """The curve at the K asked for, None meaning all.

    Where channels are ranked again at each, the K stay; a band that comes with the app at fewer of them is taken.
    """
    asked = line.experiment
    if asked.schedule != "once":
        return line
    line = replace(line, experiment=replace(asked, ks=ks))
    there = shipped.band_ks(asked, view.checkpoint, line.orders) if line.orders > 1 else ()
    if there and not work.ships(view.checkpoint, line.experiment, line.orders):
        return replace(line, experiment=replace(asked, ks=there))
    return line


# The work behind them


def job_of(view: View, line: Line, restart: bool = False) -> Job:
    """The job of a curve."""
    if line.orders > 1:
        return work.band(view.checkpoint, line.experiment, line.orders, restart)
    return work.sweep(view.checkpoint, line.experiment, restart)


def dear(view: View, line: Line, ks: tuple[int, ...]) -> str | None:
    """What a curve costs, in words, where it takes so long that it waits for a click; else None."""
    if line.orders == 1 and not is_oracle(line) or work.is_known(view.checkpoint, line.experiment, line.orders):
        return None
    cost = cache.oracle_cost(view.checkpoint, replace(line.experiment, criterion=next(iter(ORACLES)), ks=None, seed=0))
    if cost.linear:
        return None
    if line.orders > 1:
        n = line.orders * len(ks)
        return say("{n:,} pruned networks on all test {examples}", n=n, examples=say(view.examples))
    return say(
        "{n:,} pruned networks on {images:,} {split} {examples}",
        n=cost.networks,
        images=cost.images,
        split=say(line.experiment.ranked_on),
        examples=say(view.examples),
    )


def can_be_had(view: View, line: Line) -> bool:
    """Whether a curve comes with the app, or the images that it takes are here."""
    return work.ships(view.checkpoint, line.experiment, line.orders) or downloads.is_here(view.checkpoint.card.dataset)


def start(view: View, lines: list[Line], ks: tuple[int, ...]) -> dict[str, Job]:
    """The jobs of the curves, by name; one that takes long starts on a click, beside what it costs.

    Of those that need images that are not here it says so, with the way to get them.
    """
    jobs = {}
    there = [line for line in lines if can_be_had(view, line)]
    if there != lines:
        missing = listed(line.title for line in lines if line not in there)
        why = say("{titles} would have to be computed on", titles=missing)
        downloads.has_data(view.checkpoint.card.dataset, why=why)
    with st.container():
        for line in there:
            cost = dear(view, line, ks)
            if cost is None:
                jobs[line.name] = job_of(view, line)
                continue
            with st.container(horizontal=True, vertical_alignment="center"):
                words = say(
                    ":material/hourglass: **{title}**: {cost}, which takes a while.", title=line.title, cost=cost
                )
                st.markdown(words, width="content")
                key, icon = f"start {line.name}", ":material/play_arrow:"
                st.button(say("Start"), key=key, icon=icon, on_click=begin, args=(view, line))
    return jobs


def begin(view: View, line: Line) -> None:
    """Start a curve that takes a while; for callbacks."""
    job_of(view, line)


def drawn(jobs: dict[str, Job], ks: tuple[int, ...]) -> dict[str, Sweep | Band]:
    """The curves so far at the K asked for, by name."""
    found = {name: work.curve_or_band(job) for name, job in jobs.items()}
    return {name: curve.at(ks) for name, curve in found.items() if curve is not None and set(curve.ks) & set(ks)}


def lost_of(jobs: dict[str, Job]) -> set[str]:
    """The curves, by name, that failed or were cancelled."""
    return {name for name, job in jobs.items() if job.finished and job.result is None}


def titles(lines: list[Line]) -> dict[str, str]:
    """The curves' titles by their names."""
    return {line.name: line.title for line in lines}


def is_oracle(line: Line) -> bool:
    """Whether a greedy search made the curve's order."""
    return line.experiment.criterion in ORACLES
