"""The retrieval grid, 7 k x 3 distances x {raw, L2}: carsray against one scikit-learn classifier per point.

Both run in this one process, one after the other, on the same embeddings. Predictions are compared point by point;
where they differ, the distances in float64 that decided must differ by less than 1e-6. FAISS's Manhattan search runs
beside ours. Without --embeddings, class means plus noise are drawn, ReLU'd, in the shape of Cars on ResNet-50.
"""

import argparse
import time
from pathlib import Path

import faiss
import numpy as np
from harness import Figures, median_seconds, publish
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.neighbors import KNeighborsClassifier

from carsray.retrieval.evaluate import Embedded, evaluate_grid
from carsray.retrieval.grid import Grid, Point
from carsray.retrieval.search import nearest
from carsray.retrieval.store import read_npz

KS, DISTANCES, NORMALIZATIONS = (1, 3, 5, 7, 10, 13, 20), ("manhattan", "euclidean", "cosine"), ("none", "l2")


def drawn(queries: int = 8041, gallery: int = 8144, dim: int = 2048, classes: int = 196) -> tuple[Embedded, Embedded]:
    """Gallery and queries: class means, scaled row by row, plus noise."""
    rng = np.random.default_rng(0)
    means = rng.gamma(0.5, 1.0, (classes, dim)).astype(np.float32)

    def draw(count: int) -> Embedded:
        labels = np.arange(count) % classes
        rows = means[labels] * rng.gamma(1.0, 1.0, (count, 1)).astype(np.float32)
        return Embedded(np.maximum(rows + rng.standard_normal((count, dim), dtype=np.float32), 0), labels)

    return draw(gallery), draw(queries)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, as a user writes it."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def by_scikit_learn(gallery: Embedded, queries: Embedded, points: list[Point]) -> dict[Point, tuple[np.ndarray, float]]:
    """Predictions and seconds of each point."""
    found = {}
    for point in points:
        started = time.perf_counter()
        g, q = (unit(side.rows) if point.normalize == "l2" else side.rows for side in (gallery, queries))
        model = KNeighborsClassifier(point.k, metric=point.distance, algorithm="brute", n_jobs=-1)
        predicted = model.fit(g, gallery.labels).predict(q)
        accuracy_score(queries.labels, predicted)
        precision_recall_fscore_support(queries.labels, predicted, average="macro", zero_division=0)
        found[point] = predicted, time.perf_counter() - started
        print(f"scikit-learn {point}: {found[point][1]:.1f} s", flush=True)
    return found


def explained(point: Point, query: int, gallery: Embedded, queries: Embedded) -> bool:
    """Whether two rows at the edge of the k nearest lie within 1e-6 of each other, so that either may be in."""
    g, q = gallery.rows.astype(np.float64), queries.rows[query].astype(np.float64)
    if point.normalize == "l2":
        g, q = g / np.linalg.norm(g, axis=1, keepdims=True), q / np.linalg.norm(q)
    match point.distance:
        case "manhattan":
            d = np.abs(g - q).sum(1)
        case "euclidean":
            d = np.sqrt(((g - q) ** 2).sum(1))
        case _:
            d = 1 - g @ q / np.linalg.norm(g, axis=1) / np.linalg.norm(q)
    inside, outside = np.sort(d)[point.k - 1 : point.k + 1]
    return bool(outside - inside < 1e-6 * max(inside, 1.0))


def by_faiss(gallery: Embedded, queries: Embedded) -> None:
    """FAISS's exact Manhattan search."""
    index = faiss.IndexFlat(gallery.rows.shape[1], faiss.METRIC_L1)
    index.add(gallery.rows)
    index.search(queries.rows, max(KS))


def compare(gallery: Embedded, queries: Embedded, repeats: int) -> Figures:
    """All figures."""
    grid = Grid(KS, DISTANCES, NORMALIZATIONS, ("majority",))
    first = median_seconds(lambda: evaluate_grid(gallery, queries, grid))
    ours = median_seconds(lambda: evaluate_grid(gallery, queries, grid), repeats)
    manhattan = median_seconds(lambda: nearest(gallery.rows, queries.rows, max(KS), "manhattan"), repeats)
    faiss_manhattan = median_seconds(lambda: by_faiss(gallery, queries), repeats)
    outcomes = evaluate_grid(gallery, queries, grid)
    theirs = by_scikit_learn(gallery, queries, [each.point for each in outcomes])
    total = sum(seconds for _, seconds in theirs.values())
    differing = [
        (each.point, int(query))
        for each in outcomes
        for query in np.flatnonzero(each.predicted != theirs[each.point][0])
    ]
    return {
        "gallery": gallery.rows.shape,
        "queries": queries.rows.shape,
        "points": len(outcomes),
        "scikit_learn_seconds": round(total, 1),
        "carsray_seconds": round(ours, 3),
        "carsray_first_run_seconds": round(first, 3),
        "times_faster": round(total / ours, 1),
        "predictions_compared": len(outcomes) * len(queries.labels),
        "predictions_differing": len(differing),
        "differing_by_1e-6_or_more": sum(not explained(*pair, gallery, queries) for pair in differing),
        "manhattan_carsray_seconds": round(manhattan, 3),
        "manhattan_faiss_seconds": round(faiss_manhattan, 3),
        "manhattan_times_faster": round(faiss_manhattan / manhattan, 2),
    }


def main() -> None:
    """Run both, compare, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, help="an .npz with gallery, gallery_labels, queries, query_labels")
    parser.add_argument("--name", default="retrieval", help="of the file in results/benchmarks/")
    parser.add_argument("--queries", type=int, help="use the first so many queries only")
    parser.add_argument("--repeats", type=int, default=3, help="of the quick measurements; their median counts")
    args = parser.parse_args()
    gallery, queries = read_npz(args.embeddings) if args.embeddings else drawn()
    if queries is None:
        parser.error(f"{args.embeddings} has no queries")
    queries = Embedded(queries.rows[: args.queries], queries.labels[: args.queries])
    packages = ("scikit-learn", "faiss-cpu", "numba", "torch", "numpy")
    publish(args.name, lambda: (compare(gallery, queries, args.repeats), []), packages)


if __name__ == "__main__":
    main()
