"""What a tracker shows as one run, made from the record of a sweep."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from carsray.results import State

JobType = Literal["trial", "finalist", "verdict", "retrain", "retrieval"]
"""verdict: what all repetitions of the finalists together say."""

Row = dict[str, float]
"""What is logged at one step; its first entry is the step itself."""

RESTING: frozenset[State] = frozenset({"paused", "finished", "pruned", "failed"})
"""States in which nothing is added for a while."""


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """One run, as far as it has come."""

    id: str
    """Derived from the record alone, so that whoever sends it, whenever, means the same run."""
    name: str
    job_type: JobType
    config: Mapping[str, Any]
    """Flat; numbers are numbers."""
    rows: tuple[Row, ...]
    state: State
    axis: str = "epoch"
    """The entry of each row that is its step, a whole number that rises."""
    tags: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    """What is said of it at its end, beside what its rows say."""
    files: tuple[Path, ...] = ()
    """Artefacts, which stay where they are: they are named, not sent."""

    @property
    def at_rest(self) -> bool:
        """Whether nothing is added for a while."""
        return self.state in RESTING

    @property
    def standing(self) -> str:
        """How far it has come, in a word that changes when there is more to send."""
        last = self.rows[-1][self.axis] if self.rows else 0
        return f"{self.state}-{last:g}-{len(self.rows)}-{len(self.files)}"


def numbers(line: Mapping[str, Any], leave_out: Iterable[str] = ()) -> Row:
    """The numbers of a line of a history."""
    left_out = {*leave_out}
    return {
        key: value
        for key, value in line.items()
        if key not in left_out and isinstance(value, int | float) and not isinstance(value, bool)
    }
