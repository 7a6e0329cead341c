"""What compressing gains: channels are removed for real, which is proved, and what is left is tested and weighed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from explorer.answers import exporting
from explorer.answers.compressing import SHARES, Compressed, Compression, Merits
from explorer.app import (
    compressions,
    downloads,
    drawing,
    guard,
    heads,
    links,
    networks,
    pickers,
    presets,
    sparing,
    story,
    waiting,
)
from explorer.background.jobs import DONE, Job
from explorer.compression.export import FORMATS
from explorer.compression.plans import Group, Plan
from explorer.compression.shares import ARTICLE_MINIMUM
from explorer.engine.scan import samples
from explorer.images import datasets
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.registry import MODELS
from explorer.pruning.criteria import CRITERIA
from explorer.show import charts
from explorer.show.words import percent, points

COMPRESSING, SEVERAL = "Removing channels and weighing what is left", "Pruning several shares"
USUAL = "50"  # percent of every layer
MOST_MINIMUM, MOST_STEPS = 64, 16
NORMS = [name for name, criterion in CRITERIA.items() if not criterion.needs_data and not criterion.looks_at_norm]
METRICS = (
    ("parameters", "Parameters", "Weights and biases."),
    ("MACs", "Multiply-adds", "For one image; each is two FLOPs."),
    ("file", "File", "As safetensors, in float32."),
    ("latency", "Time for one image", "The median of runs that both networks take in turns, on this machine."),
)
MEASURES = {"macs": "MACs", "parameters": "Parameters", "channels": "Channels", "ms_b1": "Time (ms)"}
QUIET: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
ARTICLE = {"compress_by": "l1", "minimum": ARTICLE_MINIMUM, "steps": 4, "rounded": False, "plan": ""}  # of lab E

ABOUT = """
**Masking** sets channels to zero and saves nothing. **Compressing** removes them, from the layer, from its batch norm
and from whatever reads them, so that the network is really smaller. Where layers write to one residual stream, or a
depthwise convolution ties them, they lose the same channels.

**The proof**: the smaller network and the one whose channels are masked after batch norm and activation give the same
predictions on every test image, and logits that differ by rounding alone.

**A multiply-add** (MAC) is one multiplication and one addition, so two FLOPs. Fewer of them need not mean less time:
small layers take as long as it takes to call them, and others wait for memory. Below, each layer says which it is.

