"""Links with nonsense in them: a page, perhaps with a note, and never a traceback."""

import pytest
from app_test import ENTRY, PATIENCE
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

KEYS = (
    "k",
    "layer",
    "criterion",
    "mode",
    "split",
    "schedule",
    "step",
    "seed",
    "lab",
    "ks",
    "criteria",
    "output",
    "axis",
    "answer",
)
VALUES = st.one_of(
    st.integers(-3, 40).map(str),
    st.sampled_from(
        [
            "A",
            "E",
            "conv1",
            "conv2",
            "weights",
            "rerank",
            "random",
            "taylor",
            "ratio",
            "train",
            "block",
            "",
            "simple-cnn_fashion-mnist:conv1:l1:k=0-16-8",
        ]
    ),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=12),
)
LINKS = st.dictionaries(st.sampled_from(KEYS), st.lists(VALUES, min_size=1, max_size=3), max_size=5)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["prune", "activations", "sweep", "compare", "scan", "compress"])
@given(link=LINKS)
@settings(max_examples=10, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_no_link_breaks_a_page(page, link):
    at = AppTest.from_file(ENTRY, default_timeout=PATIENCE)
    for name, values in link.items():
        at.query_params[name] = values
    if page != "prune":
        at.switch_page(f"explorer/app/pages/{page}.py")
    at.run()
    assert not at.exception, (link, at.exception[0].message)
