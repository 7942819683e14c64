"""study.db: a copy of the sweep's trials in Optuna's own format, which opens in optuna-dashboard.

Written as trials begin and end, never read while a sweep runs: asking SQLite for all trials at each proposal takes time
that grows with the square of their number. What is lost of it is written again from the results folder.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from carsray.errors import ResultsError

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

    problem = ""
    """Why the file lacks something, if it does: the sweep goes on without, since this is only a copy."""

    def __init__(self, path: Path, name: str) -> None:
        """A file that is no database is put aside and written anew. Raises ResultsError where none can be written."""
        self._path = path
        try:
            self._open(name)
        except (SQLAlchemyError, StorageInternalError):
            try:
                path.replace(path.with_suffix(".broken"))
                self._open(name)
            except (OSError, SQLAlchemyError, StorageInternalError) as error:
                cause = str(error.__cause__ or error).splitlines()[0]
                raise ResultsError(f"{path}: cannot be written: {cause}. Free space or mend the folder") from None

    def _open(self, name: str) -> None:
        self._storage = open_storage(self._path)
        study = optuna.create_study(storage=self._storage, study_name=name, direction="maximize", load_if_exists=True)
        self._study = study._study_id
        self._trials: dict[int, FrozenTrial] = {}
        for trial in self._storage.get_all_trials(self._study, deepcopy=False):
            if NUMBER in trial.user_attrs:
                self._trials[trial.user_attrs[NUMBER]] = trial
            elif not trial.state.is_finished():
                self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def begin(self, trial: FrozenTrial) -> None:
        """Enter a trial as running, unless an earlier process has.

        One that it only proposed may have been drawn anew since, with other parameters: then its entry was of nobody.
        """
        number = trial.user_attrs[NUMBER]
        entered = self._trials.get(number)
        if entered and entered.params == trial.params:
            return
        with self._copying():
            if entered and not entered.state.is_finished():
                self._storage.set_trial_state_values(entered._trial_id, TrialState.FAIL)
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
        entered = self._trials.get(trial.user_attrs[NUMBER])
        if entered is None or entered.state.is_finished():
            return
        with self._copying():
            for epoch, score in trial.intermediate_values.items():
                self._storage.set_trial_intermediate_value(entered._trial_id, epoch, score)
            if reason := trial.user_attrs.get("failed"):
                self._storage.set_trial_user_attr(entered._trial_id, "failed", reason)
            self._storage.set_trial_state_values(entered._trial_id, trial.state, trial.values)
            entered.state = trial.state

    @contextmanager
    def _copying(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, StorageInternalError) as error:
            cause = str(error.__cause__ or error).splitlines()[0]
            self.problem = f"{self._path}: lacks some trials ({cause}). Delete it, and resume or extend writes it anew"