A **Pareto point** is a plan that no other beats: none has fewer multiply-adds and is as accurate.
"""


def pick_compression(point: Checkpoint) -> Compression:
    """What the pickers of the sidebar stand at, and the plan of the page itself."""
    with st.sidebar:
        wrong = "no criterion that ranks by weights alone"
        titles = {name: CRITERIA[name].title for name in NORMS}
        criterion = pickers.pick_named("Ranked by", "compress_by", NORMS, "l1", wrong, format_func=titles.get)
        st.caption(CRITERIA[criterion].sentence)
        minimum = pick_whole("Every layer keeps at least", "minimum", 1, MOST_MINIMUM, 1)
        words = "At once is block pruning. In steps, what is left is ranked again before each: progressive pruning."
        steps = pick_whole("Steps", "steps", 1, MOST_STEPS, 1, help=words)
        words = "Keep a few channels more, so that 8 divides every width: processors compute on so many at a time."
        rounded = st.toggle("Widths that 8 divides", help=words, **links.linked("rounded", False))
        limit = sparing.pick_images(point)
    more: dict[str, Any] = {
        "criterion": criterion,
        "minimum": minimum,
        "steps": steps,
        "rounded": rounded,
        "limit": limit,
    }
    plan, share = plan_in_link(), share_in_link()
    return Compression(plan=plan, **more) if plan else Compression(share=share / 100, **more)


def pick_whole(label: str, key: str, low: int, high: int, default: int, **look: Any) -> int:
    """A whole number that the address has."""
    links.note_whole(key, low, high, default, "outside the range")
    pickers.keep_if(key, lambda kept: low <= kept <= high, default)
    return pickers.pick_number(label, low, high, default, key, **look)


def share_in_link() -> int:
    """The share of every layer that the slider stands at, in percent."""
    shares = [str(share) for share in SHARES]
    links.note_link("share", pickers.one_of(shares), f"is not one of {', '.join(shares)}: showing {USUAL}")
    links.linked("share", USUAL)
    return int(st.session_state["share"])


def plan_in_link() -> str:
    """The plan made by hand, layer by layer; empty where the same share goes of every layer."""
    links.note_link("plan", is_plan, "is not LAYER:K,LAYER:K; showing the same share of every layer")
    links.linked("plan", "", lambda raw: raw[0] if is_plan(raw) else "")
    return st.session_state["plan"]


def is_plan(raw: list[str]) -> bool:
    """Whether a link's value is a plan's text."""
    try:
        Plan.parse(raw[0])
    except ValueError:
        return False
    return len(raw) == 1


def opening(point: Checkpoint, found: Compressed | None) -> None:
    """The title, and in one sentence what came of the plan, as soon as that is known."""
    network = drawing.plain(story.title_of(point.name))
    if found is None or found.merits is None:
        sentence = f"Channels of {network} are removed for real, and what is left is tested and weighed."
    else:
        rows = found.merits.frame()
        gone, change = rows["flops_reduction"].iloc[-1], rows["change"].iloc[-1]
        low, high = rows["change_low"].iloc[-1], rows["change_high"].iloc[-1]
        sentence = (
            f"With {what_goes(found)} removed, {network} computes **{percent(gone)} less** and its accuracy changes by "
            f"**{points(change)} points** ({points(low)} to {points(high)})."
        )
    heads.head("What does compressing gain?", sentence, ABOUT)


def what_goes(found: Compressed) -> str:
    """The plan in words."""
    gone = sum(k for _, k in found.plan.layers)
    return f"{gone:,} channels of {len(found.plan.layers)} group{'s'[: len(found.plan.layers) != 1]} of layers"


def pick_share() -> None:
    """The slider of the share that goes of every layer; moving it ends a plan made by hand."""
    shares = [str(share) for share in SHARES]
    by_hand = ": now a plan made layer by layer" if st.session_state["plan"] else ""
    linked = {**links.linked("share", USUAL), "on_change": set_share, "args": None}
    st.select_slider(f"Removed of every layer{by_hand}", shares, format_func=lambda share: f"{share} %", **linked)


def set_share(share: str | None = None) -> None:
    """The same share of every layer from now on, the given one or the slider's; for callbacks."""
    if share:
        st.session_state["share"] = share
    st.session_state["plan"] = ""
    for key in ("share", "plan"):
        links.drop_note(key)


def explore(point: Checkpoint, job: Job, live: bool) -> None:
    """What came of the plan so far. `live` while more comes in."""
    with st.container():
        if live:
            waiting.progress(job, COMPRESSING)
    found: Compressed = job.latest
    gains(found, networks.examples_of(point))
    if found.proof is not None:
        whole = found.proof.done == found.proof.total and found.proof.differ == found.proof.ties
        st.markdown(f":material/{'verified' if whole else 'pending'}: {found.proof.sentence()}")
        st.caption(" ".join(filter(None, (found.proof.filter_sentence(), found.proof.added_sentence()))))
    if live and job.finished:
        st.rerun()


def gains(found: Compressed, examples: str) -> None:
    """Accuracy, and what the network weighs, after and before."""
    totals = pd.DataFrame({"quantity": []}) if found.scales is None else found.scales.totals()
    first, *others = st.columns(1 + len(METRICS))
    with first:
        accuracy(found, examples)
    for column, (quantity, label, words) in zip(others, METRICS, strict=True):
        rows = totals[totals["quantity"] == quantity].head(1)
        with column:
            if rows.empty:
                st.metric(label, "…", help=words)
            for row in rows.itertuples():
                change = f"{100 * (row.share - 1):+.0f} %".replace("-", "−")
                before = f"{change}, was {short(quantity, row.before)}"
                st.metric(label, short(quantity, row.after), before, help=words, **QUIET)


