"""How good answers are: pure functions of class numbers, tested against scikit-learn.

scikit-learn's own take a hundred times as long, and a second and a half to import, in every training process.
"""

from dataclasses import dataclass

import numpy as np


def answer_metrics(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy; precision, recall and F1 as means over classes (macro) and weighted by their number of pictures.

    Of class numbers (N,). Over the classes that occur among labels or predictions; where a quotient is 0 / 0 it counts
    0, as in https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html
    """
    classes = int(max(predicted.max(), labels.max())) + 1
    values = by_class(predicted, labels, classes)
    there = values.pop("pictures")
    occur = there + np.bincount(predicted, minlength=classes) > 0
    metrics = {"accuracy": float((predicted == labels).mean())}
    for name, value in values.items():
        metrics[f"{name}_macro"] = float(value[occur].mean())
        metrics[f"{name}_weighted"] = float((value * there).sum() / len(labels))
    return metrics


def by_class(predicted: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """For each class its pictures, precision, recall and F1: (classes,) each; 0 / 0 counts 0."""
    hits = np.bincount(labels[predicted == labels], minlength=classes)
    said, there = np.bincount(predicted, minlength=classes), np.bincount(labels, minlength=classes)
    return {
        "pictures": there,
        "precision": hits / np.maximum(said, 1),
        "recall": hits / np.maximum(there, 1),
        "f1": 2 * hits / np.maximum(said + there, 1),
    }


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) was taken for each (column): int64 (classes, classes)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True, slots=True)
class Confused:
    """Two classes, the first of which is taken for the second."""

    true: str
    taken_for: str
    times: int
    of: int
    """Pictures of the first."""


def most_confused(counts: np.ndarray, classes: tuple[str, ...], most: int = 10) -> list[Confused]:
    """The pairs confused most often, most frequent first; ties in the order of the classes."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(at), len(classes)) for at in order]
    return [
        Confused(classes[true], classes[other], int(wrong[true, other]), int(counts[true].sum()))
        for true, other in pairs
        if wrong[true, other]
    ]
