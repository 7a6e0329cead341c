"""A network and images of one's own: two forms, and how what they import stands. A part of the Model page."""

from typing import Any

import streamlit as st

from explorer.app import drawing, guard, importing, networks, own_network, waiting, work
from explorer.images import datasets
from explorer.own import folder as own_folder
from explorer.own import images as own_images
from explorer.own import networks as own_networks
from explorer.own.pictures import SIZES

USUAL_SIZE = 64  # pixels
RESIZES = {  # to that size
    "short": "Short side, then cut the middle square out",
    "exact": "Both sides, whatever their ratio",
    "none": "Not at all: all have this size",
}


def forms() -> None:
    """The expander with both forms, which looks into the folder only while it is open; below, imports under way."""
    box = st.expander(
        "Your own network and images", icon=":material/upload_file:", key=networks.OWN_FORM, on_change="rerun"
    )
    with box:
        if box.open and not guard.ask_password("Importing", "import"):
            left, right = st.columns([3, 2], gap="large")
            with left:
                own_network.form()
            with right:
                images_form()
    for kind in (work.IMAGES, work.NETWORK):
        with st.container():
            importing.stand(kind)


def images_form() -> None:
    """Make a folder of images a data set."""
    st.markdown("**Images**, a folder of them for each class")
    folders = own_folder.image_folders()
    if not folders:
        st.caption(f"Put a folder that holds a folder of images for each class into `{own_folder.own_root()}`.")
        return
    with st.form("own images", border=False):
        importing.choose("Folder", folders, "own folder", "With train and test (or val) folders in it, both are taken.")
        st.text_input("Name", key="own images name", max_chars=own_images.LONGEST_TITLE, placeholder="The folder's")
        st.text_input("Title", key="own title", max_chars=own_images.LONGEST_TITLE, placeholder="Its name")
        st.number_input("Side in pixels", *SIZES, USUAL_SIZE, key="own size", help="Of every image.")
        st.selectbox("Resize", RESIZES, key="own resize", format_func=lambda resize: RESIZES[resize])
        st.checkbox("Keep one channel", key="own grey", help="All images must be grey.")
        for key, title in {"mean": "Mean", "std": "Standard deviation"}.items():
            words = "Of their usual normalisation, for values 0…1, if there is one: a number, or one a channel."
            st.text_input(title, key=f"own images {key}", placeholder="Not known", help=words)
        busy = importing.is_busy(work.IMAGES)
        st.form_submit_button(
            "Import images", icon=":material/add_photo_alternate:", on_click=ask_images, disabled=busy
        )


def field(name: str) -> Any:
    """What stands in a field of the form."""
    return st.session_state[f"own {name}"]


def ask_images() -> None:
    """Import the images that the form names; a callback."""
    waiting.attempt(start_images, own_folder.own_root())


def start_images(root: Any) -> None:
    """Import them in the background; ValueError for fields that cannot be meant."""
    folder = root / field("folder")
    name = field("images name").strip() or folder.name
    given = (folder, name, int(field("size")), field("title").strip())
    how: dict[str, Any] = {key: own_networks.numbers(field(f"images {key}")) for key in ("mean", "std")}
    how |= {"resize": field("resize"), "grey": field("grey"), "within": root}
    importing.start(work.IMAGES, name, lambda told: own_images.import_images(*given, progress=told, **how))


def data_sets() -> None:
    """One's own data sets, each with a way to delete it."""
    for name in datasets.own_datasets():
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(about(name))
            if guard.is_locked():
                continue
            with st.popover("Delete", icon=":material/delete:", key=f"delete images {name}"):
                users = own_images.users_of(name)
                needed = drawing.plain(f"Needed by {', '.join(users)}.")
                st.markdown(needed if users else "The imported images go for good; the folder they came from stays.")
                look: dict[str, Any] = {"icon": ":material/delete_forever:", "disabled": bool(users)}
                st.button("Delete for good", key=f"delete data {name}", on_click=delete, args=(name,), **look)


def about(name: str) -> str:
    """One line on a data set of one's own, whatever state it is in."""
    try:
        info = datasets.dataset_info(name)
    except ValueError as error:
        return f":material/broken_image: {drawing.plain(drawing.sentence(str(error)))}."
    shape, classes = " × ".join(map(str, info.shape)), len(info.classes)
    splits = " and ".join(reversed(info.files))
    words = "; ".join([f"your own, {classes} classes, {splits} images", *map(drawing.plain, info.notes)])
    return f"**{drawing.plain(info.title)}** ({drawing.plain(name)}), {shape}: :material/folder: {words}"


def delete(name: str) -> None:
    """Delete a data set; a callback."""
    waiting.attempt(own_images.delete_images, name)
