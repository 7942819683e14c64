"""Who searches in the benchmark `sampler`: real searchers and schedulers, called as Ray's TuneController calls them."""

import itertools
from types import SimpleNamespace
from typing import Any, Protocol

from pool import Pool
from ray import tune
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from carsray.results import BEST
from carsray.space import Parameter, Space, Values
from carsray.tuning.rungs import RungTable
from carsray.tuning.scheduler import RungScheduler
from carsray.tuning.search import SpaceSearch
from carsray.tuning.turns import Turns

METRIC = "val_accuracy"
PLAIN_REDUCTION = 3
"""As in plain_ray_tune.py."""


class Trial:
    """What searchers and schedulers see of a trial of Ray's."""

    def __init__(self, trial_id: str, config: dict[str, Any], params: Values) -> None:
        self.trial_id, self.config, self.params = trial_id, config, params
        self.epoch, self.best = 0, 0.0
        self.curve: list[float] = []

    def set_config(self, config: dict[str, Any]) -> None:
        """As Ray's trials have it."""
        self.config = config


class Side(Protocol):
    """A searcher and a scheduler."""

    def next(self) -> Trial | None:
        """Who takes a free slot; None: nobody for now."""

    def report(self, trial: Trial, score: float) -> bool:
        """Tell of an epoch's score; whether the trial keeps its slot."""


class Plain:
    """What a user would otherwise write: OptunaSearch and ASHA, as in plain_ray_tune.py."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        self._left, self._ids = trials, itertools.count()
        self._search = OptunaSearch(seed=seed, points_to_evaluate=list(space.start) or None)
        self._search.set_search_properties(METRIC, "max", _as_tune(space))
        self._scheduler = ASHAScheduler(max_t=space.epochs, grace_period=1, reduction_factor=PLAIN_REDUCTION)
        self._scheduler.set_search_properties(METRIC, "max")

    def next(self) -> Trial | None:
        """A new trial: ASHA in Ray takes nobody up again."""
        if not self._left:
            return None
        self._left -= 1
        trial_id = str(next(self._ids))
        config = self._search.suggest(trial_id)
        trial = Trial(trial_id, config, config)
        self._scheduler.on_trial_add(None, trial)
        return trial

    def report(self, trial: Trial, score: float) -> bool:
        """The result on which a trial is stopped goes to on_trial_complete only, as in TuneController."""
        result = {METRIC: score, "training_iteration": trial.epoch}
        if self._scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
            self._scheduler.on_trial_complete(None, trial, result)
            self._search.on_trial_complete(trial.trial_id, result)
            return False
        self._search.on_trial_result(trial.trial_id, result)
        return True


class Ours:
    """carsray's searcher and scheduler, with the turns and rungs that they share. The noise of so many validation
    ``pictures`` counts at the first rung; 0: the cut is sharp.
    """

    def __init__(self, space: Space, pictures: int, slots: int, trials: int, seed: int) -> None:
        self._ids = itertools.count()
        table = RungTable(space.rungs, space.objective.reduction, pictures)
        turns = Turns(table, slots, trials, baseline=0 if space.start else None)
        file = SimpleNamespace(begin=lambda entry: None, end=lambda entry: None)
        self._search = SpaceSearch(space, file, seed, turns, ends=[trials])
        self._scheduler = RungScheduler(turns, space.epochs, lambda number: None)
        self._scheduler.set_search_properties(BEST, "max")
        self._controller = SimpleNamespace(pause_trial=lambda trial, should_checkpoint: None, stop_trial=self._stop)

    def next(self) -> Trial | None:
        """A paused trial that goes on, or a new one."""
        if trial := self._scheduler.choose_trial_to_run(self._controller):
            return trial
        trial_id = str(next(self._ids))
        proposal = self._search.suggest(trial_id)
        if not isinstance(proposal, dict):
            return None
        trial = Trial(trial_id, proposal, proposal["params"])
        self._scheduler.on_trial_add(self._controller, trial)
        return trial

    def report(self, trial: Trial, score: float) -> bool:
        """As TuneController does it."""
        result = {BEST: self.score(trial), "epoch": trial.epoch}
        decision = self._scheduler.on_trial_result(self._controller, trial, result)
        if decision == TrialScheduler.STOP:
            self._scheduler.on_trial_complete(self._controller, trial, result)
            self._search.on_trial_complete(trial.trial_id, result)
        else:
            self._search.on_trial_result(trial.trial_id, result)
        return decision == TrialScheduler.CONTINUE

    def score(self, trial: Trial) -> float:
        """What the scheduler and the sampler are told of a trial."""
        return trial.best

    def _stop(self, trial: Trial) -> None:
        self._scheduler.on_trial_remove(self._controller, trial)
        self._search.on_trial_complete(trial.trial_id)


class Clairvoyant(Ours):
    """The same, with a sharp cut, if every epoch told what a trial is worth at its end: what is lost by not knowing."""

    def __init__(self, pool: Pool, slots: int, trials: int, seed: int) -> None:
        super().__init__(pool.space, 0, slots, trials, seed)
        self._pool = pool

    def score(self, trial: Trial) -> float:
        """What no training knows yet."""
        return self._pool.highest(trial.params)


def _as_tune(space: Space) -> dict[str, Any]:
    """A space as Ray Tune describes it."""
    return {name: _domain(parameter) for name, parameter in space.parameters.items()}


def _domain(parameter: Parameter) -> Any:
    if parameter.choices:
        return tune.choice(list(parameter.choices))
    return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)
