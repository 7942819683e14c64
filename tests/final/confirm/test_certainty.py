import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from scipy.stats import norm
from scipy.stats import t as student

from carsray.final.confirm.certainty import Answers, Certainty, _cut_off, assess, picture_covariance, seed_variance


def answers(right: np.ndarray) -> list[Answers]:
    """Of finalists, repetitions and pictures (F, K, n); every repetition has pictures of its own."""
    finalists, repetitions, n = right.shape
    return [Answers(f, k * n + np.arange(n), right[f, k]) for f in range(finalists) for k in range(repetitions)]


def drawn(finalists: int, repetitions: int, n: int, seed: int = 0, share: float = 0.7) -> np.ndarray:
    return np.random.default_rng(seed).random((finalists, repetitions, n)) < share


def half_width(found: Certainty, finalist: int) -> float:
    """Of an interval, before its ends were moved by the logit scale."""
    low, high = logit(found.interval(finalist))
    mean = found.means[finalist]
    return float((high - low) / 2 * mean * (1 - mean))


def with_seeds(variance: float, error: float) -> Certainty:
    """One finalist of mean 0.5, whose pictures are certain."""
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    return Certainty(np.array([0.5]), zero, one, variance, error)


def test_the_mean_is_over_repetitions_however_many_pictures_each_has() -> None:
    found = assess([Answers(0, np.arange(2), np.array([True, True])), Answers(0, np.arange(2, 6), np.zeros(4, bool))])
    assert found.means.tolist() == [0.5]


def test_the_order_of_the_repetitions_means_nothing() -> None:
    given = answers(drawn(3, 3, 40))
    first, second = assess(given), assess(given[::-1])
    for finalist in range(3):
        assert first.interval(finalist) == pytest.approx(second.interval(finalist))
        assert first.difference(finalist, 0, 3) == pytest.approx(second.difference(finalist, 0, 3))


def test_with_one_seed_the_interval_is_that_of_the_pictures() -> None:
    right = drawn(2, 1, 400)
    found = assess(answers(right))
    share = right[0, 0].mean()
    careful = (right[0, 0].sum() + 2) / 404
    half = norm.ppf(0.975) * math.sqrt(max(careful * (1 - careful), share * (1 - share)) / 400)
    assert not found.seeds_seen
    assert half_width(found, 0) == pytest.approx(half)


def test_of_one_finalist_the_interval_has_the_seeds_freedom_where_seeds_are_all_that_matters() -> None:
    accuracies = [0.5, 0.6, 0.7]
    right = np.array([[np.arange(10_000) < share * 10_000 for share in accuracies]])
    half = student.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert half_width(assess(answers(right)), 0) == pytest.approx(half, rel=0.01)


def test_repetitions_on_the_same_pictures_are_less_certain_than_on_fresh_ones() -> None:
    right = drawn(1, 1, 200)[0, 0]
    same = [Answers(0, np.arange(200), right)] * 4
    fresh = [Answers(0, k * 200 + np.arange(200), right) for k in range(4)]
    assert assess(same).by_pictures[0, 0] == pytest.approx(4 * assess(fresh).by_pictures[0, 0], rel=0.02)


def test_the_covariance_through_pictures_is_that_of_drawing_pictures_again() -> None:
    """Against the bootstrap: a hundred pictures, two finalists that agree on most of them."""
    rng = np.random.default_rng(1)
    hard = rng.random(100) < 0.4
    right = np.stack([hard ^ (rng.random(100) < 0.1) for _ in range(2)])
    found = picture_covariance([Answers(f, np.arange(100), right[f]) for f in range(2)])
    again = right[:, rng.integers(0, 100, (20_000, 100))].mean(axis=2)
    assert found == pytest.approx(np.cov(again), rel=0.1)


def test_what_is_always_right_may_still_go_wrong() -> None:
    low, high = assess(answers(np.ones((2, 3, 10), bool))).interval(0)
    assert 0.8 < low < 0.97
    assert high == 1


