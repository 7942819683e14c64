"""What mattered most: how much each searched parameter explains of the score."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna

from carsray.leaderboard import TrialRow
from carsray.results import BEST, SweepFolder
from carsray.space import Space, Value

LEAST_TRIALS = 8
"""Fewer say nothing about importance."""


@dataclass(frozen=True, slots=True)
class Importances:
    """Shares that sum to 1, and what they were measured on."""

    shares: dict[str, float]
    epoch: int
    """Trials are compared by their best up to this epoch: mixing lengths would measure who was stopped."""
    trials: int


def measure_importances(folder: SweepFolder, space: Space, rows: Sequence[TrialRow]) -> Importances | None:
    """Importances at the latest rung that enough trials reached; None where no rung has enough."""
    histories = [folder.trial(row.trial).read_history() for row in rows]
    for epoch in sorted({*space.rungs, space.epochs}, reverse=True):
        reached = [(row.params, history) for row, history in zip(rows, histories, strict=True) if len(history) >= epoch]
        points = [(params, history[epoch - 1][BEST]) for params, history in reached]
        if len(points) >= max(LEAST_TRIALS, len(rows) // 2):
            return Importances(importances(space, points), epoch, len(points))
    return None


def importances(space: Space, points: Sequence[tuple[Mapping[str, Value], float]]) -> dict[str, float]:
    """How much each parameter matters to the score, largest first; empty where nothing varied.

    PED-ANOVA, https://arxiv.org/abs/2304.10255, Optuna's default; it ranks conditional parameters, too.
    """
    varied = {name for name in space.parameters if len({repr(values.get(name)) for values, _ in points}) > 1}
    if not varied or len({score for _, score in points}) < 2:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for values, score in points:
        # A start point from elsewhere may have values that Optuna could not hold.
        inside = {name: value for name, value in values.items() if name in varied}
        params = {name: value for name, value in inside.items() if space.parameters[name].contains(value)}
        kinds = {name: distribution(space, name) for name in params}
        study.add_trial(optuna.create_trial(params=params, distributions=kinds, value=score))
    with warnings.catch_warnings(action="ignore"):  # about parameters that few points have: these are hints anyway
        return optuna.importance.get_param_importances(study)


def distribution(space: Space, name: str) -> optuna.distributions.BaseDistribution:
    """A parameter as Optuna describes it."""
    parameter = space.parameters[name]
    if parameter.choices:
        return optuna.distributions.CategoricalDistribution(parameter.choices)
    if parameter.integer:
        return optuna.distributions.IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return optuna.distributions.FloatDistribution(parameter.low, parameter.high, log=parameter.log)
