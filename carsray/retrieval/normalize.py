"""What is done to embeddings before they are compared, fitted on the gallery alone."""

from collections.abc import Callable

import numpy as np

from carsray.errors import DataError
from carsray.retrieval.bounds import power_of_two, survey_side
from carsray.retrieval.checks import check_norms
from carsray.retrieval.names import Normalize

KEPT = 0.99
"""Share of the gallery's variance that whitening keeps; what lies beyond is mostly noise, and would be blown up."""
Change = Callable[[np.ndarray], np.ndarray]
"""Rows (N, D) to float32 rows (N, D')."""


def fit_normalize(name: Normalize, gallery: np.ndarray) -> Change:
    """What to do to both sides of a search in gallery (N, D). Raises DataError where the gallery does not allow it."""
    match name:
        case "none":
            return lambda rows: rows
        case "l2":
            return unit_length
        case "whiten":
            return _whitening(gallery)


def unit_length(rows: np.ndarray) -> np.ndarray:
    """Rows (N, D) divided by their Euclidean norms, float32. Raises DataError for a zero row."""
    side = survey_side(rows)
    check_norms("l2 normalisation", side.norms, may_be_zero=False)
    scale = power_of_two(side)  # the norm of huge values does not fit in float32
    unit: np.ndarray = side.rows * np.float32(scale) if scale != 1 else side.rows
    return unit / (side.norms * scale).astype(np.float32)[:, None]


def _whitening(gallery: np.ndarray) -> Change:
    """Along the gallery's principal axes, each scaled to variance 1."""
    mean = gallery.mean(axis=0, dtype=np.float64)
    centred = gallery - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(gallery))
    variances, axes = variances[::-1], axes[:, ::-1]
    if variances[0] <= 0:
        raise DataError("whitening: all gallery rows are equal; use none or l2")
    kept = int(np.searchsorted(np.cumsum(variances) / variances.sum(), KEPT)) + 1
    scaled = axes[:, :kept] / np.sqrt(variances[:kept])
    return lambda rows: ((rows - mean) @ scaled).astype(np.float32)
