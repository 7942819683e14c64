"""Several sweeps side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carsray.report.best_so_far import Progress, compared_best
from carsray.report.cost import costs
from carsray.report.numbers import bounds, share
from carsray.report.plots import Table
from carsray.report.reading import Sweep


@dataclass(frozen=True, slots=True)
class Compared:
    """The chart, the table, and whether the numbers mean the same."""

    progress: Progress | None
    table: Table
    sentence: str


def compared(sweeps: Sequence[Sweep]) -> Compared | None:
    """None for one sweep."""
    if len(sweeps) < 2:
        return None
    head = [
        "sweep",
        "state",
        "trials",
        "best on val",
        "val pictures",
        "repeated, 95 %",
        "test, 95 %",
        "search",
        "GPU-hours",
    ]
    return Compared(
        compared_best(sweeps),
        Table("The sweeps", head, [_row(sweep) for sweep in sweeps], frozenset({0, 1})),
        _sentence(sweeps),
    )


def _repeated(confirmed: Mapping[str, Any]) -> str:
    return f"{share(confirmed['mean'])} ({bounds(confirmed['interval'])})"


def _row(sweep: Sweep) -> list[str]:
    retrained = sweep.findings.retrained
    confirmed = sweep.findings.confirmed if sweep.findings.confirms_final else None
    search = costs(sweep)[0]
    test = retrained["test"] if retrained else None
    return [
        sweep.name,
        sweep.standing,
        f"{sweep.ended}/{sweep.settings.trials}",
        f"{sweep.best.score:.4f}" if sweep.best else "",
        f"{len(sweep.split.val):,}",
        _repeated(confirmed) if confirmed else "not confirmed",
        f"{share(test['accuracy'])} ({bounds(test['accuracy_interval'])})" if test else "not opened",
        search.time,
        search.gpu_hours,
    ]


def _sentence(sweeps: Sequence[Sweep]) -> str:
    if len({sweep.split.fingerprint for sweep in sweeps}) > 1:
        return (
            "These sweeps did not see the same pictures (their fingerprints differ): their scores cannot be compared "
            "as they stand."
        )
    return (
        "All of them were judged on the same pictures of val. Each best score is the largest of its trials, which "
        "flatters it, and the more trials the more; `carsray confirm` gives numbers that can be compared."
    )
