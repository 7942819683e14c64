"""What a sweep has cost so far, stage by stage."""

from dataclasses import dataclass

from carsray.report.numbers import gpu_hours
from carsray.report.reading import Sweep
from carsray.tuning.picture import duration


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one stage."""

    stage: str
    time: str
    gpu_hours: str


def costs(sweep: Sweep) -> list[Cost]:
    """The search first; later stages as far as they have been run."""
    found = [Cost("Search", duration(sweep.seconds), gpu_hours(sweep.gpu_hours))]
    if confirmed := sweep.findings.confirmed:
        rows = confirmed["finalists"]
        seconds = sum(row["seconds"] * row["seeds"] for row in rows)
        trainings = sum(row["seeds"] for row in rows)
        found.append(Cost(f"{trainings} repetitions, summed", duration(seconds), gpu_hours(_hours(sweep, seconds))))
    if retrained := sweep.findings.retrained:
        cost = retrained["cost"]
        found.append(Cost("Retrain and test", duration(cost["seconds"]), gpu_hours(cost["gpu_hours"])))
    return found


def _hours(sweep: Sweep, seconds: float) -> float | None:
    return None if sweep.gpu_share is None else seconds * sweep.gpu_share / 3600
