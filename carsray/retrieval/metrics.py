"""How good a ranking is: pure functions of labels.

`right` (Q, K) says of each neighbour, nearest first, whether it has the query's label; `relevant` (Q,) how many gallery
rows have that label. P(i) is the share of right ones among the first i. Queries are averaged with equal weight.
"""

import numpy as np


def recall_at_k(right: np.ndarray, k: int) -> float:
    """The share of queries with at least one right neighbour among the first k, as in metric learning (Recall@K)."""
    return float(right[:, :k].any(axis=1).mean())


def precision_at_k(right: np.ndarray, k: int) -> float:
    """The mean share of right ones among the first k."""
    return float(right[:, :k].mean())


def map_at_k(right: np.ndarray, relevant: np.ndarray, k: int) -> float:
    """Mean of sum over i <= k of right_i P(i), divided by min(k, relevant): 1 where the first ones are all right.

    A query without a relevant row counts 0.
    """
    return float((_precision_sums(right)[:, k - 1] / np.maximum(np.minimum(relevant, k), 1)).mean())


def map_at_r(right: np.ndarray, relevant: np.ndarray) -> float:
    """MAP@R: mean of sum over i <= R of right_i P(i), divided by R, where R is the query's own number of relevant rows.

    (Musgrave et al., A Metric Learning Reality Check, 2020, section 3.1, https://arxiv.org/abs/2003.08505.)
    NaN where a query has more relevant rows than the K neighbours that are known.
    """
    if relevant.max(initial=0) > right.shape[1]:
        return float("nan")
    sums = np.pad(_precision_sums(right), ((0, 0), (1, 0)))
    return float((sums[np.arange(len(sums)), relevant] / np.maximum(relevant, 1)).mean())


def _precision_sums(right: np.ndarray) -> np.ndarray:
    ranks = np.arange(1, right.shape[1] + 1)
    return np.cumsum(right * np.cumsum(right, axis=1) / ranks, axis=1)
