"""Small coloured pictures on disk, their split, and a config that trains in a moment."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import TrainingData, training_data
from carsray.data.inspect import inspect
from carsray.data.records import DataSplit
from carsray.data.sources.catalog import open_catalog
from carsray.data.splits import make_split
from carsray.training.messages import Epoch, Failed, Progress
from carsray.training.process import TrainingProcess


def draw_folders(root: Path, classes: int = 3, each: int = 8, side: int = 20) -> Path:
    """A folder per class; a class has a colour of its own, under noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 216, (classes, 3))
    for label in range(classes):
        folder = root / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(each):
            pixels = colours[label] + rng.integers(-40, 40, (side, side, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root


def config_of(**changes: Any) -> TrialConfig:
    """A cnn of two blocks on pictures of 16 pixels."""
    tiny = {"backbone": "cnn", "depth": 2, "width": 4, "hidden": 0, "image_size": 16, "pack_size": 20}
    steps = {"epochs": 2, "batch_size": 4, "precision": "float32", "augment": "light"}
    return TrialConfig(**(tiny | steps | changes))


def split_of(pictures: Path, cache: Path) -> DataSplit:
    catalog = open_catalog(pictures)
    return make_split(catalog, inspect(catalog, cache), config_of())[0]


def data_of(tmp_path: Path, classes: int = 3, each: int = 8, **config: Any) -> TrainingData:
    split = split_of(draw_folders(tmp_path / "pictures", classes, each), tmp_path / "cache")
    return training_data(split, config_of(**config), tmp_path / "cache")


def run_of(tmp_path: Path, progress_seconds: float = 60.0) -> RunConfig:
    return RunConfig(device="cpu", cache=tmp_path / "cache", progress_seconds=progress_seconds)


def answer_of(process: TrainingProcess, snapshot: bool = False) -> Epoch | Failed:
    """The answer that ends an epoch."""
    *progress, last = process.next_epoch(snapshot)
    assert all(isinstance(event, Progress) for event in progress)
    assert not isinstance(last, Progress)
    return last


def epoch_of(process: TrainingProcess, snapshot: bool = False) -> Epoch:
    answer = answer_of(process, snapshot)
    assert isinstance(answer, Epoch), answer
    return answer
