import faiss
import numpy as np
import pytest

from carsray.retrieval.serving import build_index, measure_index, save_index


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
@pytest.mark.parametrize("distance", ["manhattan", "euclidean", "cosine", "inner"])
def test_an_index_finds_most_neighbours_and_says_how_many(tmp_path, kind: str, distance: str) -> None:
    rng = np.random.default_rng(0)
    gallery, queries = rng.random((400, 8), np.float32), rng.random((50, 8), np.float32)
    index = build_index(kind, gallery, distance)
    served = measure_index(index, kind, gallery, queries, 5, distance)
    assert 0.3 < served.recall <= 1
    save_index(index, tmp_path / "retrieval.index")
    again = measure_index(faiss.read_index(str(tmp_path / "retrieval.index")), kind, gallery, queries, 5, distance)
    assert again.recall == served.recall


def test_a_row_of_the_gallery_is_not_counted_as_its_own_neighbour() -> None:
    gallery = np.random.default_rng(0).random((400, 8), np.float32)

    class Blind:
        """An index that finds nothing but the picture itself."""

        def search(self, asked: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
            rows = np.full((len(asked), count), -1)
            rows[:, 0] = own
            return np.zeros(rows.shape), rows

    own = np.arange(0, 400, 10)
    assert measure_index(Blind(), "hnsw", gallery, gallery[own], 1, "euclidean", own).recall == 0
    assert measure_index(Blind(), "hnsw", gallery, gallery[own], 1, "euclidean").recall == 1
