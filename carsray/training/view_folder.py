"""The folder that holds views: bounded in bytes, and shared by all processes of a machine."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

PARTIAL = ".partial"
"""Ends the name of a view that is being built; as large as the view will be once that is known to be worth having."""
AHEAD_SHARE, RECENT_SECONDS = 0.5, 3600.0
"""Views are built ahead as long as those that were used lately fill less than this share of the folder's limit."""
LEFTOVER_SECONDS = 86400.0
"""What nobody has written to for so long, a process that was killed has left."""


class ViewFolder:
    """Paths of views, what is kept of them, and room for more."""

    def __init__(self, root: Path, limit: int) -> None:
        """At most ``limit`` bytes of views."""
        self.root, self.limit = root, limit

    def path(self, key: str) -> Path:
        """Where the view with this key lies, or is to lie."""
        return self.root / f"{key}.npy"

    def notes(self, path: Path) -> dict[str, Any]:
        """What is kept of how a view was made; nothing where that cannot be read."""
        try:
            notes = json.loads(path.with_suffix(".json").read_text())
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def note(self, path: Path, seconds: float, exact: bool) -> None:
        """Keep how long it took to make a view, and whether rounding lost nothing of it."""
        path.with_suffix(".json").write_text(json.dumps({"seconds": seconds, "exact": exact}))

    def reject(self, path: Path) -> None:
        """Nobody is to build this view any more."""
        path.with_suffix(".rejected").touch()

    def rejected(self, path: Path) -> bool:
        """Whether somebody has rejected it."""
        return path.with_suffix(".rejected").exists()

    def roomy(self) -> bool:
        """Whether views may be built before they are asked for: those in use leave room."""
        files = self._files(".npy") + self._files(PARTIAL)
        return sum(status.st_size for _, status in files if _in_use(status)) < self.limit * AHEAD_SHARE

    def make_room(self, size: int) -> None:
        """Evict until the new view fits: what is not in use first, then what saves the least time a byte, among equals
        the longest unused.

        A view that a trial still reads stays readable: its file lives on until the last map of it is gone.
        """
        views, unfinished = self._files(".npy"), []
        for path, status in self._files(PARTIAL):
            if status.st_mtime < time.time() - LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)
            else:
                unfinished.append((path, status))
        excess = sum(status.st_size for _, status in views + unfinished) + size - self.limit
        for path, status in sorted(views, key=self._worth):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
            excess -= status.st_size

    def _files(self, suffix: str) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in self.root.glob(f"*{suffix}"):
            with suppress(FileNotFoundError):  # another process makes room, too
                found.append((path, path.stat()))
        return found

    def _worth(self, view: tuple[Path, os.stat_result]) -> tuple[bool, float, float]:
        """What speaks for keeping it: whether it is in use, seconds saved a byte in coarse steps, when it was used."""
        path, status = view
        saved = max(self.notes(path).get("seconds", 0.0), 1e-9) / max(status.st_size, 1)
        return _in_use(status), float(np.round(np.log2(saved))), status.st_mtime


def _in_use(status: os.stat_result) -> bool:
    return status.st_mtime >= time.time() - RECENT_SECONDS
