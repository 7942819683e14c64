"""Writes the sweep's record while it runs: histories, states, checkpoints, the trial table."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

from carsray.errors import ResultsError
from carsray.leaderboard import TrialRow, ranked, write_table
from carsray.results import BEST, MICRO_BATCHES, State, SweepFolder, TrialState
from carsray.space import Space
from carsray.storage.watch import Watch
from carsray.training.standing import snapshot_standing
from carsray.tuning.kept import Kept
from carsray.tuning.parcel import Parcel

TABLE_SECONDS = 2.0
"""Least time between two writes of trials.csv, which is written whole."""

STAYS = {"trial_id", "training_iteration", "done", "epoch", BEST, "failed", "kind", "pid", "node_ip"}
"""What Ray and the searcher still ask for when a result is on record. Ray keeps all that is left in it, and ten running
means of every number, for as long as the sweep lasts."""


Method = TypeVar("Method", bound=Callable[..., Any])


def _noting(write: Method) -> Method:
    """Let nobody look while a method writes, and keep its error if it cannot.

    Ray hands on its traceback as text, and not the error itself.
    """

    @wraps(write)
    def noting(recorder: "Recorder", *args: Any, **named: Any) -> Any:
        try:
            with recorder.watch.writing:
                return write(recorder, *args, **named)
        except ResultsError as error:
            recorder.broken = error
            raise

    return cast("Method", noting)


class Recorder(Callback):
    """The driver's only writer. Keeps one TrialRow a trial, for whoever shows them."""

    broken: ResultsError | None = None
    """Why the record could not be written, if it could not: the sweep ends there, and goes on from what is written."""

    def __init__(
        self,
        folder: SweepFolder,
        space: Space,
        rows: Sequence[TrialRow] = (),
        comes_again: Callable[[int], bool] = lambda number: False,
        watch: Watch | None = None,
    ) -> None:
        """``rows`` are of an earlier process; ``comes_again`` says of a trial that Ray is done with whether it goes on.

        ``watch`` is told what changes.
        """
        self.watch = watch or Watch()
        self.folder, self.space, self._comes_again = folder, space, comes_again
        self.rows = {row.trial: row for row in rows}
        self._kept = Kept(folder, self.rows)
        self._written = 0.0

    @_noting
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial begins with its config and an empty history, or goes on where its snapshot was made."""
        number, going_on = trial.config["trial"], trial.config.get("going_on")
        if going_on:
            # The actor has it by now; held here, it would stay in Ray's object store until the sweep ends.
            going_on.pop("snapshot", None)
            trial.evaluated_params.pop("going_on/snapshot", None)
            row = replace(self.rows[number], state="running")
            self._update(row if row.epochs <= going_on["epoch"] else self._cut_back(row))
            return
        row = self._new_row(trial)
        folder = self.folder.trial(number)
        folder.history.unlink(missing_ok=True)  # of an attempt that was cut off, and whose time is spent all the same
        self._kept.drop(number)
        spent = self.rows[number].seconds if number in self.rows else 0.0
        self._update(replace(row, seconds=spent))

    def _cut_back(self, row: TrialRow) -> TrialRow:
        """Without what came after the snapshot: those epochs are trained again, and may end otherwise."""
        seconds, row = row.seconds, replace(row, epochs=0, best={}, used={})
        for epoch in self.folder.trial(row.trial).read_history():
            row = row.after(epoch, 0.0)
        return replace(row, seconds=seconds)

    def going_on(self, number: int) -> dict[str, Any] | None:
        """What a trial's config takes to go on from its snapshot: epochs done, best score, parts of a batch, snapshot.

        None where there is no snapshot that can be read, or it is ahead of the history: then the trial starts over.
        """
        folder = self.folder.trial(number)
        try:
            snapshot = folder.snapshot.read_bytes()
            epoch, best = snapshot_standing(snapshot, folder.read_trial_config())
        except (OSError, ResultsError):
            return None
        history = folder.read_history()
        if not history or history[-1]["epoch"] < epoch:  # it was cut off as it started over: epochs would be missing
            return None
        folder.cut_history(epoch)
        # Who lacked memory for whole batches would lack it again; and BatchNorm has seen parts so far.
        parts = history[-1].get(MICRO_BATCHES, 1)
        return {"epoch": epoch, "best": best, "micro_batches": parts, "snapshot": ray.put(snapshot)}

    @_noting
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch has ended: one line of history, and the weights where they came along."""
        number = trial.config["trial"]
        said = dict(result)
        for key in said.keys() - STAYS:
            del result[key]
        row = replace(self.rows[number], node=said["node"])
        if "failed" in said:
            seconds = row.seconds + said.get("time_this_iter_s", 0.0)
            self._update(replace(row, reason=said["failed"], kind=said["kind"], seconds=seconds))
            return
        metrics = {key: value for key, value in said.items() if key in ("epoch", "outlived") or "/" in key}
        metrics["time"] = round(time.time(), 2)
        self.folder.trial(number).append(metrics)
        checkpoint: Parcel | None = said.get("checkpoint")
        snapshot: Parcel | None = said.get("snapshot")
        if checkpoint:
            self._kept.checkpoint(number, checkpoint.content)
        if snapshot:
            self._kept.snapshot(number, snapshot.content)
        # The scheduler has decided by now.
        state: State = "paused" if trial.status == Trial.PAUSED else "running"
        self._update(replace(row.after(metrics, said["time_this_iter_s"]), state=state))
        if snapshot:
            self._kept.tidy(self.rows)
            self.watch.due.set()

    @_noting
    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial has ended, or was left as the sweep winds down: then its row, if it has one, stays."""
        if not self._comes_again(trial.config["trial"]):
            self._end(self.rows[trial.config["trial"]])
        self._kept.tidy(self.rows)
        self.watch.due.set()

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """End the sweep where the record cannot be written: as a trial ends, Ray keeps that to itself."""
        if self.broken:
            raise self.broken

    @_noting
    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial was lost with its Ray actor; one that comes again, or that has ended, keeps its row.

        Ray comes here with one that has ended where its row was written and what follows was not.
        """
        row = self.rows.get(trial.config["trial"])
        if self._comes_again(trial.config["trial"]) or (row and row.ended):
            return
        row = row or self._new_row(trial)
        cause = str(trial.get_error() or "its Ray actor died")
        self._update(replace(row, state="failed", reason=row.reason or cause, kind=row.kind or "lost"))
        self._kept.tidy(self.rows)
        self.watch.due.set()

    @_noting
    def close_paused(self) -> None:
        """The sweep is complete: no trial will go on any more, from its rung or where it was cut off."""
        for row in list(self.rows.values()):
            if not row.ended:
                self._end(row)
        self._kept.tidy(self.rows)

    @_noting
    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """The sweep has ended or was interrupted: leave a complete table."""
        self.write_table()
        self.watch.end()

    def write_table(self) -> None:
        """Write trials.csv, best first."""
        self._written = time.monotonic()
        write_table(self.folder, ranked(self.rows.values()), self.space.parameters)

    def _new_row(self, trial: Trial) -> TrialRow:
        """A first row, with the config on file: a trial counts as recorded from there on."""
        number, params = trial.config["trial"], trial.config["params"]
        self.folder.trial(number).write_config(params, trial.config["config"])
        return TrialRow(number, "running", 0, {}, 0.0, params)

    def _end(self, row: TrialRow) -> None:
        state: State = "finished" if row.epochs >= self.space.epochs else "pruned"
        self._update(replace(row, state="failed" if row.reason else state))

    def _update(self, row: TrialRow) -> None:
        self.rows[row.trial] = row
        self.watch.note(row.trial)
        state = TrialState(row.state, row.epochs, row.seconds, row.reason, row.node, row.kind)
        self.folder.trial(row.trial).write_state(state)
        if time.monotonic() - self._written >= TABLE_SECONDS:
            self.write_table()
