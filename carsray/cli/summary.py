"""What a sweep says at its end: the leaderboard, what mattered, what to doubt, where everything is."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape

from carsray.config import SweepSettings
from carsray.data.records import DataSplit
from carsray.errors import SweepFailed
from carsray.files import write_json
from carsray.leaderboard import TrialRow, ranked
from carsray.results import SweepFolder
from carsray.space import Space
from carsray.tuning.doubts import edges, noise_note
from carsray.tuning.importance import measure_importances
from carsray.tuning.picture import trial_table
from carsray.tuning.sweep import COMPLETE, GAVE_UP, INTERRUPTED
from carsray.tuning.timing import time_spent, timing_lines

SHOWN = 10


def print_summary(
    folder: SweepFolder, space: Space, split: DataSplit, settings: SweepSettings, rows: Sequence[TrialRow]
) -> int:
    """Print the end of a sweep and write importances.json; the exit code: 0; 130 if interrupted, 1 if failed.

    Raises SweepFailed where no trial has a score.
    """
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    leaders = [row for row in ranked(rows) if row.best]
    _print_failures(console, rows)
    missing = settings.trials - sum(row.ended for row in rows)
    if not leaders and missing == settings.trials:  # interrupted before there was anything to tell
        return _print_end(console, folder, missing)
    if not leaders:
        raise SweepFailed(f"{folder.root}: none of {len(rows)} trials reached the end of an epoch")
    console.print(trial_table(leaders[:SHOWN], list(space.parameters), console.width))
    if len(rows) > SHOWN:
        console.print(f"The best {min(SHOWN, len(leaders))} of {len(rows)} trials.")
    console.print(f"Scored on val, {len(split.val):,} pictures: {noise_note(leaders[0].score, len(split.val))}")
    console.print(_test_note(split))
    found = measure_importances(folder, space, rows)
    if found and found.shares:
        write_json(folder.importances, asdict(found))
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found.shares.items())
        console.print(f"What mattered most (epoch {found.epoch}, {found.trials} trials): {shares}")
    for line in timing_lines(time_spent(folder, len(split.train))):
        console.print(line)
    for warning in edges(space, leaders[0]):
        console.print(f"[yellow]warning:[/] {warning}")
    _print_paths(console, folder, leaders[0])
    return _print_end(console, folder, missing)


def _print_end(console: Console, folder: SweepFolder, missing: int) -> int:
    """Why the sweep ended, where trials are missing, and how to go on; the exit code."""
    why = (folder.read_runs() or [{}])[-1].get("why", INTERRUPTED)
    if why == COMPLETE or not missing:
        return 0
    codes = {INTERRUPTED: 130, GAVE_UP: 1}
    command = f"carsray resume {folder.arguments}"
    if why not in codes:  # under a limit that was reached, resume would end at once
        command = f"carsray extend {folder.arguments}, with a new --budget-hours, --budget-gpu-hours or --target"
    console.print(f"{why[0].upper()}{why[1:]}: {missing} trials missing. Go on with: {command}")
    return codes.get(why, 0)


def _test_note(split: DataSplit) -> str:
    if not split.test:
        return "There is no test split."
    return f"The test split ({len(split.test):,} pictures, {split.test_kind}) stayed sealed."


def _print_failures(console: Console, rows: Sequence[TrialRow]) -> None:
    failed = [row for row in rows if row.state == "failed"]
    if failed:
        first = failed[0]
        reason = escape(first.reason.strip())  # a traceback has brackets of its own
        console.print(f"[red]{len(failed)} trials failed;[/] the first, trial {first.trial}:", reason)


def _print_paths(console: Console, folder: SweepFolder, best: TrialRow) -> None:
    console.print(f"\nBest: trial {best.trial}, val/accuracy {best.score:.4f}")
    for path, what in (
        (folder.table, "all trials"),
        (folder.trial(best.trial).config, "the best configuration"),
        (folder.trial(best.trial).checkpoint, "its weights"),
        (folder.study, "the Optuna study"),
    ):
        if path.exists():
            console.print(f"  {path}  {what}", markup=False)
    kept = [path for trial in folder.all_trials() for path in (trial.checkpoint, trial.snapshot) if path.exists()]
    if kept:
        console.print(f"Weights and snapshots on disk: {decimal(sum(path.stat().st_size for path in kept))}")
