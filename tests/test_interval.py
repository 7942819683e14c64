import numpy as np
import pytest
from scipy import stats

from carsray.interval import of_paired_difference, wilson


@pytest.mark.parametrize(("right", "total"), [(37, 120), (0, 9), (9, 9), (1, 1000)])
def test_the_interval_of_a_share_is_scipys_wilson(right: int, total: int) -> None:
    theirs = stats.binomtest(right, total).proportion_ci(method="wilson")
    assert wilson(right, total) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_paired_interval_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    # Right together, the first alone, the second alone, both wrong: few disagreements, where Wald's own would fail.
    chances, pictures, truth = [0.7, 0.05, 0.03, 0.22], 100, 0.02
    held = 0
    for _ in range(2000):
        drawn = rng.choice(4, pictures, p=chances)
        low, high = of_paired_difference(np.isin(drawn, [0, 1]), np.isin(drawn, [0, 2]))
        held += low <= truth <= high
    assert 0.93 <= held / 2000 <= 0.98


def test_two_that_always_agree_may_still_differ_a_little() -> None:
    low, high = of_paired_difference(np.ones(50, bool), np.ones(50, bool))
    assert low == pytest.approx(-high)
    assert 0 < high < 0.06
