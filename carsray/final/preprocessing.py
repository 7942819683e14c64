"""From squares as a pack holds them to what a network takes, and the same in words for who works without carsray."""

from typing import Any

import numpy as np
from torch import Tensor, from_numpy

from carsray.config import TrialConfig
from carsray.data.augment import MEAN_STD, centre, normalize, resize


def prepare(squares: np.ndarray, config: TrialConfig) -> Tensor:
    """Squares uint8 (B, S, S, 3) to float32 (B, 3, s, s), as data/batches evaluates them on a processor.

    Always there: a GPU resizes without rounding to whole levels, and the same picture would get other numbers.
    """
    middle = centre(from_numpy(np.array(squares)), config.eval_crop)
    return normalize(resize(middle, config.image_size), config.normalize)


def describe(config: TrialConfig) -> dict[str, Any]:
    """preprocessing.json: every number, and what is done in which order."""
    side = config.packed_size
    kept = centre(from_numpy(np.zeros((1, side, 1, 1), np.uint8)), config.eval_crop).shape[1]
    mean, std = MEAN_STD[config.normalize]
    return {
        "steps": [
            "take the first picture of the file",
            "convert to 8-bit RGB: what is transparent becomes white, 16-bit grey is divided by 257",
            "squash the whole picture to a square of square_size (aspect not kept): Pillow's BICUBIC, reducing_gap 3.0;"
            " a JPEG may be decoded at 1/2, 1/4 or 1/8 down to twice square_size first (Pillow's draft)",
            "turn it as the EXIF orientation says",
            "cut out the middle square of crop_size, from crop_start on in both directions",
            "where image_size differs: resize to it, bilinear and antialiased, across and then down, each rounded to"
            " 8 bits (torch.nn.functional.interpolate of uint8; README.md has it in numpy)",
            "divide by 255, subtract mean, divide by std, channel by channel",
            "lay out as float32 (batch, channel, row, column)",
        ],
        "colour_order": "RGB",
        "square_size": side,
        "square_resize": "bicubic",
        "crop_size": kept,
        "crop_start": round((side - kept) / 2),
        "image_size": config.image_size,
        "image_resize": "bilinear, antialiased",
        "mean": mean,
        "std": std,
        "trained_on_boxes": config.crop_to_box,
    }
