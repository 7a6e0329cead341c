"""A network and images of one's own: two forms, and how what they import stands. A part of the Model page."""

from typing import Any

import streamlit as st

from explorer.app import drawing, guard, importing, links, networks, own_network, titles, waiting, work
from explorer.images import datasets
from explorer.language.saying import chained, english, listed, say
from explorer.own import folder as own_folder
from explorer.own import images as own_images
from explorer.own import networks as own_networks
from explorer.own.pictures import SIZES

USUAL_SIZE = 64  # pixels
RESIZES = {  # to that size
    "short": english("Short side, then cut the middle square out"),
    "exact": english("Both sides, whatever their ratio"),
    "none": english("Not at all: all have this size"),
}


def forms() -> None:
    """The expander with both forms, which looks into the folder only while it is open; below, imports under way."""
    box = st.expander(
        say("Your own network and images"), icon=":material/upload_file:", key=networks.OWN_FORM, on_change="rerun"
    )
    with box:
        if box.open and not guard.ask_password(say("Importing"), "import"):
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
    st.markdown(say("**Images**, a folder of them for each class"))
    folders, longest = own_folder.image_folders(), own_images.LONGEST_TITLE
    if not folders:
        words = english("Put a folder that holds a folder of images for each class into `{folder}`.")
        st.caption(say(words, folder=own_folder.own_root()))
        return
    with st.form("own images", border=False):
        words = say("With train and test (or val) folders in it, both are taken.")
        importing.choose(say("Folder"), folders, "own folder", words)
        st.text_input(say("Name"), key="own images name", max_chars=longest, placeholder=say("The folder's"))
        st.text_input(say("Title"), key="own title", max_chars=longest, placeholder=say("Its name"))
        st.number_input(say("Side in pixels"), *SIZES, USUAL_SIZE, key="own size", help=say("Of every image."))
        st.selectbox(say("Resize"), RESIZES, key=links.in_words("own resize"), format_func=titles.named(RESIZES))
        st.checkbox(say("Keep one channel"), key="own grey", help=say("All images must be grey."))
        for key, title in {"mean": say("Mean"), "std": say("Standard deviation")}.items():
            words = say("Of their usual normalisation, for values 0…1, if there is one: a number, or one a channel.")
            st.text_input(title, key=f"own images {key}", placeholder=say("Not known"), help=words)
        busy = importing.is_busy(work.IMAGES)
        st.form_submit_button(
            say("Import images"), icon=":material/add_photo_alternate:", on_click=ask_images, disabled=busy
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
            with st.popover(say("Delete"), icon=":material/delete:", key=f"delete images {name}"):
                users = own_images.users_of(name)
                needed = drawing.plain(say("Needed by {users}.", users=listed(users)))
                gone = say("The imported images go for good; the folder they came from stays.")
                st.markdown(needed if users else gone)
                look: dict[str, Any] = {"icon": ":material/delete_forever:", "disabled": bool(users)}
                st.button(say("Delete for good"), key=f"delete data {name}", on_click=delete, args=(name,), **look)


def about(name: str) -> str:
    """One line on a data set of one's own, whatever state it is in."""
    try:
        info = datasets.dataset_info(name)
    except ValueError as error:
        return say(":material/broken_image: {words}.", words=drawing.sentence(drawing.plain(str(error))))
    kinds = say(
        "your own, {n} classes, test and train images"
        if "train" in info.files
        else "your own, {n} classes, test images",
        n=len(info.classes),
    )
    return say(
        "**{title}** ({name}), {size}: :material/folder: {words}",
        title=drawing.plain(info.title),
        name=drawing.plain(name),
        size=" × ".join(map(str, info.shape)),
        words=chained([kinds, *map(drawing.plain, info.notes)]),
    )


def delete(name: str) -> None:
    """Delete a data set; a callback."""
    waiting.attempt(own_images.delete_images, name)
