"""The app's router: page config and navigation; and what the server does as it starts."""

import streamlit as st

if __name__ == "__main__":  # each browser tab runs this file as a script
    pages = [
        st.Page(
            "explorer/app_pages/prune.py",
            title="Prune",
            icon=":material/content_cut:",
            default=True,
            help="Prune K channels and read the exact accuracy on the whole test set at once.",
        ),
        st.Page(
            "explorer/app_pages/activations.py",
            title="Activations",
            icon=":material/grid_view:",
            help="The channels' mean activations and averaged feature maps, and what each makes of real images.",
        ),
        st.Page(
            "explorer/app_pages/sweep.py",
            title="Sweep",
            icon=":material/show_chart:",
            help="Accuracy at every K for one or several rankings, as a chart, a table and a CSV file.",
        ),
        st.Page(
            "explorer/app_pages/model.py",
            title="Model",
            icon=":material/deployed_code:",
            help="What the network is, what it was trained on and how good it is; the data sets on this machine.",
        ),
    ]
    st.set_page_config(page_title="Pruning Explorer", page_icon="✂️", layout="wide", initial_sidebar_state=300)
    st.navigation(pages, position="top").run()
else:  # the server imports it once, as it starts: what every tab needs is loaded before the first browser asks
    from explorer.app_pages.controls import warm_up

    warm_up()
    app = st.App(__file__)
