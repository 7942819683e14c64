"""Which runs of a sweep have come further since the last look at its folder."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from carsray.results import SweepFolder
from carsray.tracking.facts import SweepFacts
from carsray.tracking.later_runs import finalist_run, retrain_run, retrieval_run, verdict_run
from carsray.tracking.run import TrackedRun
from carsray.tracking.trial_runs import is_settled, trial_run

Source = tuple[Path, Callable[[], TrackedRun | None]]
"""A folder or file, and what makes a run of it."""
Stamp = tuple[tuple[str, int, int], ...]
"""Name, time and size of each file that says how far a run has come."""

TELLING = ("state.json", "history.jsonl", "config.json", "answers.csv", "failed.txt", "checkpoint.safetensors")


class Changes:
    """Remembers what was seen; a look costs a few system calls a run, and reads only what has changed."""

    def __init__(self, folder: SweepFolder, facts: SweepFacts) -> None:
        self._folder, self._facts = folder, facts
        self._seen: dict[Path, Stamp] = {}

    def look(self) -> Iterator[TrackedRun]:
        """Every run that has changed since it was last seen here; at first, all of them."""
        for place, made in sources(self._folder, self._facts):
            stamp = _stamp(place)
            if self._seen.get(place) != stamp:
                self._seen[place] = stamp
                if run := made():
                    yield run


def all_runs(folder: SweepFolder, facts: SweepFacts) -> list[TrackedRun]:
    """Every run as far as it has come."""
    return [run for _, made in sources(folder, facts) if (run := made())]


def sources(folder: SweepFolder, facts: SweepFacts) -> Iterator[Source]:
    """All that a run can be made of."""
    settled = is_settled(folder)
    for trial in folder.all_trials():
        yield trial.root, partial(trial_run, trial, facts, settled)
    for root in sorted((folder.root / "confirm").glob("*/seed-*")):
        yield root, partial(finalist_run, root, facts)
    for root in sorted((folder.root / "retrain").glob("*")):
        if root.name.startswith("seed-") or root.name == "twin":
            yield root, partial(retrain_run, root, facts)
    yield (path := folder.root / "finalists.csv"), partial(verdict_run, path, facts)
    for name in ("retrieval.csv", "retrieval-leave-one-out.csv"):
        if (path := folder.root / name).exists():
            yield path, partial(retrieval_run, path, facts)


def _stamp(place: Path) -> Stamp:
    found = []
    for path in (place / name for name in TELLING) if place.is_dir() else (place,):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((path.name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)
