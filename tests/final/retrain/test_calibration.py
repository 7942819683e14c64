import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carsray.final.retrain.calibration import (
    COLDEST,
    calibration_error,
    confidences,
    fit_temperature,
    log_loss,
)


def answers(seed: int, pictures: int = 40, classes: int = 5, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, C) float32 that have something to do with their labels (N,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, pictures)
    logits = rng.normal(0, scale, (pictures, classes))
    logits[np.arange(pictures), labels] += scale / 2
    return logits.astype(np.float32), labels


def naive_softmax(row: np.ndarray, temperature: float) -> list[float]:
    exponents = [math.exp(float(value) / temperature) for value in row]
    return [value / sum(exponents) for value in exponents]


def naive_error(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """Equation 3 of the paper, bin by bin."""
    total = 0.0
    probabilities = [naive_softmax(row, temperature) for row in logits]
    for number in range(15):
        inside = [
            (max(p), p.index(max(p)) == label)
            for p, label in zip(probabilities, labels, strict=True)
            if number / 15 < max(p) <= (number + 1) / 15
        ]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(sure for sure, _ in inside) / len(inside)
            total += len(inside) / len(labels) * abs(accuracy - confidence)
    return total


@given(st.integers(0, 2**32), st.floats(0.3, 4.0))
def test_error_loss_and_confidences_are_what_their_definitions_say(seed: int, temperature: float) -> None:
    logits, labels = answers(seed)
    naive = [naive_softmax(row, temperature) for row in logits]
    assert calibration_error(logits, labels, temperature) == pytest.approx(naive_error(logits, labels, temperature))
    assert confidences(logits, temperature) == pytest.approx([max(p) for p in naive])
    expected = -sum(math.log(p[label]) for p, label in zip(naive, labels, strict=True)) / len(labels)
    assert log_loss(logits, labels, temperature) == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 2**32))
def test_no_temperature_of_a_fine_grid_has_less_loss_than_the_one_found(seed: int) -> None:
    logits, labels = answers(seed)
    found = log_loss(logits, labels, fit_temperature(logits, labels))
    assert found <= min(log_loss(logits, labels, t) for t in np.geomspace(COLDEST, 20, 400)) + 1e-6


def test_logits_that_are_three_times_too_large_get_a_temperature_of_three() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (20_000, 4))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)  # drawn as often as the logits say
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.05)
    assert calibration_error(3 * logits, labels, 3) < 0.02 < calibration_error(3 * logits, labels)


def test_where_every_answer_is_right_the_temperature_stays_finite() -> None:
    logits = np.eye(4, dtype=np.float32) * 5
    assert COLDEST <= fit_temperature(logits, np.arange(4)) < 0.2
