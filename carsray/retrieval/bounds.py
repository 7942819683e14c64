"""Lower bounds of distances, from scores that are cheap and slightly wrong. What they drop is proven to be too far.

With scores s (Q, N) a bound is  cq + cg - fq fg (s + nq ng):  a constant, a factor and a norm per query and per row.

Inner products in float32 err by at most g |x||y|, in whatever order they are summed, where g = D u / (1 - D u) and
u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Manhattan distances are
bounded through codes, whole numbers of a step: sum |x - y| >= step sum |code x - code y| - left over x - left over y.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from carsray.retrieval.kernels import encode, survey
from carsray.retrieval.names import Distance

ROUND = 1e-12
"""More than float64 loses in a constant or a distance, in relation to it."""
CHUNK = 256
"""Most dimensions that are summed in 16 bits: the fewer, the finer the step, and the more to add up."""


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


@dataclass(frozen=True, slots=True)
class Side:
    """Queries or gallery, and what one pass over them tells."""

    rows: np.ndarray
    """float32 (N, D), contiguous."""
    norms: np.ndarray
    """float64 (N,), Euclidean; not finite where the row is not."""
    largest: float
    """The largest sum of absolute values over a chunk of any row."""


def survey_side(rows: np.ndarray) -> Side:
    """One side of a search, from numbers (N, D) that may lie in a file."""
    # Writable, since Numba would compile everything anew for what is not.
    rows = np.require(rows, np.float32, ["C", "W"])
    squares = np.empty(len(rows))
    largest = survey(rows, chunk_width(rows.shape[1]), squares)
    return Side(rows, np.sqrt(squares), largest)


def chunk_width(dim: int) -> int:
    """Dimensions in a chunk: as even as can be, in whole vectors of the processor."""
    return -(-dim // -(-dim // CHUNK) // 64) * 64


def power_of_two(*sides: Side) -> float:
    """A scale, exact in floating point, that brings the largest norm near 1; 1 where it is not far from there."""
    exponent = max(int(np.frexp(side.norms.max())[1]) for side in sides)
    return 1.0 if abs(exponent) <= 16 else 2.0**-exponent


def product_terms(distance: Distance, queries: Side, gallery: Side, scale: float) -> Terms:
    """Terms for scores that are inner products of rows (N, D) times scale, in float32."""
    dim = queries.rows.shape[1]
    error = dim * 2.0**-24 / (1 - dim * 2.0**-24)
    tiny = np.sqrt(dim * 2.0**-90)  # what underflow can cost where values lie far below the largest
    one, two = (_product_side(distance, side.norms, scale) for side in (queries, gallery))
    one[2] = error * one[2] + tiny
    two[2] += tiny
    return Terms.of(one, two)


def _product_side(distance: Distance, norms: np.ndarray, scale: float) -> list[np.ndarray]:
    none, unit = np.zeros(len(norms)), np.full(len(norms), 1 / scale)
    match distance:
        case "euclidean":  # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y
            return [(1 - ROUND) * norms**2, np.sqrt(2) * unit, norms * scale]
        case "cosine":
            return [none + (0.5 - ROUND), unit / norms, norms * scale]
        case _:
            return [none, unit, norms * scale]


@dataclass(frozen=True, slots=True)
class Codes:
    """Both sides of a Manhattan search as whole numbers of one step."""

    queries: np.ndarray
    """int16 (Q, chunks, width)."""
    gallery: np.ndarray
    """int16 (N, chunks, width)."""
    terms: Terms


def encode_sides(queries: Side, gallery: Side) -> Codes:
    """Codes with the smallest step that lets every chunk's sum of differences fit in 16 bits."""
    width = chunk_width(queries.rows.shape[1])
    # Half a step is what rounding can add to each of width values; a pair's sum is at most both sums together.
    step = max(queries.largest, gallery.largest) / (2**15 - 1 - width / 2) or 1.0
    (query_codes, query_errors), (gallery_codes, gallery_errors) = (
        _encode(side.rows, step, width) for side in (queries, gallery)
    )
    none, rows = np.zeros(len(query_codes)), np.zeros(len(gallery_codes))
    terms = Terms.of([-query_errors, none - step * (1 - ROUND), none], [-gallery_errors, rows + 1, rows])
    return Codes(query_codes, gallery_codes, terms)


def _encode(rows: np.ndarray, step: float, width: int) -> tuple[np.ndarray, np.ndarray]:
    codes, errors = np.zeros((len(rows), -(-rows.shape[1] // width), width), np.int16), np.empty(len(rows))
    encode(rows, step, codes, errors)
    return codes, errors * (1 + ROUND)
