"""Lower bounds of distances, from scores that are cheap and slightly wrong. What they drop is proven to be too far.

With scores s (Q, N) a bound is  cq + cg - fq fg (s + nq ng):  a constant, a factor and a norm per query and per row.

Inner products in float32 err by at most g |x||y|, in whatever order they are summed, where g = D u / (1 - D u) and
u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Manhattan distances are
bounded through codes, whole numbers of a step: sum |x - y| >= step sum |code x - code y| - left over x - left over y.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from carsray.retrieval.kernels import encode

Distance = Literal["manhattan", "euclidean", "cosine", "inner"]
ROUND = 1e-12
"""More than float64 loses in a constant or a distance, in relation to it."""
CHUNK = 512
"""Most dimensions that are summed in 16 bits."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What turns scores into lower bounds: constant, factor and norm."""

    queries: np.ndarray
    """float64 (Q, 3)."""
    gallery: np.ndarray
    """float64 (3, N)."""

    @classmethod
    def of(cls, queries: list[np.ndarray], gallery: list[np.ndarray]) -> Self:
        """Terms from three arrays a side."""
        return cls(np.stack(queries, axis=1), np.stack(gallery))


def power_of_two(*sides: np.ndarray) -> float:
    """A scale, exact in floating point, that brings the largest value near 1; 1 where it is not far from there."""
    exponent = max(int(np.frexp(np.abs(side).max(initial=0.0))[1]) for side in sides)
    return 1.0 if abs(exponent) <= 16 else 2.0**-exponent


def product_terms(distance: Distance, queries: np.ndarray, gallery: np.ndarray, scale: float) -> Terms:
    """Terms for scores that are inner products of rows (N, D) times scale, in float32."""
    dim = queries.shape[1]
    error = dim * 2.0**-24 / (1 - dim * 2.0**-24)
    tiny = np.sqrt(dim * 2.0**-90)  # what underflow can cost where values lie far below the largest
    one, two = (_product_side(distance, side, scale) for side in (queries, gallery))
    one[2] = error * one[2] + tiny
    two[2] += tiny
    return Terms.of(one, two)


def _product_side(distance: Distance, rows: np.ndarray, scale: float) -> list[np.ndarray]:
    norms = row_norms(rows)
    none, unit = np.zeros(len(rows)), np.full(len(rows), 1 / scale)
    match distance:
        case "euclidean":  # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y
            return [(1 - ROUND) * norms**2, np.sqrt(2) * unit, norms * scale]
        case "cosine":
            return [none + (0.5 - ROUND), unit / norms, norms * scale]
        case _:
            return [none, unit, norms * scale]


def row_norms(rows: np.ndarray) -> np.ndarray:
    """Euclidean norms of rows (N, D), float64 (N,)."""
    parts = [np.einsum("nd,nd->n", part, part, dtype=np.float64) for part in _parts(rows)]
    return np.sqrt(np.concatenate(parts)) if parts else np.zeros(0)


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    """Float64 copies of a few rows at a time, made one by one."""
    return [rows[start : start + 1024].astype(np.float64) for start in range(0, len(rows), 1024)]


@dataclass(frozen=True, slots=True)
class Codes:
    """Both sides of a Manhattan search as whole numbers of one step."""

    queries: np.ndarray
    """int16 (Q, chunks, width)."""
    gallery: np.ndarray
    """int16 (N, chunks, width)."""
    terms: Terms


def encode_sides(queries: np.ndarray, gallery: np.ndarray) -> Codes:
    """Codes of rows (Q, D) and (N, D) float32, with the smallest step that lets every chunk's sum fit in 16 bits."""
    dim = queries.shape[1]
    chunks = -(-dim // CHUNK)
    width = -(-dim // chunks // 64) * 64  # whole vectors
    largest = max(_largest_chunk_sum(side, width) for side in (queries, gallery))
    step = largest / (2**15 - 1 - width / 2) or 1.0  # half a step is what rounding can add to each of width values
    sides = [_encode(side, step, (len(side), chunks, width)) for side in (queries, gallery)]
    (query_codes, query_errors), (gallery_codes, gallery_errors) = sides
    none = np.zeros(len(queries))
    rows = np.zeros(len(gallery))
    terms = Terms.of([-query_errors, none - step * (1 - ROUND), none], [-gallery_errors, rows + 1, rows])
    return Codes(query_codes, gallery_codes, terms)


def _largest_chunk_sum(rows: np.ndarray, width: int) -> float:
    starts = range(0, rows.shape[1], width)
    return max(
        float(np.abs(rows[:, start : start + width]).sum(axis=1, dtype=np.float64).max(initial=0)) for start in starts
    )


def _encode(rows: np.ndarray, step: float, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    codes, errors = np.zeros(shape, np.int16), np.empty(len(rows))
    encode(rows, step, codes, errors)
    return codes, errors * (1 + ROUND)
