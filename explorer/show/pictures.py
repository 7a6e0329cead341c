"""Small pictures of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Pictures


def side_by_side(inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Images uint8 (N, C, H, W) of each input, next to each other: (N, C, H, W · inputs). One input stays as it is."""
    return np.concatenate(inputs, axis=-1)


def thumbnails(images: np.ndarray, size: int = 112) -> list[np.ndarray]:
    """Images uint8 (N, C, H, W) as arrays (h, w) or (h, w, 3) whose pixels stay square, about `size` pixels high."""
    images = np.asarray(images)
    factor = max(1, size // images.shape[-2])
    large = images.repeat(factor, axis=-2).repeat(factor, axis=-1)
    return [picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0) for picture in large]
