"""Prune K channels and see what the network loses."""

from typing import Any

import streamlit as st

from explorer import charts, data, report
from explorer.app_pages import cache, controls
from explorer.app_pages.controls import View
from explorer.jobs import Job
from explorer.pruning import MODES
from explorer.ranking import CRITERIA
from explorer.sweep import Sweep

SHOWN = 8  # images
KINDS = ("broken", "repaired")


def explore(view: View, job: Job, live: bool) -> None:
    """Everything that answers to K: look-ups in the sweep. `live` while it still streams."""
    with st.container():
        if live:
            controls.progress(job, controls.sweeping(job, view.layer))
    sweep = cache.curve(job)
    assert sweep is not None, "sweep_job() waits for a first curve"
    k = controls.pick_k(view.channels, sweep.cliff())
    headline(sweep, k)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Accuracy at every K")
        curve = charts.accuracy_curve(cache.accuracy_table(sweep), k, height=400)
        controls.draw(curve, key="curve", on_select=jump_to_click, selection_mode="pick")
    with right:
        st.subheader("Accuracy per class", help="The bar is the pruned network, the tick the unpruned one.")
        controls.draw(charts.class_bars(report.class_table(sweep, k), k, height=400), key="classes")
    flips(sweep, k)
    if live and job.finished:  # only now: a widget that a run leaves out drops from the URL
        st.rerun()


def jump_to_click() -> None:
    """Move K to the point clicked in the curve."""
    picked = st.session_state["curve"].selection.pick
    if picked:
        controls.set_k(int(picked[0]["k"]))


def headline(sweep: Sweep, k: int) -> None:
    """The numbers for the last row of the classroom."""
    row = cache.accuracy_table(sweep).iloc[sweep.index(k)]
    quiet: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "border": True, "height": "stretch"}
    left = sweep.channels - k
    last = f"last to go: channel {sweep.order[k - 1]}" if k else "none pruned"
    with st.grid(3, min_column_width=220, gap="small"):
        st.metric(
            f"Accuracy at K = {k}",
            charts.percent(row["accuracy"]),
            f"95 % interval: {100 * row['low']:.2f} to {charts.percent(row['high'])}",
            **quiet,
        )
        st.metric(
            "Change",
            f"{sweep.change(k):+.2f} points".replace("-", "−"),
            f"unpruned: {charts.percent(sweep.accuracy[0])}",
            **quiet,
        )
        st.metric("Channels left", f"{left} of {sweep.channels}", last, **quiet)


def flips(sweep: Sweep, k: int) -> None:
    """Images that pruning moved from right to wrong, or back."""
    table = report.flip_table(sweep, k)
    counts = table["flip"].value_counts().reindex(KINDS, fill_value=0)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Predictions that flip", width="content")
        kind = controls.pick_option("Which", "flips", KINDS, label_visibility="collapsed")
        st.markdown(f"{counts['broken']:,} broken, {counts['repaired']:,} repaired", width="content")
    shown = table[table["flip"] == kind].head(SHOWN)
    if shown.empty:
        st.caption(f":material/check_circle: No prediction is {kind} at K = {k}.")
        return
    chosen = data.load_split(sweep.run.dataset, sweep.run.split).take(shown["image"].tolist())
    images = charts.side_by_side([part.numpy() for part in chosen.inputs])
    with st.grid(SHOWN, min_column_width=100, gap="small"):
        for picture, row in zip(charts.thumbnails(images), shown.itertuples(), strict=True):
            words = f"true {row.label}  \n{row.before} → **{row.after}**"
            st.image(
                picture,
                caption=words,
                width="stretch",
                output_format="PNG",
                alt=f"A {row.label}: {row.before}, then {row.after}",
            )


def provenance(view: View, job: Job) -> None:
    """Where the numbers come from, and the file with all of them."""
    sweep = cache.curve(job)
    assert sweep is not None
    run = view.experiment
    criterion = CRITERIA[run.criterion]
    on = f" over the {run.ranked_on} images" if criterion.needs_data else ""
    if sweep.slow:
        st.caption(":material/hourglass: This network cannot be traced, so every K ran a masked copy: exact, but slow.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Channels of {run.layer} ranked once, on the unpruned network, by {criterion.title.lower()}{on}; "
            f"accuracy over {sweep.done:,} test images. {MODES[run.mode].sentence}"
        )
        controls.csv_button(
            cache.accuracy_table(sweep), controls.file_name(view, run.criterion, run.ranked_on, run.mode)
        )


with controls.page():
    view = controls.pick_view()
    job = controls.sweep_job(view)
    live = not job.finished
    st.fragment(explore, run_every=controls.POLL if live else None)(view, job, live)
    provenance(view, job)
