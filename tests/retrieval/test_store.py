import numpy as np
import pytest

from carsray.errors import ResultsError
from carsray.retrieval.store import cached, embedding_key, read_npz


def test_embeddings_are_made_once(tmp_path) -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.ones((3, 2), np.float32)

    for _ in range(2):
        np.testing.assert_array_equal(cached(tmp_path, "key", 3, make), np.ones((3, 2)))
    assert len(made) == 1


def test_a_damaged_file_is_made_anew(tmp_path) -> None:
    cached(tmp_path, "key", 3, lambda: np.ones((3, 2), np.float32))
    (tmp_path / "embeddings/key.npy").write_bytes(b"\x93NUMPY")
    assert cached(tmp_path, "key", 3, lambda: np.zeros((3, 2), np.float32)).sum() == 0


def test_other_weights_pictures_or_numbers_have_another_key(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    asked = [("a", "x", "bf16"), ("b", "x", "bf16"), ("a", "y", "bf16"), ("a", "x", "float32")]
    assert len({embedding_key(tmp_path / name, *rest) for name, *rest in asked}) == 4


def test_labels_of_any_kind_become_numbers_in_their_order(tmp_path) -> None:
    np.savez(
        tmp_path / "e.npz",
        gallery=np.eye(3),
        gallery_labels=["b", "a", "c"],
        queries=np.ones((1, 3), np.float16),
        query_labels=["c"],
    )
    gallery, queries = read_npz(tmp_path / "e.npz")
    assert gallery.labels.tolist() == [1, 0, 2]
    assert queries is not None
    assert queries.labels.tolist() == [2]
    assert queries.rows.dtype == np.float32


def test_without_queries_there_is_one_set(tmp_path) -> None:
    np.savez(tmp_path / "e.npz", gallery=np.eye(3), gallery_labels=[0, 0, 1])
    assert read_npz(tmp_path / "e.npz")[1] is None


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"gallery": np.eye(3)}, "lacks 'gallery_labels'"),
        ({"queries": np.eye(3)}, "lacks 'gallery'"),
        ({"gallery": np.eye(3), "gallery_labels": [1]}, r"3 gallery with \(1,\) labels"),
        ({"gallery": np.array(["x"]), "gallery_labels": [1]}, "numbers are needed"),
    ],
)
def test_a_file_that_lacks_something_is_one_line(tmp_path, arrays: dict, says: str) -> None:
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(ResultsError, match=says):
        read_npz(tmp_path / "e.npz")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", b"plain text"])
def test_a_file_that_is_no_npz_is_one_line(tmp_path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "e.npz").write_bytes(content)
    with pytest.raises(ResultsError, match="is no readable"):
        read_npz(tmp_path / "e.npz")
