import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from carsray.data.records import Row
from carsray.final.package import gallery_files
from carsray.final.package.folder import Package
from carsray.final.package.gallery import Gallery, SearchPoint, read_gallery
from carsray.final.package.gallery_files import entries_of, write_embeddings, write_search, write_table


def rows_of(count: int = 300, dimensions: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, dimensions)).astype(np.float32)


def gallery_of(rows: np.ndarray, **point: object) -> Gallery:
    entries = [(f"{at}.jpg", at % 2, f"class {at % 2}", None) for at in range(len(rows))]
    return Gallery(rows, entries, SearchPoint(**point), None)


def written(folder: Path, rows: np.ndarray, point: SearchPoint) -> Package:
    package = Package(folder)
    labels = np.arange(len(rows)) % 2
    listed = [Row(f"/data/{label}/{at}.jpg", int(label), "") for at, label in enumerate(labels)]
    write_embeddings(package, rows, labels.astype(np.int64))
    write_table(package, entries_of(package, listed, ["a", "b"], Path("/data"), pictures=False))
    write_search(package, rows, point, "default")
    package.write_sums()
    return package


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "manhattan"])
def test_neighbours_are_those_of_the_naive_method(distance: str) -> None:
    rows, asked = rows_of(), rows_of(4) + 0.1
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for query, found in zip(asked, gallery_of(rows, distance=distance).nearest(asked, 7), strict=True):
        naive = {
            "cosine": 1 - unit @ (query / np.linalg.norm(query)),
            "euclidean": np.linalg.norm(rows - query, axis=1),
            "manhattan": np.abs(rows - query).sum(axis=1),
        }[distance]
        assert [near.row for near in found] == np.argsort(naive)[:7].tolist()
        assert [near.distance for near in found] == pytest.approx(np.sort(naive)[:7].tolist(), abs=1e-5)


def test_a_zero_embedding_has_no_neighbours_by_direction_and_some_by_distance() -> None:
    asked = np.stack([np.zeros(8, np.float32), rows_of(1)[0]])
    nothing, something = gallery_of(rows_of()).nearest(asked)
    assert nothing == ()
    assert something[0].row == 0
    assert all(gallery_of(rows_of(), distance="euclidean").nearest(asked))


def test_no_embeddings_have_no_neighbours() -> None:
    assert gallery_of(rows_of()).nearest(np.empty((0, 8), np.float32)) == []


def test_a_large_gallery_gets_an_index_whose_neighbours_are_measured_exactly(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(gallery_files, "SEARCHED_EXACTLY", 1000)
    rows = rows_of(3000)
    package = written(tmp_path, rows, SearchPoint(k=3))
    assert package.index.exists()
    facts = json.loads(package.retrieval.read_text())["index"]
    assert facts["kind"] == "hnsw"
    assert facts["recall"] > 0.9
    found, exact = read_gallery(package).nearest(rows[:50], 3), gallery_of(rows).nearest(rows[:50], 3)
    pairs = [(a, b) for f, e in zip(found, exact, strict=True) for a, b in zip(f, e, strict=True)]
    assert sum(a.row == b.row for a, b in pairs) > 0.95 * len(pairs)
    assert all(a.distance == pytest.approx(b.distance, abs=1e-6) for a, b in pairs if a.row == b.row)


def test_a_small_gallery_has_no_index(tmp_path: Path) -> None:
    package = written(tmp_path, rows_of(), SearchPoint())
    assert not package.index.exists()
    assert json.loads(package.retrieval.read_text())["index"] is None


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    rows = rows_of(20)
    package = written(tmp_path, rows, SearchPoint(k=2, normalize="whiten", distance="manhattan"))
    gallery = read_gallery(package)
    np.testing.assert_array_equal(gallery.rows, rows)
    assert gallery.point == SearchPoint(k=2, normalize="whiten", distance="manhattan")
    assert gallery.entries[3] == ("1/3.jpg", 1, "b", None)


def test_the_table_has_a_line_for_each_embedding_and_thumbnail(package: Path) -> None:
    with (package / "gallery.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    arrays = load_file(package / "gallery.safetensors")
    assert [int(line["label"]) for line in lines] == arrays["labels"].tolist()
    assert [int(line["row"]) for line in lines] == list(range(len(arrays["embeddings"])))
    assert {line["thumbnail"] for line in lines} == {f"gallery/{path.name}" for path in (package / "gallery").iterdir()}
    assert not any(line["file"].startswith("/") for line in lines), "no path of the machine that exported"
