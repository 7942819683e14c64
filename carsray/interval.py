"""How far a measured number may be from the true one: 95 % intervals."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from carsray.seed import derive

Interval = tuple[float, float]
Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""
RESAMPLES = 1000


def wilson(right: int, total: int) -> Interval:
    """Of a share, right of total. Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953"""
    if not total:
        return 0.0, 1.0
    share, slack = right / total, Z * Z / total
    centre = (share + slack / 2) / (1 + slack)
    half = Z / (1 + slack) * math.sqrt(share * (1 - share) / total + slack / total / 4)
    # Exactly at the ends rounding would leave a share of 1e-17.
    return centre - half if right else 0.0, centre + half if right < total else 1.0


def of_mean(values: np.ndarray) -> Interval:
    """Of the mean of many values (N,), by the normal distribution."""
    half = Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return float(values.mean()) - half, float(values.mean()) + half


def over_seeds(values: Sequence[float]) -> Interval:
    """Of the mean over seeds, by Student's t; without bounds for one value."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = float(stdtrit(len(values) - 1, 0.975)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def of_paired_difference(first: np.ndarray, second: np.ndarray) -> Interval:
    """Of how much more often the first is right than the second, both asked about the same pictures: bool (N,) each.

    Wald's interval with one disagreement of each kind added, which holds for few disagreements and for none. Bonett and
    Price 2012, https://doi.org/10.3102/1076998611411915
    """
    total = len(first) + 2
    gained, lost = (int((first & ~second).sum()) + 1) / total, (int((second & ~first).sum()) + 1) / total
    half = Z * math.sqrt((gained + lost - (gained - lost) ** 2) / total)
    return max(-1.0, gained - lost - half), min(1.0, gained - lost + half)


def of_averages(labels: np.ndarray, predicted: np.ndarray, average: str) -> dict[str, Interval]:
    """Of precision, recall and F1: percentiles over pictures (N,) drawn again with replacement.

    Shifted by as much as the draws lie off the measured number on average: where classes have few pictures, draws lose
    some of them, and what is averaged over classes comes out too low. Efron and Tibshirani 1993, chapter 10.
    """
    classes = int(max(labels.max(), predicted.max())) + 1
    rng = np.random.default_rng(derive(0, "bootstrap"))
    measured = averages(*class_counts(labels, predicted, classes), average)
    draws = np.empty((RESAMPLES, 3))
    for draw in draws:
        rows = rng.integers(0, len(labels), len(labels))
        draw[:] = averages(*class_counts(labels[rows], predicted[rows], classes), average)
    low, high = np.clip(np.quantile(draws, [0.025, 0.975], axis=0) + measured - draws.mean(axis=0), 0, 1)
    return {name: (float(low[at]), float(high[at])) for at, name in enumerate(("precision", "recall", "f1"))}


def class_counts(labels: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each class (C,): pictures rightly taken for it, pictures taken for it, pictures of it."""
    right = np.bincount(labels[labels == predicted], minlength=classes)
    return right, np.bincount(predicted, minlength=classes), np.bincount(labels, minlength=classes)


def averages(right: np.ndarray, taken: np.ndarray, true: np.ndarray, average: str) -> tuple[float, float, float]:
    """Precision, recall and F1 from what class_counts gives: as scikit-learn's, but thousands of times a second."""
    precision, recall = right / np.maximum(taken, 1), right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(taken + true, 1)
    weights = true if average == "weighted" else (taken + true > 0).astype(float)
    return tuple(float(np.average(each, weights=weights)) for each in (precision, recall, f1))  # type: ignore[return-value]
