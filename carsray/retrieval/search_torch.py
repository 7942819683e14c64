"""The same search on a GPU: scores and bounds by torch, the nearest few measured again in float64."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from carsray.retrieval.bounds import Side, power_of_two, product_terms
from carsray.retrieval.names import Distance

SCORES = 1 << 26
"""Scores in memory at a time; measured distances take a quarter of this many values."""
SPARE = 32
"""Candidates measured beyond k, before a bound says whether they suffice."""


def search_on_device(
    gallery: Side, queries: Side, k: int, distance: Distance, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Distances float64 (Q, k) and rows int64 (Q, k): as `search`, for rows that fit on the device."""
    rows = torch.from_numpy(gallery.rows).to(device)
    bounds = _Bounds(gallery, queries, distance, device)
    size = max(SCORES // len(gallery.rows), 1)
    parts = []
    for start in range(0, len(queries.rows), size):
        block = torch.from_numpy(queries.rows[start : start + size]).to(device)
        parts.append(_top_k(block, rows, bounds(block, rows, start), k, distance))
    return tuple(torch.cat(side).cpu().numpy() for side in zip(*parts, strict=True))  # type: ignore[return-value]


class _Bounds:
    """Lower bounds float64 (B, N) of the distances of a block of queries."""

    def __init__(self, gallery: Side, queries: Side, distance: Distance, device: str) -> None:
        self.distance = distance
        self.scale = power_of_two(gallery, queries)
        if distance != "manhattan":
            terms = product_terms(distance, queries, gallery, self.scale)
            self.queries, self.gallery = (torch.from_numpy(side).to(device) for side in (terms.queries, terms.gallery))

    def __call__(self, block: Tensor, rows: Tensor, start: int) -> Tensor:
        block, rows = block * self.scale, rows * self.scale
        if self.distance == "manhattan":
            # Sums of D float32 terms, each rounded once before: relative error at most that of D + 1 roundings.
            error = (block.shape[1] + 1) * 2.0**-23
            return torch.cdist(block, rows, p=1.0).double() * ((1 - error) / self.scale)
        constant, factor, norm = self.queries[start : start + len(block), :, None].unbind(1)
        with full_precision():
            scores = (block @ rows.T).double()
        return constant + self.gallery[0] - factor * self.gallery[1] * (scores + norm * self.gallery[2])


def _top_k(block: Tensor, rows: Tensor, bounds: Tensor, k: int, distance: Distance) -> tuple[Tensor, Tensor]:
    many = min(k + SPARE, len(rows))
    lowest, near = bounds.topk(many, dim=1, largest=False)
    distances, found = _measured(block, rows, near, k, distance)
    if many < len(rows):
        # What was not measured lies at least at the largest bound that was.
        for query in torch.nonzero(lowest[:, -1] <= distances[:, -1]).flatten().tolist():
            possible = torch.nonzero(bounds[query] <= distances[query, -1]).T
            one = _measured(block[query : query + 1], rows, possible, k, distance)
            distances[query], found[query] = one[0][0], one[1][0]
    return distances, found


def _measured(block: Tensor, rows: Tensor, near: Tensor, k: int, distance: Distance) -> tuple[Tensor, Tensor]:
    """The k nearest among the candidates (B, C), by exact distance and then by row."""
    near = near.sort(dim=1).values
    step = max(SCORES // 4 // (near.shape[1] * rows.shape[1]), 1)
    parts = [
        _distances(block[at : at + step], rows[near[at : at + step]], distance) for at in range(0, len(block), step)
    ]
    distances, order = torch.cat(parts).sort(dim=1, stable=True)
    return distances[:, :k], near.gather(1, order[:, :k])


def _distances(block: Tensor, candidates: Tensor, distance: Distance) -> Tensor:
    """Float64 (B, C) of queries (B, D) and their candidates (B, C, D); Euclidean ones squared, products negated."""
    q, g = block.double()[:, None], candidates.double()
    match distance:
        case "manhattan":
            return (q - g).abs().sum(-1)
        case "euclidean":
            return (q - g).square().sum(-1)
        case "inner":
            return -(q * g).sum(-1)
        case "cosine":
            lengths = (q.square().sum(-1) * g.square().sum(-1)).sqrt()
            return (1 - (q * g).sum(-1) / lengths).clamp(min=0)


@contextmanager
def full_precision() -> Iterator[None]:
    """Let no float32 product be rounded further, as torch may have been asked to: the bounds count on it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
