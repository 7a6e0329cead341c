"""One image from a file: upright, grey or in colour, and a square of one size."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from explorer.images.datasets import RESIZES
from explorer.images.lazy_torchvision import import_torchvision
from explorer.images.registry import Shape
from explorer.language.saying import Said, listed, say

if TYPE_CHECKING:
    from PIL import Image

SIZES = (8, 1024)  # of an image's side, in pixels
SQUARE_ENOUGH = 100  # how many times as long as wide an image may be, to cut a square from
ORIENTATION, UPRIGHT = 0x0112, 1  # the EXIF tag that says how the camera was held, and what it says of most images
GREY = ("1", "L", "LA")  # modes of images without colour


@dataclass(frozen=True)
class Form:
    """What every image becomes: a square of `size` pixels, by one of RESIZES, of one channel or of three."""

    size: int
    resize: str = "short"
    grey: bool = False

    def check(self) -> None:
        """ValueError unless there is such a size, and such a way to it."""
        if type(self.size) is not int or not SIZES[0] <= self.size <= SIZES[1]:
            low, high = SIZES
            raise ValueError(
                say("image size {size} is outside {low}…{high} pixels", size=self.size, low=low, high=high)
            )
        if self.resize not in RESIZES:
            words = "unknown resize {resize!r}; choose one of: {known}"
            raise ValueError(say(words, resize=self.resize, known=listed(RESIZES)))

    @property
    def shape(self) -> Shape:
        """(C, H, W) of every image."""
        return (1 if self.grey else 3, self.size, self.size)


def read_picture(path: Path, form: Form) -> tuple[Tensor, bool]:
    """An image, uint8 (C, H, W), and whether it had to be turned upright; ValueError for one that cannot be had so."""
    image, turned = _open(path, form.grey)
    functional = import_torchvision("transforms.functional")
    _check_fits(path, image.size, form)
    if form.resize == "exact":
        image = functional.resize(image, [form.size, form.size], antialias=True)
    elif form.resize == "short":
        image = functional.center_crop(functional.resize(image, form.size, antialias=True), form.size)
    return functional.pil_to_tensor(image), turned


def _open(path: Path, grey: bool) -> tuple["Image.Image", bool]:
    """The image in a file, upright and in the mode that is wanted, and whether it was turned."""
    from PIL import Image  # comes with torchvision, and is imported as late

    try:
        with Image.open(path) as file:
            mode = file.mode
            _check_depth(mode)
            image = file.convert("L" if grey else "RGB")
            turn = _turn(file)
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        words = "the image {path} cannot be read ({why}); replace it or delete it"
        raise ValueError(say(words, path=path, why=_why(error))) from error
    if grey and mode not in GREY:
        words = "the image {path} is in colour (mode {mode}); save it as grey, or import all in colour"
        raise ValueError(say(words, path=path, mode=mode))
    return (image, False) if turn is None else (image.transpose(turn), True)


def _why(error: BaseException) -> str:
    """An error in one line: ours, which can be said again, or Pillow's."""
    said = str(error)
    return said if isinstance(said, Said) else " ".join(said.split())


def _check_depth(mode: str) -> None:
    """ValueError for an image of more than 8 bits a channel, which Pillow would cut off at 255 instead of scaling."""
    if mode[0] in "IF":
        raise ValueError(say("its mode is {mode}, more than 8 bits a channel: save it with 8", mode=mode))


def _turn(file: "Image.Image") -> "Image.Transpose | None":
    """What makes an image upright, as ImageOps.exif_transpose, but whatever else is wrong with its EXIF data."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        return turns.get(file.getexif().get(ORIENTATION, UPRIGHT))
    except (OSError, SyntaxError, ValueError, TypeError, struct.error):
        return None


def _check_fits(path: Path, found: tuple[int, int], form: Form) -> None:
    """ValueError for an image whose size does not allow what is to be done."""
    width, height = found
    if form.resize == "none" and found != (form.size, form.size):
        raise ValueError(
            say(
                "the image {path} is {width} × {height} pixels, not {size} × {size}, and nothing is to be resized; "
                "give the size that all images have, or resize them with short or exact",
                path=path,
                width=width,
                height=height,
                size=form.size,
            )
        )
    if form.resize == "short" and max(found) > SQUARE_ENOUGH * min(found):
        words = "the image {path} is {width} × {height}, too long to cut a square from; crop it or delete it"
        raise ValueError(say(words, path=path, width=width, height=height))
