"""Train a network: choose it, its images and its recipe, start, and watch."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import streamlit as st

from explorer.answers.labs import LABS
from explorer.app import downloads, drawing, guard, heads, links, networks, pickers, timings, waiting, watching
from explorer.background.jobs import QUEUED, RUNNING
from explorer.files.names import LONGEST_DESCRIPTION, LONGEST_NAME
from explorer.images import datasets
from explorer.images.augmentation import AUGMENTATIONS
from explorer.language.saying import english, joined, listed, say
from explorer.networks import checkpoints
from explorer.networks.cards import Card
from explorer.networks.registry import MODELS, model_info
from explorer.training import trainings
from explorer.training.finetuning import finetuning_recipe
from explorer.training.recipes import OPTIONS, Option, Recipe, recipe_for
from explorer.training.trainings import Training

IN_SIGHT = ("epochs", "batch_size", "optimizer", "lr", "weight_decay", "schedule", "seed")
USUAL_DATA = "fashion-mnist"  # comes with the app
START, FRESH = "train start", english("Random weights")
STARTED, MINE = "a training has started", "trainings that this tab started"
MOST = 3  # of them at a time, so that others have their turn

ABOUT = english("""
**A training** goes over the training images *epochs* times, in batches; after each batch the optimizer moves every
weight against the gradient of the loss, by the learning rate, which follows the schedule. After each epoch the network
is tested on images *held out* of the training images, and the best epoch is kept. The test images are looked at once,
at the end.

**As in lab A … E** fills the form with the recipe of that lab's network. A recipe decides what can be pruned: the same
network trained in another way may need other channels and blocks.

A training is a process of its own: it goes on when this tab or the server is closed, and resumes from its last epoch.
""")


# Asking


def opening(found: list[Training]) -> None:
    """The title, and in one sentence what trains now."""
    names = [f"**{drawing.plain(each.name)}**" for each in found if each.state == RUNNING]
    n = sum(each.state == QUEUED for each in found)
    if names:
        words = english("Now {names} is training, and {n} more wait." if n else "Now {names} is training.")
    else:
        words = english("Nothing is training now, and {n} more wait." if n else "Nothing is training now.")
    now = say(words, names=listed(names), n=n)
    what = say(
        "Train one of {n} networks with a recipe of your own, and prune it then like those of the labs.", n=len(MODELS)
    )
    heads.head(say("Train a network"), joined([what, now]), say(ABOUT))


def recipes_of_labs() -> None:
    """A button a lab, which fills the form with the recipe that its network was trained by."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(say("As in lab"), width="content")
        for name, lab in LABS.items():
            st.button(name, key=f"as in lab {name}", help=say(lab.title), on_click=fill_in, args=(lab.checkpoint,))


def fill_in(checkpoint: str) -> None:
    """Let the form stand at what a network's card says of its training; a callback."""
    st.session_state[START] = FRESH
    put_in(checkpoint, lambda card: asdict(recipe_for(card.model, card.dataset)) | card.recipe)


def fill_in_start() -> None:
    """Let the form stand at how the network to start from is fine-tuned; a callback."""
    if (checkpoint := st.session_state[START]) == FRESH:
        st.session_state["recipe of"] = ""  # so that the network's own is put in
    else:
        put_in(checkpoint, lambda card: asdict(finetuning_recipe(card)))


def put_in(checkpoint: str, recipe_of: Callable[[Card], dict[str, Any]]) -> None:
    """Let the form stand at a network, its images, and a recipe that its card gives."""
    try:
        card = checkpoints.read_card(checkpoint)
        recipe = recipe_of(card)
    except (ValueError, OSError) as error:
        words = english("The recipe of {name} cannot be read: {why}.")
        st.session_state[waiting.TROUBLE] = say(words, name=checkpoint, why=str(error))
        return
    fields = {f"train_{name}": option.kind(recipe[name]) for name, option in {**OPTIONS, **strengths()}.items()}
    st.session_state.update({"network": card.model, "data": card.dataset, "recipe of": card.model, **fields})
    for key in ("network", "data", *fields):
        links.drop_note(key)