def test_seed_variance_has_no_bias_where_it_is_large() -> None:
    rng = np.random.default_rng(0)
    member = np.repeat(np.eye(3), 3, axis=0)
    pictures = np.full((9, 9), 0.0) + np.diag(np.full(9, 1e-6))
    found = [seed_variance(rng.normal(0, 0.1, 9), member, pictures)[0] for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.01, rel=0.05)


def test_seed_variance_is_that_of_the_repetitions_where_pictures_do_not_matter() -> None:
    accuracies = np.array([0.1, 0.2, 0.3, 0.5, 0.5, 0.8])
    member = np.repeat(np.eye(2), 3, axis=0)
    found, error = seed_variance(accuracies, member, 1e-12 * np.eye(6))
    assert found == pytest.approx((np.var(accuracies[:3], ddof=1) + np.var(accuracies[3:], ddof=1)) / 2, rel=1e-4)
    assert error == pytest.approx(2 * found**2 / 4)  # a chi square of four degrees of freedom


def test_differences_that_pictures_explain_leave_no_seed_variance() -> None:
    pictures = 0.01 * np.eye(4)
    accuracies = np.array([0.50, 0.51, 0.60, 0.59])
    assert seed_variance(accuracies, np.repeat(np.eye(2), 2, axis=0), pictures)[0] == 0


@given(st.integers(2, 4), st.integers(1, 4), st.integers(5, 40), st.integers(0, 99), st.floats(0, 1))
def test_every_interval_is_finite_holds_its_mean_and_widens_with_comparisons(
    finalists: int, repetitions: int, n: int, seed: int, share: float
) -> None:
    found = assess(answers(drawn(finalists, repetitions, n, seed, share)))
    for finalist in range(finalists):
        low, high = found.interval(finalist)
        assert 0 <= low <= found.means[finalist] <= high <= 1
        one, three = found.difference(finalist, 0), found.difference(finalist, 0, 3)
        assert three[0] <= one[0] <= one[1] <= three[1]
        assert np.isfinite(three).all()


def test_a_difference_turned_round_is_the_same_with_other_signs() -> None:
    found = assess(answers(drawn(3, 2, 50)))
    low, high = found.difference(0, 2, 3)
    assert found.difference(2, 0, 3) == pytest.approx((-high, -low))


def test_finalists_that_agree_on_pictures_are_told_apart_sooner() -> None:
    rng = np.random.default_rng(3)
    alike = rng.random((1, 3, 300)) < 0.5
    one = alike & (rng.random((1, 3, 300)) < 0.9)
    paired = assess(answers(np.concatenate([alike, one])))
    apart = assess(answers(np.concatenate([alike, one[:, :, ::-1]])))
    assert np.ptp(paired.difference(0, 1)) < 0.7 * np.ptp(apart.difference(0, 1))


def test_the_less_is_known_of_seeds_the_wider_the_interval() -> None:
    sure, unsure = with_seeds(1e-4, 1e-12), with_seeds(1e-4, 1e-8)
    assert np.ptp(sure.interval(0)) == pytest.approx(2 * 1.96 * 0.01, rel=0.01)
    assert np.ptp(unsure.interval(0)) == pytest.approx(2 * student.ppf(0.975, 2) * 0.01, rel=0.01)


@pytest.mark.parametrize("mean", [0.0, 0.5, 2.0, 1e6])
def test_a_cut_off_normal_number_varies_as_drawn_ones_do(mean: float) -> None:
    drawn_ones = np.maximum(np.random.default_rng(0).normal(mean, 1, 400_000), 0)
    assert _cut_off(mean) == pytest.approx(drawn_ones.var(), rel=0.01)


def test_a_share_near_one_is_bounded_more_loosely_below() -> None:
    right = np.array([[np.arange(200) < 190]])
    low, high = assess(answers(right)).interval(0)
    assert high < 1
    assert 0.95 - low > 1.2 * (high - 0.95)
