"""All trials as a table, below the parallel coordinates that filter it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carsray.leaderboard import TrialRow
from carsray.report.parallel import Parallel, parallel
from carsray.report.reading import Sweep
from carsray.results import BEST
from carsray.tuning.picture import duration, number


@dataclass(frozen=True, slots=True)
class Line:
    """A trial's row: what is shown, and what sorts it."""

    trial: int
    state: str
    cells: Sequence[str]
    """Without trial and state."""


@dataclass(frozen=True, slots=True)
class Trials:
    """The chart, the table, and the same as data for the script."""

    parallel: Parallel | None
    head: Sequence[str]
    lines: Sequence[Line]
    data: dict[str, Any]


def trials(sweep: Sweep) -> Trials | None:
    """Everything about every trial; None where there is none."""
    if not sweep.rows:
        return None
    params = list(sweep.space.parameters)
    head = ["trial", "state", "epochs", BEST, *params, "time"]
    chart = parallel(sweep)
    places = dict(chart.places) if chart else {}
    return Trials(
        chart,
        head,
        [Line(row.trial, row.state, _cells(row, params)) for row in sweep.rows],
        {
            "axes": [
                {
                    "name": axis.name,
                    "kind": axis.kind,
                    "low": axis.low,
                    "high": axis.high,
                    "log": axis.log,
                    "integer": axis.integer,
                    "ends": [axis.low_text, axis.high_text],
                }
                for axis in (chart.axes if chart else ())
            ],
            "columns": head,
            "trials": [
                {"trial": row.trial, "at": places.get(row.trial, []), "values": _values(row, params)}
                for row in sweep.rows
            ],
        },
    )


def _cells(row: TrialRow, params: Sequence[str]) -> list[str]:
    score = f"{row.score:.4f}" if row.best else ""
    searched = [number(row.params[name]) if name in row.params else "" for name in params]
    return [str(row.epochs), score, *searched, duration(row.seconds)]


def _values(row: TrialRow, params: Sequence[str]) -> list[Any]:
    return [row.trial, row.state, row.epochs, row.best.get(BEST), *map(row.params.get, params), round(row.seconds, 2)]
