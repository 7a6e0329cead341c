"""The app, as `streamlit run` serves it, and its router: page config and navigation, nothing else."""

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.starlette import App

from explorer.app import languages, loading
from explorer.app.front import Front, opening
from explorer.language.saying import listen_to, say

app = App(__file__, lifespan=opening, middleware=[Middleware(Front)])


def pages() -> list[st.Page]:
    """All pages, in the order of the navigation."""
    return [
        st.Page(
            "explorer/app/pages/prune.py",
            title=say("Prune"),
            icon=":material/content_cut:",
            default=True,
            help=say("Prune K channels and read the exact accuracy on the whole test set at once."),
        ),
        st.Page(
            "explorer/app/pages/activations.py",
            title=say("Activations"),
            icon=":material/grid_view:",
            help=say("The channels' mean activations and averaged feature maps, and what each makes of real images."),
        ),
        st.Page(
            "explorer/app/pages/sweep.py",
            title=say("Sweep"),
            icon=":material/show_chart:",
            help=say("Accuracy at every K for one or several rankings, as a chart, a table and a CSV file."),
        ),
        st.Page(
            "explorer/app/pages/compare.py",
            title=say("Compare"),
            icon=":material/compare_arrows:",
            help=say("Any answers side by side: networks, layers, rankings and modes, and how they differ at one K."),
        ),
        st.Page(
            "explorer/app/pages/scan.py",
            title=say("Scan"),
            icon=":material/layers:",
            help=say("Prune all channels of one layer at a time, and see which layers the network can do without."),
        ),
        st.Page(
            "explorer/app/pages/compress.py",
            title=say("Compress"),
            icon=":material/compress:",
            help=say("Remove channels for real, see it proved, and weigh and time what is left."),
        ),
        st.Page(
            "explorer/app/pages/model.py",
            title=say("Model"),
            icon=":material/deployed_code:",
            help=say("What the network is, what it was trained on and how good it is; the data sets on this machine."),
        ),
        st.Page(
            "explorer/app/pages/train.py",
            title=say("Train"),
            icon=":material/model_training:",
            help=say("Train a network with a recipe of your own, watch it learn, and prune it."),
        ),
        st.Page(
            "explorer/app/pages/lessons.py",
            title=say("Lessons"),
            icon=":material/school:",
            help=say("What one would expect of each lab, what was measured, and why it came otherwise."),
        ),
    ]


if get_script_run_ctx(suppress_warning=True):  # a tab runs this file as its script
    loading.wait()
    listen_to(languages.chosen)
    st.set_page_config(page_title="Pruning Explorer", page_icon="✂️", layout="wide", initial_sidebar_state=300)
    st.navigation(pages(), position="top").run()
