"""One round of mirroring: what has changed in a folder goes to storage, in an order that may break off anywhere.

A resume decides by the small files: settings, runs, visits, and the config, state and history of each trial. They have
to be of one moment, though they are many objects. So a round first writes all those that have changed into one object,
the journal, which is whole or not there, and then each to its own name: whoever fetches the record puts the journal
over it (fetch.py). Before the journal go the files without which its states would promise too much, the weights of
trials that have ended; after it the snapshots, so that none is ahead of its trial's history, then deletions, then the
rest.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carsray.errors import StorageError
from carsray.results import SweepFolder
from carsray.storage.lease import NAME as LEASE
from carsray.storage.place import Place
from carsray.storage.watch import Watch

JOURNAL = "round.json"
Stamp = tuple[int, int, int]
"""Size, modification time in ns, inode: while they hold, a file is taken as unchanged."""


@dataclass(slots=True)
class Sent:
    """Which files lie in storage, with which stamp they were sent: all but the small ones of trials."""

    stamps: dict[str, Stamp | None] = field(default_factory=dict)
    """By the name within the folder; None where it is not known."""

    @classmethod
    def found_in(cls, place: Place) -> "Sent":
        """What an earlier process has sent: what it noted, of what is there."""
        names = {found.name for found in place.objects()} - {JOURNAL, LEASE}
        there = [name for name in names if not (name.startswith("trials/") and name.endswith((".json", ".jsonl")))]
        noted = (read_journal(place) or {}).get("sent", {})
        return cls({name: tuple(noted[name]) if noted.get(name) else None for name in there})

    def missing(self, folder: SweepFolder) -> list[str]:
        """The files of the folder, of this kind, that the storage does not have as they are."""
        kept = [path for trial in folder.all_trials() for path in (trial.checkpoint, trial.snapshot)]
        names = [*(_name(folder, path) for path in kept), *_others(folder, whole=True)]
        stamps = {name: _stamp_of(folder.root / name) for name in names}
        return [name for name, at in stamps.items() if at and self.stamps.get(name) != at]


@dataclass(frozen=True, slots=True)
class Captured:
    """A record at one moment, as far as it has changed."""

    small: dict[str, str | None]
    """Contents of small files; None for one that is not there."""
    weights: list[str]
    snapshots: dict[str, Stamp | None]
    gone: list[str]
    """What the storage has, and the folder has no more."""


def read_journal(place: Place) -> dict[str, Any] | None:
    """What the last round wrote first; None where there was none. Raises StorageError for what is no journal."""
    content = place.read(JOURNAL)
    if content is None:
        return None
    try:
        journal = json.loads(content)
        if not isinstance(journal["files"], dict):
            raise ValueError("no files")
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{place.address}/{JOURNAL}: not what carsray wrote ({error}). Delete it") from None
    assert isinstance(journal, dict)
    return journal


def mirror_round(
    folder: SweepFolder, place: Place, pending: set[int], watch: Watch, sent: Sent, whole: bool = False
) -> None:
    """Bring what lies in storage to the state of this moment: of the ``pending`` trials and those noted since.

    They are pending no more when all has been sent. ``whole``: the sweep is over, and study.db goes along. Raises
    StorageError where something could not be sent.
    """
    with watch.writing:
        pending |= watch.changed()
        captured = _capture(folder, pending, sent)
    _send(folder, place, sent, ["space.toml", "split.csv", *captured.weights])
    place.write(JOURNAL, json.dumps({"files": captured.small, "sent": sent.stamps}).encode())
    for name, text in captured.small.items():
        if text is None:
            place.delete(name)
        else:
            place.write(name, text.encode())
    _send(folder, place, sent, captured.snapshots, captured.snapshots)
    # Before the others: the weights of an earlier training are not to stand beside the settings of a new one.
    for name in captured.gone:
        if not (folder.root / name).exists():
            place.delete(name)
            del sent.stamps[name]
    _send(folder, place, sent, _others(folder, whole))
    pending.clear()


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _stamp_of(path: Path) -> Stamp | None:
    """None where there is no file."""
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def _capture(folder: SweepFolder, changed: Iterable[int], sent: Sent) -> Captured:
    trials = [folder.trial(number) for number in sorted(changed)]
    small = [path for trial in trials for path in (trial.config, trial.state, trial.history)]
    return Captured(
        small={_name(folder, path): _text(path) for path in (folder.settings, folder.runs, folder.visits, *small)},
        weights=[_name(folder, trial.checkpoint) for trial in trials],
        snapshots={_name(folder, trial.snapshot): _stamp_of(trial.snapshot) for trial in trials},
        # Of any trial: when one ends, another may lose its weights.
        gone=[name for name in sent.stamps if not (folder.root / name).exists()],
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _send(
    folder: SweepFolder, place: Place, sent: Sent, names: Iterable[str], only: Mapping[str, Stamp | None] | None = None
) -> None:
    """Send those of these files that have changed, ``only`` as they were captured if that is given.

    One that is deleted meanwhile is none of them; one that has changed since its capture belongs to the next round, for
    its trial has been noted again.
    """
    for name in names:
        try:
            with (folder.root / name).open("rb") as file:
                now = _stamp(os.fstat(file.fileno()))
                if sent.stamps.get(name) != now and (only is None or only[name] == now):
                    place.write(name, file)
                    sent.stamps[name] = now
        except FileNotFoundError:
            continue


def _others(folder: SweepFolder, whole: bool) -> Iterator[str]:
    """What else lies in the folder: the tables, and all that other commands put there.

    Not study.db while the sweep runs: it is a copy, made anew from the record, and would have to be of the same moment.
    Nor what lies in wandb/, which is made from the record as well.
    """
    apart = {"sweep.json", "runs.jsonl", "visits.jsonl", "trials", "wandb"}
    for top in folder.root.iterdir():
        if top.name in apart or top.name.startswith(".") or (top.name.startswith("study.db") and not whole):
            continue
        for path in top.rglob("*") if top.is_dir() else [top]:
            if path.is_file() and not path.name.startswith("."):
                yield _name(folder, path)


def _name(folder: SweepFolder, path: Path) -> str:
    return path.relative_to(folder.root).as_posix()
