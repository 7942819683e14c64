"""What a sweep had on record when something was killed, and what became of it."""

import json
from dataclasses import dataclass
from typing import Any

from carsray.errors import ResultsError
from carsray.leaderboard import read_rows
from carsray.results import SweepFolder
from carsray.training.standing import snapshot_standing


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the table."""

    what: str
    kills: int
    finished: int
    unsaved: int
    again: int
    missing: int
    same: bool | None
    left: int = 0


def lines_of(folder: SweepFolder) -> dict[int, list[str]]:
    """The whole lines of every history."""
    found = {}
    for trial in folder.all_trials():
        text = trial.history.read_text() if trial.history.exists() else ""
        found[trial.number] = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return found


def saved_epochs(folder: SweepFolder) -> dict[int, int]:
    """How many epochs of each trial nobody may train again: all of one that has ended, else those of its snapshot."""
    saved = {}
    for row in read_rows(folder):
        trial = folder.trial(row.trial)
        if row.ended:
            saved[row.trial] = row.epochs
        elif trial.snapshot.exists():
            try:
                saved[row.trial] = snapshot_standing(trial.snapshot.read_bytes(), trial.read_trial_config())[0]
            except ResultsError:
                saved[row.trial] = 0
    return saved


class Account:
    """Follows a sweep from kill to kill."""

    def __init__(self, folder: SweepFolder) -> None:
        self.folder, self.kills, self.finished, self.unsaved = folder, 0, 0, 0
        self._kept: dict[int, list[str]] = {}

    def note(self, kills: int = 1) -> None:
        """After a kill: what is on record, and what of it must stay."""
        lines, saved = lines_of(self.folder), saved_epochs(self.folder)
        kept = {number: lines[number][: saved.get(number, 0)] for number in lines}
        self.kills += kills
        self.finished += sum(map(len, lines.values()))
        self.unsaved += sum(len(lines[number]) - len(kept[number]) for number in lines)
        self._kept |= {number: max(kept[number], self._kept.get(number, []), key=len) for number in kept}

    def again(self) -> int:
        """Epochs that had to stay and did not."""
        now = lines_of(self.folder)
        return sum(
            line != (now[number][at] if at < len(now[number]) else None)
            for number, lines in self._kept.items()
            for at, line in enumerate(lines)
        )

    def closed(self, what: str, trials: int, undisturbed: SweepFolder | None, left: int = 0) -> Fault:
        """The line of the table, once the sweep has ended."""
        missing = trials - sum(row.state in ("finished", "pruned") for row in read_rows(self.folder))
        same = numbers_of(self.folder) == numbers_of(undisturbed) if undisturbed else None
        return Fault(what, self.kills, self.finished, self.unsaved, self.again(), missing, same, left)


def numbers_of(folder: SweepFolder) -> list[tuple[Any, ...]]:
    """All of a record that does not depend on the clock."""
    return [
        (row.trial, row.state, row.epochs, row.params, [_timeless(line) for line in lines_of(folder)[row.trial]])
        for row in read_rows(folder)
    ]


def _timeless(line: str) -> dict[str, Any]:
    hidden = ("time", "outlived", "train/micro_batches")
    parts = ("seconds/", "system/")
    return {key: v for key, v in json.loads(line).items() if key not in hidden and not key.startswith(parts)}


def epochs_on_record(folder: SweepFolder) -> int:
    """Finished epochs of all trials."""
    return sum(map(len, lines_of(folder).values()))
