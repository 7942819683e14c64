"""The naive method: every distance in float64, sorted."""

import numpy as np


def naive_distances(gallery: np.ndarray, queries: np.ndarray, distance: str) -> np.ndarray:
    """(Q, N) float64."""
    g, q = gallery.astype(np.float64), queries.astype(np.float64)
    match distance:
        case "manhattan":
            return np.abs(q[:, None] - g).sum(-1)
        case "euclidean":
            return np.sqrt(((q[:, None] - g) ** 2).sum(-1))
        case "inner":
            return -(q @ g.T)
        case _:
            lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(g, axis=1)
            return np.maximum(1 - (q @ g.T) / lengths, 0)


def disagreements(gallery: np.ndarray, queries: np.ndarray, rows: np.ndarray, distance: str) -> list[str]:
    """Where rows (Q, k) are not the naive ranking by more than a relative 1e-6 in float64 distance."""
    exact = naive_distances(gallery, queries, distance)
    k = rows.shape[1]
    wanted = np.sort(exact, axis=1)[:, :k]
    got = np.take_along_axis(exact, rows, axis=1)
    # An inner product is small next to the numbers it sums; a cosine next to 1.
    size = np.abs(exact).max(initial=0.0) if distance == "inner" else 1.0 if distance == "cosine" else np.abs(wanted)
    wrong = np.argwhere(np.abs(got - wanted) > 1e-6 * size)
    repeated = [r for r in range(len(rows)) if len(set(rows[r])) < k]
    return [f"query {r} rank {c}: {got[r, c]!r} for {wanted[r, c]!r}" for r, c in wrong] + [
        f"query {r} has a row twice" for r in repeated
    ]
