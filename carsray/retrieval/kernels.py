"""Numba kernels on the processor: Manhattan distances of coarse codes, and the exact top k behind lower bounds.

They run without the GIL and on one thread each; who calls them shares out the rows. Compiled once per machine and kept.
"""

import heapq
import math

import numpy as np
from numba import njit

MANHATTAN, EUCLIDEAN, COSINE, INNER = range(4)


SUMS = {"reassoc", "contract"}
"""Sums may be taken in any order, which a processor needs in order to add several at a time; NaN stays NaN."""


@njit(nogil=True, cache=True, fastmath=SUMS)
def survey(rows: np.ndarray, width: int, squares: np.ndarray) -> float:
    """Into squares (N,) the sum of each row's squares; the largest sum of absolute values over a chunk of any row."""
    largest = 0.0
    for r in range(len(rows)):
        square = 0.0
        for start in range(0, rows.shape[1], width):
            part, size = rows[r, start : start + width], 0.0
            for d in range(len(part)):
                value = np.float64(part[d])
                square += value * value
                size += abs(value)
            largest = max(largest, size)
        squares[r] = square
    return largest


@njit(nogil=True, cache=True, fastmath=SUMS)
def encode(rows: np.ndarray, step: float, codes: np.ndarray, errors: np.ndarray) -> None:
    """Rows (N, D) as whole numbers of steps, into codes (N, chunks, width) int16, and what that leaves out, summed."""
    width = codes.shape[2]
    for r in range(len(rows)):
        left = 0.0
        for chunk in range(codes.shape[1]):
            part, into = rows[r, chunk * width : (chunk + 1) * width], codes[r, chunk]
            for d in range(len(part)):
                value = np.float64(part[d])
                code = np.rint(value / step)
                into[d] = np.int16(code)
                left += abs(value - code * step)
        errors[r] = left


@njit(nogil=True, cache=True)
def code_distances(queries: np.ndarray, gallery: np.ndarray, out: np.ndarray) -> None:
    """Into out (Q, N) int32: at most the sums of absolute differences of codes (Q, chunks, width), (N, chunks, width).

    A tile of 2 x 4 pairs at a time: eight sums stay in registers, and a value once loaded serves two or four of them.
    """
    for j in range(0, len(gallery), 4):  # four gallery rows stay in the innermost cache, a block of queries in the next
        for i in range(0, len(queries), 2):
            _tile(queries, gallery, i, j, out)


@njit(nogil=True, cache=True)
def _gap(a: int, b: int) -> np.uint16:
    # Where a - b leaves int16 it wraps to a smaller absolute value: the sum stays a lower bound.
    return np.uint16(abs(np.int16(a - b)))


@njit(nogil=True, cache=True)
def _tile(queries: np.ndarray, gallery: np.ndarray, i: int, j: int, out: np.ndarray) -> None:
    # Beyond an edge the last row is taken again: the same sum is written twice, and no edge needs code of its own.
    i1, last = min(i + 1, len(queries) - 1), len(gallery) - 1
    j1, j2, j3 = min(j + 1, last), min(j + 2, last), min(j + 3, last)
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.int32(0)
    for chunk in range(queries.shape[1]):
        p, q = queries[i, chunk], queries[i1, chunk]
        w, x, y, z = gallery[j, chunk], gallery[j1, chunk], gallery[j2, chunk], gallery[j3, chunk]
        # In 16 bits, for twice the lanes of 32; the codes are scaled so that a chunk's sum fits.
        c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = np.uint16(0)
        for n in range(len(p)):
            c0 = np.uint16(c0 + _gap(p[n], w[n]))
            c1 = np.uint16(c1 + _gap(p[n], x[n]))
            c2 = np.uint16(c2 + _gap(p[n], y[n]))
            c3 = np.uint16(c3 + _gap(p[n], z[n]))
            d0 = np.uint16(d0 + _gap(q[n], w[n]))
            d1 = np.uint16(d1 + _gap(q[n], x[n]))
            d2 = np.uint16(d2 + _gap(q[n], y[n]))
            d3 = np.uint16(d3 + _gap(q[n], z[n]))
        a0, a1, a2, a3 = np.int32(a0 + c0), np.int32(a1 + c1), np.int32(a2 + c2), np.int32(a3 + c3)
        b0, b1, b2, b3 = np.int32(b0 + d0), np.int32(b1 + d1), np.int32(b2 + d2), np.int32(b3 + d3)
    out[i, j], out[i, j1], out[i, j2], out[i, j3] = a0, a1, a2, a3
    out[i1, j], out[i1, j1], out[i1, j2], out[i1, j3] = b0, b1, b2, b3


