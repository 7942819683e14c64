"""From the labels of neighbours to a prediction, for every k from one search."""

from collections.abc import Sequence

import numpy as np

from carsray.retrieval.names import Tie, Vote

TEMPERATURE = 0.2
"""Of the softmax vote, in units of the distance to the query's own nearest neighbour."""


def vote_weights(distances: np.ndarray, vote: Vote) -> np.ndarray:
    """What each neighbour's vote counts: float64, in the shape of the distances (Q, K), nearest first.

    distance-weighted: 1 / d, as scikit-learn has it; softmax: exp(-(d - d1) / (0.2 |d1|)), where d1 is the nearest.
    In both, neighbours at distance 0 decide alone where there are any. Inner products have no 1 / d.
    """
    d = np.asarray(distances, dtype=np.float64)
    if vote == "majority":
        return np.ones_like(d)
    nearest = d[:, :1]
    with np.errstate(divide="ignore", invalid="ignore", under="ignore"):
        weights = 1 / d if vote == "distance-weighted" else np.exp((nearest - d) / (TEMPERATURE * np.abs(nearest)))
    return np.where(nearest == 0, d == 0, weights)


def predict(
    labels: np.ndarray, weights: np.ndarray, ks: Sequence[int], classes: int, tie: Tie = "lowest-label"
) -> dict[int, np.ndarray]:
    """For each k the class (Q,) int64 that the first k of the neighbours' labels (Q, K) give the most weight.

    Of classes with equal weight the lowest label wins, as in scikit-learn, or the one whose neighbour is nearest.
    """
    count = len(labels)
    cells = np.arange(count)[:, None] * classes + labels
    scores = np.zeros(count * classes)
    done, predictions = 0, {}
    for k in sorted(set(ks)):
        step = cells[:, done:k]
        scores += np.bincount(step.ravel(), weights[:, done:k].ravel(), minlength=len(scores))
        done = k
        predictions[k] = _winners(scores.reshape(count, classes), labels[:, :k], tie)
    return predictions


def _winners(scores: np.ndarray, labels: np.ndarray, tie: Tie) -> np.ndarray:
    best: np.ndarray = scores.argmax(axis=1)  # the first of the largest
    if tie == "lowest-label":
        return best
    most = scores[np.arange(len(scores)), best][:, None]
    first = (np.take_along_axis(scores, labels, axis=1) == most).argmax(axis=1)
    winners: np.ndarray = labels[np.arange(len(labels)), first]
    return winners
