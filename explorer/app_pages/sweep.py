"""Whole curves: accuracy at every K, for one or several rankings."""

from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from explorer import charts, figures
from explorer.app_pages import cache, controls
from explorer.app_pages.controls import View
from explorer.experiment import Experiment
from explorer.jobs import Job
from explorer.ranking import CRITERIA

USUAL = ["mean", "l1", "random"]
MEAN = "mean"
ZOOMS = {"none": 0.0, "0.1": 0.1, "0.25": 0.25, "0.5": 0.5}  # shares of the channels


def compare(view: View, jobs: dict[str, Job], ks: tuple[int, ...], axis: str, live: bool) -> None:
    """The curves so far, under the progress of those that still run."""
    if live and all(job.finished for job in jobs.values()):
        st.rerun()
    with st.container():
        for criterion, job in jobs.items():
            controls.notes(job)
            controls.progress(job, f"{CRITERIA[criterion].title}: {controls.sweeping(job, view.layer).lower()}")
    table = curves(jobs, ks)
    if table.empty:
        st.skeleton(height=460)
        return
    controls.draw(charts.compare_curves(table, axis), key="curves")
    found = [whole for job in jobs.values() if (whole := cache.curve(job)) is not None]
    done = [whole.done for whole in found]
    if live:
        there = min(len(set(whole.ks) & set(ks)) for whole in found)
        st.caption(
            f":material/autorenew: So far over {min(done):,} {view.examples}, at {there} of {len(ks)} K; "
            "the bands narrow as more come in."
        )
    else:
        words = f"{view.layer} of {view.checkpoint.name}, {max(done):,} test {view.examples}, with 95 % intervals."
        words += f" Drag to pan, scroll to zoom, double-click to see it all.{controls.remarks(found[0])}"
        about(view, words, table, axis)


def curves(jobs: dict[str, Job], ks: tuple[int, ...]) -> pd.DataFrame:
    """The rows of all curves at the K asked for, in the columns of the CSV file."""
    found = [whole for job in jobs.values() if (whole := cache.curve(job)) is not None]
    table = pd.concat(map(cache.accuracy_table, found), ignore_index=True) if found else pd.DataFrame({"k": []})
    return table[table["k"].isin(ks)].reset_index(drop=True)


def zoomed(view: View, table: pd.DataFrame, axis: str, share: float) -> None:
    """The curves once more, up to a share of the channels."""
    st.subheader(f"The first {100 * share:.0f} % of the channels")
    first = charts.up_to(table, share)
    controls.draw(charts.compare_curves(first, axis, height=340, close=True), key="zoomed")
    about(view, "The accuracy axis does not begin at zero.", first, axis, close=True)


def about(view: View, words: str, table: pd.DataFrame, axis: str, close: bool = False) -> None:
    """What stands under a chart: words, and the chart as a figure for print."""
    kind = "zoom" if close else "curves"
    name = controls.file_name(view, *dict.fromkeys(table["criterion"]), view.experiment.mode, axis, kind)
    curves = {CRITERIA[name].title: rows for name, rows in table.groupby("criterion", sort=False)}
    draw = partial(figures.accuracy_figure, curves, axis, close)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(words)
        controls.figure_button(partial(cache.figure_file, draw), name, kind)


def table_of(view: View, jobs: dict[str, Job], ks: tuple[int, ...]) -> None:
    """Accuracy at each K, a column a ranking, and the file with every number."""
    table = curves(jobs, ks)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Every number", width="content")
        controls.csv_button(table, controls.file_name(view, "-".join(jobs), view.experiment.mode))
    wide = table.pivot(index="k", columns="criterion", values="accuracy")[list(dict.fromkeys(table["criterion"]))]
    percent = {name: st.column_config.NumberColumn(CRITERIA[name].title, format="percent") for name in jobs}
    st.dataframe(
        wide, column_config={"k": st.column_config.NumberColumn("K"), **percent}, alt="Accuracy at each K", height=420
    )


def one(view: View, criterion: str, ks: tuple[int, ...] | None) -> Experiment:
    """The view's experiment with another ranking."""
    random = criterion == "random"
    return replace(view.experiment, criterion=criterion, seed=view.experiment.seed if random else 0, ks=ks)


with controls.page():
    view = controls.pick_view(criterion=MEAN)
    criteria = controls.pick_several("Rank the channels by", "criteria", list(CRITERIA), USUAL)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ks = controls.pick_ks(view)
        axis = controls.pick_option("Axis", "axis", list(charts.AXES), help="K, or K as a share of the channels.")
        zoom = controls.pick_option(
            "Zoom", "zoom", list(ZOOMS), help="A second chart, up to this share of the channels."
        )
    if not criteria:
        st.info("Choose at least one ranking to see its curve.", icon=":material/touch_app:")
        st.stop()
    some = None if len(ks) == view.channels + 1 else ks
    ask = {name: partial(cache.sweep, view.checkpoint, one(view, name, some)) for name in criteria}
    jobs = {name: start() for name, start in ask.items()}
    controls.first_look(list(jobs.values())[-1])
    live = not all(job.finished for job in jobs.values())
    st.fragment(compare, run_every=controls.POLL if live else None)(view, jobs, ks, axis, live)
    for name, job in jobs.items():
        if job.finished and job.result is None:
            controls.show_end(job, f"{CRITERIA[name].title}: {controls.sweeping(job, view.layer).lower()}", ask[name])
    if not curves(jobs, ks).empty and not live:
        if ZOOMS[zoom]:
            zoomed(view, curves(jobs, ks), axis, ZOOMS[zoom])
        table_of(view, jobs, ks)
