"""ASHA inside Ray Tune, deciding by carsray's rung table."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from carsray.tuning.rungs import RungTable


class RungScheduler(ASHAScheduler):
    """Ray's ASHA with the rungs of the space file, kept where a resumed sweep can rebuild them.

    Ray loses its own rung table on restore: https://github.com/ray-project/ray/issues/30838
    """

    def __init__(self, table: RungTable, epochs: int) -> None:
        super().__init__(time_attr="epoch", max_t=epochs)
        self.table = table

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Nothing to set up: there is one bracket."""

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop at the last epoch, or at a rung whose cut the trial misses."""
        epoch = int(result[self._time_attr])
        missed = self.table.record(trial.config["trial"], epoch, result[self._metric])
        return str(TrialScheduler.STOP if missed or epoch >= self._max_t else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Nothing: the last result has been through on_trial_result, or belongs to a failed trial."""

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Nothing to forget."""

    def debug_string(self) -> str:
        """For Ray's own status output."""
        return f"ASHA rungs: {self.table.counts()}"
