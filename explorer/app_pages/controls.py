"""The pickers that pages share, all in the URL; and how waiting, failing and missing look."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

import pandas as pd
import streamlit as st

from explorer import charts, data, figures, report
from explorer.activations import ChannelStatistics
from explorer.app_pages import cache
from explorer.checkpoints import Checkpoint, list_checkpoints
from explorer.evaluation import DTYPES
from explorer.experiment import Experiment, criterion_named, default_layer, steps_of
from explorer.jobs import CANCELLED, DONE, FAILED, QUEUED, Job
from explorer.labs import LABS, Lab, Variant
from explorer.models import conv_layers
from explorer.oracle import ORACLES
from explorer.pruning import MODES
from explorer.ranking import MAX_SEED, REVERSED, Ranking
from explorer.recipes import Option
from explorer.schedule import SCHEDULES
from explorer.sweep import Band, Sweep

DEFAULT_CHECKPOINT = "simple-cnn_fashion-mnist"
POLL = 0.3  # seconds between looks at a running job
PATIENCE = 0.4  # seconds that quick work may take before a page talks about it
LONG = 3  # seconds after which a job offers to be cancelled
NOTES = "notes on the link"
SETTLED = "a note is settled"
CHOSEN = "keys of the pickers"
SCANNING = "Pruning one layer at a time"
TROUBLE = "what a button could not do"
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
    def examples(self) -> str:
        """What the network looks at, in words: "images" or "pairs"."""
        return examples_of(self.checkpoint)


@contextmanager
def page() -> Iterator[None]:
    """Wraps a page's script: keeps what was chosen, and says at the top what the link asked for in vain.

    Streamlit forgets a widget's value on pages without it; a value set anew stays, so that every page opens as chosen.
    """
    for key in st.session_state.setdefault(CHOSEN, set()) & set(st.session_state):
        st.session_state[key] = st.session_state[key]
    cache.board()  # whose making also keeps what is loaded by now out of every later garbage collection
    top = st.container()
    try:
        yield
    finally:
        for note in st.session_state.get(NOTES, {}).values():
            top.warning(note.replace("$", "\\$"), icon=":material/link_off:")


def examples_of(point: Checkpoint) -> str:
    """What a network looks at, in words: "images" or "pairs"."""
    return data.dataset_info(point.card.dataset).examples


# Labs


def pick_lab() -> Lab | None:
    """The lab chosen in the sidebar; choosing one sets every picker as the lab has it."""
    first = "lab" not in st.session_state
    with st.sidebar:
        note_link("lab", _one_of(list(LABS)), f"is not known: choose one of {', '.join(LABS)}")
        linked = {**_linked("lab"), "on_change": _open_chosen_lab, "args": None}
        name = st.segmented_control("Lab", list(LABS), **linked)
        st.caption(LABS[name].title if name else "Choose a lab to set everything as it did, or explore freely.")
    lab = LABS.get(name or "")
    if first and lab:  # a link to the lab: what else it says stands
        open_variant(lab, lab.variants[0], keep=set(st.query_params))
    if lab and lab.checkpoint not in list_checkpoints():
        model, dataset = lab.checkpoint.split("_", 1)
        st.info(
            f"Lab {lab.name} needs the network {lab.checkpoint}, which is not here: train it on the page Train, or "
            f"with `python -m explorer train {model} --data {dataset}`.",
            icon=":material/school:",
        )
    return lab


def _open_chosen_lab() -> None:
    _settle("lab")
    lab = LABS.get(st.session_state["lab"] or "")
    if lab:
        open_variant(lab, lab.variants[0])


def open_variant(lab: Lab, variant: Variant, keep: Collection[str] = ()) -> None:
    """Set the pickers to one way of doing a lab, but for those to `keep`; for callbacks, or before they are drawn."""
    if lab.checkpoint not in list_checkpoints():
        return
    values = {
        "checkpoint": lab.checkpoint,
        "layer": lab.layer,
        "criterion": variant.criterion,
        "ranked_on": "test",
        "mode": variant.mode,
        "schedule": variant.schedule,
        "step": lab.ks[2],
    }
    st.session_state.update({key: value for key, value in values.items() if key not in keep})


def lab_box(view: View, ways: bool = True, maps: bool = False) -> None:
    """What the view's lab did and what its ways change, with a switch between them, and one to its layout of `maps`."""
    with st.container(border=view.lab is not None):
        if view.lab is None:
            return
        lab, current = view.lab, view.variant
        st.markdown(f":material/school: **Lab {lab.name}, {lab.title}.** {lab.did}")
        st.markdown(lab.differs)
        if not ways:
            return
        st.session_state["variant"] = current.title if current else None
        with st.container(horizontal=True, vertical_alignment="center"):
            st.segmented_control(
                "Way",
                [variant.title for variant in lab.variants],
                key="variant",
                label_visibility="collapsed",
                on_change=_open_chosen_variant,
                args=(lab,),
            )
            if maps and lab.maps:
                words = "Averaged maps of all that is kept, in the lab's own layout."
                st.button("Maps as in the lab", icon=":material/grid_on:", help=words, on_click=_open_maps, args=(lab,))
        if current is None:
            st.caption("The pickers stand at something else than the lab's own ways.")


