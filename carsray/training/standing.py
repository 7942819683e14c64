"""What a snapshot says of itself. Imports no torch: the driver of a sweep asks, and has no other use for it."""

import json
from typing import Any

import safetensors

from carsray.config import TrialConfig
from carsray.errors import ResultsError

FORMAT = "carsray-snapshot-1"


def snapshot_standing(data: bytes, config: TrialConfig) -> tuple[int, float]:
    """The last epoch a snapshot contains and the best score so far.

    Raises ResultsError for bytes that are cut short, no snapshot, or of another config.
    """
    standing = read_standing(data)
    if standing["config"] != config.key():
        raise ResultsError(f"snapshot: is of config {standing['config']}, not {config.key()}. Train the trial again")
    return int(standing["epoch"]), float(standing["best"])


def read_standing(data: bytes) -> dict[str, Any]:
    """Config, epoch, best score and schedule. Raises ResultsError for bytes that are cut short or no snapshot."""
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError(f"format {metadata['format']!r} is not {FORMAT}")
        safetensors.deserialize(data)  # type: ignore[no-untyped-call]  # checks that every tensor is there in full
        standing = json.loads(metadata["standing"])
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise ResultsError(f"snapshot: cannot be read ({error}). Train the trial again") from None
    assert isinstance(standing, dict)
    return standing
