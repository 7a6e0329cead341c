"""A network and images of one's own: two forms, and how what they import stands. A part of the Model page."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from explorer.app import drawing, guard, networks, waiting, work
from explorer.background.jobs import DONE
from explorer.files.names import LONGEST_DESCRIPTION, LONGEST_NAME
from explorer.images import datasets
from explorer.networks.registry import torchvision_networks
from explorer.own import folder as own_folder
from explorer.own import images as own_images
from explorer.own import networks as own_networks
from explorer.own.folder import Progress
from explorer.own.pictures import SIZES
from explorer.training import trainings

AWAITED = "imports that this tab asked for"
USUAL_SIZE = 64  # pixels
RESIZES = {  # to that size
    "short": "Short side, then cut the middle square out",
    "exact": "Both sides, whatever their ratio",
    "none": "Not at all: all have this size",
}


def open_new_network() -> None:
    """Turn to the network that this tab imported, once it is there; comes before the pickers."""
    for awaited in [each for each in mine().values() if each.job.status == DONE]:
        del mine()[awaited.kind]
        st.toast(f"{awaited.name} is imported.", icon=":material/check_circle:")
        if awaited.kind == work.NETWORK:
            networks.set_checkpoint(awaited.name)


def mine() -> dict[str, work.Import]:
    """The last imports that this tab asked for, by kind, until they are done."""
    return st.session_state.setdefault(AWAITED, {})


def forms() -> None:
    """The expander with both forms, which looks into the folder only while it is open; below, imports under way."""
    box = st.expander("Your own network and images", icon=":material/upload_file:", key="own", on_change="rerun")
    with box:
        if box.open and not guard.ask_password("Importing", "import"):
            left, right = st.columns(2, gap="large")
            with left:
                images_form()
            with right:
                network_form()
    for kind in (work.IMAGES, work.NETWORK):
        with st.container():
            stand(kind)


def stand(kind: str) -> None:
    """How the import of this kind stands: one under way in every tab, what became of it in the tab that asked."""
    last, asked = work.last_import(kind), mine().get(kind)
    if last and not last.job.finished:
        waiting.follow(last.job, f"Importing {last.name}")
    elif asked and asked.job.status == DONE:  # just now
        st.rerun()
    elif asked:
        waiting.show_end(asked.job, f"Importing {asked.name}", partial(start, kind, asked.name, asked.work))


def images_form() -> None:
    """Make a folder of images a data set."""
    st.markdown("**Images**, a folder of them for each class")
    folders = own_folder.image_folders()
    if not folders:
        st.caption(f"Put a folder that holds a folder of images for each class into `{own_folder.own_root()}`.")
        return
    with st.form("own images", border=False):
        choose("Folder", folders, "own folder", "With train and test (or val) folders in it, both are taken.")
        st.text_input("Name", key="own images name", max_chars=own_images.LONGEST_TITLE, placeholder="The folder's")
        st.text_input("Title", key="own title", max_chars=own_images.LONGEST_TITLE, placeholder="Its name")
        st.number_input("Side in pixels", *SIZES, USUAL_SIZE, key="own size", help="Of every image.")
        st.selectbox("Resize", RESIZES, key="own resize", format_func=lambda resize: RESIZES[resize])
        st.checkbox("Keep one channel", key="own grey", help="All images must be grey.")
        for key, title in {"mean": "Mean", "std": "Standard deviation"}.items():
            words = "Of their usual normalisation, for values 0…1, if there is one: a number, or one a channel."
            st.text_input(title, key=f"own images {key}", placeholder="Not known", help=words)
        busy = is_busy(work.IMAGES)
        st.form_submit_button(
            "Import images", icon=":material/add_photo_alternate:", on_click=ask_images, disabled=busy
        )


def network_form() -> None:
    """Make a network of torchvision's, with weights from a file, a checkpoint."""
    st.markdown("**Network**, one of torchvision's with your weights")
    files = own_folder.weights_files()
    if not files:
        kinds = ", ".join(own_folder.WEIGHTS)
        st.caption(f"Put a file of weights ({kinds}: a state_dict) into `{own_folder.own_root()}`.")
        return
    with st.form("own network", border=False):
        choose("Weights", files, "own weights", "Nothing in the file is run.")
        st.selectbox(
            "Architecture", torchvision_networks(), key="own arch", index=None, placeholder="as in torchvision"
        )
        words = "Colour images on this machine, with the weights' classes in the weights' order."
        choose("Images", colour_sets(), "own data", words)
        st.text_input("Name", key="own network name", max_chars=LONGEST_NAME, placeholder="ARCHITECTURE_IMAGES")
        usual = {"mean": own_networks.IMAGENET_MEAN, "std": own_networks.IMAGENET_STD}
        for key, values in usual.items():
            title = {"mean": "Mean", "std": "Standard deviation"}[key]
            words = "Of the normalisation, for values 0…1. Empty: as a card beside the weights says, else ImageNet's."
            st.text_input(title, key=f"own {key}", placeholder=", ".join(map(str, values)), help=words)
        most = LONGEST_DESCRIPTION
        st.text_input("Description", key="own description", max_chars=most, placeholder="For its card")
        busy = is_busy(work.NETWORK)
        st.form_submit_button("Import network", icon=":material/deployed_code:", on_click=ask_network, disabled=busy)


def choose(label: str, options: list[str], key: str, words: str) -> None:
    """One of the options, which change: the first takes the place of one that is gone, and of none at all."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = next(iter(options), None)
    st.selectbox(label, options, key=key, help=words, placeholder="none here yet")


def colour_sets() -> list[str]:
    """The data sets on this machine whose images torchvision's networks can look at; one's own come first."""
    fitting = [info for info in datasets.readable_datasets() if info.shape[0] == 3 and info.inputs == 1]
    here = [info for info in fitting if datasets.availability(info.name) != "missing"]
    return [info.name for info in sorted(here, key=lambda info: not info.own)]


def is_busy(kind: str) -> bool:
    """Whether something of this kind is being imported."""
    last = work.last_import(kind)
    return last is not None and not last.job.finished


def field(name: str) -> Any:
    """What stands in a field of the forms."""
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
    start(work.IMAGES, name, lambda told: own_images.import_images(*given, progress=told, **how))


def ask_network() -> None:
    """Import the network that the form names; a callback."""
    waiting.attempt(start_network, own_folder.own_root())


def start_network(root: Any) -> None:
    """Import it in the background; ValueError for fields that cannot be meant."""
    arch, dataset = field("arch"), field("data")
    if not arch or not dataset:
        raise ValueError(f"choose {'the images' if arch else 'the architecture'} first")
    name = field("network name").strip() or trainings.first_free(f"{arch}_{dataset}")
    mean, std = own_networks.numbers(field("mean")), own_networks.numbers(field("std"))
    given = (arch, root / field("weights"), dataset, name, mean, std, field("description").strip())
    start(work.NETWORK, name, lambda told: own_networks.import_network(*given, within=root, progress=told))


def start(kind: str, name: str, do: Callable[[Progress], Any], restart: bool = True) -> None:
    """Import in the background; for callbacks."""
    waiting.attempt(lambda: mine().update({kind: work.start_import(kind, name, do)}))


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
