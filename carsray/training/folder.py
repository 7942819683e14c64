"""What one training leaves on disk outside of a sweep: settings, a line an epoch, and why it failed if it did."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carsray.files import append_line, write_json, write_text
from carsray.results import read_lines


class TrainingFolder:
    """The driver is its only writer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.json"
        self.history = root / "history.jsonl"
        self.failed = root / "failed.txt"

    def write_settings(self, settings: dict[str, Any]) -> None:
        """A training begins with these; the history of an earlier, interrupted one goes."""
        write_json(self.config, settings)
        self.history.unlink(missing_ok=True)
        self.failed.unlink(missing_ok=True)

    def read_settings(self) -> dict[str, Any]:
        """What it began with; empty where it did not, or that cannot be read."""
        try:
            return dict(json.loads(self.config.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def add_epoch(self, metrics: Mapping[str, Any]) -> None:
        """Add a line to the history."""
        append_line(self.history, json.dumps(metrics))

    def read_history(self) -> list[dict[str, Any]]:
        """One dict per epoch."""
        return read_lines(self.history)

    def write_failed(self, reason: str) -> None:
        """Keep why it could not go on, with the traceback if it was a bug; the next call tries again."""
        write_text(self.failed, reason.rstrip() + "\n")
