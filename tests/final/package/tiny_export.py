"""A small sweep that has been retrained, as `carsray export` finds it, by the formats of both."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from carsray.config import RunConfig, SweepSettings, TrialConfig
from carsray.data.batches import TrainingData, eval_batches
from carsray.data.inspect import inspect
from carsray.data.pack import ensure_pack
from carsray.data.records import DataSplit, Row
from carsray.data.sources.catalog import open_catalog
from carsray.data.split_file import write_split
from carsray.data.splits import make_split
from carsray.files import write_json
from carsray.interval import wilson
from carsray.leaderboard import read_rows, write_table
from carsray.models.network import Network
from carsray.results import SweepFolder, TrialState, create_sweep
from carsray.training.answers import answer_metrics, confusion, most_confused
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes
from carsray.training.evaluate import predict
from carsray.training.fit import EpochResult, fit

SPACE = """
[fixed]
backbone = "cnn"
epochs = 2

[search]
optimizer = { choices = ["sgd", "adam"], default = "adam" }
lr = { low = 1e-4, high = 0.1, log = true, default = 0.01 }
momentum = { low = 0.0, high = 0.9, default = 0.5, when = { optimizer = "sgd" } }
"""
SETTINGS: dict[str, Any] = {
    **{"backbone": "cnn", "depth": 2, "width": 4, "hidden": 12, "image_size": 16, "pack_size": 20},
    **{"optimizer": "adam", "lr": 0.01, "epochs": 2, "batch_size": 8, "precision": "float32", "augment": "light"},
}
STATEMENT = "Trials 0 and 1 cannot be told apart; trial 0 is the cheapest of these to train. It reaches 61.50%."


def draw_photographs(root: Path, classes: int = 3, each: int = 24) -> Path:
    """JPEG files large enough to be decoded at a fraction; a class has a colour of its own, under coarse noise."""
    rng = np.random.default_rng(0)
    for label, colour in enumerate(rng.integers(60, 196, (classes, 3))):
        folder = root / f"Car {label} 19{90 + label}"
        folder.mkdir(parents=True)
        for number in range(each):
            pixels = (colour + rng.integers(-60, 60, (12, 16, 3))).astype(np.uint8)
            Image.fromarray(pixels).resize((160, 120)).save(folder / f"{number}.jpg", quality=90)
    return root


def retrained(home: Path, **changes: Any) -> SweepFolder:
    """A sweep in home/results with a trained seed-0 in its retrain/; home has its pictures and its cache too."""
    config = TrialConfig(**(SETTINGS | changes))
    if not (home / "pictures").exists():
        draw_photographs(home / "pictures")
    catalog = open_catalog(home / "pictures")
    split, _ = make_split(catalog, inspect(catalog, home / "cache"), config)
    sweep = create_sweep(home / "results", "cars")
    _write_sweep(sweep, split, config, home)
    network = _trained(config, split, home / "cache")
    _write_retrain(sweep, split, config, network, home / "cache")
    return sweep


def _write_sweep(sweep: SweepFolder, split: DataSplit, config: TrialConfig, home: Path) -> None:
    sweep.space.write_text(SPACE)
    write_split(split, sweep.split)
    settings = SweepSettings(data=home / "pictures", cache=home / "cache", trials=1)
    write_json(sweep.settings, {"settings": settings.model_dump(mode="json"), "pinned": {}})
    for number, score in enumerate((0.7, 0.5)):
        trial = sweep.trial(number)
        trial.root.mkdir()
        trial.write_config({"lr": config.lr}, config.model_dump(mode="json"))
        trial.write_state(TrialState("pruned" if number else "finished", 2 - number))
        trial.append({"epoch": 1, "val/accuracy_best": score})
    write_table(sweep, read_rows(sweep), ["lr"])
    write_json(sweep.root / "finalists.json", {"chosen": 0, "statement": STATEMENT, "curse": 0.085})


def merged(split: DataSplit) -> tuple[Row, ...]:
    return tuple(sorted((*split.train, *split.val), key=lambda row: row.path))


def _trained(config: TrialConfig, split: DataSplit, cache: Path) -> Network:
    data = TrainingData(ensure_pack(merged(split), config, cache), ensure_pack(split.val, config, cache), split.classes)
    epochs = [e for e in fit(config, data, RunConfig(device="cpu", cache=cache)) if isinstance(e, EpochResult)]
    return epochs[-1].network


def _write_retrain(sweep: SweepFolder, split: DataSplit, config: TrialConfig, network: Network, cache: Path) -> None:
    folder = sweep.root / "retrain"
    (folder / "seed-0").mkdir(parents=True)
    info = CheckpointInfo(config, split.classes, config.epochs)
    (folder / "seed-0/checkpoint.safetensors").write_bytes(checkpoint_bytes(network, info))
    pack = ensure_pack(split.test, config, cache)
    logits, labels = predict(network, eval_batches(pack, config, torch.device("cpu")), torch.float32)
    predicted, truth = logits.argmax(dim=1).numpy(), labels.numpy()
    write_json(folder / "retrain.json", _summary(split, config, logits, labels))
    counts = confusion(predicted, truth, len(split.classes))
    _write_csv(
        folder / "classes-test.csv", ["class", "pictures", "precision", "recall", "f1"], _by_class(counts, split)
    )
    pairs = [(pair.true, pair.taken_for, pair.times, pair.of) for pair in most_confused(counts, split.classes)]
    _write_csv(folder / "confused-test.csv", ["true", "taken_for", "times", "of"], pairs)


def _summary(split: DataSplit, config: TrialConfig, logits: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    predicted, truth = logits.argmax(dim=1).numpy(), labels.numpy()
    metrics = answer_metrics(predicted, truth)
    losses = {
        name: float(functional.cross_entropy(logits / t, labels)) for name, t in (("loss", 1), ("loss_scaled", 1.31))
    }
    interval = wilson(int((predicted == truth).sum()), len(truth))
    return {
        "config": config.model_dump(mode="json"),
        "classes": list(split.classes),
        "fingerprint": split.fingerprint,
        "seeds": [0, 1],
        "temperature": 1.3125,
        "test_kind": split.test_kind,
        "pictures": {"train": len(split.train) + len(split.val), "test": len(split.test)},
        "test": metrics | losses | {"accuracy_interval": interval, "ece": 0.12345, "ece_scaled": 0.04321},
        "test_by_seed": [metrics["accuracy"], 0.654321],
        "mean": 0.623456,
        "mean_interval": [0.512345, 0.712345],
        "twin": {"val": {}, "test": {}, "gain": -0.012345, "gain_interval": [-0.112345, 0.087654]},
        "retrieval": None,
        "cost": {
            "seconds": 12.3,
            "gpu_hours": 0.25,
            "search_seconds": 3456.7,
            "search_gpu_hours": 1.75,
            "device": "cpu",
        },
        "opening": 1,
        "commit": "abc",
    }


def _by_class(counts: np.ndarray, split: DataSplit) -> list[tuple[Any, ...]]:
    rows = []
    for label, name in enumerate(split.classes):
        right, said, there = counts[label, label], counts[:, label].sum(), counts[label].sum()
        rows.append((name, there, right / max(said, 1), right / max(there, 1), 2 * right / max(said + there, 1)))
    return rows


def _write_csv(path: Path, heads: list[str], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([heads, *rows])


def change_json(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text()) | changes)
