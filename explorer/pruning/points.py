"""Where a layer's output is looked at, in words."""

POINTS: dict[str, str] = {
    "raw": "raw output of the convolution",
    "activation": "output after batch norm and activation",
    "block": "output of the residual block",
}
TAYLOR = "taylor"  # a point for rankings alone: not an output, but how much it matters to the loss