def _open_maps(lab: Lab) -> None:
    """Set the pickers of the maps as the lab had them, with nothing pruned yet."""
    st.session_state.update({"k": 0, "most": None, "columns": None, "numbers": "from 0", **lab.maps})


def _open_chosen_variant(lab: Lab) -> None:
    chosen = [variant for variant in lab.variants if variant.title == st.session_state["variant"]]
    open_variant(lab, chosen[0] if chosen else lab.variants[0])


# Pickers


def pick_checkpoint() -> Checkpoint:
    """The network chosen in the sidebar, loaded; stops the page with one sentence where there is none to show."""
    names = list_checkpoints()
    if not names:
        st.error(
            "There is no trained network in the folder `checkpoints`: train one with "
            "`python -m explorer train simple-cnn --data fashion-mnist`.",
            icon=":material/deployed_code_alert:",
        )
        st.stop()
    with st.sidebar:
        name = pick_named("Trained network", "checkpoint", names, usual_checkpoint(names), "no trained network here")
    try:
        return cache.checkpoint(name)
    except (ValueError, OSError) as error:
        st.error(f"{name} cannot be opened: {error}.", icon=":material/broken_image:")
        st.stop()


def usual_checkpoint(names: Sequence[str]) -> str:
    """The network that shows where none is chosen."""
    return DEFAULT_CHECKPOINT if DEFAULT_CHECKPOINT in names else names[0]


def set_checkpoint(name: str) -> None:
    """Turn to another network; for callbacks."""
    st.session_state["checkpoint"] = name
    _settle("checkpoint")


def pick_view(criterion: str | None = None) -> View:
    """Network, layer, ranking and mode as chosen in the sidebar; stops the page where the data is not here.

    With a `criterion` given there is no picker for it: the page has its own.
    """
    lab = pick_lab()
    point = pick_checkpoint()
    convs = conv_layers(point.model)
    with st.sidebar:
        layer = pick_named("Layer to prune", "layer", list(convs), default_layer(point), f"no layer of {point.name}")
        chosen = criterion or pick_criterion(cache.criteria_for(point, layer))
        ranked_on, seed = "test", 0
        if criterion_named(chosen).needs_data:
            held_out = "; held-out are those that the network was validated on as it was trained"
            ranked_on = pick_option(
                "Rank on",
                "ranked_on",
                cache.splits_to_rank_on(point),
                help=f"The {examples_of(point)} that the ranking looks at{held_out}.",
            )
        if chosen.removesuffix(REVERSED) == "random" or criterion:
            seed = pick_seed()
        mode = pick_named(
            "What pruning zeroes", "mode", cache.fitting_modes(point, layer), "filter", f"no mode that fits {layer}"
        )
        st.caption(MODES[mode].sentence)
        channels = convs[layer].out_channels
        schedule, ks = pick_schedule(cache.fitting_schedules(point, layer, chosen, mode), channels)
        dtype = pick_option("Compute in", "dtype", list(DTYPES), help=IN_DTYPE) if cache.BFLOAT16 else "float32"
    require_data(point.card.dataset)
    experiment = Experiment(point.name, layer, chosen, mode, ranked_on, cache.TEST, seed, ks, None, schedule, dtype)
    return View(point, experiment, channels, lab if lab and lab.checkpoint == point.name else None)


