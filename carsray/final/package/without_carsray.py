"""Recognise pictures with onnxruntime, numpy and Pillow alone:  python recognise.py PACKAGE PICTURE..."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270"}
TURNS |= {7: "TRANSVERSE", 8: "ROTATE_90"}


def open_square(path: str, side: int) -> np.ndarray:
    """The first picture of a file, upright, in RGB, squashed to a square: uint8 (side, side, 3)."""
    with Image.open(path) as file:
        file.draft(None, (2 * side, 2 * side))  # a JPEG need not be decoded whole
        image: Image.Image = file
        if image.mode.startswith("I"):  # 16 bits
            image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
        elif image.has_transparency_data:
            opaque = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
        image = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
        try:
            turn = TURNS.get(file.getexif().get(0x0112, 1))  # after the pixels, with which Pillow turns a TIFF
        except Exception:  # unreadable EXIF turns nothing
            turn = None
        return np.asarray(image.transpose(Image.Transpose[turn]) if turn else image)


def resize(square: np.ndarray, size: int) -> np.ndarray:
    """Bilinear and antialiased, in the whole numbers that torch computes in: uint8 (size, size, 3)."""
    scale = len(square) / size
    centres = (np.arange(size) + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(len(square)) + 0.5 - centres[:, None]) / max(scale, 1))
    weights /= weights.sum(axis=1, keepdims=True)
    bits = max(bits for bits in range(23) if int(0.5 + weights.max() * 2**bits) < 2**15)
    whole = np.floor(weights * 2**bits + 0.5).astype(np.int64)
    for axis in (1, 0):
        sums = np.moveaxis(np.tensordot(whole, square.astype(np.int64), (1, axis)), 0, axis)
        square = ((sums + 2 ** (bits - 1)) >> bits).clip(0, 255)
    return square.astype(np.uint8)


def prepare(path: str, how: dict[str, Any]) -> np.ndarray:
    """What the network takes of a file, as preprocessing.json says: float32 (3, size, size)."""
    start, kept = how["crop_start"], how["crop_size"]
    square = open_square(path, how["square_size"])[start : start + kept, start : start + kept]
    if kept != how["image_size"]:
        square = resize(square, how["image_size"])
    scaled = (square.astype(np.float32) / np.float32(255) - np.float32(how["mean"])) / np.float32(how["std"])
    return scaled.transpose(2, 0, 1)


def run(package: Path, paths: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, classes) and embeddings (N, dimensions) of files."""
    how = json.loads((package / "preprocessing.json").read_text())
    session = onnxruntime.InferenceSession(package / "model.onnx", providers=["CPUExecutionProvider"])
    return tuple(session.run(["logits", "embedding"], {"pictures": np.stack([prepare(path, how) for path in paths])}))


if __name__ == "__main__":
    package, paths = Path(sys.argv[1]), sys.argv[2:]
    classes = json.loads((package / "classes.json").read_text())
    temperature = json.loads((package / "calibration.json").read_text())["temperature"]
    for path, logits in zip(paths, run(package, paths)[0] / temperature, strict=True):
        shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        for label in np.argsort(-shares)[:5]:
            print(f"{path}: {shares[label]:.4f} {classes[label]}")
