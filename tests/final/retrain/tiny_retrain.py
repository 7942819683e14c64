"""The folder of a small sweep that has run, as retrain finds it: pictures, split, trials, winner, retrieval point."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from carsray.config import SweepSettings, TrialConfig
from carsray.data.inspect import inspect
from carsray.data.sources.catalog import open_catalog
from carsray.data.splits import make_split
from carsray.files import write_json
from carsray.results import SweepFolder, TrialState, create_sweep
from carsray.space_file import parse_space
from carsray.tuning.sweep import begin_record

SETTINGS: dict[str, Any] = {
    **{"backbone": "cnn", "depth": 2, "width": 4, "hidden": 6, "image_size": 16, "pack_size": 20},
    **{"batch_size": 8, "precision": "float32", "augment": "light", "lr": 0.05, "epochs": 3, "schedule": "cosine"},
}
SPACE = """
[fixed]
backbone = "cnn"
epochs = 3

[search]
lr = { low = 0.01, high = 0.1, log = true, default = 0.05 }
"""
POINT = {"k": 3, "distance": "euclidean", "normalize": "none", "vote": "majority", "tie": "nearest"}
HISTORY = [(1, 0.4, 0.9), (2, 0.7, 0.6), (3, 0.7, 0.8)]
"""(epoch, val/accuracy, val/loss) of the one trial."""


def draw_pictures(root: Path, classes: int = 3, each: int = 15) -> Path:
    """A folder per class; a class has a colour of its own, under noise."""
    rng = np.random.default_rng(0)
    for label, colour in enumerate(rng.integers(60, 196, (classes, 3))):
        folder = root / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(each):
            pixels = colour + rng.integers(-60, 60, (24, 24, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root


def swept(home: Path, name: str = "cars", **changes: Any) -> SweepFolder:
    """A sweep with one trial, number 0, of these settings; home has its pictures, cache and results."""
    if not (home / "pictures").exists():
        draw_pictures(home / "pictures")
    catalog = open_catalog(home / "pictures")
    config = TrialConfig(**(SETTINGS | changes), seed=71, view_seed=72)
    split, _ = make_split(catalog, inspect(catalog, home / "cache"), config)
    folder = create_sweep(home / "results", name)
    settings = SweepSettings(data=home / "pictures", cache=home / "cache", trials=1)
    begin_record(folder, parse_space(SPACE, "tiny.toml", {}), split, settings)
    trial = folder.trial(0)
    trial.root.mkdir(parents=True)
    trial.write_config({"lr": config.lr}, config.model_dump(mode="json"))
    trial.write_state(TrialState("finished", 3, 30.0))
    for epoch, accuracy, loss in HISTORY:
        trial.append({"epoch": epoch, "val/accuracy": accuracy, "val/loss": loss, "val/accuracy_best": accuracy})
    folder.append_run("began", gpus_per_trial=0.5)
    folder.append_run("ended", why="complete")
    return folder


def name_winner(folder: SweepFolder, finalists: dict[str, Any] | None = None, **changes: Any) -> None:
    """winner.toml, and finalists.json where it is given, as `carsray confirm` writes them."""
    settings = "\n".join(f"{name} = {json.dumps(value)}" for name, value in (SETTINGS | changes).items())
    (folder.root / "winner.toml").write_text(f'# by carsray confirm\n[[experiment]]\nid = "winner"\n{settings}\n')
    if finalists is not None:
        write_json(folder.root / "finalists.json", finalists)


def choose_point(folder: SweepFolder, **changes: Any) -> None:
    """retrieval.json, as `carsray retrieval` writes it."""
    write_json(folder.root / "retrieval.json", {"chosen": POINT | changes})
