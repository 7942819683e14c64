"""Writes the sweep's record while it runs: histories, states, checkpoints, the trial table."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from carsray.files import write_bytes
from carsray.results import State, SweepFolder, TrialRow, TrialState, ranked, write_table
from carsray.space import Space

KEEP_CHECKPOINTS = 3
"""The best so many trials keep their weights; a running trial keeps its own until it ends."""

TABLE_SECONDS = 2.0
"""Least time between two writes of trials.csv, which is written whole."""


class Recorder(Callback):
    """The driver's only writer. Keeps one TrialRow a trial, for whoever shows them."""

    def __init__(self, folder: SweepFolder, space: Space, rows: Sequence[TrialRow] = ()) -> None:
        self.folder, self.space = folder, space
        self.rows = {row.trial: row for row in rows}
        self._written = 0.0

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial begins: its config and an empty history."""
        row = self._new_row(trial)
        folder = self.folder.trial(row.trial)
        folder.history.unlink(missing_ok=True)
        folder.checkpoint.unlink(missing_ok=True)  # of an attempt that was cut off
        self._update(row)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch has ended: one line of history, and the weights where they came along."""
        number = trial.config["trial"]
        checkpoint = result.pop("checkpoint", None)  # popped, or Ray would keep it with the trial's last result
        row = replace(self.rows[number], node=result["node"])
        if "failed" in result:
            self._update(replace(row, reason=result["failed"]))
            return
        metrics = {key: value for key, value in result.items() if key == "epoch" or "/" in key}
        self.folder.trial(number).append(metrics)
        if checkpoint:
            write_bytes(self.folder.trial(number).checkpoint, checkpoint)
        self._update(row.after(metrics, result["time_this_iter_s"]))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial has ended by itself or was stopped."""
        row = self.rows[trial.config["trial"]]
        state: State = "finished" if row.epochs >= self.space.epochs else "pruned"
        self._update(replace(row, state="failed" if row.reason else state))
        self._drop_checkpoints()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial was lost with its Ray actor."""
        row = self.rows.get(trial.config["trial"]) or self._new_row(trial)
        cause = str(trial.get_error() or "its Ray actor died")
        self._update(replace(row, state="failed", reason=row.reason or cause))

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """The sweep has ended or was interrupted: leave a complete table."""
        self.write_table()

    def write_table(self) -> None:
        """Write trials.csv, best first."""
        self._written = time.monotonic()
        write_table(self.folder, ranked(self.rows.values()), self.space.parameters)

    def _new_row(self, trial: Trial) -> TrialRow:
        """A first row, with the config on file: a trial counts as recorded from there on."""
        number, params = trial.config["trial"], trial.config["params"]
        self.folder.trial(number).write_config(params, trial.config["config"])
        return TrialRow(number, "running", 0, {}, 0.0, params)

    def _update(self, row: TrialRow) -> None:
        self.rows[row.trial] = row
        state = TrialState(row.state, row.epochs, row.seconds, row.reason, row.node)
        self.folder.trial(row.trial).write_state(state)
        if time.monotonic() - self._written >= TABLE_SECONDS:
            self.write_table()

    def _drop_checkpoints(self) -> None:
        ended = [row for row in ranked(self.rows.values()) if row.state != "running"]
        for row in ended[KEEP_CHECKPOINTS:]:
            self.folder.trial(row.trial).checkpoint.unlink(missing_ok=True)
