"""What a network, a layer, a ranking and a lab are, in plain words: what the heads of the pages are made of."""

from collections.abc import Callable

from explorer.answers import outline
from explorer.answers.choices import criterion_named
from explorer.answers.labs import Lab
from explorer.app import drawing
from explorer.app.heads import head
from explorer.images import datasets
from explorer.language.saying import english, joined, say
from explorer.networks import checkpoints
from explorer.networks.checkpoints import Checkpoint
from explorer.networks.registry import model_info
from explorer.pruning.criteria import REVERSED

KINDS = {  # by what a model's name ends with, what such a network is called
    "-half": english("{model} on {dataset}, half the multiply-adds"),
    "-report": english("{model} as in the report, on {dataset}"),
    "": english("{model} on {dataset}"),
}
TASKS = {  # by data set, what a network does that was trained on it
    "cifar10": english("tells ten kinds of animals and vehicles apart"),
    "mnist": english("tells the ten handwritten digits apart"),
    "mnist-pairs": english("says whether two handwritten digits are the same"),
    "fashion-mnist": english("tells ten kinds of clothing apart"),
    "cifar100": english("tells a hundred kinds of things, plants and animals apart"),
    "kmnist": english("tells ten characters of old Japanese handwriting apart"),
    "emnist-balanced": english("tells handwritten digits and letters apart, 47 in all"),
    "stl10": english("tells ten kinds of animals and vehicles apart"),
    "svhn": english("tells the ten digits of house numbers apart"),
}
FIRST = {  # by criterion, the channels that go first
    "mean": english("the least active"),
    "block-mean": english("those whose block is least active"),
    "mean-abs": english("the faintest"),
    "relu": english("those that pass on the least"),
    "apoz": english("those that are most often zero"),
    "variance": english("the steadiest"),
    "l1": english("those with the smallest weights"),
    "l2": english("those with the smallest weights"),
    "fpgm": english("the most replaceable"),
    "bn-scale": english("the least amplified"),
    "taylor": english("those that the loss depends on least"),
    "random": english("some at random"),
}
ABOUT_PRUNING = english(
    """
**K** is how many channels are pruned: their weights are set to zero, and the network stays as it is otherwise. The
channels go in the order below the curve, the first on the left; what is left of the line is pruned.

**Accuracy** is the share of the test {examples} that the pruned network gets right, of all that there are, at every K.
The shaded band is the Wilson interval in which it lies with 95 % certainty.

**Last K within 1 point** is the last K before accuracy is ever more than one percentage point below that of the
unpruned network. The **steepest drop** is the tenth of the channels over which accuracy falls most.

The bars are what the channels are **ranked by**: {criterion}. {about}

The strip below shows what each channel puts
out on average, from its lowest value (dark) to its highest (bright).
"""
)


ABOUT_ACTIVATIONS = english(
    r"""
A channel of a convolution puts out a **map**: one number for each place in the image. Its **mean activation** is the
mean of that map over all places and all test images,

$$\bar a_c = \frac{1}{N M W} \sum_{n, i, j} a_{n, c, i, j}$$

and its **averaged map** the mean over the images alone. *Raw output* is what the convolution itself puts out, before
any batch norm and ReLU, so that a mean may lie below zero: the least active channel is then the most negative one.
"""
)
NEGATIVE = english(
    "Raw means before any ReLU, so that it may lie below zero: the least active channel is the most negative one, and "
    "its bar the longest."
)


def title_of(name: str) -> str:
    """What a network is called on the pages: those that come with the app by what they are, others by their name."""
    if name not in checkpoints.SHIPPED:
        return name
    model, dataset = name.split("_", 1)
    end = next(end for end in KINDS if model.endswith(end))
    return say(
        KINDS[end],
        model=say(model_info(model.removesuffix(end)).title),
        dataset=say(datasets.dataset_info(dataset).title),
    )


def task_of(point: Checkpoint) -> str:
    """What a network does, as the end of a sentence that it begins."""
    card = point.card
    if card.dataset in TASKS:
        return say(TASKS[card.dataset])
    return say("tells {count} classes of images apart", count=len(card.classes))


def layer_of(point: Checkpoint, layer: str) -> str:
    """A layer of a network and its channels, as the beginning of a sentence."""
    convs = outline.channels_of(point)
    return say(
        "Its last convolution has {channels} channels"
        if layer == list(convs)[-1]
        else "Its convolution `{layer}` has {channels} channels",
        layer=layer,
        channels=convs[layer],
    )


def first_to_go(criterion: str) -> str:
    """Which channels a ranking prunes first."""
    name = criterion.removesuffix(REVERSED)
    if name not in FIRST:
        return say("those that cost the least, one after the other")
    first = say(FIRST[name])
    return say("all but {first}, as a counter-check,", first=first) if criterion.endswith(REVERSED) else first


def head_of_pruning(point: Checkpoint, layer: str, criterion: str, lab: Lab | None, switch: Callable[[], None]) -> None:
    """The head of the page Prune, with a `switch` in it: what there is to see as channels of a layer go."""
    sentence = say(
        "This network {task}. {layer}; prune {first} and see what it forgets.",
        task=task_of(point),
        layer=layer_of(point, layer),
        first=first_to_go(criterion),
    )
    asked = criterion_named(criterion)
    about = say(
        ABOUT_PRUNING,
        examples=say(datasets.dataset_info(point.card.dataset).examples),
        criterion=drawing.within(say(asked.title)),
        about=joined([say(asked.sentence), say(NEGATIVE) if criterion == "mean" else ""]),
    )
    head(title(point, lab), sentence, f"{about_lab(lab)}\n\n{about}" if lab else about, switch)


def title(point: Checkpoint, lab: Lab | None) -> str:
    """What the pages about a network, or a lab that prunes it, are called."""
    if lab is None:
        return title_of(point.name)
    return say("Lab {lab}: {model}", lab=lab.name, model=say(model_info(point.card.model).title))


def head_of_activations(point: Checkpoint, layer: str, lab: Lab | None, switch: Callable[[], None]) -> None:
    """The head of the page Activations: what the channels of a layer put out."""
    title, about = say("What the channels of {layer} put out", layer=layer), say(ABOUT_ACTIVATIONS)
    sentence = say(
        "This network {task}. {layer}; each answers to something else in an image, and those whose answer is weak on "
        "average are pruned first.",
        task=task_of(point),
        layer=layer_of(point, layer),
    )
    head(title, sentence, f"{about_lab(lab)}\n\n{about}" if lab else about, switch)


def about_lab(lab: Lab) -> str:
    """What a lab did, and how its ways differ."""
    return say(
        ":material/school: **Lab {lab}, {title}.** {did}\n\n{differs}",
        lab=lab.name,
        title=say(lab.title),
        did=say(lab.did),
        differs=say(lab.differs),
    )
