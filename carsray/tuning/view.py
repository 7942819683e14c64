"""What a person sees while a sweep runs: a live table on a terminal, a line for each trial elsewhere."""

import re
import sys
import time
from collections.abc import Sequence
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from carsray.results import BEST, State, TrialRow, rank, ranked
from carsray.tuning.record import Recorder
from carsray.tuning.rungs import expected_epochs

SHOWN = 12
WIDE = 200
"""Columns of a terminal on which nothing has to be shortened."""
COLOURS: dict[State, str] = {
    "running": "cyan",
    "paused": "blue",
    "finished": "green",
    "pruned": "yellow",
    "failed": "red",
}


class View(Callback):
    """Shows a recorder's rows. Goes after the recorder in the list of callbacks."""

    def __init__(self, recorder: Recorder, total: int, pictures: int = 0) -> None:
        """``total`` trials, compared on so many validation ``pictures``: for the estimate of what is left."""
        self._recorder, self._total = recorder, total
        self._expected = expected_epochs(recorder.space, total, pictures)[1]
        self._before = self._epochs()
        self._began = time.monotonic()
        self._live: Live | None = None
        self._warned = False

    def setup(self, **info: Any) -> None:
        """Take over the terminal, where there is one."""
        if sys.stderr.isatty():
            self._live = Live(console=Console(stderr=True), refresh_per_second=4, get_renderable=self._picture)
            self._live.start()

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Without a terminal, say once that the storage cannot be reached; on one it is said as long as it lasts."""
        problem = self._recorder.watch.problem
        if problem and not self._warned and self._live is None:
            self._warned = True
            print(f"warning: storage: {problem}. The sweep goes on", file=sys.stderr, flush=True)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """One line, where there is no terminal."""
        if self._live is None:
            row = self._recorder.rows[trial.config["trial"]]
            print(f"{describe(row)} | {self._status()}", file=sys.stderr, flush=True)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """The same of a trial that was lost with its actor, whether it comes again or not."""
        number = trial.config["trial"]
        row = self._recorder.rows.get(number)
        if row and row.state == "failed":
            self.on_trial_complete(iteration, trials, trial)
        elif self._live is None:
            print(f"trial {number}: its Ray actor or its node was lost; it goes on", file=sys.stderr, flush=True)

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Give the terminal back."""
        self.close()

    def close(self) -> None:
        """Leave the last picture on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _picture(self) -> Group:
        rows = list(self._recorder.rows.values())
        running = [row for row in rows if row.state == "running"]
        ended = [row for row in ranked(rows) if row.state != "running"]
        shown = running + ended[: max(SHOWN - len(running), 3)]
        width = self._live.console.width if self._live else WIDE
        table = trial_table(shown, list(self._recorder.space.parameters), width)
        problem = self._recorder.watch.problem
        warning = [Text(f"warning: storage: {problem}", style="yellow")] if problem else []
        return Group(table, Text(self._status()), *warning)

    def _status(self) -> str:
        rows = list(self._recorder.rows.values())
        ended = sum(row.ended for row in rows)
        failed = sum(row.state == "failed" for row in rows)
        parts = [f"{ended}/{self._total} trials"]
        if failed:
            parts.append(f"{failed} failed")
        best = min((row for row in rows if row.best), key=rank, default=None)
        if best:
            parts.append(f"best {best.score:.3f} (trial {best.trial})")
        elapsed = time.monotonic() - self._began
        parts.append(f"{duration(elapsed)} gone")
        done = self._epochs() - self._before
        if done and ended < self._total:
            # Each trial to come takes an epoch at least, however far the others have gone.
            to_come = max(self._expected - self._epochs(), self._total - ended)
            parts.append(f"about {duration(elapsed / done * to_come)} left")
        return " | ".join(parts)

    def _epochs(self) -> int:
        return sum(row.epochs for row in self._recorder.rows.values())


def trial_table(rows: Sequence[TrialRow], params: Sequence[str], width: int = WIDE) -> Table:
    """Trials as a table with the searched parameters as columns; heads break into lines where the width is short."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1) if width >= WIDE else (0, 0, 0, 1))
    heads = ["trial", "state", "epochs", BEST, *params, "seconds"]
    short = sum(len(head) + 2 for head in heads) > width
    for head in heads:
        name = re.sub(r"(?<=[_/])", "\n", head) if short else head
        table.add_column(name, justify="left" if head == "state" else "right", overflow="fold", vertical="bottom")
    for row in rows:
        score = f"{row.score:.4f}" if row.best else ""
        values = [number(row.params[name]) if name in row.params else "" for name in params]
        state = Text(row.state, style=COLOURS[row.state])
        table.add_row(str(row.trial), state, str(row.epochs), score, *values, f"{row.seconds:.0f}")
    return table


def describe(row: TrialRow) -> str:
    """A trial in one line."""
    score = f"{row.score:.4f}" if row.best else "no score"
    values = " ".join(f"{name}={number(value)}" for name, value in row.params.items())
    reason = f" ({row.reason.splitlines()[0]})" if row.reason else ""
    return f"trial {row.trial} {row.state} after {row.epochs} epochs: {score}{reason} [{values}]"


def number(value: object) -> str:
    """A value short enough for a table."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 42 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
