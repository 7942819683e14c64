"""Which weights and snapshots of a sweep stay on disk: what may still be wanted, within a number of bytes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from carsray.files import write_bytes
from carsray.leaderboard import TrialRow, ranked
from carsray.results import SweepFolder

KEEP_CHECKPOINTS = 3
"""The best so many of the trials that have ended keep their weights."""

ROOM = 20 * 2**30
"""Bytes that all of it may take. Beyond, the least promising of the paused trials lose theirs."""


class Kept:
    """Writes checkpoints and snapshots, and deletes those that nobody will ask for."""

    def __init__(self, folder: SweepFolder, numbers: Iterable[int] = (), room: int = ROOM) -> None:
        """``numbers`` are the trials of an earlier process."""
        self._folder, self._room = folder, room
        self._bytes: dict[int, dict[Path, int]] = {}
        for number in numbers:
            held = {path: path.stat().st_size for path in self._paths(number) if path.exists()}
            if held:
                self._bytes[number] = held

    @property
    def total(self) -> int:
        """Bytes that are held now."""
        return sum(size for held in self._bytes.values() for size in held.values())

    def checkpoint(self, number: int, content: bytes) -> None:
        """Write a trial's weights."""
        self._write(number, self._folder.trial(number).checkpoint, content)

    def snapshot(self, number: int, content: bytes) -> None:
        """Write what a trial needs to go on."""
        self._write(number, self._folder.trial(number).snapshot, content)

    def drop(self, number: int) -> None:
        """Delete all that there is of a trial."""
        for path in self._paths(number):
            self._delete(number, path)

    def tidy(self, rows: Mapping[int, TrialRow]) -> None:
        """Delete what the states of the trials make superfluous, then what there is no room for.

        Only those that have files are looked at: all trials at every end would be slow in a long sweep.
        """
        ended = [rows[number] for number in self._bytes if number in rows and rows[number].ended]
        for row in ended:
            self._delete(row.trial, self._folder.trial(row.trial).snapshot)
        for row in ranked(ended)[KEEP_CHECKPOINTS:]:
            self._delete(row.trial, self._folder.trial(row.trial).checkpoint)
        if self.total > self._room:
            self._make_room([rows[number] for number in self._bytes if rows[number].state == "paused"])

    def _make_room(self, paused: Iterable[TrialRow]) -> None:
        """One that loses its snapshot begins anew if its turn comes after all: so the weakest goes first."""
        for row in sorted(paused, key=lambda row: (row.epochs, row.score)):
            if self.total <= self._room:
                return
            self.drop(row.trial)

    def _paths(self, number: int) -> tuple[Path, Path]:
        trial = self._folder.trial(number)
        return trial.checkpoint, trial.snapshot

    def _write(self, number: int, path: Path, content: bytes) -> None:
        write_bytes(path, content)
        self._bytes.setdefault(number, {})[path] = len(content)

    def _delete(self, number: int, path: Path) -> None:
        path.unlink(missing_ok=True)
        held = self._bytes.get(number, {})
        held.pop(path, None)
        if not held:
            self._bytes.pop(number, None)
