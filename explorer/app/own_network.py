"""A network of one's own in three steps: what it is, its weights, its images, each checked as it is chosen."""

import os
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.app import drawing, importing, links, titles, waiting, work
from explorer.files.names import LONGEST_DESCRIPTION, LONGEST_NAME
from explorer.files.places import own_root
from explorer.images import datasets
from explorer.language.saying import chained, english, listed, say
from explorer.networks.registry import MODELS, torchvision_networks
from explorer.own import building, extracting
from explorer.own import folder as own_folder
from explorer.own import networks as own_networks

TRUST = "EXPLORER_TRUST_OWN"  # "1": whoever may use the pages may run what lies in the folder
FILE, LIBRARY, TIMM, OURS = "file", "torchvision", "timm", "ours"
CHECKS = 16  # of what was chosen, that are remembered
SOURCES = {FILE: english("Code file"), LIBRARY: "torchvision", TIMM: "timm", OURS: english("A lab's")}


def form() -> None:
    """The three steps, and the button that imports."""
    st.markdown(say("**Your own network**, in three steps"))
    if not own_folder.weights_files():
        words = english("Put a file of weights ({kinds}), and the code of your network, into `{folder}`.")
        st.caption(say(words, kinds=listed(own_folder.WEIGHTS), folder=own_root()))
        return
    pick_network()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pick_weights()
        pick_images()
    more()
    network = chosen_network()
    if building.code_path(network) and not is_trusted():
        show_command(network, field("weights"), field("data"))
        return
    fits = bool(network and field("data")) and show_fit(network, field("weights"), field("data"))
    why_not = None if fits else say("Choose the three of them first: a network, weights that fit it, and images.")
    look: dict[str, Any] = {"icon": ":material/deployed_code:", "type": "primary", "help": why_not}
    off = not fits or importing.is_busy(work.NETWORK)
    st.button(say("Import network"), key="import network", on_click=ask, disabled=off, **look)


def is_trusted() -> bool:
    """Whether this server was started to run the code in the folder."""
    return os.environ.get(TRUST) == "1"


def field(name: str) -> Any:
    """What stands in a field of the form."""
    return st.session_state.get(f"own {name}") or ""


# The steps


def chosen_network() -> str:
    """What the network is, as `building.blueprint` takes it; empty while nothing is chosen."""
    source = field("source")
    if source == FILE:
        return f"{own_root() / field('code')}:{field('class')}" if field("code") and field("class") else ""
    if source == TIMM:
        return f"{building.TIMM_ASKED}{field('timm').strip()}" if field("timm").strip() else ""
    return f"{building.OURS}{field('ours')}" if source == OURS else field("arch")


def pick_network() -> None:
    """Where the network comes from, which it is, and what it is called with."""
    files = own_folder.code_files()
    importing.choose_first("own source", list(SOURCES), FILE if files else LIBRARY)
    title_of_source = titles.named(SOURCES)
    look: dict[str, Any] = {"format_func": title_of_source, "required": True}
    st.segmented_control(say("1. Network"), list(SOURCES), key=links.in_words("own source"), **look)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if field("source") == FILE:
            _pick_from_file(files)
        else:
            _pick_from_library(field("source"))
        words = say("What its class or function is called with, such as num_classes=10, width=64.")
        st.text_input(say("Arguments"), key="own arguments", help=words, placeholder=say("none"))


def _pick_from_file(files: Sequence[str]) -> None:
    """A class or function of a file in the folder."""
    if not files:
        st.caption(say("Put a .py or .ipynb file into `{folder}`.", folder=own_root()))
        return
    words = say("Imports, classes, functions and constants are taken; the rest never runs.")
    importing.choose(say("File"), list(files), "own code", words)
    path = own_root() / field("code")
    names = _names(str(path), path.stat().st_mtime_ns)
    if isinstance(names, str):
        st.session_state["own class"] = None
        st.error(drawing.sentence(drawing.plain(names)), icon=":material/error:")
    else:
        importing.choose(say("Class or function"), names, "own class", say("What gives an nn.Module."))


@st.cache_data(max_entries=CHECKS, show_spinner=False)
def _names(path: str, changed: int) -> list[str] | str:
    """The names in a file of code that `changed` then, or why it cannot be read."""
    try:
        return extracting.names_in(Path(path))
    except (ValueError, OSError) as error:
        return str(error)


def _pick_from_library(source: str) -> None:
    """A network of a library, or of the labs."""
    if source == TIMM:
        words, example = say("timm has to be installed."), say("as in timm")
        st.text_input(say("Architecture"), key="own timm", placeholder=example, help=words)
    elif source == OURS:
        importing.choose(say("Architecture"), list(MODELS), "own ours", say("As the labs have it."))
    else:
        known, example = torchvision_networks(), say("as in torchvision")
        st.selectbox(say("Architecture"), known, key="own arch", index=None, placeholder=example)


def pick_weights() -> None:
    """A file of weights in the folder."""
    words = say("Nothing in the file is run.")
    importing.choose(say("2. Weights"), own_folder.weights_files(), "own weights", words)


def pick_images() -> None:
    """The data set that it is tested on."""
    words = say("On this machine, with the weights' classes in the weights' order.")
    importing.choose(say("3. Images"), image_sets(), "own data", words, format_func=title_of)


