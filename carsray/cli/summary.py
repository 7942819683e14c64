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
from carsray.results import COMPLETE, INTERRUPTED, SweepFolder
from carsray.space import Space
from carsray.tuning.doubts import edges, noise_note
from carsray.tuning.importance import measure_importances
from carsray.tuning.picture import trial_table
from carsray.tuning.search import FAILURES_IN_A_ROW
from carsray.tuning.sweep import GAVE_UP
from carsray.tuning.timing import time_spent, timing_lines

SHOWN = 10
EXIT_CODES = {INTERRUPTED: 130, GAVE_UP: 1}
"""By why a sweep ended; 0 for a complete one, and for one at a limit that was set."""


def print_summary(
    folder: SweepFolder, space: Space, split: DataSplit, settings: SweepSettings, rows: Sequence[TrialRow]
) -> int:
    """Print the end of a sweep and write importances.json; the exit code: 130 if interrupted, 1 if it gave up, else 0.

    Raises SweepFailed where it was neither, and no trial has a score.
    """
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    why = (folder.read_runs() or [{}])[-1].get("why", INTERRUPTED)
    early = _early_end(folder, why, sum(row.ended for row in rows), settings.trials)
    _print_failures(console, rows)
    if any(row.best for row in rows):
        _print_findings(console, folder, space, split, rows)
    elif why not in EXIT_CODES:
        raise SweepFailed(f"{folder.root}: none of {len(rows)} trials reached the end of an epoch. {early}".strip())
    if early:
        console.print(early)
    return EXIT_CODES.get(why, 0)


def _early_end(folder: SweepFolder, why: str, ended: int, trials: int) -> str:
    """Why a sweep is not complete, and what to type; empty for one that is."""
    if why == COMPLETE:
        return ""
    command = f"carsray resume {folder.arguments}"
    if why not in EXIT_CODES:  # resume would end at once
        command = f"carsray extend {folder.arguments}, with a new --budget-hours, --budget-gpu-hours or --target"
    elif ended == trials:  # failures to the last: resume would find nothing to do
        command = f"carsray extend {folder.arguments} --trials {FAILURES_IN_A_ROW}"
    mended = "Once the cause is mended, go on" if why == GAVE_UP else "Go on"
    return f"{why[0].upper()}{why[1:]}: {ended} of {trials} trials have ended. {mended} with: {command}"


def _print_findings(
    console: Console, folder: SweepFolder, space: Space, split: DataSplit, rows: Sequence[TrialRow]
) -> None:
    leaders = [row for row in ranked(rows) if row.best]
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


def _test_note(split: DataSplit) -> str:
    if not split.test:
        return "There is no test split."
    return f"The test split ({len(split.test):,} pictures, {split.test_kind}) stayed sealed."


def _print_failures(console: Console, rows: Sequence[TrialRow]) -> None:
    failed = [row for row in rows if row.state == "failed"]
    if failed:
        first, nodes = failed[0], {row.node for row in failed}
        alone = len(failed) > 1 and len(nodes) == 1 and {row.node for row in rows} - nodes - {""}
        where = f", all on {escape(first.node)}" if alone and first.node else ""
        reason = escape(first.reason.strip())  # a traceback has brackets of its own
        console.print(f"[red]{len(failed)} trials failed{where};[/] the first, trial {first.trial}:", reason)


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
