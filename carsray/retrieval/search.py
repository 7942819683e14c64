"""Exact nearest neighbours: one pass over a gallery gives every k, and one set of inner products three distances.

Cheap scores bound every distance from below (bounds.py); only what the bound cannot rule out is measured, in float64.
So the result is that of the naive method, ties by lowest index, whatever the blocks, threads or shards. Inner products
are torch's, the fastest there are on both kinds of device; Manhattan distances are compared as 16-bit codes.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from carsray.retrieval.bounds import Side, Terms, encode_sides, power_of_two, product_terms, survey_side
from carsray.retrieval.checks import check_norms, check_shapes
from carsray.retrieval.kernels import COSINE, EUCLIDEAN, INNER, MANHATTAN, code_distances, top_k
from carsray.retrieval.names import Distance
from carsray.retrieval.search_torch import full_precision, search_on_device

KINDS = {"manhattan": MANHATTAN, "euclidean": EUCLIDEAN, "cosine": COSINE, "inner": INNER}
BLOCK = 256
"""Queries whose scores are in memory at a time."""
SLAB = 1 << 16
"""Gallery rows that are in memory at a time; more may lie in a memory-mapped file."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest rows of each query, nearest first, ties by lowest row."""

    distances: np.ndarray
    """float64 (Q, k). Euclidean ones are squared, inner products negated: less is nearer."""
    rows: np.ndarray
    """int64 (Q, k)."""

    def first(self, k: int) -> "Neighbours":
        """The nearest k of these."""
        return Neighbours(self.distances[:, :k], self.rows[:, :k])


def nearest(
    gallery: np.ndarray, queries: np.ndarray, k: int, distance: Distance, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Distances float32 (Q, k) and rows int64 (Q, k) of the k nearest of gallery (N, D) to each of queries (Q, D).

    Nearest first, ties by lowest row; cosine gives 1 - cos, inner the negated product. Raises DataError for values
    that are not finite, zero vectors under cosine, dimensions that differ, and a k that the gallery cannot fill.
    """
    found = search(gallery, queries, k, [distance], device)[distance]
    values = np.sqrt(found.distances) if distance == "euclidean" else found.distances
    with np.errstate(over="ignore", under="ignore"):  # a product of huge values may be infinite in float32
        return values.astype(np.float32), found.rows


def search(
    gallery: np.ndarray,
    queries: np.ndarray,
    k: int,
    distances: Sequence[Distance],
    device: str = "cpu",
    first: int = 0,
) -> dict[Distance, Neighbours]:
    """The k nearest under each of several distances; euclidean, cosine and inner share their inner products.

    Gallery rows are numbered from first, for a gallery that is a part of another.
    """
    check_shapes(gallery, queries, k)
    asked = survey_side(queries)
    check_norms("queries", asked.norms, "cosine" not in distances)
    found: dict[Distance, list[Neighbours]] = {distance: [] for distance in distances}
    for start in range(0, len(gallery), SLAB):
        slab = survey_side(gallery[start : start + SLAB])
        check_norms("gallery", slab.norms, "cosine" not in distances, first + start)
        for distance, part in _search_slab(slab, asked, min(k, len(slab.rows)), distances, device).items():
            found[distance].append(Neighbours(part.distances, part.rows + first + start))
    return {distance: merge(parts, k) for distance, parts in found.items()}


def merge(parts: Sequence[Neighbours], k: int) -> Neighbours:
    """The k nearest of several parts of a gallery, exactly as if it had been searched whole."""
    if len(parts) == 1:
        return parts[0].first(k)
    distances = np.concatenate([part.distances for part in parts], axis=1)
    rows = np.concatenate([part.rows for part in parts], axis=1)
    order = np.lexsort((rows, distances), axis=1)[:, :k]
    return Neighbours(np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1))


def without_self(found: Neighbours) -> Neighbours:
    """From k + 1 neighbours within one set, the k nearest of each row other than the row itself."""
    own = found.rows == np.arange(len(found.rows))[:, None]
    own[~own.any(axis=1), -1] = True  # crowded out by equal rows: the last one goes instead
    shape = (len(own), own.shape[1] - 1)
    return Neighbours(found.distances[~own].reshape(shape), found.rows[~own].reshape(shape))


def _search_slab(
    gallery: Side, queries: Side, k: int, distances: Sequence[Distance], device: str
) -> dict[Distance, Neighbours]:
    if device != "cpu":
        return {name: Neighbours(*search_on_device(gallery, queries, k, name, device)) for name in distances}
    shape = len(queries.rows), k
    found = {name: Neighbours(np.empty(shape), np.empty(shape, np.int64)) for name in distances}
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        if "manhattan" in found:
            _by_codes(gallery, queries, found["manhattan"], pool)
        if products := [name for name in found if name != "manhattan"]:
            _by_products(gallery, queries, {name: found[name] for name in products}, pool)
    return found


def _by_codes(gallery: Side, queries: Side, found: Neighbours, pool: ThreadPoolExecutor) -> None:
    codes = encode_sides(queries, gallery)

    def work(block: slice) -> None:
        scores = np.empty((block.stop - block.start, len(gallery.rows)), np.int32)
        code_distances(codes.queries[block], codes.gallery, scores)
        _pick("manhattan", gallery, queries, scores, codes.terms, block, found)

    list(pool.map(work, _blocks(len(queries.rows), BLOCK // 2)))


def _by_products(gallery: Side, queries: Side, found: dict[Distance, Neighbours], pool: ThreadPoolExecutor) -> None:
    scale = power_of_two(queries, gallery)
    terms = {distance: product_terms(distance, queries, gallery, scale) for distance in found}
    columns = torch.from_numpy(_times(gallery.rows, scale)).T
    for block in _blocks(len(queries.rows), BLOCK):
        with full_precision():
            scores = (torch.from_numpy(_times(queries.rows[block], scale)) @ columns).numpy()

        def work(task: tuple[Distance, slice], scores: np.ndarray = scores, first: int = block.start) -> None:
            name, part = task
            within = slice(part.start - first, part.stop - first)
            _pick(name, gallery, queries, scores[within], terms[name], part, found[name])

        list(pool.map(work, [(name, part) for part in _blocks(block.stop, BLOCK // 4, block.start) for name in found]))


def _times(rows: np.ndarray, scale: float) -> np.ndarray:
    scaled: np.ndarray = rows if scale == 1 else (rows * scale).astype(np.float32)
    return scaled


def _pick(
    distance: Distance,
    gallery: Side,
    queries: Side,
    scores: np.ndarray,
    terms: Terms,
    block: slice,
    found: Neighbours,
) -> None:
    into = found.distances[block], found.rows[block]
    top_k(KINDS[distance], queries.rows[block], gallery.rows, scores, terms.queries[block], terms.gallery, *into)


def _blocks(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    return (slice(at, min(at + size, stop)) for at in range(start, stop, size))
