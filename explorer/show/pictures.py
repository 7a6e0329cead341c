"""Small pictures of images and of averaged maps."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

COLD_TO_HOT = ("440154", "46327e", "365c8d", "277f8e", "1fa187", "4ac16d", "a0da39", "fde725")  # viridis
PIXELS = 32  # of a strip's height, at least: what is drawn larger than it is would be blurred


def side_by_side(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Images uint8 (N, C, H, W) of each input, next to each other: (N, C, H, W · inputs). One input stays as it is."""
    return np.concatenate(inputs, axis=-1)


def thumbnails(images: np.ndarray, size: int = 112) -> list[np.ndarray]:
    """Images uint8 (N, C, H, W) as arrays (h, w) or (h, w, 3) whose pixels stay square, about `size` pixels high."""
    images = np.asarray(images)
    factor = max(1, size // images.shape[-2])
    large = images.repeat(factor, axis=-2).repeat(factor, axis=-1)
    return [picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0) for picture in large]


def strip(maps: np.ndarray, rows_only: bool = False) -> str:
    """Averaged maps (P, M, N) side by side as one picture, as a `data:` address; each from its own lowest value.

    With `rows_only` a map is one pixel wide: the mean of each of its rows, for so many that maps would be specks.
    """
    shown = maps.mean(2, keepdims=True) if rows_only else maps
    low, high = shown.min((1, 2), keepdims=True), shown.max((1, 2), keepdims=True)
    scaled = (shown - low) / np.where(high > low, high - low, 1)
    factor = max(1, -(-PIXELS // shown.shape[1]))
    scaled = scaled.repeat(factor, 1) if rows_only else scaled.repeat(factor, 1).repeat(factor, 2)
    colours = np.array([[int(name[at : at + 2], 16) for at in (0, 2, 4)] for name in COLD_TO_HOT], float)
    places = np.linspace(0, 1, len(colours))
    side = np.concatenate(list(scaled), axis=1)  # (height, P * width)
    picture = np.stack([np.interp(side, places, colours[:, channel]) for channel in range(3)], axis=-1)
    content = io.BytesIO()
    Image.fromarray(picture.round().astype(np.uint8)).save(content, "PNG")
    return address(content.getvalue())


def address(file: bytes) -> str:
    """A PNG file as a `data:` address, which holds the picture itself."""
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def png(picture: np.ndarray, size: int = 224) -> bytes:
    """A picture uint8 (h, w) or (h, w, 3) as a PNG file; one far larger than `size` pixels is made smaller."""
    file = io.BytesIO()
    Image.fromarray(picture).reduce(max(1, min(picture.shape[:2]) // size)).save(file, "PNG")
    return file.getvalue()
