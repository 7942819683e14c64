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
    """Of one trial, in this process."""
    hours_before: float
    began: float
    """time.time() at which this process began."""
    seconds_before: float = 0.0
    """That all trials had taken of their slots by then."""
    gpu_seconds_before: float = 0.0

    @classmethod
    def after(
        cls,
        runs: Sequence[Mapping[str, Any]],
        rows: Sequence[TrialRow],
        histories: Mapping[int, Sequence[Mapping[str, Any]]],
        settings: SweepSettings,
        gpus: float,
    ) -> "Budget":
        """What is left to a process that begins now, of a sweep with this record."""
        seconds = sum(row.seconds for row in rows)
        ends = [epoch["time"] for history in histories.values() for epoch in history if "time" in epoch]
        on_gpus = gpu_seconds(runs, settings.gpus_per_trial, seconds) or 0.0
        return cls(settings, gpus, hours_worked(runs, ends), time.time(), seconds, on_gpus)

    def spent(self, rows: Mapping[int, TrialRow]) -> str:
        """Why the sweep has to wind down, in one clause; empty while it has not."""
        asked, trials = self.settings, list(rows.values())
        hours = self.hours_before + (time.time() - self.began) / 3600
        if asked.budget_hours and hours >= asked.budget_hours:
            return f"the budget of {asked.budget_hours:g} hours is spent"
        since = sum(row.seconds for row in trials) - self.seconds_before
        gpu_hours = (self.gpu_seconds_before + since * self.gpus) / 3600
        if asked.budget_gpu_hours and gpu_hours >= asked.budget_gpu_hours:
            return f"the budget of {asked.budget_gpu_hours:g} GPU-hours is spent"
        best = max((row for row in trials if row.state != "failed"), key=lambda row: row.score, default=None)
        if asked.target and best and best.score >= asked.target:
            return f"trial {best.trial} has reached the target of {asked.target:g}"
        return ""


def gpus_of_a_trial(runs: Sequence[Mapping[str, Any]], asked: float | None) -> float | None:
    """GPUs that each trial had; None where the record does not say: an early carsray noted only what was asked for."""
    shares = [float(run["gpus_per_trial"]) for run in runs if "gpus_per_trial" in run]
    return shares[-1] if shares else asked


def lost_gpus(runs: Sequence[Mapping[str, Any]], gpus: float) -> str:
    """That trials had GPUs before and have none now, and what to do; else it would show by their slowness alone."""
    before = gpus_of_a_trial(runs, None)
    if not before or gpus:
        return ""
    return (
        f"each trial had {before:g} GPU before and has none now, so they go on on processors, most likely far slower. "
        "If that is not meant, Ctrl-C, and once there are GPUs again"
    )


def gpu_seconds(runs: Sequence[Mapping[str, Any]], asked: float | None, seconds: float) -> float | None:
    """GPU-seconds of trials that have taken so many seconds of their slots; each process gave them its own share.

    None where the record does not say, see `gpus_of_a_trial`. A process of an earlier carsray did not note how many
    seconds had been taken when it began: they count with its share.
    """
    begun = [run for run in runs if "gpus_per_trial" in run]
    if not begun:
        return None if asked is None else asked * seconds
    total, at = 0.0, 0.0
    for run, following in zip(begun, [*begun[1:], {"seconds": seconds}], strict=True):
        until = float(following.get("seconds", at))
        total += float(run["gpus_per_trial"]) * (until - at)
        at = until
    return total


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
