"""What a person sees while a sweep runs: a live table on a terminal, a line for each trial elsewhere."""

import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from carsray.leaderboard import TrialRow
from carsray.tuning.picture import WIDE, Outlook, describe
from carsray.tuning.record import Recorder


class NoLines(TrialProgressCallback):
    """In place of Ray's own, which at any verbosity has a line for a trial that is stopped before its first result."""

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Nothing, see View."""


class View(Callback):
    """Shows a recorder's rows. Goes after the recorder in the list of callbacks."""

    def __init__(self, recorder: Recorder, total: int, pictures: int = 0) -> None:
        """``total`` trials, compared on so many validation ``pictures``: for the estimate of what is left."""
        self._recorder = recorder
        self._whole = Outlook.of(recorder.space, total, pictures)
        self._trained = 0
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
            _say(f"warning: storage: {problem}. The sweep goes on")

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Count the epochs that this process has trained."""
        self._trained += "failed" not in result

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """One line, where there is no terminal; none of a trial that had not begun when the sweep wound down."""
        row = self._recorder.rows.get(trial.config["trial"])
        if self._live is None and row:
            _say(f"{describe(row)} | {self._status()}")

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """The same of a trial that was lost with its actor, whether it comes again or not."""
        number = trial.config["trial"]
        row = self._recorder.rows.get(number)
        if row and row.state == "failed":
            self.on_trial_complete(iteration, trials, trial)
        elif self._live is None:
            _say(f"trial {number}: its Ray actor or its node was lost; it goes on")

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Give the terminal back."""
        self.close()

    def close(self) -> None:
        """Leave the last picture on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _picture(self) -> Group:
        width = self._live.console.width if self._live else WIDE
        problem = self._recorder.watch.problem
        warning = [Text(f"warning: storage: {problem}", style="yellow")] if problem else []
        return Group(self._outlook.picture(self._rows(), self._elapsed(), width), *warning)

    @property
    def _outlook(self) -> Outlook:
        """What trials stand at from before may still fall, as they go on from snapshots."""
        return replace(self._whole, before=sum(row.epochs for row in self._rows()) - self._trained)

    def _status(self) -> str:
        return self._outlook.status(self._rows(), self._elapsed())

    def _rows(self) -> list[TrialRow]:
        return list(self._recorder.rows.values())

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def _say(line: str) -> None:
    with suppress(OSError):  # whoever read it has gone, or its disk is full: no reason to end a sweep
        print(line, file=sys.stderr, flush=True)
