"""What the pickers of a page stand at: a network, a layer, a ranking, a mode, and K."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from explorer.answers import outline
from explorer.answers.choices import criterion_named, default_layer
from explorer.answers.experiment import Experiment
from explorer.answers.labs import Lab, Variant, lab_of
from explorer.app import cache, drawing, links, networks, pickers, presets, titles, work
from explorer.app.cache import TEST
from explorer.engine.schedule import SCHEDULES
from explorer.language.saying import english, joined, say
from explorer.networks.checkpoints import Checkpoint
from explorer.pruning.criteria import MAX_SEED, REVERSED
from explorer.pruning.modes import MODES
from explorer.show import charts

IN_DTYPE = english(
    "float32 is exact. bfloat16 is faster, and how far it agrees is measured and said. By way of bfloat16, what that "
    "cannot be trusted with is computed again in float32, so that all predictions are float32's."
)


REMOVING = "channel"  # the mode in which layers may go together
GAP = 16  # pixels between the slider and its buttons


@dataclass(frozen=True)
class Jump:
    """A button that moves to a K worth a look."""

    key: str
    title: str
    k: int
    icon: str
    help: str
    shortcut: str


@dataclass(frozen=True)
class View:
    """What the pickers stand at: a network, and how the channels of one of its layers are ranked and pruned."""

    checkpoint: Checkpoint
    experiment: Experiment
    channels: int  # P

    lab: Lab | None = None
    orders: int = 1  # random ones, which are a band; of what is compared alone

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


def pick_view() -> View:
    """Network, layer, ranking and what lies behind More, as chosen in the sidebar."""
    lab = presets.pick_lab()
    point = networks.pick_checkpoint()
    convs = outline.channels_of(point)
    with st.sidebar:
        usual, wrong = default_layer(point), say("no layer of {network}", network=point.name)
        counted = {name: f"{name} ({channels})" for name, channels in convs.items()}
        label = say("Layer (channels)")
        layer = pickers.pick_named(label, "layer", list(convs), usual, wrong, format_func=counted.get)
        chosen = pick_criterion(cache.criteria_for(point, layer))
        with st.expander(say("More"), icon=":material/tune:"):
            experiment = pick_more(point, layer, chosen, lab)
        unusual = unusual_in(experiment)
        st.caption(f":material/tune: {joined(unusual)}" if unusual else "")
    return View(point, experiment, convs[layer], lab if lab and point.name in lab.checkpoints else None)


def pick_more(point: Checkpoint, layer: str, criterion: str, lab: Lab | None) -> Experiment:
    """What is asked of a ranking, with what hardly anybody changes: the images, what pruning zeroes, and which K."""
    ranked_on, seed = TEST, 0
    if criterion_named(criterion).needs_data:
        words = say(
            "The {examples} that the ranking looks at; held-out are those that the network was validated on as it was "
            "trained.",
            examples=say(networks.examples_of(point)),
        )
        ranked_on = pickers.pick_option(
            say("Rank on"),
            "ranked_on",
            cache.splits_to_rank_on(point),
            help=words,
            format_func=titles.named(titles.SPLITS),
        )
    if criterion.removesuffix(REVERSED) == "random":
        seed = pick_seed()
    fitting, wrong = cache.fitting_modes(point, layer), say("no mode that fits {layer}", layer=layer)
    mode = pickers.pick_named(say("Pruning a channel"), "mode", fitting, "filter", wrong, format_func=mode_title)
    st.caption(say(MODES[mode].sentence))
    if line := going_together(point, layer, mode):
        st.caption(line)
    channels, own = outline.channels_of(point)[layer], lab_of(point.name, layer)
    grid = own.grid if own and not pick_every(own, channels, lab is None and is_cheap(point, layer)) else None
    schedule, ks = pick_schedule(cache.fitting_schedules(point, layer, criterion, mode), channels, grid)
    dtype, dtypes = "float32", cache.dtypes()
    if len(dtypes) > 1:
        label, words = say("Compute in"), say(IN_DTYPE)
        dtype = pickers.pick_option(label, "dtype", dtypes, help=words, format_func=titles.named(titles.DTYPES))
    return Experiment(point.name, layer, criterion, mode, ranked_on, TEST, seed, ks, None, schedule, dtype)


def unusual_in(asked: Experiment) -> list[str]:
    """What of an experiment stands behind "More" and is not as usual, in short sentences."""
    split, dtype = say(titles.SPLITS[asked.ranked_on]).lower(), say(titles.DTYPES[asked.dtype])
    said = [say("Ranked on {split} images.", split=split)] if asked.ranked_on != TEST else []
    said += [say("{mode}.", mode=mode_title(asked.mode))] if asked.mode != "filter" else []
    said += [say("Ranked again at each K.")] if asked.schedule != "once" else []
    return said + ([say("Computed in {dtype}.", dtype=dtype)] if asked.dtype != "float32" else [])


def partners(point: Checkpoint, layer: str, mode: str) -> tuple[str, ...]:
    """The other layers that lose a channel where one of the layer's is pruned."""
    return tuple(name for name in cache.together(point, layer)[0] if name != layer) if mode == REMOVING else ()


