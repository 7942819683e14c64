"""Successive halving inside Ray Tune that pauses trials at rungs and takes up the best of them again.

Ray's own ASHA stops for good whoever misses the cut of the moment, and lets the first to arrive go on whatever it has
reached; both waste epochs. Pausing costs a snapshot.
"""

import time
from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from carsray.results import whole_epoch_seconds
from carsray.tuning.turns import Turns

LOOK_SECONDS = 15.0
"""Between two looks at the cluster."""


class RungScheduler(ASHAScheduler):
    """Decides by carsray's rung table, which a resumed sweep can rebuild.

    Ray loses its own on restore: https://github.com/ray-project/ray/issues/30838
    """

    def __init__(
        self,
        turns: Turns,
        epochs: int,
        going_on: Callable[[int], dict[str, Any] | None],
        spent: Callable[[], str] = lambda: "",
        room: Callable[[], int] | None = None,
    ) -> None:
        """``going_on`` gives what a trial's config takes to start from its snapshot; none: it starts over.

        ``room`` is asked now and then how many trials the cluster holds, which may grow.

        Once ``spent`` gives a reason the sweep winds down: no trial begins, and those that run are left at their next
        report.
        """
        super().__init__(time_attr="epoch", max_t=epochs)
        self._turns, self._going_on, self._spent = turns, going_on, spent
        self.enough = ""
        """Why the sweep winds down, if it does."""
        self._paused: dict[int, Trial] = {}
        self._room, self._looked = room, time.monotonic()

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A trial that the searcher has proposed."""
        self._turns.begin(trial.config["trial"])

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop at the last epoch, pause at a rung."""
        number, epoch = trial.config["trial"], int(result[self._time_attr])
        at_rung = self._turns.reached(number, epoch, result[self._metric], whole_epoch_seconds(result))
        winds_down = self.winds_down()
        if epoch >= self._max_t:
            return str(TrialScheduler.STOP)
        if not at_rung:
            return str(TrialScheduler.STOP if winds_down else TrialScheduler.CONTINUE)
        if self._turns.stand(number):
            return str(TrialScheduler.CONTINUE)
        self._paused[number] = trial
        # As Ray's own population-based schedulers do it. The state is in the record, not in a checkpoint of Ray's.
        tune_controller.pause_trial(trial, should_checkpoint=False)
        return str(TrialScheduler.NOOP)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The paused trial whose turn it is; those that the searcher has proposed, Ray starts by itself."""
        if self.winds_down():
            self._leave_pending(tune_controller)
        self._look_for_room()
        number = self._turns.promoted()
        if number in self._paused:
            trial = self._paused.pop(number)
            self._turns.go_on(number)
            trial.set_config({**trial.config, "going_on": self._going_on(number)})
            return trial
        if number is None and self._turns.over():
            self._turns.close()
            for trial in list(self._paused.values()):
                tune_controller.stop_trial(trial)
        return None

    def _leave_pending(self, tune_controller: Any) -> None:
        """Those that wait for their actors would begin; where their node was lost, perhaps never."""
        for trial in list(tune_controller.get_live_trials()):
            if trial.status == Trial.PENDING:
                trial.init_local_path()  # Ray's account of its trials at the end fails where one lacks this
                tune_controller.stop_trial(trial)

    def _look_for_room(self) -> None:
        """Nodes that joined hold trials, too. One that was lost is expected back: its trials wait for their slots."""
        if self._room and time.monotonic() - self._looked >= LOOK_SECONDS:
            self._turns.slots = max(self._turns.slots, self._room())
            self._looked = time.monotonic()

    def winds_down(self) -> bool:
        """Whether the sweep is to end early; from the first time on, nothing begins."""
        self.enough = self.enough or self._spent()
        if self.enough:
            self._turns.wind_down()
        return self._turns.winds_down

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """A trial has run all its epochs, or failed with an answer; else the sweep winds down, and it is left there."""
        number = trial.config["trial"]
        if "failed" in result:
            self._turns.fail(number)
        elif int(result[self._time_attr]) >= self._max_t:
            self._turns.end(number)
        else:
            self._turns.leave(number)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """A trial was lost with its Ray actor.

        Ray's own recovery would know nothing of snapshots, and gives up on a trial that had not begun on its actor:
        for Ray the trial has failed, and the searcher proposes it again.
        """
        self._turns.lose(trial.config["trial"])

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """A trial was stopped while it was paused, or before its actor was there."""
        self._paused.pop(trial.config["trial"], None)
        self._turns.leave(trial.config["trial"])
