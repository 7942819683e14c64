"""What a snapshot says of itself. Imports no torch: the driver of a sweep asks, and has no other use for it."""

import json
from typing import Any

from carsray.config import TrialConfig
from carsray.errors import ResultsError
from carsray.training.digest import checked_metadata

FORMAT = "carsray-snapshot-2"
SNAPSHOT_SECONDS = 180.0
"""Between two snapshots of a training, but for those that rungs ask for."""


def snapshot_standing(data: bytes, config: TrialConfig) -> tuple[int, float]:
    """The last epoch a snapshot contains and the best score so far.

    Raises ResultsError for bytes that are cut short or damaged, no snapshot, or of another config.
    """
    standing = read_standing(data)
    if standing["config"] != config.key():
        raise ResultsError(f"snapshot: is of config {standing['config']}, not {config.key()}. Train the trial again")
    return int(standing["epoch"]), float(standing["best"])


def read_standing(data: bytes) -> dict[str, Any]:
    """Config, epoch, best score and schedule. Raises ResultsError for bytes that are damaged or no snapshot."""
    try:
        metadata = checked_metadata(data)
        if metadata["format"] != FORMAT:
            raise ValueError(f"format {metadata['format']!r} is not {FORMAT}")
        standing = json.loads(metadata["standing"])
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"snapshot: cannot be read ({error}). Train the trial again") from None
    assert isinstance(standing, dict)
    return standing