def going_together(point: Checkpoint, layer: str, mode: str) -> str:
    """Which layers lose channels together, and why, in a line; empty where the layer goes alone."""
    others = partners(point, layer, mode)
    if not others:
        return ""
    why = cache.together(point, layer)[1]
    words = say("Each channel goes from {layers} layers at once: {why}.", layers=len(others) + 1, why=why)
    return f":material/link: {drawing.plain(words)}"


def mode_title(mode: str) -> str:
    """What a pruning mode is called."""
    return say(MODES[mode].title)


def pick_criterion(fitting: Sequence[str]) -> str:
    """How the channels are ranked, with the criterion in one sentence."""
    label, wrong = say("Ranking"), say("no ranking that fits")
    criterion = pickers.pick_named(label, "criterion", fitting, "mean", wrong, format_func=criterion_title)
    st.caption(say(criterion_named(criterion).sentence))
    return criterion


def criterion_title(name: str) -> str:
    """What a ranking is called."""
    return say(criterion_named(name).title)


def is_cheap(point: Checkpoint, layer: str) -> bool:
    """Whether the curve over every K is to be had at once: the usual one of a layer that no lab is lit over."""
    return work.ships(point, Experiment(point.name, layer))


def pick_every(lab: Lab, channels: int, usual: bool) -> bool:
    """Whether every K is shown and not only the lab's; nothing to choose where those are all."""
    if len(lab.grid) == channels + 1:
        return False
    first, last, step = lab.ks
    words = say(
        "Lab {lab} looks at K = {first}, {second} … {last}.", lab=lab.name, first=first, second=first + step, last=last
    )
    return st.toggle(say("Every K"), help=words, **links.linked("every", usual))


def pick_schedule(
    fitting: Sequence[str], channels: int, grid: tuple[int, ...] | None = None
) -> tuple[str, tuple[int, ...] | None]:
    """When channels are ranked, and at which K: None means all. A lab's `grid` holds as long as its step does."""
    schedule = pickers.pick_option(
        say("When to rank"),
        "schedule",
        fitting,
        help=joined(say(SCHEDULES[name]) for name in fitting),
        format_func=titles.named(titles.SCHEDULES),
    )
    if schedule == "once":
        return schedule, grid
    links.note_whole("step", 1, channels, 1, say("no step"))
    pickers.keep_if("step", lambda kept: kept <= channels, 1)
    step = pickers.pick_number(say("Channels a step"), 1, channels, 1, "step")
    st.caption(say(SCHEDULES[schedule]))
    if grid and step == grid[-1] - grid[-2]:
        return schedule, grid
    return schedule, tuple(range(0, channels + 1, step))


def pick_seed() -> int:
    """The seed of a random order."""
    links.note_whole("seed", 0, MAX_SEED, 0, say("no seed"))
    return pickers.pick_number(say("Seed of the random order"), 0, MAX_SEED, 0, "seed")


