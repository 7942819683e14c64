"""When a sweep has had enough: its time is spent, or a trial is as good as asked."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carsray.config import SweepSettings
from carsray.leaderboard import TrialRow


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a sweep, and what earlier processes have used."""

    settings: SweepSettings
    gpus: float
    """Of one trial."""
    hours_before: float
    began: float
    """time.time() at which this process began."""

    def spent(self, rows: Mapping[int, TrialRow]) -> str:
        """Why the sweep has to wind down, in one clause; empty while it has not."""
        asked, trials = self.settings, list(rows.values())
        hours = self.hours_before + (time.time() - self.began) / 3600
        if asked.budget_hours and hours >= asked.budget_hours:
            return f"the budget of {asked.budget_hours:g} hours is spent"
        gpu_hours = sum(row.seconds for row in trials) * self.gpus / 3600
        if asked.budget_gpu_hours and gpu_hours >= asked.budget_gpu_hours:
            return f"the budget of {asked.budget_gpu_hours:g} GPU-hours is spent"
        best = max(trials, key=lambda row: row.score, default=None)
        if asked.target and best and best.score >= asked.target:
            return f"trial {best.trial} has reached the target of {asked.target:g}"
        return ""


def gpus_of_a_trial(runs: Sequence[Mapping[str, Any]], asked: float | None) -> float | None:
    """GPUs that each trial had; None where the record does not say: an early carsray noted only what was asked for."""
    shares = [float(run["gpus_per_trial"]) for run in runs if "gpus_per_trial" in run]
    return shares[-1] if shares else asked


def hours_worked(runs: Sequence[Mapping[str, Any]], epochs: Iterable[float]) -> float:
    """Hours by the clock that earlier processes worked on a sweep; arguments as for `spans_worked`."""
    return sum(ended - began for began, ended in spans_worked(runs, epochs)) / 3600


def spans_worked(runs: Sequence[Mapping[str, Any]], epochs: Iterable[float]) -> list[tuple[float, float]]:
    """When each process that worked on a sweep began and ended.

    Args:
        runs: what SweepFolder.read_runs gives.
        epochs: when epochs ended; the last one is the end of a process that was killed, or is still at work.

    """
    ends, spans, began = sorted(epochs), list[tuple[float, float]](), None
    for event in [*runs, {"event": "began", "time": float("inf")}]:
        if event["event"] == "ended" and began is not None:
            spans.append((began, event["time"]))
            began = None
        elif event["event"] == "began":
            if began is not None:
                last = max((end for end in ends if began <= end <= event["time"]), default=began)
                spans.append((began, last))
            began = event["time"]
    return spans
