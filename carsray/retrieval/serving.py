"""Approximate indexes for serving, by FAISS. What one misses is measured against the exact search, and written down."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np

from carsray.errors import DataError
from carsray.files import write_bytes
from carsray.retrieval.names import Distance
from carsray.retrieval.normalize import unit_length
from carsray.retrieval.search import nearest

Kind = Literal["ivf", "hnsw"]
METRICS = {
    "manhattan": faiss.METRIC_L1,
    "euclidean": faiss.METRIC_L2,
    "cosine": faiss.METRIC_INNER_PRODUCT,
    "inner": faiss.METRIC_INNER_PRODUCT,
}
LINKS = 32
"""Of each row in an HNSW graph."""


@dataclass(frozen=True, slots=True)
class Served:
    """How good an index is, on the queries that it was measured with."""

    kind: Kind
    k: int
    recall: float
    """The share of the exact k nearest that it finds."""
    queries_per_second: float


def build_index(kind: Kind, gallery: np.ndarray, distance: Distance) -> Any:
    """An index of normalised gallery rows float32 (N, D); for cosine they and the queries are brought to length 1."""
    rows = _ready(gallery, distance)
    index: Any
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(rows.shape[1], LINKS, METRICS[distance])
        index.hnsw.efSearch = 128
    else:
        lists = max(int(np.sqrt(len(rows))), 1)
        index = faiss.index_factory(rows.shape[1], f"IVF{lists},Flat", METRICS[distance])
        index.nprobe = max(lists // 8, 1)
        index.cp.min_points_per_centroid = 1  # a small gallery is no reason for a warning on stderr
    index.train(rows)
    index.add(rows)
    return index


def measure_index(
    index: Any,
    kind: Kind,
    gallery: np.ndarray,
    queries: np.ndarray,
    k: int,
    distance: Distance,
    own: np.ndarray | None = None,
) -> Served:
    """Recall of the index against the exact k nearest, and its speed.

    Where the queries are rows of the gallery, ``own`` (Q,) says which: none is its own neighbour, which any would find.
    """
    count = k if own is None else min(k + 1, len(gallery))
    _, exact = nearest(gallery, queries, count, distance)
    asked = _ready(queries, distance)
    started = time.perf_counter()
    _, found = index.search(asked, count)
    seconds = time.perf_counter() - started
    if own is not None:
        exact, found = _without(exact, own), _without(found, own)
    hits = sum(np.isin(a, b).sum() for a, b in zip(found, exact, strict=True))
    return Served(kind, k, float(hits / exact.size), len(queries) / seconds)


def _without(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Neighbours (Q, k + 1) less the query itself, or less the last where it is not among them: (Q, k)."""
    drop = rows == own[:, None]
    drop[~drop.any(axis=1), -1] = True
    kept: np.ndarray = rows[~drop].reshape(len(rows), -1)
    return kept


def save_index(index: Any, path: Path) -> None:
    """Write an index for faiss.read_index."""
    write_bytes(path, faiss.serialize_index(index).tobytes())


def _ready(rows: np.ndarray, distance: Distance) -> np.ndarray:
    rows = unit_length(rows) if distance == "cosine" else rows
    return np.ascontiguousarray(rows, np.float32)


def load_index(path: Path) -> Any:
    """An index that save_index wrote. Raises DataError for a file that is none."""
    try:
        return faiss.read_index(str(path))
    except RuntimeError:
        raise DataError(f"{path}: is no index that FAISS can read; build it again") from None


def candidates(index: Any, queries: np.ndarray, count: int, distance: Distance) -> np.ndarray:
    """About the nearest rows of normalised queries (Q, D): int64 (Q, count), -1 where an index found fewer."""
    _, rows = index.search(_ready(queries, distance), count)
    found: np.ndarray = rows
    return found
