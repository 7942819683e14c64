"""Classification metrics from logits. scikit-learn's where it has them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from torch.nn import functional


def classification_metrics(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Loss, accuracy, top5 and f1_macro of logits (N, C) float32 against labels (N,) int64.

    The loss is plain cross-entropy, whatever smoothing the training used. Macro F1 is over the classes that occur
    among labels or predictions; a class never predicted counts 0.
    """
    predicted = logits.argmax(dim=1)
    top = logits.topk(min(5, logits.shape[1]), dim=1).indices
    return {
        "loss": float(functional.cross_entropy(logits, labels)),
        "accuracy": float((predicted == labels).double().mean()),
        "top5": float((top == labels[:, None]).any(dim=1).double().mean()),
        "f1_macro": float(f1_score(labels.numpy(), predicted.numpy(), average="macro", zero_division=0)),
    }


AVERAGES: tuple[Literal["macro", "weighted"], ...] = ("macro", "weighted")


def answer_metrics(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 as macro and as weighted averages, of class numbers (N,).

    Averages are over the classes that occur among labels or predictions; a quotient by zero counts 0.
    https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html
    """
    found = {"accuracy": float(accuracy_score(labels, predicted))}
    for average in AVERAGES:
        values = precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)[:3]
        found |= {f"{n}_{average}": float(v) for n, v in zip(("precision", "recall", "f1"), values, strict=True)}
    return found


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) was taken for each (column): int64 (classes, classes)."""
    counts: np.ndarray = confusion_matrix(labels, predicted, labels=np.arange(classes))
    return counts


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
