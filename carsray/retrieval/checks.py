"""What a search cannot work with, said in one line."""

from collections.abc import Sequence

import numpy as np

from carsray.errors import ConfigError, DataError

PART = 4096
"""Rows that are looked at together."""


def check_search(gallery: np.ndarray, queries: np.ndarray, k: int, distances: Sequence[str]) -> None:
    """Raises DataError or ConfigError where a search would fail or mean nothing."""
    for name, rows in (("gallery", gallery), ("queries", queries)):
        if rows.ndim != 2 or 0 in rows.shape:
            raise DataError(f"{name}: shape {rows.shape}; rows x dimensions are needed, at least 1 x 1")
    if gallery.shape[1] != queries.shape[1]:
        raise DataError(
            f"gallery has {gallery.shape[1]} dimensions, queries have {queries.shape[1]}; embed both with one network"
        )
    if not 1 <= k <= len(gallery):
        raise ConfigError(f"k = {k}: the gallery has {len(gallery)} rows; use 1 to {len(gallery)}")
    for name, rows in (("gallery", gallery), ("queries", queries)):
        check_rows(name, rows, may_be_zero="cosine" not in distances)


def check_rows(name: str, rows: np.ndarray, may_be_zero: bool = True) -> None:
    """Raises DataError for the first row that holds NaN or infinity, or is zero where that is not allowed."""
    for start in range(0, len(rows), PART):
        part = np.asarray(rows[start : start + PART], dtype=np.float32)
        with np.errstate(all="ignore"):  # an overflowing sum is looked at again, value by value
            sums = np.abs(part).sum(axis=1)
        for bad in np.flatnonzero(~np.isfinite(sums)):
            if not np.isfinite(part[bad]).all():
                raise DataError(f"{name}: row {start + bad} holds NaN or infinity; embed again, or leave the row out")
        if not may_be_zero and (zero := np.flatnonzero(sums == 0)).size:
            raise DataError(
                f"{name}: row {start + zero[0]} is zero, which has no direction; leave it out, "
                "or use manhattan or euclidean without normalisation"
            )
