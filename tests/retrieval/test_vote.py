import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_neighbours import naive_distances
from sklearn.neighbors import KNeighborsClassifier

from carsray.retrieval.names import TIES, VOTES
from carsray.retrieval.search import nearest
from carsray.retrieval.vote import predict, vote_weights


def naive_vote(labels: list[int], weights: list[float], tie: str) -> int:
    totals: dict[int, float] = {}
    for label, weight in zip(labels, weights, strict=True):
        totals[label] = totals.get(label, 0.0) + weight
    best = max(totals.values())
    tied = [label for label in totals if totals[label] == best]  # in the order of nearness
    return min(tied) if tie == "lowest-label" else tied[0]


@given(st.integers(0, 2**32), st.sampled_from(TIES))
@settings(max_examples=100, deadline=None)
def test_every_k_at_once_is_the_naive_vote_of_each(seed: int, tie: str) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (5, 9))
    weights = rng.integers(1, 4, (5, 9)).astype(float)
    found = predict(labels, weights, [9, 1, 4], 4, tie)
    for k, predicted in found.items():
        assert predicted.tolist() == [
            naive_vote(row[:k].tolist(), weight[:k].tolist(), tie) for row, weight in zip(labels, weights, strict=True)
        ]


def test_a_tie_goes_to_the_lowest_label_or_to_the_nearest() -> None:
    labels, weights = np.array([[3, 1, 1, 3]]), np.ones((1, 4))
    assert predict(labels, weights, [4], 5, "lowest-label")[4].tolist() == [1]
    assert predict(labels, weights, [4], 5, "nearest")[4].tolist() == [3]


@pytest.mark.parametrize(("vote", "theirs"), [("majority", "uniform"), ("distance-weighted", "distance")])
@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_predictions_are_those_of_scikit_learn(vote: str, theirs: str, k: int) -> None:
    rng = np.random.default_rng(0)
    gallery, queries = rng.random((200, 5), np.float32), rng.random((100, 5), np.float32)
    queries[:10] = gallery[:10]
    labels = rng.integers(0, 6, 200)
    _, rows = nearest(gallery, queries, k, "manhattan")
    model = KNeighborsClassifier(k, weights=theirs, metric="manhattan", algorithm="brute").fit(gallery, labels)
    exact = np.take_along_axis(naive_distances(gallery, queries, "manhattan"), rows, axis=1)
    found = predict(labels[rows], vote_weights(exact, vote), [k], 6)[k]
    np.testing.assert_array_equal(found, model.predict(queries))


@pytest.mark.parametrize("vote", VOTES[1:])
def test_copies_of_the_query_decide_alone(vote: str) -> None:
    assert vote_weights(np.array([[0, 0, 0.5, 9.0]]), vote).tolist() == [[1, 1, 0, 0]]


def test_the_softmax_vote_does_not_depend_on_the_unit_of_distance() -> None:
    d = np.array([[1.0, 1.2, 3.0]])
    weights = vote_weights(d, "softmax")
    np.testing.assert_allclose(weights, np.exp([[0, -1, -10]]))
    np.testing.assert_allclose(weights, vote_weights(1000 * d, "softmax"))


def test_the_softmax_vote_of_inner_products_falls_with_them() -> None:
    assert (np.diff(vote_weights(np.array([[-5.0, -4.0, 1.0]]), "softmax")) < 0).all()