def accuracy(found: Compressed, examples: str) -> None:
    """The accuracy of what is left, with its interval."""
    if found.merits is None:
        st.metric("Accuracy", "…")
        return
    rows = found.merits.frame()
    row = rows.iloc[-1]
    words = f"95 % interval {percent(row['low'])} to {percent(row['high'])}, over {row['n']:,} test {examples}."
    st.metric("Accuracy", percent(row["accuracy"]), f"was {percent(rows['accuracy'].iloc[0])}", help=words, **QUIET)


def short(quantity: str, value: float) -> str:
    """A number as a metric shows it: three digits and a unit."""
    if quantity == "latency":
        return f"{value:.3g} ms"
    unit = "B" if quantity == "file" else ""
    size, letter = next(((size, letter) for size, letter in SIZES if value >= size), (1, ""))
    return f"{value / size:.3g} {letter}{unit}".strip()


def pick_layers(point: Checkpoint, found: Compressed, minimum: int) -> None:
    """A slider for each group of layers, behind a click; moving one makes a plan by hand."""
    with st.expander("Layer by layer", icon=":material/tune:"):
        st.caption("How many channels go of each group of layers that lose the same ones.")
        ks, free = found.plan.ks, [group for group in found.groups if not group.fixed]
        columns = st.columns(2)
        for place, group in enumerate(free):
            more = f" and {len(group.layers) - 1} more" if len(group.layers) > 1 else ""
            key, most = f"k of {point.name} {group.name}", group.most(minimum)
            st.session_state[key] = min(next((ks[layer] for layer in group.layers if layer in ks), 0), most)
            label, words = drawing.plain(f"{group.name}{more}"), drawing.plain(", ".join(group.layers))
            how: dict[str, Any] = {"key": key, "help": words, "on_change": set_plan, "args": (point, free, minimum)}
            if most:
                columns[place % 2].slider(label, 0, most, step=group.sections, **how)
        for group in found.groups:
            if group.fixed:
                st.caption(drawing.plain(f"{group.name} stays as it is: {group.fixed}."))


def set_plan(point: Checkpoint, free: list[Group], minimum: int) -> None:
    """The plan that the sliders of the groups stand at; for callbacks."""
    ks = {group.name: st.session_state[f"k of {point.name} {group.name}"] for group in free if group.most(minimum)}
    st.session_state["plan"] = Plan.of(ks).text
    links.drop_note("plan")


def layer_bars(found: Compressed) -> None:
    """What is left of each layer that has less than before, or of whatever else is measured."""
    assert found.scales is not None
    measure = pickers.pick_option(
        "Of each layer", "measure", list(MEASURES), format_func=MEASURES.get, label_visibility="collapsed"
    )
    table = found.scales.frame()
    rows = table[["layer", f"{measure}_before", f"{measure}_after"]].set_axis(["layer", "before", "after"], axis=1)
    rows = (
        rows[table["parameters_after"] < table["parameters_before"]].dropna().astype({"before": float, "after": float})
    )
    drawing.draw(charts.before_after_bars(rows[rows["before"] > 0], MEASURES[measure]), key="layer bars")
    st.caption("The pale bar is the layer before, the bar in it what is left.")


def frontier(point: Checkpoint, asked: Compression, found: Compressed) -> None:
    """Accuracy against multiply-adds over several shares of every layer; a click takes one."""
    ask = partial(compressions.frontier, point, asked.criterion, asked.minimum, asked.limit)
    job = compressions.frontier_at_hand(point, asked.criterion, asked.minimum, asked.limit)
    if job is None and samples(point.model, point.card.test_images):
        words = f"{len(SHARES)} smaller networks, each tested: takes a while for one of this size."
        st.button("Prune several shares", icon=":material/scatter_plot:", help=words, on_click=lambda: begin(ask))
        return
    job = ask()
    every = None if job.finished else waiting.POLL
    links.fragment(draw_frontier, point, job, ask, asked, found, not job.finished, every=every)


def begin(ask: Callable[[], Job]) -> None:
    """Begin a job; for callbacks."""
    ask()


