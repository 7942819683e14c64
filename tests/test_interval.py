import pytest
from scipy import stats

from carsray.interval import wilson


@pytest.mark.parametrize(("right", "total"), [(37, 120), (0, 9), (9, 9), (1, 1000)])
def test_the_interval_of_a_share_is_scipys_wilson(right: int, total: int) -> None:
    theirs = stats.binomtest(right, total).proportion_ci(method="wilson")
    assert wilson(right, total) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