def pick_k(ks: Sequence[int], jumps: Sequence[Jump] = (), axis: int = 0) -> int:
    """One of evenly spaced K by slider, −1 and +1, and the `jumps` to some of them; half of them to begin with.

    With an `axis` of so many channels it belongs to the chart above, which names it and has as much room at its sides.
    """
    low, high, step = ks[0], ks[-1], (ks[1] - ks[0] if len(ks) > 1 else 1)
    half = ks[(len(ks) - 1) // 2]
    links.note_whole("k", low, high, half, say("no number of channels to prune"), "K")
    linked = links.linked("k", half, links.whole_number(low, high, half))
    _keep_to(ks, step)
    side: dict[str, Any] = {"on_click": _move, "width": charts.SIDE - GAP if axis else 64}
    with st.container(horizontal=True, vertical_alignment="center" if axis else "bottom", gap=GAP):
        fewer, more = say("Prune {step} less (key L)", step=step), say("Prune {step} more (key M)", step=step)
        st.button(f"−{step}", key="fewer", help=fewer, shortcut="L", args=(-1, ks), **side)
        label: dict[str, Any] = {"label_visibility": "collapsed" if axis else "visible"}
        with _stretch(low, high, axis):
            k = st.slider(say("Channels pruned (K)"), low, high, half, step, **label, **linked)
        st.button(f"+{step}", key="more", help=more, shortcut="M", args=(1, ks), **side)
    if jumps:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            for jump in jumps:
                look: dict[str, Any] = {"icon": jump.icon, "help": jump.help, "shortcut": jump.shortcut}
                st.button(jump.title, key=jump.key, on_click=set_k, args=(jump.k,), **look)
    if st.session_state.pop(links.NOTE_DROPPED, False):
        st.rerun()
    return k


def _stretch(low: int, high: int, axis: int) -> Any:
    """The part of an axis of so many channels from the lowest to the highest K; all the room there is without one."""
    shares = [share for share in (low, high - low, axis - high) if share > 0] if axis else [1]
    return st.columns(shares, gap=None)[1 if axis and low else 0]


def _keep_to(ks: Sequence[int], step: int) -> None:
    """Take the nearest K to one that lies between the steps, a link's or that of another ranking, and say so."""
    asked = st.session_state["k"]
    if asked in ks:
        return
    nearest = st.session_state["k"] = ks[_nearest(asked, ks)]
    if ks[0] < asked < ks[-1]:
        links.note(
            "k",
            say(
                "There is no K = {asked} here, as K goes in steps of {step}; showing K = {nearest}.",
                asked=asked,
                step=step,
                nearest=nearest,
            ),
        )


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
    fix = say("are no first and last K: give two whole numbers from 0 to {most}; showing all", most=channels)
    links.note_link("ks", lambda raw: _is_range(raw, channels), fix, "K")
    if view.experiment.schedule == "once":
        links.note_whole("step", 1, channels, usual, say("no step"))
        pickers.keep_if("step", lambda kept: kept <= channels, usual)
    first, last = st.slider(say("From K to K"), 0, channels, (start, end), **links.linked("ks", (start, end)))
    if view.experiment.schedule != "once" and view.experiment.ks:  # the sidebar has the step
        return tuple(k for k in view.experiment.ks if first <= k <= last)
    step = pickers.pick_number(say("Step"), 1, channels, usual, "step", width=140)
    return tuple(range(first, last + 1, int(step)))


def pick_axis() -> str:
    """What accuracy is drawn against, a key of charts.AXES."""
    words = say("K channels, or K as a share of all channels of the layer.")
    return pickers.pick_option(
        say("Axis"), "axis", list(charts.AXES), format_func=titles.named(titles.AXES), help=words
    )


def pick_orders(fewest: int, most: int) -> int:
    """How many random orders make a band."""
    links.note_whole("orders", fewest, most, fewest, say("no number of random orders"))
    return pickers.pick_number(say("Random orders"), fewest, most, fewest, "orders", width=160)


def _is_range(ends: list[str], highest: int) -> bool:
    return len(ends) == 2 and all(links.is_whole(end, 0, highest) for end in ends)


def _lab_of(view: View) -> Lab | None:
    """The view's lab, where it stands at the lab's own layer."""
    return view.lab if view.lab and view.lab.layer == view.layer else None


def _grid(view: View) -> tuple[int, int, int]:
    """First K, last K and step to begin with: the lab's, be it lit or not where every K is not to be had at once."""
    own = None if is_cheap(view.checkpoint, view.layer) else lab_of(view.checkpoint.name, view.layer)
    lab = _lab_of(view) or own
    return lab.ks if lab else (0, view.channels, 1)


def start_afresh(view: View) -> None:
    """The K and axis of the view's lab, or else every K, where the layer or the lab is another than before.

    Comes before the pickers of the Sweep page.
    """
    lab = _lab_of(view)
    whose, before = (view.checkpoint.sha256, view.layer, lab and lab.name), st.session_state.get(links.GRID_OF)
    if whose == before:
        return
    st.session_state[links.GRID_OF] = whose
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
