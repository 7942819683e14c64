"""Records of sweeps as carsray writes them, without a training."""

import json
from pathlib import Path
from typing import Any

from carsray.config import SweepSettings
from carsray.data.records import DataSplit, Row
from carsray.results import BEST, State, SweepFolder, TrialState, create_sweep
from carsray.space import Space
from carsray.space_file import parse_space
from carsray.tuning.sweep import begin_record

SPACE = """
[objective]
rungs = [1, 2]
reduction = 2

[fixed]
backbone = "cnn"
image_size = 16
depth = 2
width = 4
epochs = 3

[search]
optimizer = { choices = ["sgd", "adam"], default = "sgd" }
lr = { low = 1e-4, high = 0.1, log = true, default = 0.01 }
momentum = { low = 0.0, high = 0.9, default = 0.5, when = { optimizer = "sgd" } }
"""
FINALISTS = """trial,chosen,search_score,mean,low,high,seeds,lr
7,True,0.6,0.55,0.5,0.6,3,0.1
2,False,0.58,0.5,,0.58,3,0.2
"""
RETRIEVAL = """k,distance,normalize,vote,tie,accuracy,accuracy_low,accuracy_high
5,cosine,l2,majority,lowest,0.9,0.8,0.95
1,cosine,l2,majority,lowest,0.8,0.7,0.9
5,cosine,l2,softmax,lowest,0.7,0.6,0.8
5,euclidean,none,majority,lowest,0.6,0.5,0.7
"""
POINTS: list[dict[str, Any]] = [
    {"optimizer": "sgd", "lr": 0.01, "momentum": 0.5},
    {"optimizer": "adam", "lr": 0.001},
    {"optimizer": "sgd", "lr": 0.03, "momentum": 0.1},
]
WEIGHTS = b"the weights of the best epoch"
BEGAN = 1_000_000.0


def space_of() -> Space:
    return parse_space(SPACE, "tiny.toml", {})


def made_sweep(results: Path, name: str = "cars-1") -> SweepFolder:
    """A sweep that has begun, without a trial."""
    rows = tuple(Row(f"{number}.jpg", number % 4, f"{number:064d}") for number in range(40))
    split = DataSplit(tuple("abcd"), rows[:20], rows[20:30], rows[30:], "as given", "none")
    folder = create_sweep(results, name)
    settings = SweepSettings(data=results, cache=results, trials=3)
    begin_record(folder, space_of(), split, settings)
    folder.append_run("began", gpus_per_trial=0.5)
    line = folder.runs.read_text().replace(str(folder.read_runs()[0]["time"]), str(BEGAN))
    folder.runs.write_text(line)
    return folder


def add_trial(
    folder: SweepFolder, number: int, scores: list[float], state: State, reason: str = "", kind: str = ""
) -> None:
    """A trial with an epoch a score; epoch e ends e minutes after the sweep began."""
    trial, point = folder.trial(number), POINTS[number]
    trial.write_config(point, space_of().config(point).model_dump(mode="json"))
    trial.history.unlink(missing_ok=True)
    for epoch in range(1, len(scores) + 1):
        metrics = {"val/accuracy": scores[epoch - 1], BEST: max(scores[:epoch]), "train/loss": 2.0 - epoch / 10}
        used = {"seconds/compute": 1.5, "system/processors": 0.9}
        trial.append({"epoch": epoch, **metrics, **used, "outlived": ["died"], "time": BEGAN + 60 * epoch})
    trial.write_state(TrialState(state, len(scores), 90.0, reason, "host 1a2b", kind))


def ended_sweep(results: Path) -> SweepFolder:
    """Three trials: the best one finished and kept its weights, one was pruned, one has failed."""
    folder = made_sweep(results)
    add_trial(folder, 0, [0.2, 0.5, 0.4], "finished")
    folder.trial(0).checkpoint.write_bytes(WEIGHTS)
    add_trial(folder, 1, [0.1], "pruned")
    add_trial(folder, 2, [0.3, 0.3], "failed", "loss became nan\nmore of it", "trial")
    folder.append_run("ended", why="complete")
    return folder


def training(root: Path, *accuracies: float, seed: int = 0) -> Path:
    """A folder as confirm and retrain leave it."""
    root.mkdir(parents=True)
    config = space_of().config({"optimizer": "sgd", "lr": 0.1, "momentum": 0.5}, seed=seed)
    (root / "config.json").write_text(json.dumps({"config": config.model_dump(mode="json")}))
    lines = [{"epoch": e, "val/accuracy": a, BEST: a, "time": 9.0} for e, a in enumerate(accuracies, 1)]
    (root / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root