def image_sets() -> list[str]:
    """The data sets on this machine that a network can look at one by one; one's own come first."""
    fitting = [info for info in datasets.readable_datasets() if info.inputs == 1]
    here = [info for info in fitting if datasets.availability(info.name) != "missing"]
    return [info.name for info in sorted(here, key=lambda info: not info.own)]


def title_of(dataset: str) -> str:
    """A data set as people call it, with what its images are."""
    info = datasets.dataset_info(dataset)
    return say("{title}, {size}", title=say(info.title), size=" × ".join(map(str, info.shape)))


def more() -> None:
    """What has a usual value."""
    with st.popover(say("More"), icon=":material/tune:"):
        usual = say("NETWORK_IMAGES")
        st.text_input(say("Name"), key="own network name", max_chars=LONGEST_NAME, placeholder=usual)
        words = say("Of the normalisation, for values 0…1. Empty: as a card beside the weights says, else ImageNet's.")
        st.text_input(say("Mean"), key="own mean", placeholder="0.485, 0.456, 0.406", help=words)
        st.text_input(say("Standard deviation"), key="own std", placeholder="0.229, 0.224, 0.225", help=words)
        words = say("Which of several outputs are the logits: a key, or a number from 0.")
        st.text_input(say("Output"), key="own output", placeholder=say("the logits"), help=words)
        usual = say("For its card")
        st.text_input(say("Description"), key="own description", max_chars=LONGEST_DESCRIPTION, placeholder=usual)


# What was chosen, checked


def show_fit(network: str, weights: str, dataset: str) -> bool:
    """Say whether network, weights and images fit each other, and return it."""
    path = own_root() / weights
    files = [path, *(own_root() / code for code in own_folder.code_files())]  # code may import what lies beside it
    changed = [*datasets.version_of(dataset), *(str(each.stat().st_mtime_ns) for each in files if each.is_file())]
    given = tuple(field(name) for name in ("arguments", "output", "mean", "std"))
    with st.spinner(say("Checking that they fit…")):
        fits, words = _fit(network, str(path), dataset, given, tuple(changed))
    words = drawing.sentence(drawing.plain(words, 900))
    if fits:
        st.success(words, icon=":material/check_circle:")
    else:
        st.error(words, icon=":material/error:")
    return fits


@st.cache_data(max_entries=CHECKS, show_spinner=False)
def _fit(
    network: str, weights: str, dataset: str, given: tuple[str, ...], changed: tuple[str, ...]
) -> tuple[bool, str]:
    """Whether they fit, and a sentence on it, as long as nothing of them `changed`."""
    arguments, output, *normalisation = given
    try:
        mean, std = map(own_networks.numbers, normalisation)
        own_networks.check_lies_within(network, Path(weights), own_root())
        info, options = datasets.dataset_info(dataset), arguments_of(arguments)
        plan, model, _ = own_networks.fitted(network, Path(weights), info, mean, std, options, output)
    except (ValueError, OSError) as error:
        return False, say("{words}.", words=str(error))
    notes = plan.source.notes
    return True, say(
        "They fit: {title}, {n} weights with {numbers:,} numbers. Undone: {notes}."
        if notes
        else "They fit: {title}, {n} weights with {numbers:,} numbers.",
        title=plan.title,
        n=len(model.state_dict()),
        numbers=sum(each.numel() for each in model.parameters()),
        notes=chained(notes),
    )


def arguments_of(text: str) -> dict[str, Any]:
    """What stands in the field of arguments."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return building.parsed([part.strip() for part in parts if part.strip()])


def show_command(network: str, weights: str, dataset: str) -> None:
    """The command that imports what this server was not started to run."""
    words = ["python", "-m", "explorer", "import-network", network, str(own_root() / weights), "--data", dataset]
    given = {"--name": "network name", "--mean": "mean", "--std": "std", "--output": "output"}
    for option, name in given.items():
        words += [f"{option}={field(name)}"] if field(name) else []
    words += [f"--set={key}={value!r}" for key, value in _known(field("arguments")).items()]
    said = say(
        "Code is run only where somebody at this machine says so. Copy this line to its terminal; the network is then "
        "in the list. Or start the app with `{setting}=1`, and its users may run what lies in the folder.",
        setting=TRUST,
    )
    st.info(said, icon=":material/terminal:")
    st.code(shlex.join(words), language="bash", wrap_lines=True)


def _known(text: str) -> dict[str, Any]:
    try:
        return arguments_of(text)
    except ValueError:
        return {}


# Import


def ask() -> None:
    """Import what was chosen; a callback."""
    waiting.attempt(start)


def start() -> None:
    """Import it in the background; ValueError for fields that cannot be meant."""
    network, dataset, root = chosen_network(), field("data"), own_root()
    if not network or not dataset:
        raise ValueError(say("choose the images first" if network else "choose the network first"))
    if building.code_path(network) and not is_trusted():
        raise ValueError(say("this server runs no code; start it with {setting}=1", setting=TRUST))
    given = {key: field(key).strip() for key in ("output", "description")}
    given |= {key: own_networks.numbers(field(key)) for key in ("mean", "std")}
    given["options"] = arguments_of(field("arguments"))
    name = field("network name").strip() or own_networks.usual_name(network, dataset)
    import_it = partial(own_networks.import_network, network, root / field("weights"), dataset, name, **given)
    importing.start(work.NETWORK, name, lambda told: import_it(within=root, progress=told))
