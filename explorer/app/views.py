"""What the pickers of a page stand at: a network, a layer, a ranking, a mode, and K."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.answers.choices import criterion_named, default_layer
from explorer.answers.experiment import Experiment
from explorer.answers.labs import Lab, Variant, lab_of
from explorer.app import cache, drawing, links, networks, pickers, presets, work
from explorer.engine.schedule import SCHEDULES
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.evaluation import DTYPES
from explorer.networks.layers import conv_layers
from explorer.pruning.criteria import MAX_SEED, REVERSED
from explorer.pruning.modes import MODES

IN_DTYPE = "float32 is exact. bfloat16 is faster, and how far it agrees is measured and said."


@dataclass(frozen=True)
class View:
    """What the pickers stand at: a network, and how the channels of one of its layers are ranked and pruned."""

    checkpoint: Checkpoint
    experiment: Experiment
    channels: int  # P

    lab: Lab | None = None

    @property
    def layer(self) -> str:
        """The layer that is pruned."""
        return self.experiment.layer

    @property
    def variant(self) -> Variant | None:
        """Which way of doing its lab this is, if any."""
        return self.lab.variant(self.experiment) if self.lab else None

    @property
    def ks(self) -> tuple[int, ...]:
        """The K of its curve."""
        return self.experiment.ks or tuple(range(self.channels + 1))

    @property
    def stops(self) -> Sequence[int]:
        """The K that one can choose on its curve: those of a lab are all of its own, without the K = 0 before them."""
        lab = lab_of(self.checkpoint.name, self.layer)
        if lab is None or self.ks != lab.grid:
            return self.ks
        first, last, step = lab.ks
        return range(first, last + 1, step)

    @property
    def examples(self) -> str:
        """What the network looks at, in words: "images" or "pairs"."""
        return networks.examples_of(self.checkpoint)


def pick_view(criterion: str | None = None) -> View:
    """Network, layer, ranking and mode as chosen in the sidebar; stops the page where the data is not here.

    With a `criterion` given there is no picker for it: the page has its own.
    """
    lab = presets.pick_lab()
    point = networks.pick_checkpoint()
    convs = conv_layers(point.model)
    with st.sidebar:
        layer = pickers.pick_named(
            "Layer to prune", "layer", list(convs), default_layer(point), f"no layer of {point.name}"
        )
        chosen = criterion or pick_criterion(cache.criteria_for(point, layer))
        ranked_on, seed = "test", 0
        if criterion_named(chosen).needs_data:
            held_out = "; held-out are those that the network was validated on as it was trained"
            ranked_on = pickers.pick_option(
                "Rank on",
                "ranked_on",
                cache.splits_to_rank_on(point),
                help=f"The {networks.examples_of(point)} that the ranking looks at{held_out}.",
            )
        if chosen.removesuffix(REVERSED) == "random" or criterion:
            seed = pick_seed()
        mode = pickers.pick_named(
            "What pruning zeroes", "mode", cache.fitting_modes(point, layer), "filter", f"no mode that fits {layer}"
        )
        st.caption(MODES[mode].sentence)
        channels = convs[layer].out_channels
        own = lab_of(point.name, layer)
        grid = own.grid if own and not pick_every(own, channels, lab is None and is_cheap(point, layer)) else None
        schedule, ks = pick_schedule(cache.fitting_schedules(point, layer, chosen, mode), channels, grid)
        dtype = pickers.pick_option("Compute in", "dtype", list(DTYPES), help=IN_DTYPE) if cache.BFLOAT16 else "float32"
    experiment = Experiment(point.name, layer, chosen, mode, ranked_on, cache.TEST, seed, ks, None, schedule, dtype)
    return View(point, experiment, channels, lab if lab and lab.checkpoint == point.name else None)


def pick_criterion(fitting: Sequence[str]) -> str:
    """How the channels are ranked, with the criterion in one sentence."""
    criterion = pickers.pick_named("Rank the channels by", "criterion", fitting, "mean", "no ranking that fits")
    st.caption(criterion_named(criterion).sentence)
    return criterion


def is_cheap(point: Checkpoint, layer: str) -> bool:
    """Whether the curve over every K is to be had at once: the usual one of a layer that no lab is lit over."""
    return work.ships(point, Experiment(point.name, layer))


def pick_every(lab: Lab, channels: int, usual: bool) -> bool:
    """Whether every K is shown and not only the lab's; nothing to choose where those are all."""
    if len(lab.grid) == channels + 1:
        return False
    words = f"Lab {lab.name} looks at K = {lab.ks[0]}, {lab.ks[0] + lab.ks[2]} … {lab.ks[1]}."
    return st.toggle("Every K", help=words, **links.linked("every", usual))


