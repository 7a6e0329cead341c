"""Random changes to training images, which leave what they show the same.

Each takes images uint8 (N, C, H, W), a strength and a CPU generator that all randomness comes from, and returns images
of the same kind, on the device of those it was given. Strength 0 is off.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from explorer.language.saying import say


def random_flip(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Mirror so large a share of the images, chosen at random, left to right."""
    flipped = torch.rand(len(images), generator=generator) < share
    return torch.where(flipped.to(images.device)[:, None, None, None], images.flip(-1), images)


def random_crop(images: Tensor, padding: float, generator: Generator) -> Tensor:
    """Pad each with so many zeros on all sides, then crop back to H × W at random."""
    padding, device = int(padding), images.device
    n, channels, height, width = images.shape
    padded = F.pad(images, [padding] * 4)
    tops, lefts = torch.randint(0, 2 * padding + 1, (2, n, 1), generator=generator).to(device)
    rows = (tops + torch.arange(height, device=device))[:, None, :, None]  # (N, 1, H, 1)
    columns = (lefts + torch.arange(width, device=device))[:, None, None, :]  # (N, 1, 1, W)
    image = torch.arange(n, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[None, :, None, None]
    return padded[image, channel, rows, columns]


def random_scale(images: Tensor, share: float, generator: Generator) -> Tensor:
    """Zoom each in or out by up to this share, around its centre."""
    factors = 1 + _between(share, (len(images),), generator)
    return _warp(images, torch.zeros(len(images)), 1 / factors)


def random_rotation(images: Tensor, degrees: float, generator: Generator) -> Tensor:
    """Turn each by up to so many degrees either way, around its centre."""
    angles = _between(math.radians(degrees), (len(images),), generator)
    return _warp(images, angles, torch.ones(len(images)))


def random_jitter(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Change the brightness of each by up to this share of full white, and its contrast by up to this share."""
    shifts, factors = _between(strength, (2, len(images), 1, 1, 1), generator).to(images.device)
    values = images.float()
    centre = values.mean((1, 2, 3), keepdim=True)
    return _to_bytes((values - centre) * (1 + factors) + centre + 255 * shifts)


def random_noise(images: Tensor, deviation: float, generator: Generator) -> Tensor:
    """Add Gaussian noise of this standard deviation, as a share of full white."""
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return _to_bytes(images.float() + 255 * deviation * noise)


def random_occlusion(images: Tensor, side: float, generator: Generator) -> Tensor:
    """Blacken a square of so many pixels a side anywhere in each; at the rim it is cut off."""
    n, _, height, width = images.shape
    y, x = torch.rand(2, n, 1, generator=generator).to(images.device)
    rows = torch.arange(height, device=images.device) - (y * (height + 1) - side / 2).round()  # (N, H)
    columns = torch.arange(width, device=images.device) - (x * (width + 1) - side / 2).round()
    covered = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return images.masked_fill(covered[:, None], 0)


def _between(limit: float, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Uniform random numbers in ±limit, on the CPU."""
    return (2 * torch.rand(shape, generator=generator) - 1) * limit


def _warp(images: Tensor, angles: Tensor, factors: Tensor) -> Tensor:
    """Turn each image by its angle (N,) and shrink it by its factor (N,), bilinearly; what comes in is black."""
    cos, sin, zero = factors * angles.cos(), factors * angles.sin(), torch.zeros(len(images))
    maps = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3).to(images.device)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return _to_bytes(F.grid_sample(images.float(), grid, align_corners=False))


def _to_bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Augmentation:
    """A random change of the registry: what it is, and how strong it may be and usually is."""

    name: str
    title: str
    unit: str  # of its strength
    usual: float
    maximum: float
    apply: Callable[[Tensor, float, Generator], Tensor]
    whole: bool = False  # whether its strength is a whole number


AUGMENTATIONS: dict[str, Augmentation] = {
    each.name: each
    for each in (
        Augmentation("flip", "Flip left to right", "share of the images", 0.5, 1, random_flip),
        Augmentation("crop", "Pad and crop", "pixels of padding", 4, 16, random_crop, whole=True),
        Augmentation("scale", "Scale", "share of the size", 0.1, 0.5, random_scale),
        Augmentation("rotate", "Rotate", "degrees either way", 10, 180, random_rotation),
        Augmentation("jitter", "Jitter brightness and contrast", "share", 0.2, 0.9, random_jitter),
        Augmentation("noise", "Noise", "standard deviation, full white being 1", 0.05, 0.5, random_noise),
        Augmentation("occlusion", "Occlude a square", "pixels a side", 8, 64, random_occlusion, whole=True),
    )
}


def check(name: str, strength: float) -> None:
    """ValueError unless the strength is one that the augmentation may have."""
    known = AUGMENTATIONS[name]
    fits = type(strength) in (int, float) and 0 <= strength <= known.maximum  # refuses NaN, too
    fits = fits and (not known.whole or strength == int(strength))
    if not fits:
        raise ValueError(
            say(
                "{name} {strength!r} is not a whole number in 0…{most:g} ({unit})"
                if known.whole
                else "{name} {strength!r} is not a number in 0…{most:g} ({unit})",
                name=say(name),
                strength=strength,
                most=known.maximum,
                unit=say(known.unit),
            )
        )


def parse(text: str) -> dict[str, float]:
    """Strengths by name, of all augmentations, from "flip,crop=2": 0 for those not named; "none" names none."""
    strengths: dict[str, float] = dict.fromkeys(AUGMENTATIONS, 0)
    for part in [] if text == "none" else text.split(","):
        name, given, number = part.partition("=")
        if name not in AUGMENTATIONS:
            words = "unknown augmentation {name!r}; choose none or some of: {known}"
            raise ValueError(say(words, name=name, known=",".join(AUGMENTATIONS)))
        try:
            strengths[name] = _number(number) if given else AUGMENTATIONS[name].usual
        except ValueError:
            words = "augmentation {given!r} is not NAME or NAME=STRENGTH, such as crop=4"
            raise ValueError(say(words, given=part)) from None
        check(name, strengths[name])
    return strengths


def _number(text: str) -> float:
    """As a whole number where it is one, so that a recipe equals itself after a round trip."""
    value = float(text)
    return int(value) if value.is_integer() else value


def describe(strengths: Mapping[str, float]) -> str:
    """The text that `parse` reads: "flip=0.5,crop=2", or "none"."""
    return ",".join(f"{name}={strengths[name]:g}" for name in AUGMENTATIONS if strengths.get(name)) or "none"


def augment(images: Tensor, strengths: Mapping[str, float], generator: Generator) -> Tensor:
    """Images with every augmentation of a strength above 0, in the registry's order."""
    for name, known in AUGMENTATIONS.items():
        if strengths.get(name):
            images = known.apply(images, strengths[name], generator)
    return images
