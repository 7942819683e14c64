"""The published numbers: results/published.csv, the only place where they stand."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carsray.errors import ResultsError
from carsray.published.experiments_file import checkout

COLUMNS = ("report", "experiment", "split", "metric", "value", "unit", "note", "source")
TO_SHARE = {"percent": 0.01, "share": 1.0, "nats": 1.0, "seconds": 1.0}
"""What a value in each unit is multiplied by."""


@dataclass(frozen=True, slots=True)
class Published:
    """One number of a report."""

    report: str
    experiment: str
    split: str
    """train, val, test; unstated where the report does not say."""
    metric: str
    value: float
    """As a share, in nats, in seconds."""
    note: str
    """Where it stands and what it is: the results table, a peak that the text names."""
    source: str


def load_numbers(path: Path | None = None) -> list[Published]:
    """Every published number; those of the working directory, else of carsray's checkout; none where there are none.

    Raises ResultsError for a file that cannot be read or lacks a column.
    """
    places = [path] if path else [folder / "results" / "published.csv" for folder in (Path.cwd(), checkout())]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_number(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        allowed = f"Columns: {', '.join(COLUMNS)}; units: {', '.join(TO_SHARE)}"
        raise ResultsError(f"{path}: is no table of published numbers ({error!r}). {allowed}") from None


def _number(row: dict[str, str]) -> Published:
    value = float(row["value"]) * TO_SHARE[row["unit"]]
    return Published(row["report"], row["experiment"], row["split"], row["metric"], value, row["note"], row["source"])


def published_value(
    numbers: Sequence[Published], report: str, experiment: str, split: str, metric: str
) -> float | None:
    """What a report says of a split, or of none in particular where it does not say which; peaks stay out."""
    rows = [n for n in numbers if (n.report, n.experiment, n.metric) == (report, experiment, metric)]
    return next((n.value for n in rows if "peak" not in n.note and n.split in (split, "unstated")), None)
