"""A sweep's record without a sweep: pictures, trials that say how they went, what later stages would write."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from carsray.config import SweepSettings, TrialConfig
from carsray.data.records import DataSplit, Row
from carsray.files import write_json
from carsray.final.confirm.finalists import Finalist
from carsray.final.confirm.record import Asked, summary
from carsray.final.confirm.repetitions import RepetitionFolder
from carsray.final.confirm.verdict import Standing, Verdict
from carsray.report.reading import Sweep, read_sweep
from carsray.results import BEST, State, SweepFolder, TrialState, create_sweep
from carsray.retrieval.evaluate import Embedded, evaluate_grid
from carsray.retrieval.grid import Grid
from carsray.retrieval.summary import Searched, write_results
from carsray.space import Values
from carsray.space_file import parse_space
from carsray.tuning.sweep import begin_record

SPACE = """
[objective]
rungs = [1, 2]

[fixed]
backbone = "cnn"
image_size = 16
pack_size = 20
depth = 2
epochs = 4

[search]
lr = { low = 1e-4, high = 1.0, log = true }
optimizer = { choices = ["sgd", "adam"] }
momentum = { low = 0.5, high = 0.9, when = { optimizer = "sgd" } }
batch_size = { low = 8, high = 32 }
"""
BEGAN = 1_700_000_000.0
EPOCH_SECONDS = 10.0
CLASSES = ("plain", "striped", "spotted")


@dataclass(frozen=True)
class Told:
    """How a trial went."""

    scores: list[float]
    params: Values = field(default_factory=lambda: {"lr": 0.01, "optimizer": "adam", "batch_size": 16})
    state: State = "finished"
    reason: str = ""


USUAL = [
    Told([0.2, 0.3, 0.5, 0.45], {"lr": 0.01, "optimizer": "adam", "batch_size": 16}),
    Told([0.1, 0.15], {"lr": 0.5, "optimizer": "sgd", "momentum": 0.7, "batch_size": 8}, "pruned"),
    Told([0.3, 0.35, 0.4, 0.6], {"lr": 0.001, "optimizer": "adam", "batch_size": 32}),
    Told(
        [], {"lr": 1.0, "optimizer": "sgd", "momentum": 0.9, "batch_size": 32}, "failed", "loss became nan in epoch 1"
    ),
]


def made_split(root: Path, classes: tuple[str, ...] = CLASSES, each: int = 4) -> DataSplit:
    """Pictures of a colour a class on disk, so many a class in each part."""
    sides = []
    for side in ("train", "val", "test"):
        rows = []
        for number in range(each * len(classes)):
            label = number % len(classes)
            path = root / side / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (24, 18), (60 + 40 * label, 10 * number % 256, 120)).save(path)
            rows.append(Row(str(path), label, hashlib.sha256(path.read_bytes()).hexdigest()))
        sides.append(tuple(rows))
    return DataSplit(classes, *sides, "held out, not the official test", "fingerprint of " + " ".join(classes))


def made_sweep(
    root: Path,
    told: list[Told] | None = None,
    name: str = "made",
    classes: tuple[str, ...] = CLASSES,
    ended: str | None = "complete",
    pinned: Values | None = None,
) -> SweepFolder:
    """results/<name> under root. Trials ran one after the other, an epoch every ten seconds."""
    told = USUAL if told is None else told
    folder = create_sweep(root / "results", name)
    settings = SweepSettings(data=root / "pictures", cache=root / "cache", trials=max(len(told), 1))
    begin_record(
        folder, parse_space(SPACE, "tiny.toml", pinned or {}), made_split(root / "pictures", classes), settings
    )
    now = BEGAN
    folder.runs.write_text(json.dumps({"event": "began", "time": now, "host": {"name": "here"}}) + "\n")
    for number, trial in enumerate(told):
        now = _write_trial(folder, number, trial, now)
    if ended is not None:
        with folder.runs.open("a") as runs:
            runs.write(json.dumps({"event": "ended", "time": now, "why": ended}) + "\n")
    return folder


def _write_trial(folder: SweepFolder, number: int, told: Told, now: float) -> float:
    trial = folder.trial(number)
    trial.root.mkdir(parents=True)
    trial.write_config(told.params, TrialConfig(batch_size=int(told.params.get("batch_size", 8))).model_dump())
    for epoch, score in enumerate(told.scores, 1):
        now += EPOCH_SECONDS
        losses = {"train/loss": 2 / epoch, "val/loss": 3 / epoch}
        seconds = {"seconds/compute": 6.0, "seconds/validation": 3.0, "seconds/start": 1.0}
        best = {"val/accuracy": score, BEST: max(told.scores[:epoch])}
        trial.append({"epoch": epoch, **losses, **best, **seconds, "time": now})
    trial.write_state(TrialState(told.state, len(told.scores), EPOCH_SECONDS * len(told.scores), told.reason, "here 1"))
    return now


def made(root: Path, *args: Any, **named: Any) -> Sweep:
    """The same, read."""
    return read_sweep(made_sweep(root, *args, **named))


def add_finalists(folder: SweepFolder, split: DataSplit) -> None:
    """What `carsray confirm` leaves of trials 2, the winner, and 0; with answers that take striped for spotted once."""
    config = TrialConfig(epochs=4)
    winner = Standing(
        Finalist(2, 0.6, {"lr": 0.001, "optimizer": "adam"}, config),
        (0.5, 0.54),
        0.52,
        (0.4, 0.64),
        None,
        0.0,
        12.0,
        (1.0,),
    )
    other = Standing(
        Finalist(0, 0.5, {"lr": 0.01, "optimizer": "adam"}, config),
        (0.4, 0.5),
        0.45,
        (0.3, 0.6),
        (-0.2, 0.1),
        -0.07,
        9.0,
        (1.0,),
    )
    found = summary(Verdict((winner, other), winner, 0.03), Asked("carsray confirm made", 2, 2, {}, ["a note"]))
    write_json(folder.finalists_json, found)
    for seed in (0, 1):
        place = RepetitionFolder(folder.root / "confirm" / "0002" / f"seed-{seed}")
        predicted = np.array([row.label for row in split.train])
        judged = DataSplit(split.classes, (), split.train, (), split.test_kind, split.fingerprint)
        predicted[1] = 2
        place.begin({})
        place.write_answers(judged, predicted)


def add_retrain(folder: SweepFolder, split: DataSplit) -> None:
    """What `carsray retrain` leaves: one test picture of twelve is wrong, spotted taken for plain."""
    scores = {
        **dict.fromkeys(("precision_macro", "recall_macro", "f1_macro", "top5"), 0.9),
        **{"accuracy": 11 / 12, "accuracy_interval": [0.65, 0.985], "loss": 0.5, "loss_scaled": 0.4},
        **{"ece": 0.1, "ece_scaled": 0.05, "f1_macro_interval": [0.6, 0.95]},
    }
    record = {
        "config": {},
        "confirmed": True,
        "trial": 2,
        "classes": list(split.classes),
        "seeds": [5, 6],
        "test_kind": split.test_kind,
        "pictures": {"train": 24, "test": 12, "twin": 12},
        "test": scores,
        "test_by_seed": [11 / 12, 10 / 12],
        "mean": 0.875,
        "mean_interval": [0.3, 1.0],
        "twin": {"val": {}, "test": scores, "gain": 0.05, "gain_interval": [-0.1, 0.2]},
        "retrieval": None,
        "cost": {"seconds": 75.0, "gpu_hours": 0.5, "search_seconds": 100.0, "search_gpu_hours": None, "device": "cpu"},
        "opening": 1,
    }
    write_json(folder.root / "retrain" / "retrain.json", record)
    lines = [f"{row.path},{row.label},{row.label if at != 2 else 0},0.9\n" for at, row in enumerate(split.test)]
    (folder.root / "retrain" / "answers-test.csv").write_text("path,label,predicted,confidence\n" + "".join(lines))
    opening = {"time": "2026-01-02T03:04:05+0000", "by": "retrain", "experiment": "winner", "pictures": 12, "seed": 5}
    (folder.root / "test_ledger.jsonl").write_text(json.dumps(opening | {"weights": "a1" * 32}) + "\n")


def add_retrieval(folder: SweepFolder, split: DataSplit) -> None:
    """What `carsray retrieval` leaves, of embeddings that lie near their class."""
    rng = np.random.default_rng(0)
    sides = []
    for rows in (split.train, split.val):
        labels = np.array([row.label for row in rows], dtype=np.int64)
        sides.append(Embedded((np.eye(4)[labels] + rng.normal(0, 0.3, (len(rows), 4))).astype(np.float32), labels))
    searched = Searched(folder.root, "trial 2", *sides, split)
    grid = Grid((1, 3, 5), ("cosine", "euclidean"), ("none", "l2"), ("majority", "distance-weighted"), "lowest-label")
    write_results(searched, evaluate_grid(*searched.sides, grid), grid)
