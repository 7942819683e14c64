"""wandb/tracked.jsonl in a sweep's folder: which run was sent where, and how far it had come."""

import json
from pathlib import Path

from carsray.files import append_line
from carsray.results import SweepFolder, read_lines
from carsray.tracking.run import TrackedRun


class Ledger:
    """Of one place: "offline", or entity/project. Saves asking the server about runs to which nothing was added."""

    def __init__(self, folder: SweepFolder, place: str) -> None:
        self._path, self._place = ledger_file(folder), place
        lines = read_lines(self._path)
        self._sent = {line["run"]: line["standing"] for line in lines if line["place"] == place}

    def holds(self, run: TrackedRun) -> bool:
        """Whether all of a run was sent."""
        return self._sent.get(run.id) == run.standing

    def note(self, run: TrackedRun) -> None:
        """A run was sent, all of it."""
        self._sent[run.id] = run.standing
        self._path.parent.mkdir(exist_ok=True)
        append_line(self._path, json.dumps({"run": run.id, "place": self._place, "standing": run.standing}))


def wandb_folder(folder: SweepFolder) -> Path:
    """Where W&B's own files of a sweep lie."""
    return folder.root / "wandb"


def ledger_file(folder: SweepFolder) -> Path:
    """The file of all places."""
    return wandb_folder(folder) / "tracked.jsonl"
