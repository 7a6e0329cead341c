"""What pickers call options that have no title of their own; addresses and files use the names."""

SPLITS = {"test": "Test", "train": "Training", "held-out": "Held-out"}
SCHEDULES = {"once": "Once", "rerank": "Again at each K"}
AXES = {"k": "K", "ratio": "Share"}
DTYPES = {"float32": "float32 (exact)", "bfloat16": "bfloat16 (faster)", "audited": "float32 by way of bfloat16"}
DETAILS = {
    "flips": "Changed images",
    "class table": "Classes",
    "confusion matrix": "Confusion matrix",
    "network": "The network",
    "questions": "Questions",
}
FLIPS = {"broken": "Broken", "repaired": "Repaired"}
AGAINST = {"true": "The true class", "unpruned": "The unpruned network"}
CHOICES = {  # of a training's recipe
    "adam": "Adam",
    "sgd": "SGD with momentum",
    "constant": "Constant",
    "cosine": "Cosine",
    "late-cosine": "Constant, then cosine",
    "one-cycle": "One cycle: up, then down",
    "auto": "As fast as this machine can",
    "channels-first": "Channels first",
    "channels-last": "Channels last",
    "float16": "float16 (half the size)",
    **DTYPES,
}
