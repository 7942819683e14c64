import numpy as np

from carsray.final.confirm.certainty import Answers, assess
from carsray.final.confirm.decision import Decision, decide


def decided(shares: list[float], seconds: list[float], n: int = 2000) -> Decision:
    """Finalists that get these shares right of twice n pictures, chance apart."""
    rng = np.random.default_rng(0)
    return decide(
        assess(
            [Answers(f, k * n + np.arange(n), rng.random(n) < share) for f, share in enumerate(shares) for k in (0, 1)]
        ),
        seconds,
    )


def test_of_finalists_that_cannot_be_told_apart_the_cheapest_is_named() -> None:
    found = decided([0.50, 0.50, 0.50], [30, 10, 20])
    assert found.alike == [0, 1, 2]
    assert found.chosen == 1


def test_a_cheap_one_that_is_worse_is_not_named() -> None:
    found = decided([0.5, 0.9, 0.9], [1, 30, 20])
    assert found.alike == [1, 2]
    assert found.chosen == 2
    low, high = found.behind[0]
    assert -0.5 < low < high < -0.3


def test_the_best_mean_is_behind_nobody() -> None:
    found = decided([0.5, 0.9], [1, 30])
    assert (found.best, found.chosen) == (1, 1)
    assert found.behind[1] == (0, 0)


def test_one_finalist_is_named_without_comparison() -> None:
    assert decided([0.5], [1]).chosen == 0
