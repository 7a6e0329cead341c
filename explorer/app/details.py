"""What there is to look closer at below a curve: changed images, classes, the network, and a lab's questions."""

from functools import partial
from typing import Any

import streamlit as st

from explorer.app import asking, downloads, drawing, pickers, prepared, sketched, titles, views
from explorer.app.views import View
from explorer.engine import tables
from explorer.engine.curves import Sweep
from explorer.language.saying import english, joined, say
from explorer.show import charts, figures

SHOWN = 8  # images
TO_SEE = english("To see them takes the images of")
KINDS = ("broken", "repaired")
ROWS = {"true": english("the true class"), "unpruned": english("predicted at K = 0")}


def flips(view: View, sweep: Sweep, k: int) -> None:
    """Images that pruning moved from right to wrong, or back."""
    counts = dict(zip(KINDS, map(len, sweep.flipped(k)), strict=True))
    with st.container(horizontal=True, vertical_alignment="center"):
        look: dict[str, Any] = {"label_visibility": "collapsed", "format_func": titles.named(titles.FLIPS)}
        kind = pickers.pick_option(say("Which"), "flips", KINDS, **look)
        st.markdown(
            say(
                "{broken:,} broken, {repaired:,} repaired of {n:,} {examples}",
                n=sweep.done,
                examples=say(view.examples),
                **counts,
            )
        )
    if not counts[kind]:
        words = say(
            "No prediction is broken at K = {k}." if kind == "broken" else "No prediction is repaired at K = {k}.", k=k
        )
        st.caption(f":material/check_circle: {words}")
        return
    if not downloads.has_data(sweep.run.dataset, why=TO_SEE):
        return
    with st.grid(SHOWN, min_column_width=80, gap="small"):
        for flip in prepared.flips(sweep, k, kind, SHOWN):
            label, before, after = (drawing.plain(name, 40) for name in (flip.label, flip.before, flip.after))
            drawing.picture(
                flip.picture,
                caption=say("true {label}  \n{before} → **{after}**", label=label, before=before, after=after),
                width="stretch",
                alt=say(
                    "True class {label}: predicted {before}, then {after}",
                    label=flip.label,
                    before=flip.before,
                    after=flip.after,
                ),
            )


def classes(view: View, sweep: Sweep, k: int) -> None:
    """Accuracy per class as a table and as files."""
    table = prepared.class_table(sweep, k)
    name = views.file_name(view, view.experiment.criterion, f"k{k}", "classes")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            say(
                "At K = {k}, over {n:,} test {examples}, with 95 % intervals.",
                k=k,
                n=sweep.done,
                examples=say(view.examples),
            )
        )
        drawing.figure_button(partial(prepared.figure_file, partial(figures.class_figure, table, k)), name, "classes")
        drawing.csv_button(tables.identified(table, sweep, k), name, "CSV", key="classes")
    shares = {
        "before": say("At K = {k}", k=0),
        "accuracy": say("At K = {k}", k=k),
        "low": say("95 % from"),
        "high": say("95 % to"),
    }
    columns: dict[str, Any] = {
        "class": say("Class"),
        "n": drawing.sentence(say(view.examples)),
        "correct": say("Correct"),
        **shares,
        "change": say("Change in points"),
    }
    shown = drawing.in_words(table[list(columns)], shares, ["change"])
    st.dataframe(shown, column_config=columns, hide_index=True, alt=say("Accuracy per class at K = {k}", k=k))


def confusion(view: View, sweep: Sweep, k: int) -> None:
    """Which class is predicted as which."""
    with st.container(horizontal=True, vertical_alignment="center"):
        look: dict[str, Any] = {"label_visibility": "collapsed", "format_func": titles.named(titles.AGAINST)}
        against = pickers.pick_option(say("Against"), "against", tables.AGAINST, **look)
        st.caption(
            say(
                "Rows: {rows}; columns: predicted at K = {k}; {n:,} test {examples}.",
                rows=say(ROWS[against]),
                k=k,
                n=sweep.done,
                examples=say(view.examples),
            )
        )
        table = tables.confusion_table(sweep, k, against)
        name = views.file_name(view, view.experiment.criterion, f"k{k}", "confusion", against)
        drawing.csv_button(tables.identified(table, sweep, k), name, "CSV", key="confusion")
    drawing.draw(charts.confusion_map(table, k), key="confusion")
    st.caption(
        say(
            "The stronger the colour, the larger the share of the row; on the framed diagonal the prediction is right."
            if against == "true"
            else "The stronger the colour, the larger the share of the row; on the framed diagonal pruning changed "
            "nothing."
        )
    )


def network(view: View, sweep: Sweep, k: int) -> None:
    """The network drawn, with the pruned layer; a click on another convolution prunes that."""
    partners = views.partners(view.checkpoint, view.layer, view.experiment.mode)
    sketched.network(view.checkpoint, view.layer, "network drawn", partners)
    words = [say("What an arc leads around is added behind it: a residual block. Click a convolution to prune it.")]
    if partners:
        words += [say("Dashed boxes lose the same channels as {layer}.", layer=drawing.plain(view.layer))]
    st.caption(joined(words))


def questions(view: View, sweep: Sweep, k: int) -> None:
    """What the lab's questions are, and what was measured."""
    if view.lab:
        asking.show(view.lab)


DETAILS = {
    "flips": flips,
    "class table": classes,
    "confusion matrix": confusion,
    "network": network,
    "questions": questions,
}
