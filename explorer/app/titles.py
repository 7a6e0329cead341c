"""What pickers call options that have no title of their own; addresses and files use the names."""

SPLITS = {"test": "Test", "train": "Training", "held-out": "Held-out"}
SCHEDULES = {"once": "Once", "rerank": "Again at each K"}
DTYPES = {"float32": "float32 (exact)", "bfloat16": "bfloat16 (faster)"}
DETAILS = {
    "flips": "Changed images",
    "class table": "Classes",
    "confusion matrix": "Confusion matrix",
    "network": "The network",
}
FLIPS = {"broken": "Broken", "repaired": "Repaired"}
AGAINST = {"true": "The true class", "unpruned": "The unpruned network"}
