import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from carsray.training.answers import Confused, answer_metrics, confusion, most_confused


def quotient(above: float, below: float) -> float:
    return above / below if below else 0.0


def naive(predicted: list[int], labels: list[int]) -> dict[str, float]:
    pairs = list(zip(predicted, labels, strict=True))
    found = {"accuracy": sum(p == y for p, y in pairs) / len(pairs)}
    rows = []
    for name in sorted({*predicted, *labels}):
        right = sum(p == y == name for p, y in pairs)
        precision, recall = quotient(right, predicted.count(name)), quotient(right, labels.count(name))
        rows.append((labels.count(name), precision, recall, quotient(2 * precision * recall, precision + recall)))
    for at, metric in enumerate(("precision", "recall", "f1"), start=1):
        found[f"{metric}_macro"] = sum(row[at] for row in rows) / len(rows)
        found[f"{metric}_weighted"] = sum(row[0] * row[at] for row in rows) / len(pairs)
    return found


@given(st.integers(2, 7), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_metrics_of_answers_are_what_their_definitions_say(classes: int, pictures: int, seed: int) -> None:
    predicted, labels = np.random.default_rng(seed).integers(0, classes, (2, pictures))
    assert answer_metrics(predicted, labels) == pytest.approx(naive(predicted.tolist(), labels.tolist()))


def test_the_weighted_recall_is_the_accuracy() -> None:
    predicted, labels = np.random.default_rng(0).integers(0, 5, (2, 40))
    found = answer_metrics(predicted, labels)
    assert found["recall_weighted"] == pytest.approx(found["accuracy"])


def test_confusion_counts_true_classes_in_rows() -> None:
    counts = confusion(np.array([1, 1, 0, 2]), np.array([0, 0, 0, 2]), classes=4)
    assert counts.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_the_most_confused_pairs_come_first_and_right_answers_never() -> None:
    counts = np.array([[9, 2, 0], [5, 4, 1], [2, 0, 8]])
    assert most_confused(counts, ("a", "b", "c"), most=3) == [
        Confused("b", "a", 5, of=10),
        Confused("a", "b", 2, of=11),
        Confused("c", "a", 2, of=10),
    ]


def test_where_nothing_is_confused_there_are_no_pairs() -> None:
    assert most_confused(np.eye(3, dtype=np.int64), ("a", "b", "c")) == []


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_answers_are_measured_as_scikit_learn_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, 7, 30), rng.integers(2, 9, 30)
    found = answer_metrics(predicted, labels)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    for average in ("macro", "weighted"):
        theirs = precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)[:3]
        assert [found[f"{name}_{average}"] for name in ("precision", "recall", "f1")] == pytest.approx(theirs)
