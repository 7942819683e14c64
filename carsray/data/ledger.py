"""The record of every opening of the test split: who looked, when, at which pictures, with which weights."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from carsray.commit import git_commit
from carsray.data.records import DataSplit, Row
from carsray.errors import ResultsError
from carsray.files import append_line


@dataclass(frozen=True, slots=True)
class Opening:
    """One line of test_ledger.jsonl."""

    by: str
    """The command: retrain or reproduce."""
    experiment: str
    seed: int
    config: str
    """Key of the config whose weights are tested."""
    weights: str
    """SHA-256 of the checkpoint."""
    others: tuple[str, ...] = ()
    """The same of further checkpoints that look at the same pictures in the same opening."""


def write_opening(ledger: Path, opening: Opening, split: DataSplit) -> None:
    """Add a line; to be called before the first test picture is opened. Raises ResultsError where it cannot be kept."""
    entry = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": git_commit(),
        **asdict(opening),
        "test_kind": split.test_kind,
        "pictures": len(split.test),
        "test": rows_digest(split.test),
        "fingerprint": split.fingerprint,
    }
    append_line(ledger, json.dumps(entry))


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 over the pictures and labels of these rows, whatever their order."""
    lines = sorted(f"{row.digest} {row.label}\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_ledger(ledger: Path) -> list[dict[str, object]]:
    """Every opening so far, first to last."""
    if not ledger.exists():
        return []
    try:
        return [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise ResultsError(
            f"{ledger}: cannot be read ({error}). Restore it; it is the record of test openings"
        ) from None
