"""What a page is made from: the record of one sweep, read once, while it may still be growing."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from carsray.config import SweepSettings
from carsray.data.records import DataSplit
from carsray.leaderboard import TrialRow, ranked, read_rows
from carsray.report.findings import Findings, read_findings
from carsray.results import COMPLETE, LATELY, SweepFolder
from carsray.space import Space
from carsray.tuning.budget import gpu_seconds, gpus_of_a_trial, spans_worked
from carsray.tuning.picture import duration
from carsray.tuning.sweep import read_record

Standing = Literal["running", "cut off", "ended early", "complete"]


@dataclass(frozen=True)
class Sweep:
    """A sweep's record, as it was at one moment."""

    folder: SweepFolder
    space: Space
    split: DataSplit
    settings: SweepSettings
    facts: Mapping[str, Any]
    """What sweep.json says."""
    rows: Sequence[TrialRow]
    """Best first."""
    histories: Mapping[int, Sequence[Mapping[str, Any]]]
    """By trial, a line per epoch."""
    runs: Sequence[Mapping[str, Any]]
    """When processes began and ended to work on it."""
    findings: Findings
    """What came after the search."""
    worked_on: bool
    """Whether a process of this machine is at work on it."""
    read_at: float
    """time.time() of that moment."""

    @property
    def name(self) -> str:
        """Of the sweep's folder."""
        return self.folder.name

    @property
    def arguments(self) -> str:
        """What a command is told to find it."""
        return self.folder.arguments

    @cached_property
    def scored(self) -> list[TrialRow]:
        """Trials that have a score, best first."""
        return [row for row in self.rows if row.best]

    @property
    def best(self) -> TrialRow | None:
        """The best trial so far, by its best epoch on val."""
        return self.scored[0] if self.scored else None

    @property
    def ended(self) -> int:
        """Trials that will not go on."""
        return sum(row.ended for row in self.rows)

    @cached_property
    def epoch_ends(self) -> list[float]:
        """When epochs ended, in order."""
        return sorted(line["time"] for history in self.histories.values() for line in history if "time" in line)

    @cached_property
    def spans(self) -> list[tuple[float, float]]:
        """When each process began and ended."""
        return spans_worked(self.runs, self.epoch_ends)

    @property
    def seconds(self) -> float:
        """By the clock, without breaks between processes."""
        return sum(ended - began for began, ended in self.spans)

    def worked(self, moment: float) -> float:
        """Seconds by the clock from the beginning to a moment, without breaks."""
        return sum(max(min(moment, ended) - began, 0.0) for began, ended in self.spans)

    @property
    def gpu_share(self) -> float | None:
        """GPUs of one trial, by the last process; None where the record does not say."""
        return gpus_of_a_trial(self.runs, self.settings.gpus_per_trial)

    @property
    def gpu_hours(self) -> float | None:
        """Of all trials; None where the record does not say."""
        seconds = sum(row.seconds for row in self.rows)
        found = gpu_seconds(self.runs, self.settings.gpus_per_trial, seconds)
        return None if found is None else found / 3600

    @property
    def standing(self) -> Standing:
        """Whether it goes on; a process of another machine shows by what it has written lately."""
        if not self.runs:
            return "ended early"
        last = self.runs[-1]
        if last["event"] == "began":
            lately = self.read_at - max([float(last["time"]), *self.epoch_ends[-1:]]) < LATELY
            return "running" if self.worked_on or lately else "cut off"
        return "complete" if last.get("why") == COMPLETE else "ended early"

    @property
    def why(self) -> str:
        """Why the last process ended, as it noted itself."""
        return str(self.runs[-1].get("why", "")) if self.runs else ""

    @property
    def last_sign(self) -> str:
        """How long before the page the last epoch ended."""
        if not self.epoch_ends:
            return "no epoch has ended yet"
        return f"the last epoch ended {duration(max(self.read_at - self.epoch_ends[-1], 0))} before that"


def read_sweep(folder: SweepFolder) -> Sweep:
    """Read a sweep. Raises ResultsError, SpaceError or DataError where the record is damaged."""
    space, split, settings = read_record(folder)
    rows = ranked(read_rows(folder))
    histories = {row.trial: folder.trial(row.trial).read_history() for row in rows}
    runs = folder.read_runs()
    facts, findings = folder.read_settings(), read_findings(folder)
    return Sweep(
        folder, space, split, settings, facts, rows, histories, runs, findings, bool(folder.at_work()), time.time()
    )
