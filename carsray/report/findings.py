"""What came after the search, as far as it has: finalists, retrain, retrieval, openings of the test."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carsray.data.ledger import read_ledger
from carsray.errors import ResultsError
from carsray.final.confirm.record import gone_on, is_of
from carsray.final.retrain.folder import RetrainFolder
from carsray.results import SweepFolder


@dataclass(frozen=True, slots=True)
class Findings:
    """The records of the later stages; None where a stage has not been run."""

    confirmed: Mapping[str, Any] | None
    """finalists.json."""
    retrained: Mapping[str, Any] | None
    """retrain/retrain.json."""
    retrieved: Mapping[str, Any] | None
    """retrieval.json."""
    openings: Sequence[Mapping[str, Any]]
    """test_ledger.jsonl."""
    gone_on: str = ""
    """What the sweep has done since the winner was named, if anything."""

    @property
    def confirms_final(self) -> bool:
        """Whether the final model, if there is one, is of the config that was confirmed: any trial may be retrained."""
        return bool(self.confirmed and is_of(self.confirmed, self.retrained or {}))

    @property
    def test_is_open(self) -> bool:
        """Whether test pictures may be shown: retrain has opened them, and its numbers are there."""
        return bool(self.openings) and self.retrained is not None


def read_findings(folder: SweepFolder) -> Findings:
    """Read them. Raises ResultsError for a file that is damaged."""
    retrain = RetrainFolder(folder)
    return Findings(
        _read(folder.finalists_json, "finalists", "chosen", "mean", "interval"),
        _read(retrain.record, "test", "classes"),
        _read(retrain.retrieval, "chosen", "metrics"),
        read_ledger(retrain.ledger),
        gone_on(folder),
    )


def _read(path: Path, *needed: str) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if missing := [name for name in needed if name not in found]:
            raise ValueError(f"lacks {missing[0]!r}")
        return dict(found)
    except (OSError, ValueError, TypeError) as error:
        raise ResultsError(f"{path}: cannot be read ({error}). Run the command that wrote it again") from None
