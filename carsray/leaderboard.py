"""The trials of a sweep as rows, ranked: what trials.csv holds, and what is shown while it runs."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from carsray.files import write_text
from carsray.results import BEST, State, SweepFolder


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One row of trials.csv."""

    trial: int
    state: State
    epochs: int
    best: dict[str, float]
    """The metrics of the best epoch, val/accuracy_best among them; empty before the first epoch."""
    seconds: float
    params: dict[str, Any]
    reason: str = ""
    node: str = ""
    kind: str = ""
    used: dict[str, float] = field(default_factory=dict)
    """What the last epoch used of its machine; see training/usage.py."""

    @property
    def ended(self) -> bool:
        """Whether the trial will not go on."""
        return self.state not in ("running", "paused")

    @property
    def score(self) -> float:
        """What trials are ranked by; below every real score where there is none."""
        return self.best.get(BEST, -math.inf)

    def after(self, metrics: dict[str, float], seconds: float) -> "TrialRow":
        """This row after one more epoch."""
        improved = metrics[BEST] > self.score
        best = {k: v for k, v in metrics.items() if k.startswith(("train/", "val/"))} if improved else self.best
        used = {k: v for k, v in metrics.items() if k.startswith("system/")}
        return replace(self, epochs=int(metrics["epoch"]), best=best, seconds=self.seconds + seconds, used=used)


def read_rows(folder: SweepFolder) -> list[TrialRow]:
    """The rows of all trials, from their own folders."""
    rows = []
    for trial in folder.all_trials():
        if trial.config.exists() and trial.state.exists():
            state = trial.read_state()
            row = TrialRow(trial.number, state.state, 0, {}, 0.0, trial.read_params(), state.reason, state.node)
            for epoch in trial.read_history():
                row = row.after(epoch, 0.0)
            rows.append(replace(row, epochs=state.epochs, seconds=state.seconds, kind=state.kind))
    return rows


def rank(row: TrialRow) -> tuple[bool, float, int]:
    """Less is better: failed trials come last, ties in the order of their numbers."""
    return row.state == "failed", -row.score, row.trial


def ranked(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """Best first."""
    return sorted(rows, key=rank)


def write_table(folder: SweepFolder, rows: Iterable[TrialRow], params: Iterable[str]) -> None:
    """Write trials.csv: trial, state, epochs, metrics of the best epoch, seconds, one column per parameter."""
    rows, params = list(rows), list(params)
    metrics = list(dict.fromkeys([BEST, *(key for row in rows for key in row.best)]))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trial", "state", "epochs", *metrics, "seconds", *params])
    for row in rows:
        best, values = map(row.best.get, metrics), map(row.params.get, params)
        table.writerow([row.trial, row.state, row.epochs, *best, round(row.seconds, 2), *values])
    write_text(folder.table, text.getvalue())
