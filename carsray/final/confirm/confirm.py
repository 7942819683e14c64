"""A confirmation from the sweep's record to the winner."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from carsray.config import SweepSettings
from carsray.data.records import DataSplit
from carsray.final.confirm.finalists import pick_finalists
from carsray.final.confirm.record import Asked, write_verdict
from carsray.final.confirm.repetitions import Repetition, plan_repetitions
from carsray.final.confirm.runner import run_repetitions
from carsray.final.confirm.verdict import Verdict, reach_verdict
from carsray.leaderboard import read_rows
from carsray.results import INTERRUPTED, SweepFolder
from carsray.space import Space
from carsray.tuning.same_weights import require_same_weights
from carsray.tuning.sweep import read_record


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be run."""

    folder: SweepFolder
    space: Space
    settings: SweepSettings
    repetitions: Sequence[Repetition]
    notes: Sequence[str]
    """What a person should know before it starts."""


def prepare(folder: SweepFolder, top: int, seeds: int, address: str | None) -> Prepared:
    """Pick the finalists and plan their repetitions. Raises ResultsError where no trial has a score."""
    space, split, settings = read_record(folder)
    finalists = pick_finalists(folder, space, top, len(split.val))
    repetitions = plan_repetitions(folder, finalists, split, seeds, settings.seed)
    notes = [*_unfinished(folder, settings), *_shared_pictures(repetitions, split)]
    if len(finalists) < top:
        notes.append(f"only {len(finalists)} different trials have a score, of {top} asked for")
    return Prepared(folder, space, settings.model_copy(update={"address": address}), repetitions, notes)


def confirm(prepared: Prepared, asked: Asked) -> tuple[Verdict, dict[str, Any]]:
    """Run what is not done yet, name the winner, and write it down; the verdict, and what finalists.json says.

    Raises SweepFailed where no repetition has ended.
    """
    if not all(each.done() for each in prepared.repetitions):
        require_same_weights(prepared.folder)
    failures = run_repetitions(prepared.repetitions, prepared.settings)
    verdict = reach_verdict(prepared.repetitions, failures)
    asked = replace(asked, failures=failures, notes=prepared.notes)
    return verdict, write_verdict(prepared.folder, verdict, asked, list(prepared.space.parameters))


def _unfinished(folder: SweepFolder, settings: SweepSettings) -> list[str]:
    ended = sum(row.ended for row in read_rows(folder))
    why = (folder.read_runs() or [{}])[-1].get("why", INTERRUPTED)
    if ended >= settings.trials or why != INTERRUPTED:
        return []
    command = f"carsray resume {folder.arguments}"
    return [f"the sweep is not finished, {ended} of {settings.trials} trials have ended: {command}"]


def _shared_pictures(repetitions: Sequence[Repetition], split: DataSplit) -> list[str]:
    folds = {each.number: each.split.val for each in repetitions}
    judged = [row.path for rows in folds.values() for row in rows]
    if len(set(judged)) == len(judged):
        return []
    return [
        f"{len(split.train):,} train pictures do not give {len(folds)} times {len(split.val):,} fresh ones:"
        f" {len(judged) - len(set(judged)):,} judge again, which widens the intervals"
    ]
