"""``carsray watch``."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carsray.cli.sweep import RESULTS

if TYPE_CHECKING:
    from carsray.leaderboard import TrialRow
    from carsray.results import SweepFolder

LOOK_SECONDS = 2.0


@click.command()
@click.argument("name")
@click.option("--once", is_flag=True, help="Show how it stands, and do not stay.")
@RESULTS
def watch(name: str, once: bool, results: Path) -> None:
    """Look on while a sweep runs, from any terminal that sees its results folder. Ctrl-C ends the looking only.

    \b
    carsray watch cars-1
    carsray watch cars-1 --once
    """
    from carsray.results import open_sweep
    from carsray.tuning.picture import Outlook

    folder = open_sweep(results, name)
    from rich.console import Console
    from rich.live import Live

    from carsray.tuning.sweep import read_record

    space, split, settings = read_record(folder)
    outlook = Outlook.of(space, settings.trials, len(split.val))
    console = Console(soft_wrap=True)
    if once or not console.is_terminal:
        console.width = max(console.width, 200)
        rows, elapsed = _look(folder)
        console.print(outlook.picture(rows, elapsed, console.width))
        click.echo(_end(folder) or "It goes on.")
        return
    try:
        with Live(console=console, refresh_per_second=2) as live:
            while True:
                rows, elapsed = _look(folder)
                live.update(outlook.picture(rows, elapsed, console.width))
                if _end(folder):
                    break
                time.sleep(LOOK_SECONDS)
        click.echo(_end(folder))
    except KeyboardInterrupt:
        sys.exit(130)


def _look(folder: "SweepFolder") -> "tuple[list[TrialRow], float]":
    """All trials, and the seconds that were worked on them, up to now where somebody is at work."""
    from carsray.leaderboard import read_rows
    from carsray.tuning.budget import spans_worked

    ends = [line["time"] for trial in folder.all_trials() for line in trial.read_history() if "time" in line]
    now = [{"event": "ended", "time": time.time()}] if not _end(folder) else []
    spans = spans_worked([*folder.read_runs(), *now], ends)
    return read_rows(folder), sum(ended - began for began, ended in spans)


def _end(folder: "SweepFolder") -> str:
    """Why nobody works on it; empty while somebody does."""
    last = (folder.read_runs() or [{}])[-1]
    if last.get("event") == "ended":
        return f"Ended: {last['why']}."
    if folder.at_work() or (folder.at_work() is None and _wrote_lately(folder)):
        return ""
    return f"Cut off: nobody works on it. Go on with: carsray resume {folder.arguments}"


def _wrote_lately(folder: "SweepFolder") -> bool:
    from carsray.results import LATELY

    ends = [line["time"] for trial in folder.all_trials() for line in trial.read_history()[-1:] if "time" in line]
    return time.time() - max([*ends, *(run["time"] for run in folder.read_runs()[-1:])], default=0) < LATELY
