"""study.db: a copy of the sweep's trials in Optuna's own format, which opens in optuna-dashboard.

Written as trials begin and end, never read while a sweep runs: asking SQLite for all trials at each proposal takes time
that grows with the square of their number. What is lost of it is written again from the results folder.
"""

from pathlib import Path

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

NUMBER = "trial"
"""The user attribute that holds carsray's number of a trial."""


def open_storage(path: Path) -> optuna.storages.RDBStorage:
    """The study's SQLite file."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    storage.engine.dispose()  # connections made so far know nothing of the next line
    # The results folder is the record; waiting for the disk at every write would be the larger part of a short trial.
    sqlalchemy.event.listen(
        storage.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF")
    )
    return storage


class StudyFile:
    """The driver's only writer of study.db."""

    def __init__(self, path: Path, name: str) -> None:
        self._storage = open_storage(path)
        study = optuna.create_study(storage=self._storage, study_name=name, direction="maximize", load_if_exists=True)
        self._study = study._study_id
        self._trials: dict[int, FrozenTrial] = {}
        for trial in self._storage.get_all_trials(self._study, deepcopy=False):
            if NUMBER in trial.user_attrs:
                self._trials[trial.user_attrs[NUMBER]] = trial
            elif not trial.state.is_finished():
                self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def begin(self, trial: FrozenTrial) -> None:
        """Enter a trial as running, unless an earlier process has."""
        number = trial.user_attrs[NUMBER]
        if number not in self._trials:
            running = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=trial.user_attrs,
            )
            running._trial_id = self._storage.create_new_trial(self._study, running)
            self._trials[number] = running

    def end(self, trial: FrozenTrial) -> None:
        """Enter how a trial ended, with its score at each epoch."""
        number = trial.user_attrs[NUMBER]
        entered = self._trials[number]
        if entered.state.is_finished():
            return
        for epoch, score in trial.intermediate_values.items():
            self._storage.set_trial_intermediate_value(entered._trial_id, epoch, score)
        if reason := trial.user_attrs.get("failed"):
            self._storage.set_trial_user_attr(entered._trial_id, "failed", reason)
        self._storage.set_trial_state_values(entered._trial_id, trial.state, trial.values)
        entered.state = trial.state
