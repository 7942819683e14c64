"""A picture as a person hands it over: not listed, not inspected, perhaps no picture at all."""

from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from carsray.data.decode import squash
from carsray.data.inspect import MAX_PIXELS
from carsray.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""What is read, by Pillow's names. It knows more, PostScript for one, for which it starts Ghostscript without a limit:
a stranger's file is not to come there.
"""

Given = str | Path | bytes | Image.Image | np.ndarray
"""A path, the content of a file, a Pillow image, or an array uint8 (H, W), (H, W, 3) or (H, W, 4), red first."""


def squash_given(picture: Given, size: int) -> np.ndarray:
    """The picture, upright and squashed to a square, as a pack holds it: uint8 (size, size, 3).

    Of an animation the first picture, or the one that a Pillow image stands at. Raises DataError, in one line, for
    what is missing, no picture, damaged, or larger than MAX_PIXELS.
    """
    name = name_of(picture)
    try:
        with _opened(picture, name) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            if isinstance(picture, Image.Image):
                image.load()  # what is not read yet would be read smaller, and the caller's picture with it
            return squash(image, size)
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{name}: has more than {MAX_PIXELS // 10**6} megapixels; make it smaller") from None
    except UnidentifiedImageError:
        raise DataError(f"{name}: is no picture that can be read; save it as JPEG, PNG or WebP") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them into
        raise DataError(f"{name}: cannot be decoded ({error}); use another copy of it") from None


def name_of(picture: Given) -> str:
    """What a message calls the picture."""
    if isinstance(picture, str | Path):
        return str(picture)
    return str(getattr(picture, "filename", "") or "the picture")


def _opened(picture: Given, name: str) -> AbstractContextManager[Image.Image]:
    if isinstance(picture, Image.Image):
        return nullcontext(picture)  # its owner closes it
    if isinstance(picture, np.ndarray):
        return Image.fromarray(_pixels(picture))
    if isinstance(picture, bytes):
        return Image.open(BytesIO(picture), formats=FORMATS)
    if not isinstance(picture, str | Path):
        raise DataError(f"{type(picture).__name__}: is no picture; give a path, bytes, a Pillow image or an array")
    if Path(picture).is_dir():
        raise DataError(f"{name}: is a folder, not a picture; name one in it")
    if not Path(picture).is_file():
        raise DataError(f"{name}: there is no such file; check the path")
    try:
        return Image.open(picture, formats=FORMATS)
    except PermissionError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}); check its permissions") from None


def _pixels(array: np.ndarray) -> np.ndarray:
    if (
        array.dtype != np.uint8
        or not array.size
        or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))
    ):
        raise DataError(
            f"array {array.dtype} {array.shape}: is no picture; give uint8 (height, width, 3), red first, 0 to 255"
        )
    return array
