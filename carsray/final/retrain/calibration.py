"""Whether a network is as sure as it is right, and one number that makes it so.

Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599. All of logits float (N, C)
against labels int (N,).
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BINS = 15
"""As in the paper."""
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures that are looked at: where every answer is right, ever colder ones would do better."""


def log_loss(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of the labels, of logits divided by the temperature."""
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean())


def confidences(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The probability of the class that is answered (N,)."""
    highest: np.ndarray = np.exp(log_softmax(np.asarray(logits, np.float64) / temperature, axis=1).max(axis=1))
    return highest


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least log loss (section 4.2): it changes no answer, only how sure it is.

    The loss is convex in 1 / T, so the one minimum in its range is found.
    """
    logits = np.asarray(logits, np.float64)
    found = minimize_scalar(
        lambda cold: log_loss(logits, labels, float(np.exp(cold))),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def calibration_error(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Expected calibration error (equation 3): |accuracy - confidence| of 15 bins of equal width, by their pictures.

    Bin m holds confidences in ((m - 1) / 15, m / 15].
    """
    sure = confidences(logits, temperature)
    right = np.asarray(logits).argmax(axis=1) == labels
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, right, BINS) - np.bincount(bins, sure, BINS)
    return float(np.abs(gaps).sum() / len(labels))
