import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_neighbours import disagreements, naive_distances

from carsray.errors import CarsrayError
from carsray.retrieval import search as module
from carsray.retrieval.bounds import survey_side
from carsray.retrieval.names import DISTANCES
from carsray.retrieval.search import Neighbours, merge, nearest, search, without_self
from carsray.retrieval.search_torch import search_on_device


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, str]:
    """Gallery, queries, k, distance: with ties and without, tiny and huge, float32 and float16."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, q, d = draw(st.integers(1, 40)), draw(st.integers(1, 12)), draw(st.integers(1, 70))
    kind = draw(st.sampled_from(["normal", "few values", "positive", "wide range", "one far away"]))
    rows = rng.standard_normal((n + q, d))
    if kind == "few values":
        rows = rng.integers(0, 3, (n + q, d)) + 1.0
    elif kind == "positive":
        rows = np.maximum(rows, 0) + 1e-3
    elif kind == "wide range":
        rows = rows * 10.0 ** rng.integers(-6, 6, (n + q, 1))
    elif kind == "one far away":
        rows[0] *= 1e6
    dtype = draw(st.sampled_from([np.float32, np.float16]))
    scale = draw(st.sampled_from([1.0, 1e-30, 1e30])) if dtype == np.float32 else 1e-3
    rows = (np.clip(rows, -6e7, 6e7) * scale).astype(dtype)
    rows[~rows.any(axis=1)] = 1
    if draw(st.booleans()):
        rows[rng.integers(0, n + q, n // 2)] = rows[rng.integers(0, n + q)]
    return rows[:n], rows[n:], draw(st.integers(1, n)), draw(st.sampled_from(DISTANCES))


@given(problems())
@settings(max_examples=300, deadline=None)
def test_the_ranking_is_the_naive_one(problem: tuple[np.ndarray, np.ndarray, int, str]) -> None:
    gallery, queries, k, distance = problem
    _, rows = nearest(gallery, queries, k, distance)
    assert disagreements(gallery, queries, rows, distance) == []


@given(problems())
@settings(max_examples=100, deadline=None)
def test_slabs_of_the_gallery_give_the_same_bits_as_the_whole(problem: tuple[np.ndarray, np.ndarray, int, str]) -> None:
    gallery, queries, k, distance = problem
    whole = search(gallery, queries, k, [distance])[distance]
    cuts = [slice(0, 7), slice(7, 19), slice(19, None)]
    parts = []
    for cut in cuts:
        if len(part := gallery[cut]):
            found = search(part, queries, min(k, len(part)), [distance])[distance]
            parts.append(Neighbours(found.distances, found.rows + cut.start))
    merged = merge(parts, k)
    np.testing.assert_array_equal(merged.rows, whole.rows)
    np.testing.assert_array_equal(merged.distances, whole.distances)


@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_rows_come_by_lowest_index(distance: str) -> None:
    gallery = np.tile(np.float32([[1, 2, 3], [3, 2, 1]]), (50, 1))
    _, rows = nearest(gallery, gallery[:1], 60, distance)
    assert rows[0].tolist() == [*range(0, 100, 2), *range(1, 21, 2)]


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_are_those_of_float64(distance: str) -> None:
    rng = np.random.default_rng(1)
    gallery, queries = rng.random((300, 1100), np.float32), rng.random((20, 1100), np.float32)
    values, rows = nearest(gallery, queries, 5, distance)
    exact = np.take_along_axis(naive_distances(gallery, queries, distance), rows, axis=1)
    np.testing.assert_allclose(values, exact, rtol=2e-7)
    assert (values.dtype, rows.dtype) == (np.float32, np.int64)


def test_a_near_duplicate_is_told_from_the_query_where_the_expansion_of_squares_cannot() -> None:
    base = np.full((1, 512), 1000.0, np.float32)
    gallery = np.repeat(base, 3, axis=0)
    gallery[0, 0] += 0.0625
    gallery[2, 1] += 0.125
    values, rows = nearest(gallery, base, 3, "euclidean")
    assert rows.tolist() == [[1, 0, 2]]
    assert values.tolist() == [[0.0, 0.0625, 0.125]]


def test_several_distances_from_one_search_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(2)
    gallery, queries = rng.standard_normal((200, 33)), rng.standard_normal((300, 33))
    together = search(gallery, queries, 4, DISTANCES)
    for distance in DISTANCES:
        alone = search(gallery, queries, 4, [distance])[distance]
        np.testing.assert_array_equal(together[distance].rows, alone.rows)


def test_a_memory_mapped_gallery_is_searched_slab_by_slab(tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(3)
    gallery, queries = rng.random((1000, 8), np.float32), rng.random((5, 8), np.float32)
    np.save(tmp_path / "gallery.npy", gallery)
    expected = nearest(gallery, queries, 7, "manhattan")
    monkeypatch.setattr(module, "SLAB", 128)
    found = nearest(np.load(tmp_path / "gallery.npy", mmap_mode="r"), queries, 7, "manhattan")
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


def test_leave_one_out_drops_the_row_itself_even_among_copies() -> None:
    rng = np.random.default_rng(4)
    rows = rng.random((40, 6), np.float32)
    rows[5:25] = rows[5]
    found = without_self(search(rows, rows, 4, ["euclidean"])["euclidean"])
    exact = naive_distances(rows, rows, "euclidean")
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_array_equal(found.rows, exact.argsort(axis=1, kind="stable")[:, :3])


@given(problems())
@settings(max_examples=150, deadline=None)
def test_torch_gives_the_same_ranking(problem: tuple[np.ndarray, np.ndarray, int, str]) -> None:
    gallery, queries, k, distance = problem
    _, rows = search_on_device(survey_side(gallery), survey_side(queries), k, distance, "cpu")
    assert disagreements(gallery, queries, rows, distance) == []


@pytest.mark.parametrize("distance", DISTANCES)
def test_torch_gives_the_same_ties_beyond_its_candidates(distance: str) -> None:
    rng = np.random.default_rng(5)
    gallery, queries = rng.random((500, 40), np.float32), rng.random((30, 40), np.float32)
    gallery[100:300] = gallery[100]
    queries[3] = gallery[100]
    distances, rows = search_on_device(survey_side(gallery), survey_side(queries), 9, distance, "cpu")
    expected = search(gallery, queries, 9, [distance])[distance]
    np.testing.assert_array_equal(rows, expected.rows)
    np.testing.assert_allclose(distances, expected.distances, rtol=1e-9, atol=1e-12)


def ones(n: int = 4, d: int = 3) -> np.ndarray:
    return np.ones((n, d), np.float32)


def with_value(value: float) -> np.ndarray:
    rows = ones()
    rows[2, 1] = value
    return rows


@pytest.mark.parametrize(
    ("gallery", "queries", "k", "distance", "says"),
    [
        (with_value(np.nan), ones(), 1, "manhattan", "gallery: row 2 holds NaN or infinity"),
        (ones(), with_value(-np.inf), 1, "inner", "queries: row 2 holds NaN or infinity"),
        (np.float32([[1, 1, 1], [0, 0, 0]]), ones(), 1, "cosine", "gallery: row 1 is zero"),
        (ones(), ones(4, 5), 1, "euclidean", "gallery has 3 dimensions, queries have 5"),
        (ones(), ones(), 5, "euclidean", "k = 5: the gallery has 4 rows; use 1 to 4"),
        (ones(), ones(), 0, "euclidean", "k = 0"),
        (ones(0), ones(), 1, "euclidean", "gallery: shape"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(
    gallery: np.ndarray, queries: np.ndarray, k: int, distance: str, says: str
) -> None:
    with pytest.raises(CarsrayError, match=says) as told:
        nearest(gallery, queries, k, distance)
    assert "\n" not in str(told.value)