def draw_frontier(
    point: Checkpoint, job: Job, ask: Callable[..., Job], asked: Compression, found: Compressed, live: bool
) -> None:
    """The points so far."""
    with st.container():
        if live:
            waiting.progress(job, SEVERAL)
    if job.finished and job.status != DONE:
        waiting.show_end(job, SEVERAL, ask)
    if job.latest is not None:
        here = "" if asked.share is None else f"{100 * asked.share:.0f} %"
        table = plans_of(job.latest)
        if asked.plan or asked.steps > 1 or asked.rounded:  # which the shares at once are not
            assert found.merits is not None
            table = pd.concat([table, plans_of(found.merits)[1:]])
        drawing.draw(
            charts.accuracy_against_macs(table, here), key="frontier", on_select=choose_clicked, selection_mode="pick"
        )
        st.caption(
            "The share of every layer that is removed, with 95 % intervals over "
            f"{job.latest.done:,} test {networks.examples_of(point)}. "
            "Filled: no other plan beats it. Click a point to take its plan."
        )
    if live and job.finished:
        st.rerun()


def plans_of(merits: Merits) -> pd.DataFrame:
    """The plans as the chart has them: plan, macs_share, accuracy, low and high."""
    rows = merits.frame()
    rows = rows.assign(macs_share=1 - rows["flops_reduction"]).rename(columns={"network": "plan"})
    return rows[["plan", "macs_share", "accuracy", "low", "high"]]


def choose_clicked() -> None:
    """Take the share whose point was clicked."""
    picked = st.session_state["frontier"].selection.pick
    if picked and picked[0]["plan"].removesuffix(" %").isdecimal():
        set_share(picked[0]["plan"].removesuffix(" %"))


def numbers(point: Checkpoint, found: Compressed) -> None:
    """The tables, and the files."""
    assert found.scales is not None and found.merits is not None
    totals, layers, ways = found.scales.totals(), found.scales.frame(), found.merits.frame()
    name = drawing.plain_name(point.name, "compressed")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Every number")
        for label, table in (("Accuracy", ways), ("Scales", totals), ("Layers", layers)):
            drawing.csv_button(table, f"{name}_{label.lower()}", f"{label} as CSV")
    shares = {"flops_reduction": "FLOPs saved", "accuracy": "Accuracy", "low": "95 % from", "high": "95 % to"}
    changes = {"change": "Change in points", "change_low": "95 % from", "change_high": "95 % to"}
    counts = {"macs": st.column_config.NumberColumn("Multiply-adds", format="localized")}
    columns: dict[str, Any] = {"network": "Network", **counts, **shares, **changes}
    table = drawing.in_words(ways[list(columns)], shares, changes)
    st.dataframe(table, column_config=columns, hide_index=True, alt="FLOPs saved and accuracy of each way to prune")
    st.dataframe(totals_in_words(totals), hide_index=True, alt="What the network weighs before and after, in total")
    timing = found.scales.timings[0]
    repeats = " and ".join(f"{each.whole[0].repeats:,}" for each in found.scales.timings)
    st.caption(
        f"Timed on {timing.place} in float32, both networks in turns: medians of {repeats} runs, and their quartiles. "
        "Whatever else this machine does meanwhile is in them."
    )
    names = {column: in_table(column) for column in layers}
    formats = {column: "{:,.3f}" for column in layers if column.startswith("ms_")} | {"macs_a_byte": "{:.1f}"}
    st.dataframe(
        layers.style.format(formats, thousands=",", na_rep=""),
        column_config=names, hide_index=True, alt="What each layer weighs before and after",
    )  # fmt: skip


def take_away(point: Checkpoint, found: Compressed) -> None:
    """What is left, as one more network here, and as files."""
    st.subheader("Take it with you")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name", usual_name(point), max_chars=80, width=320, key=f"name of compressed {point.name}")
        name = name_of(point)
        if guard.is_locked():
            guard.ask_password("Keeping it here", "keep")
        else:
            words = "One more network here, which can be pruned again."
            st.button(
                "Keep here",
                key="keep compressed",
                icon=":material/save:",
                help=words,
                on_click=keep,
                args=(point, found),
            )
            offer_tuning(point, found, name)
        for kind, each in FORMATS.items():
            words = f"{drawing.sentence(each.help)}. It is made and checked on a click, which takes a while."
            how: dict[str, Any] = {"key": f"export {kind}", "icon": ":material/download:", "on_click": "ignore"}
            file = partial(exporting.zipped, point, found, name, [kind])
            st.download_button(each.title, file, f"{drawing.plain_name(name)}_{kind}.zip", help=words, **how)
    waiting.show_trouble()


