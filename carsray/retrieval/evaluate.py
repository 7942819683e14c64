"""The grid: one search per space of embeddings and distance, then every k and every vote from its ranking."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from carsray.errors import ConfigError, DataError
from carsray.progress import Report, silent
from carsray.retrieval.grid import Grid, Point
from carsray.retrieval.metrics import map_at_k, map_at_r, precision_at_k, recall_at_k
from carsray.retrieval.names import Distance, Normalize
from carsray.retrieval.normalize import fit_normalize
from carsray.retrieval.search import Neighbours, search, without_self
from carsray.retrieval.vote import predict, vote_weights
from carsray.training.answers import answer_metrics

DEEPEST = 1000
"""Neighbours that are looked up at most so that MAP@R is known."""
Search = Callable[[np.ndarray, np.ndarray, int, Sequence[Distance]], dict[Distance, Neighbours]]
"""(gallery, queries, k, distances) to neighbours, as `search`."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embeddings with their labels."""

    rows: np.ndarray
    """float32 (N, D)."""
    labels: np.ndarray
    """int64 (N,)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A point of the grid, measured."""

    point: Point
    metrics: dict[str, float]
    right: np.ndarray = field(repr=False)
    """bool (Q,): whether each query was answered rightly."""
    predicted: np.ndarray = field(repr=False)
    """int64 (Q,)."""


@dataclass(frozen=True, slots=True)
class _Ranking:
    """What one search gives to all points with its normalisation and distance."""

    distances: np.ndarray
    """float64 (Q, K), not squared."""
    labels: np.ndarray
    """int64 (Q, K), of the neighbours."""
    fit_seconds: float
    search_seconds: float


def evaluate_grid(
    gallery: Embedded, queries: Embedded | None, grid: Grid, find: Search = search, report: Report = silent
) -> list[Outcome]:
    """Every point of the grid, in its order; without queries each row of the gallery is searched in all the others.

    Raises DataError or ConfigError where embeddings or grid do not allow it.
    """
    asked = queries or gallery
    largest = len(gallery.labels) - (queries is None)
    if max(grid.k) > largest:
        raise ConfigError(f"k = {max(grid.k)}: the gallery has {largest} rows to find; use 1 to {largest}")
    classes = int(max(gallery.labels.max(), asked.labels.max())) + 1
    relevant = np.bincount(gallery.labels, minlength=classes)[asked.labels] - (queries is None)
    if (absent := np.flatnonzero(relevant == 0)).size:
        raise DataError(
            f"class {asked.labels[absent[0]]}: {absent.size} queries and no gallery row to find; "
            "add some to the gallery or leave these queries out"
        )
    depth = min(max(max(grid.k), min(int(relevant.max()), DEEPEST)), largest)
    outcomes: list[Outcome] = []
    total = len(grid.normalize) * len(grid.distance)
    for done, (normalize, distance, ranking) in enumerate(_rankings(gallery, queries, grid, depth, find)):
        outcomes += _points(ranking, normalize, distance, grid, asked.labels, relevant, classes)
        report(done + 1, total)
    return outcomes


def _rankings(
    gallery: Embedded, queries: Embedded | None, grid: Grid, depth: int, find: Search
) -> Iterator[tuple[Normalize, Distance, _Ranking]]:
    found: dict[tuple[Normalize, Distance], tuple[Neighbours, float, float]] = {}
    wanted = [(normalize, distance) for normalize in grid.normalize for distance in grid.distance]
    for space in dict.fromkeys(_searched(*pair)[0] for pair in wanted):
        distances = list(dict.fromkeys(_searched(*pair)[1] for pair in wanted if _searched(*pair)[0] == space))
        started = time.perf_counter()
        change = fit_normalize(space, gallery.rows)
        rows = change(gallery.rows)
        asked = rows if queries is None else change(queries.rows)
        fitted = time.perf_counter()
        ranked = find(rows, asked, depth + (queries is None), distances)
        seconds = time.perf_counter() - fitted
        for name, neighbours in ranked.items():
            kept = without_self(neighbours) if queries is None else neighbours
            found[space, name] = kept, fitted - started, seconds
    for normalize, distance in wanted:
        neighbours, fit_seconds, seconds = found[_searched(normalize, distance)]
        values = _as_distances(neighbours.distances, normalize, distance)
        yield normalize, distance, _Ranking(values, gallery.labels[neighbours.rows], fit_seconds, seconds)


def _searched(normalize: Normalize, distance: Distance) -> tuple[Normalize, Distance]:
    """Which search answers for a pair: at length 1, three of the distances rank as the cosine does at any length."""
    return ("none", "cosine") if normalize == "l2" and distance != "manhattan" else (normalize, distance)


def _as_distances(found: np.ndarray, normalize: Normalize, distance: Distance) -> np.ndarray:
    if distance == "euclidean":
        roots: np.ndarray = np.sqrt(2 * found if normalize == "l2" else found)  # |x - y|^2 = 2 - 2 cos
        return roots
    if distance == "inner" and normalize == "l2":
        return found - 1
    return found


def _points(
    ranking: _Ranking,
    normalize: Normalize,
    distance: Distance,
    grid: Grid,
    labels: np.ndarray,
    relevant: np.ndarray,
    classes: int,
) -> Iterator[Outcome]:
    right = ranking.labels == labels[:, None]
    ranked = {
        k: {
            "recall_at_k": recall_at_k(right, k),
            "precision_at_k": precision_at_k(right, k),
            "map_at_k": map_at_k(right, relevant, k),
        }
        for k in grid.k
    }
    whole = map_at_r(right, relevant)
    for vote in grid.votes(distance):
        started = time.perf_counter()
        deepest = max(grid.k)
        weights = vote_weights(ranking.distances[:, :deepest], vote)
        predictions = predict(ranking.labels[:, :deepest], weights, grid.k, classes, grid.tie)
        seconds = ranking.search_seconds + time.perf_counter() - started
        times = {
            "fit_seconds": ranking.fit_seconds,
            "predict_seconds": seconds,
            "queries_per_second": len(labels) / seconds,
        }
        for k in grid.k:
            answers = answer_metrics(predictions[k], labels)
            point = Point(normalize, distance, vote, k)
            metrics = answers | ranked[k] | {"map_at_r": whole} | times
            yield Outcome(point, metrics, predictions[k] == labels, predictions[k])
