"""Searchers without Ray, and trials told to them as Ray tells."""

from typing import Any

import optuna
from optuna.trial import TrialState
from tiny_sweeps import roomy_turns, space_of

from carsray.results import BEST
from carsray.space import Space
from carsray.tuning.search import SpaceSearch


def search_of(
    space: Space | None = None, seed: int = 3, cut_off: tuple[int, ...] = (), file: Any = None
) -> SpaceSearch:
    return SpaceSearch(space or space_of(), file or NoFile(), seed, roomy_turns(*cut_off))


class NoFile:
    """Keeps what the study's file would be told."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: dict[int, TrialState] = {}

    def begin(self, trial: optuna.trial.FrozenTrial) -> None:
        self.begun.append(trial.user_attrs["trial"])

    def end(self, trial: optuna.trial.FrozenTrial) -> None:
        self.ended[trial.user_attrs["trial"]] = trial.state


def result_of(epoch: int, score: float) -> dict[str, Any]:
    return {"epoch": epoch, BEST: score}


def run(search: SpaceSearch, trial: str, scores: list[float]) -> None:
    """A trial's life as Ray tells of it: the result on which a trial ends does not pass on_trial_result."""
    for epoch, score in enumerate(scores[:-1], start=1):
        search.on_trial_result(trial, result_of(epoch, score))
    search.on_trial_complete(trial, result_of(len(scores), scores[-1]))


def fail(search: SpaceSearch, trial: str) -> None:
    search.on_trial_complete(trial, {"epoch": 0, BEST: 0.0, "failed": "loss became nan", "done": True})


def told(search: SpaceSearch) -> list[optuna.trial.FrozenTrial]:
    return search.study.get_trials(deepcopy=False)
