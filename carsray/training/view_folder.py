"""The folder that holds views: bounded in bytes, and shared by all processes of a machine."""

import json
import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from carsray.files import remove_leftovers, this_boot

PARTIAL = ".partial"
"""Ends the name of a view that is being built; as large as the view will be once that is known to be worth having."""
AHEAD_SHARE, RECENT_SECONDS = 0.5, 3600.0
"""Views are built ahead as long as those that were used lately fill less than this share of the folder's limit."""
RESERVE = 2**30
"""Bytes of the disk that are left to others: the record of a sweep may lie there, too."""
CLAIM_SECONDS = 60.0
"""Others make room in milliseconds."""
ON_DISK = "disk"

Files = list[tuple[Path, os.stat_result]]


@dataclass(frozen=True, slots=True)
class Made:
    """How a view was made."""

    seconds: float
    exact: bool
    """Whether rounding lost nothing of it."""


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

    def sound(self, path: Path) -> bool:
        """Whether a view holds what was written: it is on the disk, or the machine has not gone down since.

        A file system may keep the name of a file whose bytes were not written yet when the power failed.
        """
        return self.notes(path).get("safe") in (ON_DISK, this_boot())

    def publish(self, unfinished: Path, path: Path, made: Made) -> None:
        """Give a view its name. It can be used at once; nobody waits until its bytes are on the disk."""
        self._note(path, made, this_boot())
        unfinished.replace(path)
        threading.Thread(target=self._settle, args=(path, made), name="settle", daemon=True).start()

    def reject(self, path: Path) -> None:
        """Nobody is to build this view any more."""
        path.with_suffix(".rejected").touch()

    def rejected(self, path: Path) -> bool:
        """Whether somebody has rejected it."""
        return path.with_suffix(".rejected").exists()

    def roomy(self) -> bool:
        """Whether views may be built before they are asked for: those in use leave room."""
        files = self._files(".npy") + self._files(PARTIAL)
        return sum(status.st_size for _, status in files if _in_use(status)) < self._most(files) * AHEAD_SHARE

    def claim(self, unfinished: Path, size: int) -> bool:
        """Make room for a view of ``size`` bytes, and its unfinished file as large as it will be, which others count.

        Where it does not fit, nothing makes way for it. A view that a trial still reads stays readable: its file lives
        on until the last map of it is gone.
        """
        with FileLock(self.root / "room.lock", timeout=CLAIM_SECONDS):
            remove_leftovers(self.root)
            if not self._make_room(unfinished, size):
                return False
            os.truncate(unfinished, size)
            return True

    def _make_room(self, unfinished: Path, size: int) -> bool:
        """Evict until so much fits: what is not in use first, then what saves the least time a byte, among equals the
        longest unused.
        """
        views, excess = self._files(".npy"), self._excess(unfinished, size)
        if excess > sum(status.st_size for _, status in views):
            return False
        for path, status in sorted(views, key=self._worth):
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
            excess -= status.st_size
        return self._excess(unfinished, size) <= 0  # what is still read has left the folder, but not the disk

    def _excess(self, unfinished: Path, size: int) -> int:
        """By how much there would be too much, with this view as large as it will be."""
        files = self._files(".npy") + self._files(PARTIAL)
        return sum(status.st_size for path, status in files if path != unfinished) + size - self._most(files)

    def _most(self, files: Files) -> int:
        """The folder's limit, or what the disk can give where that is less."""
        try:
            free = shutil.disk_usage(self.root).free
        except OSError:  # nobody has built a view yet
            return self.limit
        return min(self.limit, sum(status.st_blocks * 512 for _, status in files) + free - RESERVE)

    def _files(self, suffix: str) -> Files:
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

    def _settle(self, path: Path, made: Made) -> None:
        """See a view to the disk, and note that it is there."""
        with suppress(OSError), path.open("rb") as file:
            os.fsync(file.fileno())
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # it was not evicted meanwhile
                self._note(path, made, ON_DISK)

    def _note(self, path: Path, made: Made, safe: str) -> None:
        """Keep how a view was made, in one step: others read it."""
        written = path.with_suffix(".note")
        written.write_text(json.dumps(asdict(made) | {"safe": safe}))
        written.replace(path.with_suffix(".json"))


def _in_use(status: os.stat_result) -> bool:
    return status.st_mtime >= time.time() - RECENT_SECONDS
