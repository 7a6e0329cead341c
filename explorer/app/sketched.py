"""The network drawn, where a click chooses the convolution that the pages prune."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from explorer.answers import outline
from explorer.app import cache, drawing
from explorer.networks.checkpoints import Checkpoint
from explorer.show import charts


def network(point: Checkpoint, layer: str, key: str, partners: Sequence[str] = ()) -> None:
    """The network's blocks with their sizes and the additions that lead around them; `layer` stands out.

    Its `partners`, which lose the same channels, are dashed.
    """
    sketch = cache.layout(point).sketch
    chart = charts.network_drawing(sketch.boxes, sketch.shortcuts, layer, partners)
    drawing.draw(chart, key=key, on_select=partial(_choose_clicked, key), selection_mode="pick")


def _choose_clicked(key: str) -> None:
    """Choose the convolution that was clicked, for all pages; a callback."""
    for picked in st.session_state[key].selection.pick:
        if picked["layer"] in outline.channels_of(cache.checkpoint(st.session_state["checkpoint"])):
            st.session_state["layer"] = picked["layer"]