def pick_criterion(fitting: Sequence[str]) -> str:
    """How the channels are ranked, with the criterion in one sentence."""
    criterion = pick_named("Rank the channels by", "criterion", fitting, "mean", "no ranking that fits")
    st.caption(criterion_named(criterion).sentence)
    return criterion


def pick_schedule(fitting: Sequence[str], channels: int) -> tuple[str, tuple[int, ...] | None]:
    """When channels are ranked, and at which K where they are ranked at each; None means that it does not matter."""
    schedule = pick_option("When to rank", "schedule", fitting, help=" ".join(SCHEDULES[name] for name in fitting))
    if schedule == "once":
        return schedule, None
    note_whole("step", 1, channels, 1, "no step")
    _forget_unless("step", lambda kept: kept <= channels)
    step = _number("Channels a step", 1, channels, 1, "step")
    st.caption(SCHEDULES[schedule])
    return schedule, tuple(range(0, channels + 1, step))


def pick_setting(name: str, option: Option, default: Any) -> Any:
    """One field of a recipe, as `option` describes it; `default` is the network's own value."""
    key, label, title = f"train_{name}", sentence(option.title), option.title
    if option.choices:
        return pick_named(label, key, option.choices, default, f"no {title}", help=sentence(option.help))
    number = option.kind
    low, high, value, step = number(option.low), number(option.high), number(default), number(option.step)
    kind = "whole number" if number is int else "number"
    fix = f"does not fit: give a {kind} from {low:g} to {high:g}; showing {value:g}"
    fits = partial(_is_whole, low=low, high=high) if number is int else partial(_is_number, low=low, high=high)
    note_link(key, lambda raw: len(raw) == 1 and fits(raw[0]), fix, title)
    shown = None if number is int else "%g"
    try:
        look = {"step": step, "format": shown, "help": sentence(option.help)}
        return number(st.number_input(label, low, high, value, **look, **_linked(key)))
    except OverflowError:  # Streamlit stumbles over a link to infinity, which the note names
        return value


def pick_seed() -> int:
    """The seed of a random order."""
    note_whole("seed", 0, MAX_SEED, 0, "no seed")
    return _number("Seed of the random order", 0, MAX_SEED, 0, "seed")


def pick_named(label: str, key: str, options: Sequence[str], default: str, wrong: str, **look: Any) -> str:
    """One of many options by name; `wrong` says what the link's value is when it is none of them."""
    note_link(key, _one_of(options), f"is {wrong}: choose one of {', '.join(options)}; showing {default}")
    _forget_unless(key, lambda kept: kept in options)
    return st.selectbox(label, options, index=list(options).index(default), **_linked(key), **look)


def pick_option(label: str, key: str, options: Sequence[str], **look: Any) -> str:
    """One of a few options, all in sight; the first is the default."""
    note_link(key, _one_of(options), f"is not known: choose one of {', '.join(options)}; showing {options[0]}")
    _forget_unless(key, lambda kept: kept in options)
    return st.segmented_control(label, options, default=options[0], required=True, **_linked(key), **look)


