import numpy as np
import pytest
from naive_neighbours import naive_distances
from sklearn.neighbors import KNeighborsClassifier

from carsray.errors import CarsrayError
from carsray.retrieval.evaluate import Embedded, Outcome, evaluate_grid
from carsray.retrieval.grid import Grid, Point
from carsray.retrieval.normalize import fit_normalize, unit_length


def embedded(seed: int, count: int, classes: int = 5, dim: int = 12) -> Embedded:
    means = np.random.default_rng(99).gamma(1.0, 1.0, (classes, dim))
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    rows = np.maximum(means[labels] + rng.standard_normal((count, dim)), 0) + 0.01
    return Embedded(rows.astype(np.float32), labels)


GALLERY, QUERIES = embedded(1, 120), embedded(2, 60)


def by_point(outcomes: list[Outcome]) -> dict[Point, Outcome]:
    return {each.point: each for each in outcomes}


def test_every_point_predicts_what_scikit_learn_does() -> None:
    grid = Grid((1, 2, 5), ("manhattan", "euclidean", "cosine"), ("none", "l2"), ("majority", "distance-weighted"))
    outcomes = evaluate_grid(GALLERY, QUERIES, grid)
    assert [each.point for each in outcomes] == list(grid.points())
    for each in outcomes:
        change = unit_length if each.point.normalize == "l2" else np.asarray
        weights = "uniform" if each.point.vote == "majority" else "distance"
        model = KNeighborsClassifier(each.point.k, weights=weights, metric=each.point.distance, algorithm="brute")
        predicted = model.fit(change(GALLERY.rows), GALLERY.labels).predict(change(QUERIES.rows))
        np.testing.assert_array_equal(each.predicted, predicted, err_msg=str(each.point))
        np.testing.assert_array_equal(each.right, predicted == QUERIES.labels)


def test_at_length_one_euclidean_cosine_and_inner_agree() -> None:
    found = by_point(evaluate_grid(GALLERY, QUERIES, Grid(k=(1, 7), normalize=("l2",), vote=("majority",))))
    for k in (1, 7):
        same = [found[Point("l2", distance, "majority", k)].right for distance in ("euclidean", "cosine", "inner")]
        np.testing.assert_array_equal(same[0], same[1])
        np.testing.assert_array_equal(same[1], same[2])


def test_distances_at_length_one_are_those_of_the_normalised_rows() -> None:
    # The weights of a vote show them: a search of normalised rows votes the same.
    alone = Embedded(unit_length(GALLERY.rows), GALLERY.labels), Embedded(unit_length(QUERIES.rows), QUERIES.labels)
    grid = Grid(k=(4, 9), normalize=("l2",), vote=("softmax",))
    raw = Grid(k=(4, 9), normalize=("none",), vote=("softmax",))
    for one, two in zip(evaluate_grid(GALLERY, QUERIES, grid), evaluate_grid(*alone, raw), strict=True):
        np.testing.assert_array_equal(one.right, two.right)


def test_leave_one_out_never_finds_the_picture_itself() -> None:
    grid = Grid(k=(1,), distance=("euclidean",), normalize=("none",), vote=("majority",))
    (found,) = evaluate_grid(GALLERY, None, grid)
    exact = naive_distances(GALLERY.rows, GALLERY.rows, "euclidean")
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_array_equal(found.right, GALLERY.labels[exact.argmin(axis=1)] == GALLERY.labels)


def test_the_tie_rule_is_the_one_asked_for() -> None:
    gallery = Embedded(np.float32([[1, 0], [2, 0]]), np.array([1, 0]))
    queries = Embedded(np.float32([[0, 0.5]]), np.array([1]))
    for tie, right in (("lowest-label", False), ("nearest", True)):
        grid = Grid((2,), ("euclidean",), ("none",), ("majority",), tie)
        assert evaluate_grid(gallery, queries, grid)[0].right.tolist() == [right]


def test_whitening_makes_the_gallery_uncorrelated_and_is_fitted_on_it_alone() -> None:
    change = fit_normalize("whiten", GALLERY.rows)
    white = change(GALLERY.rows)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(white.shape[1]), atol=1e-4)
    assert change(QUERIES.rows).shape == (60, white.shape[1])


def one_class_short() -> Embedded:
    return Embedded(GALLERY.rows[GALLERY.labels != 3], GALLERY.labels[GALLERY.labels != 3])


@pytest.mark.parametrize(
    ("gallery", "queries", "grid", "says"),
    [
        (one_class_short(), QUERIES, Grid(), "class 3: 12 queries and no gallery row"),
        (GALLERY, QUERIES, Grid(k=(121,)), "k = 121: the gallery has 120 rows"),
        (GALLERY, None, Grid(k=(120,)), "k = 120: the gallery has 119 rows"),
        (Embedded(np.ones((9, 2), np.float32), np.zeros(9, int)), None, Grid(k=(1,), normalize=("whiten",)), "equal"),
        (Embedded(np.zeros((9, 2), np.float32), np.zeros(9, int)), None, Grid(k=(1,), normalize=("l2",)), "row 0 is"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    gallery: Embedded, queries: Embedded | None, grid: Grid, says: str
) -> None:
    with pytest.raises(CarsrayError, match=says) as told:
        evaluate_grid(gallery, queries, grid)
    assert "\n" not in str(told.value)