def pick_schedule(
    fitting: Sequence[str], channels: int, grid: tuple[int, ...] | None = None
) -> tuple[str, tuple[int, ...] | None]:
    """When channels are ranked, and at which K: None means all. A lab's `grid` holds as long as its step does."""
    schedule = pickers.pick_option(
        "When to rank", "schedule", fitting, help=" ".join(SCHEDULES[name] for name in fitting)
    )
    if schedule == "once":
        return schedule, grid
    links.note_whole("step", 1, channels, 1, "no step")
    pickers.keep_if("step", lambda kept: kept <= channels, 1)
    step = pickers.pick_number("Channels a step", 1, channels, 1, "step")
    st.caption(SCHEDULES[schedule])
    if grid and step == grid[-1] - grid[-2]:
        return schedule, grid
    return schedule, tuple(range(0, channels + 1, step))


def pick_seed() -> int:
    """The seed of a random order."""
    links.note_whole("seed", 0, MAX_SEED, 0, "no seed")
    return pickers.pick_number("Seed of the random order", 0, MAX_SEED, 0, "seed")


def pick_k(ks: Sequence[int], cliff: int | None = None) -> int:
    """One of evenly spaced K by slider, −1, +1 and, where it is known, to the cliff; half of them to begin with."""
    low, high, step = ks[0], ks[-1], (ks[1] - ks[0] if len(ks) > 1 else 1)
    half = ks[len(ks) // 2]
    links.note_whole("k", low, high, half, "no number of channels to prune", "K")
    linked = links.linked("k", half, links.whole_number(low, high, half))
    _keep_to(ks, step)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.button(f"−{step}", key="fewer", help=f"Prune {step} less", on_click=_move, args=(-1, ks), width=64)
        k = st.slider("Channels pruned (K)", low, high, step=step, **linked)
        st.button(f"+{step}", key="more", help=f"Prune {step} more", on_click=_move, args=(1, ks), width=64)
        if cliff is not None:
            st.button(
                "Last K within 1 point",
                key="cliff",
                icon=":material/landslide:",
                help=f"K = {cliff}: the last before accuracy falls more than a point below the unpruned network's.",
                on_click=set_k,
                args=(cliff,),
            )
    if st.session_state.pop(links.NOTE_DROPPED, False):
        st.rerun()
    return k


def _keep_to(ks: Sequence[int], step: int) -> None:
    """Take the nearest K to one that lies between the steps, a link's or that of another ranking, and say so."""
    asked = st.session_state["k"]
    if asked in ks:
        return
    nearest = st.session_state["k"] = ks[_nearest(asked, ks)]
    if ks[0] < asked < ks[-1]:
        links.note("k", f"There is no K = {asked} here, as K goes in steps of {step}; showing K = {nearest}.")


def set_k(k: int) -> None:
    """Move to K = k; for callbacks."""
    st.session_state["k"] = k
    links.drop_note("k")


def _move(steps: int, ks: Sequence[int]) -> None:
    at = _nearest(st.session_state["k"], ks) + steps
    set_k(ks[min(max(at, 0), len(ks) - 1)])


def _nearest(k: int, ks: Sequence[int]) -> int:
    """The place of the nearest K."""
    return min(range(len(ks)), key=lambda place: abs(ks[place] - k))


def pick_ks(view: View) -> tuple[int, ...]:
    """The K of a curve: first, last and step."""
    channels, (start, end, usual) = view.channels, _grid(view)
    fix = f"are no first and last K: give two whole numbers from 0 to {channels}; showing all"
    links.note_link("ks", lambda raw: _is_range(raw, channels), fix, "K")
    if view.experiment.schedule == "once":
        links.note_whole("step", 1, channels, usual, "no step")
        pickers.keep_if("step", lambda kept: kept <= channels, usual)
    first, last = st.slider("From K to K", 0, channels, **links.linked("ks", (start, end)))
    if view.experiment.schedule != "once" and view.experiment.ks:  # the sidebar has the step
        return tuple(k for k in view.experiment.ks if first <= k <= last)
    step = pickers.pick_number("Step", 1, channels, usual, "step", width=140)
    return tuple(range(first, last + 1, int(step)))


def pick_orders(fewest: int, most: int) -> int:
    """How many random orders make a band."""
    links.note_whole("orders", fewest, most, fewest, "no number of random orders")
    return pickers.pick_number("Random orders", fewest, most, fewest, "orders", width=160)


def _is_range(ends: list[str], highest: int) -> bool:
    return len(ends) == 2 and all(links.is_whole(end, 0, highest) for end in ends)


def _lab_of(view: View) -> Lab | None:
    """The view's lab, where it stands at the lab's own layer."""
    return view.lab if view.lab and view.lab.layer == view.layer else None


def _grid(view: View) -> tuple[int, int, int]:
    """First K, last K and step to begin with: the lab's, or else every K."""
    lab = _lab_of(view)
    return lab.ks if lab else (0, view.channels, 1)


def start_afresh(view: View) -> None:
    """The K and axis of the view's lab, or else every K, where the layer or the lab is another than before.

    Comes before the pickers of the Sweep page.
    """
    lab = _lab_of(view)
    whose, before = (view.checkpoint.sha256, view.layer, lab and lab.name), st.session_state.get("ks of")
    if whose == before:
        return
    st.session_state["ks of"] = whose
    if lab is None and before is None:
        return
    first, last, step = _grid(view)
    values: dict[str, Any] = {"ks": (first, last), "step": step}
    if lab:
        values |= {"axis": lab.axis, "zoom": lab.zoom, "criteria": []}
    keep = set() if before else set(st.query_params)  # what a link says stands
    st.session_state.update({key: value for key, value in values.items() if key not in keep})


def link_to(asked: Experiment, k: int) -> dict[str, str]:
    """The query of a link that shows an experiment at K = k."""
    link = {"checkpoint": asked.checkpoint, "layer": asked.layer, "criterion": asked.criterion, "mode": asked.mode}
    link |= {"ranked_on": asked.ranked_on, "seed": str(asked.seed), "schedule": asked.schedule, "k": str(k)}
    if asked.schedule != "once" and asked.ks:
        link["step"] = str(asked.ks[-1] - asked.ks[-2])
    if asked.dtype != "float32":
        link["dtype"] = asked.dtype
    return link


def file_name(view: View, *more: str) -> str:
    """A file name that says what is in it."""
    return drawing.plain_name(view.checkpoint.name, view.layer, *more)


def way_of(asked: Experiment) -> list[str]:
    """What tells an experiment's files apart: how channels are ranked, and on what, what pruning zeroes, and when."""
    more = [f"seed-{asked.seed}"] if asked.criterion == "random" else []
    more += [] if asked.schedule == "once" else [asked.schedule]
    more += [] if asked.dtype == "float32" else [asked.dtype]
    return [asked.criterion, asked.ranked_on, asked.mode, *more]
