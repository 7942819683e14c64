"""What a search cannot work with, said in one line."""

import numpy as np

from carsray.errors import ConfigError, DataError


def check_shapes(gallery: np.ndarray, queries: np.ndarray, k: int) -> None:
    """Raises DataError or ConfigError where sizes do not fit each other."""
    for name, rows in (("gallery", gallery), ("queries", queries)):
        if rows.ndim != 2 or 0 in rows.shape:
            raise DataError(f"{name}: shape {rows.shape}; rows x dimensions are needed, at least 1 x 1")
    if gallery.shape[1] != queries.shape[1]:
        raise DataError(
            f"gallery has {gallery.shape[1]} dimensions, queries have {queries.shape[1]}; embed both with one network"
        )
    if not 1 <= k <= len(gallery):
        raise ConfigError(f"k = {k}: the gallery has {len(gallery)} rows; use 1 to {len(gallery)}")


def check_norms(name: str, norms: np.ndarray, may_be_zero: bool, first: int = 0) -> None:
    """Raises DataError for a row that is not finite, or is zero where that is not allowed; rows count from first."""
    if (bad := np.flatnonzero(~np.isfinite(norms))).size:
        raise DataError(f"{name}: row {first + bad[0]} holds NaN or infinity; embed again, or leave the row out")
    if not may_be_zero and (zero := np.flatnonzero(norms == 0)).size:
        raise DataError(
            f"{name}: row {first + zero[0]} is zero, which has no direction; leave it out, "
            "or use manhattan or euclidean without normalisation"
        )