def offer_tuning(point: Checkpoint, found: Compressed, name: str) -> None:
    """The way to train what is left further, of a network that can be trained here."""
    if point.card.model not in MODELS or "train" not in datasets.dataset_info(point.card.dataset).files:
        return
    words = "Keep it here, and open Train with it to start from: in smaller steps it wins back accuracy."
    pressed = st.button("Fine-tune it", key="tune compressed", icon=":material/model_training:", help=words)
    if pressed and waiting.attempt(exporting.kept, point, found, name):
        networks.fine_tune(name)


def usual_name(point: Checkpoint) -> str:
    """What the network that is left is called where nobody says."""
    return f"{point.name}-compressed"


def name_of(point: Checkpoint) -> str:
    """What the network that is left is to be called, by its field, as it is now."""
    return st.session_state[f"name of compressed {point.name}"] or usual_name(point)


def keep(point: Checkpoint, found: Compressed) -> None:
    """Keep what is left as a network here; for callbacks."""
    name = name_of(point)
    if waiting.attempt(exporting.kept, point, found, name):
        st.toast(f"{drawing.plain(name)} is among the networks now.", icon=":material/save:")


def in_table(column: str) -> str:
    """A column's name as people read it."""
    words = {
        "ms_b1": "ms, one image",
        "ms_b64": "ms, 64 images",
        "macs": "multiply-adds",
        "reason_b1": "why no faster, one image",
    }
    words |= {"reason_b64": "why no faster, 64 images", "macs_a_byte": "multiply-adds a byte"}
    if column in words:
        return drawing.sentence(words[column])
    what, _, when = column.rpartition("_")
    return drawing.sentence(f"{words.get(what, what)} {when}".strip())


def totals_in_words(totals: pd.DataFrame) -> pd.DataFrame:
    """What the network weighs, as people read it."""

    def told(value: float, low: float, high: float, unit: str) -> str:
        if pd.isna(low):
            return f"{value:,.0f} {unit}".strip()
        return f"{value:,.2f} {unit} ({low:,.2f} to {high:,.2f})"

    rows = []
    for row in totals.itertuples():
        batch = "" if pd.isna(row.batch) else f", {row.batch} at once"
        before = told(row.before, row.before_low, row.before_high, row.unit)
        after = told(row.after, row.after_low, row.after_high, row.unit)
        rows.append((drawing.sentence(f"{row.quantity}{batch}"), before, after, percent(row.share)))
    return pd.DataFrame(rows, columns=["Quantity", "Before", "After", "After / before"])


def offer_article() -> None:
    """Set the pickers as lab E's article has them; for the lab's own page."""
    words = f"L1 norm, at least {ARTICLE_MINIMUM} filters a layer, at once (block) and in 4 steps (progressive)."
    st.button(
        "As in lab E's article", icon=":material/school:", help=words, on_click=st.session_state.update, args=(ARTICLE,)
    )


with links.page():
    lab = presets.pick_lab()
    point = networks.pick_checkpoint()
    top, body = st.container(), st.container()
    asked = pick_compression(point)
    ask = partial(compressions.compressed, point, asked)
    there = downloads.is_here(point.card.dataset)
    with body:
        if lab and lab.name == "E":
            offer_article()
        pick_share()
        if there:
            waiting.wait_briefly(ask())
    live = not (there and ask().finished)  # whatever ends from here on is not in the head yet
    with top:
        opening(point, None if live else ask().result)
    with body:
        downloads.require_data(point.card.dataset)
        job = ask()
        waiting.require_part(job, COMPRESSING, ask, lambda: job.latest is not None)
    links.fragment(explore, point, job, live, every=waiting.POLL if live else None)
    pick_layers(point, job.latest, asked.minimum)
    if not live:
        left, right = st.columns(2, gap="large")
        with left:
            st.subheader("What is left of each layer")
            layer_bars(job.latest)
        with right:
            st.subheader("Accuracy against multiply-adds")
            frontier(point, asked, job.latest)
        take_away(point, job.latest)
        numbers(point, job.latest)