def pick_several(label: str, key: str, options: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Any number of options, all in sight, in the order of `options`."""
    known = ", ".join(options)
    note_link(key, lambda raw: set(raw) <= set(options), f"is not known: choose among {known}")
    _forget_unless(key, lambda kept: set(kept) <= set(options))
    chosen = st.pills(label, options, selection_mode="multi", default=usual, **_linked(key))
    return [option for option in options if option in chosen]


def pick_count(label: str, key: str, low: int, high: int, empty: str, **look: Any) -> int | None:
    """A whole number from `low` to `high`, or none: the field is `empty` to begin with."""
    fix = f"does not fit: give a whole number from {low} to {high}; showing {empty}"
    note_link(key, lambda raw: len(raw) == 1 and _is_whole(raw[0], low, high), fix, label.lower())
    _forget_unless(key, lambda kept: kept is None or low <= kept <= high)
    return _number(label, low, high, None, key, placeholder=empty, **look)


def pick_among(label: str, key: str, options: Sequence[str], usual: Sequence[str] = ()) -> list[str]:
    """Any number of many options, in a list that opens; in the order of `options`."""
    note_link(key, lambda raw: set(raw) <= set(options), f"is not known: choose among {', '.join(options)}")
    if key in st.session_state:
        st.session_state[key] = [option for option in st.session_state[key] if option in options]
    chosen = st.multiselect(label, options, usual, **_linked(key), placeholder="none", select_all=False)
    return [option for option in options if option in chosen]


def pick_orders(fewest: int, most: int) -> int:
    """How many random orders make a band."""
    note_whole("orders", fewest, most, fewest, "no number of random orders")
    return _number("Random orders", fewest, most, fewest, "orders", width=160)


def pick_ks(view: View) -> tuple[int, ...]:
    """The K of a curve: first, last and step."""
    channels, (start, end, usual) = view.channels, _grid(view)
    fix = f"are no first and last K: give two whole numbers from 0 to {channels}; showing all"
    note_link("ks", lambda raw: _is_range(raw, channels), fix, "K")
    if not view.experiment.ks:
        note_whole("step", 1, channels, usual, "no step")
        _forget_unless("step", lambda kept: kept <= channels)
    first, last = st.slider("From K to K", 0, channels, (start, end), **_linked("ks"))
    if view.experiment.ks:  # where channels are ranked again at each K, the sidebar has the step
        return tuple(k for k in view.experiment.ks if first <= k <= last)
    step = _number("Step", 1, channels, usual, "step", width=140)
    return tuple(range(first, last + 1, int(step)))


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


def pick_k(ks: Sequence[int], cliff: int | None = None) -> int:
    """One of evenly spaced K by slider, −1, +1 and, where it is known, "To the cliff"; half of them to begin with."""
    low, high, step = ks[0], ks[-1], (ks[1] - ks[0] if len(ks) > 1 else 1)
    half = ks[len(ks) // 2]
    note_whole("k", low, high, half, "no number of channels to prune", "K")
    asked = st.session_state.get("k")
    if asked is not None and asked not in ks:
        st.session_state["k"] = max((k for k in ks if k <= asked), default=low)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.button(f"−{step}", key="fewer", help=f"Prune {step} less", on_click=_move, args=(-step, low, high), width=64)
        k = st.slider("Channels pruned (K)", low, high, half, step, **_linked("k"))
        st.button(f"+{step}", key="more", help=f"Prune {step} more", on_click=_move, args=(step, low, high), width=64)
        if cliff is not None:
            st.button(
                "To the cliff",
                key="cliff",
                icon=":material/landslide:",
                help=f"K = {cliff}: the last before accuracy falls more than a point below the unpruned network's.",
                on_click=set_k,
                args=(cliff,),
            )
    if st.session_state.pop(SETTLED, False):
        st.rerun()
    return k


def link_to(asked: Experiment, k: int) -> dict[str, str]:
    """The query of a link that shows an experiment at K = k."""
    link = {"checkpoint": asked.checkpoint, "layer": asked.layer, "criterion": asked.criterion, "mode": asked.mode}
    link |= {"ranked_on": asked.ranked_on, "seed": str(asked.seed), "schedule": asked.schedule, "k": str(k)}
    if asked.schedule != "once" and asked.ks:
        link["step"] = str(asked.ks[1] - asked.ks[0])
    return link


def set_k(k: int) -> None:
    """Move to K = k; for callbacks."""
    st.session_state["k"] = k
    _settle("k")


def _move(by: int, low: int, high: int) -> None:
    set_k(min(max(st.session_state["k"] + by, low), high))


def _forget_unless(key: str, fits: Callable[[Any], bool]) -> None:
    """Go back to the default where the value chosen, perhaps on another page, does not fit here."""
    if key in st.session_state and not fits(st.session_state[key]):
        del st.session_state[key]


def _one_of(options: Sequence[str]) -> Callable[[list[str]], bool]:
    return lambda raw: len(raw) == 1 and raw[0] in options


@overload
def _number(label: str, low: int, high: int, default: int, key: str, **look: Any) -> int: ...
@overload
def _number(label: str, low: int, high: int, default: None, key: str, **look: Any) -> int | None: ...
def _number(label: str, low: int, high: int, default: int | None, key: str, **look: Any) -> int | None:
    try:
        number = st.number_input(label, low, high, default, **_linked(key), **look)
        return None if number is None else int(number)
    except OverflowError:  # Streamlit stumbles over a link to infinity, which `note_whole` names
        return default


def _is_whole(text: str, low: int, high: int) -> bool:
    return text.isdecimal() and len(text) < 20 and low <= int(text) <= high


def _is_number(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False


def _is_range(ends: list[str], highest: int) -> bool:
    return len(ends) == 2 and all(_is_whole(end, 0, highest) for end in ends)


def _linked(key: str) -> dict[str, Any]:
    """What makes a widget's value part of the URL, and keeps it from page to page."""
    st.session_state.setdefault(CHOSEN, set()).add(key)
    return {"key": key, "bind": "query-params", "on_change": _settle, "args": (key,)}


# Links


def note_link(key: str, valid: Callable[[list[str]], bool], fix: str, name: str | None = None) -> None:
    """Where the link that opened this page gives `key` values that are not valid, note it; the widget ignores them.

    The note stays until the user chooses a value.
    """
    if key in st.session_state or key not in st.query_params:
        return
    raw = st.query_params.get_all(key)
    if not valid(raw):
        shown = ", ".join(raw)
        shown = shown if len(shown) <= 40 else f"{shown[:40]}…"
        note = f"The link's {name or key.replace('_', ' ')} “{shown}” {fix}."
        st.session_state.setdefault(NOTES, {})[key] = note


def note_whole(key: str, low: int, high: int, default: int, wrong: str, name: str | None = None) -> None:
    """`note_link` for a whole number from `low` to `high`."""
    try:
        asked = float(st.query_params.get(key, default))
    except ValueError:
        asked = default
    shown = int(asked) if low <= asked <= high else default  # as Streamlit's number widgets read a link
    fix = f"is {wrong}: give a whole number from {low} to {high}; showing {shown}"
    note_link(key, lambda raw: len(raw) == 1 and _is_whole(raw[0], low, high), fix, name)


def _settle(key: str) -> None:
    """The user has chosen: what the link said about `key` is of no more interest."""
    if st.session_state.get(NOTES, {}).pop(key, None):
        st.session_state[SETTLED] = True


# Data that is not here


def require_data(dataset: str) -> None:
    """Stop the page, with the way out, unless the data set is on this machine and whole."""
    if not has_data(dataset):
        st.stop()


def has_data(dataset: str, offer: bool = True, why: str = "This network was trained on") -> bool:
    """Whether the data set is on this machine and whole; if not, say `why` it matters, and `offer` the download."""
    title = data.dataset_info(dataset).title
    if data.availability(dataset) == "missing":
        st.warning(
            f"{why} {title}, which is not on this machine: download it here, "
            f"or with `python -m explorer data {dataset}`.",
            icon=":material/database_off:",
        )
        if offer:
            download_button(dataset)
        return False
    try:
        data.load_split(dataset, cache.TEST)
    except (ValueError, OSError) as error:
        st.error(f"{title} cannot be read: {error}.", icon=":material/database_off:")
        return False
    return True


def download_button(dataset: str) -> None:
    """Fetch a data set, on a click only, with progress and cancel."""
    key = ("download", dataset)
    job = cache.board().get(key)
    title = data.dataset_info(dataset).title
    if job is None or job.status == DONE:
        megabytes = data.dataset_info(dataset).download_bytes / 1e6
        st.button(
            f"Download {title} ({megabytes:.0f} MB)",
            key=f"download {dataset}",
            icon=":material/download:",
            type="primary" if data.availability(dataset) == "missing" else "secondary",
            on_click=start_download,
            args=(dataset,),
        )
    elif job.finished:
        show_end(job, f"Downloading {title}", partial(start_download, dataset))
    else:
        follow(job, f"Downloading {title}")


def start_download(dataset: str, again: bool = True) -> None:
    """Fetch a data set in the background; for callbacks."""
    cache.download(dataset, again)


# What a button could not do


def attempt(action: Callable[..., Any], *arguments: Any) -> bool:
    """Do it, or leave a note, for `show_trouble`, why it could not be done; whether it was done. For callbacks."""
    try:
        action(*arguments)
    except (ValueError, OSError) as error:
        st.session_state[TROUBLE] = f"That did not work: {error}."
        return False
    return True


def show_trouble() -> None:
    """Say, once, what the last button could not do."""
    with st.container():
        if TROUBLE in st.session_state:
            st.error(plain(st.session_state.pop(TROUBLE)), icon=":material/error:")


# Work in the background


# Each of these writes into one container, whether there is anything to say or not: what comes after it keeps its place
# on the page from run to run. Containers that move are built anew in the browser, and their widgets drop from the URL.


def steps(view: View) -> tuple[Ranking, dict[int, int]]:
    """The view's channels in the order they go, and how many are gone at each K; stops the page while it looks."""
    with st.container():
        found = None
        if criterion_named(view.experiment.criterion).needs_data:
            what = f"Ranking the channels of {view.layer} on the {view.experiment.ranked_on} {view.examples}"
            found = finished(what, partial(cache.look, view.checkpoint, view.experiment))
        ranking, gone = steps_of(view.experiment, view.checkpoint, found)
        return ranking, dict(zip(view.ks, gone or view.ks, strict=True))


def ranked_over(view: View) -> str:
    """The images that the view's ranking looks at, in words."""
    asked = view.experiment
    if asked.criterion in ORACLES:
        cost = cache.oracle_cost(view.checkpoint, asked)
        return f"{cost.images:,} {asked.ranked_on} {view.examples}"
    return f"the {asked.ranked_on} {view.examples}"


def layer_statistics(view: View, where: str = "raw") -> ChannelStatistics:
    """Statistics of the view's layer over the split it ranks on; stops the page while they are being collected."""
    split = view.experiment.ranked_on
    return finished(
        f"Averaging {view.layer} over the {split} {view.examples}",
        lambda again=False: cache.statistics(view.checkpoint, view.layer, split, where, again),
    )


def sweep_job(view: View) -> Job:
    """The sweep of the view over all K, with at least a first curve; stops the page until there is one.

    Meanwhile the axes stand there, so that the browser has loaded what draws charts when the curve comes.
    """
    ask = partial(cache.sweep, view.checkpoint, view.experiment)
    job = ask()
    with st.container():
        if cache.curve(job) is None and not job.finished:
            draw(charts.empty_curve(view.channels), key="frame")
            job.wait(PATIENCE)
        notes(job)
        first_part(job, sweeping(job, view.layer), ask, lambda: cache.curve(job) is not None)
    return job


def scan_job(point: Checkpoint, which: str, mode: str, limit: int | None) -> Job:
    """The scan of the network's layers over its first test images; stops the page until there is a first part of it."""
    ask = partial(cache.scan, point, which, mode, limit)
    job = ask()
    with st.container():
        first_look(job)
        first_part(job, SCANNING, ask, lambda: job.latest is not None)
    return job


def first_part(job: Job, what: str, ask: Callable[..., Job], ready: Callable[[], bool]) -> None:
    """Stops the page until the job is `ready` to be shown, though it may still run."""
    if job.status in (FAILED, CANCELLED):
        show_end(job, what, ask)
    elif not ready():
        follow(job, what, ready)
    if not ready():
        st.stop()


def sweeping(job: Job, what: str) -> str:
    """What a sweep's job is at."""
    return f"Ranking the channels of {what}" if cache.curve(job) is None else f"Pruning {what} at every K"


def first_look(job: Job) -> None:
    """Give quick work a moment, so that it never flashes a progress bar."""
    if not job.finished:
        with st.skeleton(height=400):
            job.wait(PATIENCE)


def finished(what: str, ask: Callable[..., Job]) -> Any:
    """The result of the job that `ask()` gives; until there is one, show how the job stands and stop the page.

    The page runs again by itself once the job has finished. `ask(again=True)` starts it anew.
    """
    job = ask()
    with st.container():
        first_look(job)
        notes(job)
        if job.status == DONE:
            return job.result
        if job.finished:
            show_end(job, what, ask)
        else:
            follow(job, what)
        st.stop()


def notes(job: Job) -> None:
    """What came up on the way to a job's result, such as a saved one that could not be trusted."""
    for note in job.notes:
        st.warning(note.replace("$", "\\$"), icon=":material/inventory_2:")


def show_end(job: Job, what: str, ask: Callable[..., Any]) -> None:
    """Say that a job failed or was cancelled, with a button to start it anew."""
    failed = job.status == FAILED
    with st.container(horizontal=True, vertical_alignment="center"):
        if failed:
            st.error(str(job.error), title=f"{what} failed", icon=":material/error:")
        else:
            st.warning(f"{what} was cancelled at {job.fraction:.0%}.", icon=":material/cancel:")
        label = "Try again" if failed else "Start again"
        st.button(label, key=f"again {job.key}", icon=":material/refresh:", on_click=lambda: _call(ask))


def _call(ask: Callable[..., Any]) -> None:
    ask(again=True)


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
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.status == QUEUED:
            ahead = cache.board().ahead(job)
            st.progress(0.0, f":material/hourglass_empty: {what}: waiting for {ahead} other job{'s'[: ahead != 1]}")
        else:
            left = "" if job.left is None else f", {duration(job.left)} left"
            st.progress(job.fraction, f":material/autorenew: {what}: {job.fraction:.0%}{left}")
        if job.status == QUEUED or job.elapsed > LONG:
            label = "Cancelling…" if job.cancelling else "Cancel"
            key, icon = f"cancel {job.key}", ":material/cancel:"
            st.button(label, key=key, icon=icon, on_click=job.cancel, disabled=job.cancelling)


def duration(seconds: float) -> str:
    """Seconds as people say them: 40 s, 3 min, 1 h 20 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def so_far(curves: Sequence[Sweep | Band], ks: Sequence[int], examples: str) -> str:
    """How many images and K the curves that still stream have at least; `examples` is what the images are called."""
    images, there = min(curve.done for curve in curves), min(len(set(curve.ks) & set(ks)) for curve in curves)
    words = f"So far over {images:,} {examples}, at {there} of {len(ks)} K; the bands narrow as more come in."
    return f":material/autorenew: {words}"


def remarks(sweep: Sweep) -> str:
    """What to know about how a sweep was computed; empty where it was the usual way."""
    said = ""
    if sweep.slow:
        said += " This network cannot be traced, so every K ran a masked copy: exact, but slow."
    if sweep.agreement is not None:
        shares, images = sweep.agreement.shares, sweep.agreement.images
        said += (
            f" Computed in {sweep.run.dtype}, which agrees with float32 on {100 * shares.mean():.2f} % of the "
            f"predictions for the first {images:,} images, at the least {100 * shares.min():.2f} % at one K."
        )
    return said


# Drawing and downloading


def csv_button(table: pd.DataFrame, name: str, label: str = "Download CSV", key: str | None = None) -> None:
    """Download a table as CSV, as `report` writes it. A name that changes with K needs a `key` that does not."""
    st.download_button(
        label,
        lambda: report.csv_bytes(table),
        f"{name}.csv",
        "text/csv",
        key=f"csv {key or name}",
        icon=":material/download:",
        on_click="ignore",
    )


def figure_button(file: Callable[[str], bytes], name: str, key: str, label: str = "Figure") -> None:
    """Download a figure for print, in the format chosen; `file(kind)` draws it, on a click only."""
    with st.popover(label, icon=":material/print:"):
        st.caption("For print, on white")
        for kind, mime in figures.FORMATS.items():
            st.download_button(
                kind.upper(),
                partial(file, kind),
                f"{name}.{kind}",
                mime,
                key=f"{key} {kind}",
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
            )


def file_name(view: View, *more: str) -> str:
    """A file name that says what is in it."""
    return plain_name(view.checkpoint.name, view.layer, *more)


def plain_name(*parts: str) -> str:
    """A file name of parts that may hold anything."""
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in parts)


def sentence(text: str) -> str:
    """With a capital letter at the beginning; the others stay as they are."""
    return text[:1].upper() + text[1:]


def plain(text: str) -> str:
    """Text as it is, where Markdown would read signs into it."""
    return re.sub(r"([\\`*_\[\]$<>~#|]|:(?=\w))", r"\\\1", text)


def draw(chart: charts.Chart, **options: Any) -> Any:
    """A chart in the page's full width, with readable axes on white, and words and lines in the page's own ink."""
    config, own = chart.spec["config"], {mark: {"color": ink()} for mark in ("text", "rule")}
    if st.context.theme.type == "light":  # Streamlit's own grey is pale; its dark theme needs no help
        config = {part: {**look, "labelColor": LIGHT_INK, "titleColor": LIGHT_INK} for part, look in config.items()}
    spec = {**chart.spec, "datasets": chart.data, "config": {**config, **own}}
    return st.vega_lite_chart(spec, width="stretch", alt=chart.words, **options)


LIGHT_INK = "#44525F"


def ink() -> str:
    """The colour of text in a figure on this page's ground."""
    return "#F2F5F8" if st.context.theme.type == "dark" else "#14202B"
