import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carsray.training.metrics import classification_metrics


def naive_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    losses = [math.log(sum(math.exp(x) for x in row)) - row[label] for row, label in zip(logits, labels, strict=True)]
    return sum(losses) / len(losses)


def naive_top(logits: np.ndarray, labels: np.ndarray, k: int) -> float:
    """A label is among the top k if fewer than k logits are larger."""
    right = [sum(x > row[label] for x in row) < k for row, label in zip(logits, labels, strict=True)]
    return sum(right) / len(right)


def naive_f1(logits: np.ndarray, labels: np.ndarray) -> float:
    predicted = [max(range(len(row)), key=lambda at: row[at]) for row in logits]
    scores = []
    for name in {*predicted, *labels.tolist()}:
        pairs = list(zip(predicted, labels.tolist(), strict=True))
        true = sum(p == name == y for p, y in pairs)
        wrong = sum((p == name) != (y == name) for p, y in pairs)
        scores.append(2 * true / (2 * true + wrong))
    return sum(scores) / len(scores)


@settings(deadline=None)
@given(st.integers(2, 9), st.integers(1, 25), st.integers(0, 2**32 - 1))
def test_metrics_are_what_their_definitions_say(classes: int, pictures: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, 3, (pictures, classes)).astype(np.float32), rng.integers(0, classes, pictures)
    found = classification_metrics(torch.from_numpy(logits), torch.from_numpy(labels))
    assert found == pytest.approx(
        {
            "loss": naive_loss(logits, labels),
            "accuracy": naive_top(logits, labels, 1),
            "top5": naive_top(logits, labels, 5),
            "f1_macro": naive_f1(logits, labels),
        },
        rel=1e-4,
        abs=1e-5,
    )


@pytest.mark.parametrize("classes", [2, 5])
def test_top5_of_five_classes_or_fewer_is_always_right(classes: int) -> None:
    logits = torch.randn(12, classes, generator=torch.Generator().manual_seed(0))
    assert classification_metrics(logits, torch.arange(12) % classes)["top5"] == 1.0


def test_a_class_never_predicted_counts_as_nothing() -> None:
    logits = torch.tensor([[5.0, 0, 0], [5, 0, 0], [5, 0, 0]])
    found = classification_metrics(logits, torch.tensor([0, 0, 1]))
    assert found["f1_macro"] == pytest.approx((0.8 + 0) / 2)  # class 2 occurs nowhere


def test_perfect_answers() -> None:
    labels = torch.arange(6)
    found = classification_metrics(100 * torch.eye(6), labels)
    assert found == pytest.approx({"loss": 0, "accuracy": 1, "top5": 1, "f1_macro": 1}, abs=1e-6)
