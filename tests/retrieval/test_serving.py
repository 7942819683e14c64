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
