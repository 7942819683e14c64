"""Small spaces, pictures to search over, and stand-ins for Ray's trial objects."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from carsray.space import Space
from carsray.space_file import parse_space
from carsray.tuning.rungs import RungTable
from carsray.tuning.turns import Turns

TEXT = """
[objective]
rungs = [1, 2]
reduction = 2

[fixed]
backbone = "cnn"
image_size = 16
pack_size = 20
depth = 2
width = 4
hidden = 0
batch_size = 8
precision = "float32"
augment = "light"
epochs = 3

[search]
optimizer = { choices = ["sgd", "adam"], default = "sgd" }
lr = { low = 1e-4, high = 0.1, log = true, default = 0.01 }
momentum = { low = 0.0, high = 0.9, default = 0.5, when = { optimizer = "sgd" } }

[[start]]
optimizer = "adam"
lr = 0.001
"""
"""Two start points; momentum exists for sgd only."""


def space_of(text: str = TEXT, **pinned: Any) -> Space:
    return parse_space(text, "tiny.toml", pinned)


def roomy_turns(*cut_off: int) -> Turns:
    """A sweep in which there is always room for a new trial."""
    return Turns(RungTable([1, 2], 2), 1000, 1000, cut_off)


def draw_folders(root: Path, classes: int = 4, each: int = 16, side: int = 32) -> Path:
    """A folder per class; a class has a colour of its own, under noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(60, 196, (classes, 3))
    for label in range(classes):
        folder = root / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(each):
            pixels = colours[label] + rng.integers(-60, 60, (side, side, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.jpg")
    return root


def fake_trial(number: int, error: Exception | None = None, **params: Any) -> Any:
    """What carsray reads of a trial of Ray's."""
    config = {"trial": number, "params": params, "config": {"epochs": 3, **params}}
    return SimpleNamespace(config=config, evaluated_params={}, status="RUNNING", get_error=lambda: error)
