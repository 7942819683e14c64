import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from tiny_sweeps import TEXT, space_of

from carsray.leaderboard import TrialRow
from carsray.results import BEST, SweepFolder, create_sweep
from carsray.tuning.importance import LEAST_TRIALS, distribution, importances, measure_importances

optuna.logging.set_verbosity(optuna.logging.ERROR)


def points_of(count: int, score: Any, seed: int = 0) -> list[tuple[dict[str, Any], float]]:
    """Random points of the tiny space and their scores."""
    rng = random.Random(seed)
    points = []
    for _ in range(count):
        values: dict[str, Any] = {"optimizer": rng.choice(["sgd", "adam"]), "lr": 10 ** rng.uniform(-4, -1)}
        if values["optimizer"] == "sgd":
            values["momentum"] = rng.uniform(0, 0.9)
        points.append((values, score(values)))
    return points


def sweep_of(tmp_path: Path, lengths: list[int]) -> tuple[SweepFolder, list[TrialRow]]:
    """Trials of these lengths, whose score at epoch e depends on lr in the first epoch and on the optimiser later."""
    folder, rows = create_sweep(tmp_path, "tiny"), []
    for number, (epochs, (values, _)) in enumerate(zip(lengths, points_of(len(lengths), lambda v: 0.0), strict=True)):
        trial = folder.trial(number)
        trial.root.mkdir()
        for epoch in range(1, epochs + 1):
            score = values["lr"] if epoch == 1 else 0.2 + 0.5 * (values["optimizer"] == "sgd")
            trial.append({"epoch": epoch, BEST: score})
        rows.append(TrialRow(number, "finished", epochs, {BEST: score}, 1.0, values))
    return folder, rows


@pytest.mark.parametrize(
    ("score", "decisive"),
    [(lambda v: v["optimizer"] == "sgd", "optimizer"), (lambda v: -abs(v["lr"] - 0.003), "lr")],
)
def test_what_decides_the_score_comes_first(score: Any, decisive: str) -> None:
    found = importances(space_of(), points_of(60, lambda v: float(score(v))))
    assert next(iter(found)) == decisive
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_conditional_parameters_are_ranked_too() -> None:
    found = importances(space_of(), points_of(80, lambda v: v.get("momentum", 0.45)))
    assert found.keys() == {"optimizer", "lr", "momentum"}
    assert next(iter(found)) == "momentum"


def test_a_start_point_outside_of_the_space_does_not_spoil_it() -> None:
    outside = ({"optimizer": "rmsprop", "lr": 0.0}, 0.9)
    found = importances(space_of(), [outside, *points_of(60, lambda v: float(v["optimizer"] == "sgd"))])
    assert next(iter(found)) == "optimizer"


def test_what_was_the_same_in_all_trials_is_left_out() -> None:
    points = [({"optimizer": "adam", "lr": 10**-n}, float(n)) for n in (1.0, 2.0, 3.0, 1.5)]
    assert importances(space_of(), points) == {"lr": pytest.approx(1)}


def test_equal_scores_or_equal_trials_say_nothing() -> None:
    assert importances(space_of(), points_of(20, lambda v: 0.5)) == {}
    assert importances(space_of(), [({"optimizer": "adam", "lr": 0.01}, n / 9) for n in range(9)]) == {}


def test_trials_are_compared_at_the_latest_rung_that_half_of_them_reached(tmp_path: Path) -> None:
    folder, rows = sweep_of(tmp_path, [3] * 4 + [2] * 16 + [1] * 12)
    found = measure_importances(folder, space_of(), rows)
    assert found is not None
    assert (found.epoch, found.trials) == (2, 20)
    points = [(row.params, 0.2 + 0.5 * (row.params["optimizer"] == "sgd")) for row in rows[:20]]
    assert found.shares == importances(space_of(), points)


def test_few_trials_give_no_importances(tmp_path: Path) -> None:
    folder, rows = sweep_of(tmp_path, [3] * (LEAST_TRIALS - 1))
    assert measure_importances(folder, space_of(), rows) is None
    assert measure_importances(folder, space_of(), []) is None


def test_parameters_as_optuna_describes_them() -> None:
    space = space_of(TEXT.replace("momentum = {", "step_epochs = { low = 1, high = 5, default = 2 }\nmomentum = {"))
    kinds = optuna.distributions
    assert distribution(space, "optimizer") == kinds.CategoricalDistribution(("sgd", "adam"))
    assert distribution(space, "lr") == kinds.FloatDistribution(1e-4, 0.1, log=True)
    assert distribution(space, "step_epochs") == kinds.IntDistribution(1, 5)
