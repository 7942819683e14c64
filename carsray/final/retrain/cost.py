"""What the search and the retrain took."""

import time
from collections.abc import Iterable
from typing import Any

from carsray.final.retrain.folder import RetrainedFolder, RetrainFolder
from carsray.leaderboard import read_rows
from carsray.results import SweepFolder, read_lines
from carsray.tuning.budget import gpu_seconds, hours_worked


def cost_of(folder: RetrainFolder, trainings: Iterable[str]) -> dict[str, Any]:
    """Seconds by the clock, breaks left out; GPU-hours of trials and trainings; None where the record does not say."""
    own = [folder.training(name) for name in trainings]
    lines = [line for training in own for line in training.read_history()]
    seconds, gpu_hours = _search(folder.sweep)
    return {
        "seconds": 3600 * hours_worked(read_lines(folder.runs), [*(line["time"] for line in lines), time.time()]),
        "gpu_hours": sum(_seconds(training) * training.read_gpus() for training in own) / 3600,
        "search_seconds": seconds,
        "search_gpu_hours": gpu_hours,
        "device": ", ".join(sorted({line["device"] for line in lines})),
    }


def _seconds(training: RetrainedFolder) -> float:
    parts = [value for line in training.read_history() for name, value in line.items() if name.startswith("seconds/")]
    return float(sum(parts))


def _search(sweep: SweepFolder) -> tuple[float, float | None]:
    runs, asked = sweep.read_runs(), sweep.read_settings()["settings"].get("gpus_per_trial")
    ends = [line["time"] for trial in sweep.all_trials() for line in trial.read_history() if "time" in line]
    on_gpus = gpu_seconds(runs, asked, sum(row.seconds for row in read_rows(sweep)))
    return 3600 * hours_worked(runs, ends), None if on_gpus is None else on_gpus / 3600
