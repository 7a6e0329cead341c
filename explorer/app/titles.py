"""What pickers call options that have no title of their own; addresses and files use the names."""

from collections.abc import Callable, Mapping

from explorer.language.saying import english, say

SPLITS = {"test": english("Test"), "train": english("Training"), "held-out": english("Held-out")}
SCHEDULES = {"once": english("Once"), "rerank": english("Again at each K")}
AXES = {"k": "K", "ratio": english("Share")}
DTYPES = {
    "float32": english("float32 (exact)"),
    "bfloat16": english("bfloat16 (faster)"),
    "audited": english("float32 by way of bfloat16"),
}
DETAILS = {
    "flips": english("Changed images"),
    "class table": english("Classes"),
    "confusion matrix": english("Confusion matrix"),
    "network": english("The network"),
    "questions": english("Questions"),
}
FLIPS = {"broken": english("Broken"), "repaired": english("Repaired")}
AGAINST = {"true": english("The true class"), "unpruned": english("The unpruned network")}
OUTPUTS = {"raw": english("Raw"), "activation": english("Activation"), "block": english("Block")}
CHOICES = {  # of a training's recipe
    "adam": "Adam",
    "sgd": english("SGD with momentum"),
    "constant": english("Constant"),
    "cosine": english("Cosine"),
    "late-cosine": english("Constant, then cosine"),
    "one-cycle": english("One cycle: up, then down"),
    "auto": english("As fast as this machine can"),
    "channels-first": english("Channels first"),
    "channels-last": english("Channels last"),
    "float16": english("float16 (half the size)"),
    **DTYPES,
}


def named(titles: Mapping[str, str]) -> Callable[[str], str]:
    """What says the title of an option, for the `format_func` of a picker; the option itself where it has none."""
    return lambda option: say(titles.get(option, option))
