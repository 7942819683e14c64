import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carsray.retrieval.metrics import map_at_k, map_at_r, precision_at_k, recall_at_k


def naive_average_precision(right: list[bool], upto: int, divisor: int) -> float:
    total, hits = 0.0, 0
    for rank, is_right in enumerate(right[:upto], start=1):
        if is_right:
            hits += 1
            total += hits / rank
    return total / divisor if divisor else 0.0


rankings = st.tuples(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 15), st.floats(0, 1))


def drawn(ranking: tuple[int, int, int, float]) -> tuple[np.ndarray, np.ndarray]:
    """right (Q, K), and relevant (Q,) of at least as many as are seen and at most K."""
    seed, queries, depth, share = ranking
    rng = np.random.default_rng(seed)
    right = rng.random((queries, depth)) < share
    return right, rng.integers(right.sum(axis=1), depth + 1)


@given(rankings, st.data())
@settings(max_examples=100, deadline=None)
def test_the_mean_average_precisions_are_the_naive_ones(ranking, data) -> None:
    right, relevant = drawn(ranking)
    k = data.draw(st.integers(1, right.shape[1]))
    pairs = list(zip(right.tolist(), relevant.tolist(), strict=True))
    at_k = np.mean([naive_average_precision(row, k, min(k, r)) for row, r in pairs])
    at_r = np.mean([naive_average_precision(row, r, r) for row, r in pairs])
    assert map_at_k(right, relevant, k) == pytest.approx(at_k)
    assert map_at_r(right, relevant) == pytest.approx(at_r)


@given(rankings, st.data())
@settings(max_examples=50, deadline=None)
def test_recall_and_precision_at_k_are_the_naive_ones(ranking, data) -> None:
    right, _ = drawn(ranking)
    k = data.draw(st.integers(1, right.shape[1]))
    assert recall_at_k(right, k) == pytest.approx(np.mean([any(row[:k]) for row in right.tolist()]))
    assert precision_at_k(right, k) == pytest.approx(np.mean([sum(row[:k]) / k for row in right.tolist()]))


def test_a_perfect_ranking_scores_one() -> None:
    right, relevant = np.array([[True, True, False]]), np.array([2])
    assert map_at_r(right, relevant) == map_at_k(right, relevant, 3) == 1


def test_map_at_r_by_hand() -> None:
    # Of R = 3 relevant rows two are among the first three, at ranks 1 and 3: (1/1 + 2/3) / 3.
    assert map_at_r(np.array([[True, False, True, True]]), np.array([3])) == pytest.approx((1 + 2 / 3) / 3)


def test_map_at_r_is_unknown_where_the_ranking_is_too_short() -> None:
    assert np.isnan(map_at_r(np.array([[True, True]]), np.array([3])))
