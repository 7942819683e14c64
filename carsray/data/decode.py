"""One picture file becomes one small square of RGB bytes."""

import hashlib
import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from carsray.data.records import Box, Row
from carsray.errors import DataError

ORIENTATION = 0x0112
"""EXIF tag: how the camera was held. https://exiftool.org/TagNames/EXIF.html"""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

FloatBox = tuple[float, float, float, float]


def decode(row: Row, size: int, margin: float | None = None) -> np.ndarray:
    """The picture, upright and squashed to a square: uint8 (size, size, 3).

    With a margin it is cut to its box first, widened on each side by that share of the box's width and height.
    Raises DataError where the file cannot be read, or is not the one that was listed.
    """
    return _decoded(row, lambda image: squash(image, size, row.box, margin))


def thumbnail(row: Row, longest: int) -> Image.Image:
    """The whole picture, upright, in RGB, its longer side at most so many pixels. Raises as decode does."""
    return _decoded(row, lambda image: _shrink(image, longest))


def squash(image: Image.Image, size: int, box: Box | None = None, margin: float | None = None) -> np.ndarray:
    """What decode makes of an open picture; of a file that was not read yet, no more is read than is needed.

    Whatever Pillow raises for a damaged file comes out.
    """
    # A square may be turned after resizing, which leaves the box in the file's own pixels.
    return np.asarray(_upright(image, lambda: _square(image, size, _region(image.size, box, margin))))


Made = TypeVar("Made")


def _decoded(row: Row, make: Callable[[Image.Image], Made]) -> Made:
    content = _read(row)
    try:
        with Image.open(BytesIO(content)) as image:
            return make(image)
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them into
        raise DataError(f"{row.path}: cannot be decoded ({error}); remove it or replace it") from None


def _upright(image: Image.Image, make: Callable[[], Image.Image]) -> Image.Image:
    """What is made of a picture, turned as the camera was held."""
    made = make()
    # Asked for afterwards: Pillow turns a TIFF while it reads it, and forgets then how it was held.
    turn = UPRIGHT.get(_held(image))
    return made if turn is None else made.transpose(turn)


def _held(image: Image.Image) -> int:
    """How the camera was held, as EXIF counts; 1, upright, where nothing says so that can be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # garbage in a block that many tools write is no reason to do without the picture
        return 1


def _shrink(image: Image.Image, longest: int) -> Image.Image:
    scale = min(longest / max(image.size), 1)
    width, height = (max(round(side * scale), 1) for side in image.size)

    def small() -> Image.Image:
        image.draft(None, (2 * width, 2 * height))
        return _rgb(image).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)

    return _upright(image, small)


def _read(row: Row) -> bytes:
    try:
        content = Path(row.path).read_bytes()
    except OSError as error:
        raise DataError(f"{row.path}: cannot be read any more ({error.strerror}); put it back") from None
    if hashlib.sha256(content).hexdigest() != row.digest:
        raise DataError(f"{row.path}: its bytes have changed since it was listed; put the old file back or start anew")
    return content


def _region(size: tuple[int, int], box: Box | None, margin: float | None) -> FloatBox:
    """The part of a picture to keep: all of it, or its box, widened and clamped."""
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    if box is None or margin is None:
        return whole
    left, top, right, bottom = box
    wide, high = margin * (right - left), margin * (bottom - top)
    region = (max(left - wide, 0), max(top - high, 0), min(right + wide, size[0]), min(bottom + high, size[1]))
    return region if region[0] < region[2] and region[1] < region[3] else whole


def _square(image: Image.Image, size: int, region: FloatBox) -> Image.Image:
    width, height = image.size
    # A JPEG decodes at 1/2, 1/4 or 1/8 at a fraction of the cost; twice the pixels needed leave no visible trace.
    least = 2 * size / (region[2] - region[0]), 2 * size / (region[3] - region[1])
    image.draft(None, (math.ceil(width * least[0]), math.ceil(height * least[1])))
    across, down = image.width / width, image.height / height
    box = (region[0] * across, region[1] * down, region[2] * across, region[3] * down)
    return _rgb(image).resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def _rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB from any mode; what is transparent becomes white."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):
        # Pillow would clip 16 bits at 255, leaving white.
        return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")