def title_of_network(name: str) -> str:
    """What a network is called on the screen."""
    return say(model_info(name).title)


def title_of_images(name: str) -> str:
    """What a data set is called on the screen."""
    return say(datasets.dataset_info(name).title)


def new_training(found: list[Training]) -> None:
    """The form: what to train, on what, and how."""
    if started := st.session_state.pop(STARTED, ""):
        st.session_state.update({"train name": "", "train description": ""})
    if sent := st.session_state.pop(networks.TO_TUNE, ""):
        st.session_state[START] = sent
        fill_in_start()
    recipes_of_labs()
    with fields():
        model = pickers.pick_named(
            say("Network"), "network", list(MODELS), "simple-cnn", say("no network"), format_func=title_of_network
        )
        inputs, sets = model_info(model).inputs, datasets.readable_datasets()
        fitting = [info.name for info in sets if info.inputs == inputs and "train" in info.files]
        usual = USUAL_DATA if USUAL_DATA in fitting else fitting[0]
        wrong = say("no data set that fits {model}", model=model)
        dataset = pickers.pick_named(say("Images"), "data", fitting, usual, wrong, format_func=title_of_images)
    start = pick_start(model, dataset)
    with st.container():
        few = say("It learns from the 10,000 images that come with the app.")
        about = say(model_info(model).description)
        bundled = datasets.availability(dataset) == "bundled" and downloads.is_here(dataset, "train")
        st.caption(joined([about, few if bundled else ""]))
        there = downloads.has_data(dataset, why=say("This training needs"), split="train")
    free = trainings.free_name(model, dataset, start=start)
    with fields():
        name = st.text_input(say("Name"), key="train name", placeholder=free, max_chars=LONGEST_NAME) or free
        words = st.text_input(
            say("Description"), key="train description", placeholder=say("For its card"), max_chars=LONGEST_DESCRIPTION
        )
    try:
        recipe = pick_recipe(model, dataset)
        trainings.check(model, dataset, recipe, name, words, start=start)
    except ValueError as error:
        there = False
        st.error(say("This cannot be trained: {why}.", why=drawing.plain(str(error))), icon=":material/error:")
    else:
        estimate(model, dataset, recipe, found)
    if st.button(say("Start training"), icon=":material/play_arrow:", disabled=not there, width="stretch"):
        if waiting.attempt(submit, found, model, dataset, recipe, name, words, start):
            st.session_state[STARTED] = name
        st.rerun()
    with st.container():
        if started:
            words = say("{name} is queued: how it goes stands below.", name=started)
            st.success(words, icon=":material/check_circle:")


def pick_start(model: str, dataset: str) -> str:
    """The network to fine-tune, of those of this architecture for these images; empty for weights drawn at random."""
    cards = {name: card for name in checkpoints.list_checkpoints() if (card := card_of(name))}
    fitting = [name for name, card in cards.items() if (card.model, card.dataset) == (model, dataset)]
    if st.session_state.get(START, FRESH) not in [FRESH, *fitting]:
        st.session_state.update({START: FRESH, "recipe of": ""})

    def title(name: str) -> str:
        if name == FRESH:
            return say(FRESH)
        return drawing.plain(say("{name} (narrower)", name=name) if cards[name].widths else name)

    chosen = st.selectbox(
        say("Start from"),
        [FRESH, *fitting],
        key=links.in_words(START),
        on_change=fill_in_start,
        format_func=title,
        help=say(
            "Random weights, or those of a network, which may be compressed: then it is fine-tuned, in smaller steps."
        ),
    )
    return "" if chosen == FRESH else chosen


def card_of(name: str) -> Card | None:
    """The card of a checkpoint; None where it cannot be read."""
    try:
        return checkpoints.read_card(name)
    except (ValueError, OSError):
        return None