@njit(nogil=True, cache=True)
def top_k(
    kind: int,
    queries: np.ndarray,
    gallery: np.ndarray,
    scores: np.ndarray,
    query_terms: np.ndarray,
    gallery_terms: np.ndarray,
    distances: np.ndarray,
    neighbours: np.ndarray,
) -> None:
    """The exact k nearest of each query, nearest first, ties by lowest index, into distances and neighbours (Q, k).

    Scores (Q, N) and terms give a lower bound of every distance (see bounds.py). The distance itself is computed, in
    float64, only where the bound does not exceed the k-th smallest distance known: nothing else can be among the k.
    """
    k = distances.shape[1]
    bound = np.empty(len(gallery))
    values, rows = np.empty(len(gallery)), np.empty(len(gallery), np.int64)
    for r in range(len(queries)):
        _lower_bounds(scores[r], query_terms[r], gallery_terms, bound)
        first = _kth_smallest(bound, k)
        found = _measure(kind, queries[r], gallery, bound, -np.inf, first, 0, values, rows)
        limit = _kth_smallest(values[:found], k)
        found = _measure(kind, queries[r], gallery, bound, first, limit, found, values, rows)
        by_row = rows[:found].argsort()
        order = by_row[values[by_row].argsort(kind="mergesort")][:k]
        distances[r] = values[order]
        neighbours[r] = rows[order]


@njit(nogil=True, cache=True)
def _lower_bounds(scores: np.ndarray, query: np.ndarray, gallery: np.ndarray, bound: np.ndarray) -> None:
    constant, factor, norm = query
    for j in range(len(bound)):
        bound[j] = constant + gallery[0, j] - factor * gallery[1, j] * (scores[j] + norm * gallery[2, j])


@njit(nogil=True, cache=True)
def _kth_smallest(values: np.ndarray, k: int) -> float:
    heap = [-value for value in values[:k]]  # the largest of the k smallest on top
    heapq.heapify(heap)
    for value in values[k:]:
        if value < -heap[0]:
            heapq.heapreplace(heap, -value)
    return float(-heap[0])


@njit(nogil=True, cache=True)
def _measure(
    kind: int,
    query: np.ndarray,
    gallery: np.ndarray,
    bound: np.ndarray,
    above: float,
    upto: float,
    found: int,
    values: np.ndarray,
    rows: np.ndarray,
) -> int:
    """Append the distances of all rows whose bound lies in (above, upto]; how many there are now."""
    for j in range(len(bound)):
        if above < bound[j] <= upto:
            values[found], rows[found] = _distance(kind, query, gallery[j]), j
            found += 1
    return found


@njit(nogil=True, cache=True, fastmath=True)
def _distance(kind: int, query: np.ndarray, row: np.ndarray) -> float:
    """One distance in float64; the inner product is negated, so that less is nearer."""
    total = query_square = row_square = 0.0
    if kind == MANHATTAN:
        for d in range(len(query)):
            total += abs(np.float64(query[d]) - np.float64(row[d]))
        return total
    if kind == EUCLIDEAN:
        for d in range(len(query)):
            gap = np.float64(query[d]) - np.float64(row[d])
            total += gap * gap
        return total
    for d in range(len(query)):
        total += np.float64(query[d]) * np.float64(row[d])
        query_square += np.float64(query[d]) * np.float64(query[d])
        row_square += np.float64(row[d]) * np.float64(row[d])
    if kind == INNER:
        return -total
    return max(1.0 - total / math.sqrt(query_square * row_square), 0.0)
