"""Optuna inside Ray Tune. Repairs what Ray's OptunaSearch gets wrong: pruned trials, failed trials, epochs, seeds."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from pydantic import ValidationError
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from carsray.config import TrialConfig
from carsray.errors import SweepFailed
from carsray.results import BEST, TrialRow
from carsray.seed import derive
from carsray.space import Space, Value, Values
from carsray.tuning.turns import Turns

FAILURES_IN_A_ROW = 5
"""So many failed trials, one after the other, end a sweep: something is wrong that no configuration will mend."""

ATTEMPTS = 100
"""Draws for one trial before giving up on finding settings that fit together."""


class SpaceSearch(OptunaSearch):
    """Proposes trials of a space: its start points first, then Optuna's TPE.

    The sampler's seed is derived per trial number, since Optuna keeps no generator state in the study.
    """

    def __init__(
        self,
        space: Space,
        storage: optuna.storages.BaseStorage,
        name: str,
        seed: int,
        turns: Turns,
        going_on: Callable[[int], dict[str, Any] | None],
    ) -> None:
        """``going_on`` gives what a trial of an earlier process takes to start from its snapshot."""
        self._carsray_space, self._sweep_seed = space, seed
        self._turns, self._going_on = turns, going_on
        self._before: dict[int, Values] = {}
        self._outside: Values = {}
        self._next, self._failures = 0, 0
        super().__init__(self._ask, BEST, "max", study_name=name, storage=storage)

    @property
    def study(self) -> optuna.Study:
        """The study that all trials are told to."""
        study: optuna.Study = self._ot_study
        return study

    def take_up(self, rows: Sequence[TrialRow]) -> None:
        """Go on where an interrupted sweep was.

        Trials that the study still holds for running are closed as failed; the sampler would avoid their
        neighbourhood for ever: https://github.com/optuna/optuna/issues/3215
        """
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
            self.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        self._before = {row.trial: row.params for row in rows if not row.ended}
        self._next = max((row.trial + 1 for row in rows), default=0)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial: its number, the searched values and the whole config; None while no slot is free."""
        if self._failures >= FAILURES_IN_A_ROW:
            self._turns.wind_down()
        upcoming = self._upcoming()
        if upcoming is None:
            return str(Searcher.FINISHED) if self._turns.over() else None
        number, point = upcoming
        for attempt in range(ATTEMPTS):
            self.study.sampler = _sampler(self._carsray_space, derive(self._sweep_seed, "sampler", number, attempt))
            self._outside = {}
            if point is not None and not attempt:
                self._outside = self._carsray_space.outside(point)
                self.study.enqueue_trial({n: v for n, v in point.items() if n not in self._outside})
            params = super().suggest(trial_id)
            try:
                config = self._config(number, params)
            except ValidationError as error:  # values that are allowed alone but not together
                self._tell(trial_id, TrialState.FAIL, reason=str(error.errors()[0]["msg"]))
                continue
            self._ot_trials[trial_id].set_user_attr("trial", number)
            rungs = self._carsray_space.rungs
            going_on = self._going_on(number) if number in self._before else None
            config_of_trial = {"params": params, "rungs": rungs, "config": config.model_dump(), "going_on": going_on}
            return {"trial": number, **config_of_trial}
        name = self._carsray_space.name
        raise SweepFailed(f"{name}: {ATTEMPTS} draws gave no settings that fit together. Narrow the ranges")

    def _upcoming(self) -> tuple[int, Values | None] | None:
        """The number of the trial that is to begin now, and its point where that is given."""
        recalled = self._turns.recalled()
        if recalled is not None:
            return recalled, self._before[recalled]
        if not self._turns.wants_new():
            return None
        number, self._next = self._next, self._next + 1
        start = self._carsray_space.start
        return number, start[number] if number < len(start) else None

    def _config(self, number: int, params: Values) -> TrialConfig:
        # Every trial of a sweep sees the same augmentation: less noise between them, and one cache for all.
        seed, views = derive(self._sweep_seed, "trial", number), derive(self._sweep_seed, "views")
        return self._carsray_space.config(params, seed=seed, view_seed=views)

    def _ask(self, trial: optuna.Trial) -> Values:
        return suggest(self._carsray_space, trial, self._outside)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Tell Optuna an epoch's score, under the epoch's own number."""
        self._ot_trials[trial_id].report(result[BEST], result["epoch"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna how the trial ended: pruned ones with their best so far, failed ones as failed."""
        if trial_id not in self._ot_trials:
            return
        if result is None and not error:  # was paused, and will not go on
            self._tell(trial_id, TrialState.PRUNED)
            return
        if error or not result or "failed" in result:
            self._tell(trial_id, TrialState.FAIL, reason=str((result or {}).get("failed", "its Ray actor died")))
            self._failures += 1
            return
        self._failures = 0
        # Ray keeps the result on which a trial is stopped from on_trial_result, so it is reported here.
        self.on_trial_result(trial_id, result)
        finished = result["epoch"] >= self._carsray_space.epochs
        self._tell(trial_id, TrialState.COMPLETE if finished else TrialState.PRUNED, result[BEST])

    def _tell(self, trial_id: str, state: TrialState, score: float | None = None, reason: str = "") -> None:
        trial = self._ot_trials.pop(trial_id)
        if reason:
            trial.set_user_attr("failed", reason)
        # Optuna takes a pruned trial's value from its last report.
        self.study.tell(trial, score if state == TrialState.COMPLETE else None, state=state)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study file is the record, Ray's snapshot of the searcher would be a second one."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see save."""


def suggest(space: Space, trial: optuna.Trial, outside: Mapping[str, Value]) -> Values:
    """Ask a trial for every parameter that exists at this point, choices that others depend on first.

    Values ``outside`` of what is searched, of a start point from elsewhere, are taken without asking: Optuna could not
    hold them, and learns from the others.
    """
    values: Values = {}
    for name in _controls_first(space):
        parameter = space.parameters[name]
        if not parameter.active({**space.fixed, **values}):
            continue
        if name in outside:
            values[name] = outside[name]
        elif parameter.choices:
            choice = trial.suggest_categorical(name, parameter.choices)
            assert choice is not None
            values[name] = choice
        elif parameter.integer:
            values[name] = trial.suggest_int(name, int(parameter.low), int(parameter.high), log=parameter.log)
        else:
            values[name] = trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
    return {name: values[name] for name in space.parameters if name in values}


def open_storage(path: Path) -> optuna.storages.RDBStorage:
    """The study's SQLite file; opens in optuna-dashboard."""
    return optuna.storages.RDBStorage(f"sqlite:///{path}")


def _sampler(space: Space, seed: int) -> optuna.samplers.TPESampler:
    # Joint modelling breaks down to independent sampling where parameters come and go, unless they are grouped.
    conditional = any(parameter.when for parameter in space.parameters.values()) or any(map(space.outside, space.start))
    with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
        return optuna.samplers.TPESampler(seed=seed % 2**32, multivariate=True, group=conditional)


def _controls_first(space: Space) -> list[str]:
    return sorted(space.parameters, key=lambda name: bool(space.parameters[name].when))