def submit(found: list[Training], model: str, dataset: str, recipe: Recipe, name: str, words: str, start: str) -> None:
    """Queue a training; ValueError where this tab has `MOST` that are not over."""
    mine = st.session_state.setdefault(MINE, set())
    if sum(each.name in mine and each.state in (RUNNING, QUEUED) for each in found) >= MOST:
        words = english("{n} trainings that you started are not over yet; wait for one, or cancel it")
        raise ValueError(say(words, n=MOST))
    trainings.submit(model, dataset, recipe, name, words, start=start)
    mine.add(name)


def strengths() -> dict[str, Option]:
    """Those of the augmentations, as more fields of a recipe."""
    return {
        each.name: Option(
            each.title,
            say("{unit}; usual is {usual:g}", unit=say(each.unit), usual=each.usual),
            int if each.whole else float,
            high=each.maximum,
            step=1 if each.whole else each.usual / 10,
        )
        for each in AUGMENTATIONS.values()
    }


def fields() -> Any:
    """The layout of the form's fields: two beside each other, where there is room."""
    return st.grid(2, min_column_width=170, gap="small")


def pick_recipe(model: str, dataset: str) -> Recipe:
    """The network's own recipe with what the form changes; ValueError where it does not hold together."""
    own: dict[str, Any] = asdict(recipe_for(model, dataset))
    if st.session_state.setdefault("recipe of", model) != model:
        st.session_state["recipe of"] = model
        settings = {**OPTIONS, **strengths()}
        st.session_state.update({f"train_{name}": option.kind(own[name]) for name, option in settings.items()})
    with fields():
        chosen = {name: pickers.pick_setting(name, OPTIONS[name], own[name]) for name in IN_SIGHT}
    with st.expander(say("More of the recipe"), icon=":material/tune:"):
        with fields():
            others = {name: option for name, option in OPTIONS.items() if name not in IN_SIGHT}
            chosen |= {name: pickers.pick_setting(name, option, own[name]) for name, option in others.items()}
        st.caption(say("Random changes to the training images; 0 is off."))
        with fields():
            chosen |= {name: pickers.pick_setting(name, option, own[name]) for name, option in strengths().items()}
    return replace(recipe_for(model, dataset), **chosen)


def estimate(model: str, dataset: str, recipe: Recipe, found: list[Training]) -> None:
    """How long it will take here: as an earlier training tells, or a few batches, which are timed on a click."""
    pace, job = trainings.pace(model, dataset, recipe, found), timings.known(model, dataset, recipe)
    with st.container():
        if pace is not None:
            whole = waiting.duration(pace * recipe.epochs)
            words = english(":material/timer: The last such training took {epoch} an epoch: about {whole}.")
            st.caption(say(words, epoch=waiting.duration(pace), whole=whole))
        elif job is None:
            words, icon = say("Trains a few batches and throws them away."), ":material/timer:"
            # no callback, which would have the recipe of the last run, and not the field that the click has left
            if st.button(say("How long will it take here?"), icon=icon, help=words):
                timings.start(model, dataset, recipe)
                st.rerun()
        elif job.result is not None:
            timing = job.result
            whole = waiting.duration(timing.seconds * recipe.whole_epochs)
            st.caption(
                say(
                    ":material/timer: About **{whole}** on this machine: {epochs:,} epochs of at most {epoch}, "
                    "going by {images:,} images that were timed.",
                    whole=whole,
                    epochs=recipe.epochs,
                    epoch=waiting.duration(timing.seconds),
                    images=timing.images,
                )
            )
        elif job.finished:
            waiting.show_end(job, say("Timing"), partial(timings.start, model, dataset, recipe))
        else:
            waiting.follow(job, say("Timing a few batches"))


with links.page():
    try:
        found = trainings.list_trainings()
    except (ValueError, OSError) as error:
        st.error(say("Nothing can be trained here: {why}.", why=drawing.plain(str(error))), icon=":material/error:")
        st.stop()
    opening(found)
    form, list_of_trainings = st.columns([2, 3], gap="large")
    with form:
        st.subheader(say("New training"))
        if not guard.ask_password(say("Training"), "training"):
            new_training(found)
    with list_of_trainings:
        st.subheader(say("Trainings"))
        lively = watching.is_lively(found)
        links.fragment(watching.watch, lively, every=watching.LIVE if lively else watching.IDLE)
