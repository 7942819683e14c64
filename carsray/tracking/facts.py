"""What all runs of a sweep share."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carsray.results import SweepFolder
from carsray.space import Space
from carsray.space_file import load_space

RUNG = "rung/accuracy_best"
"""val/accuracy_best once more, at rungs only: a curve of it shows where trials are compared."""
HOURS = "sweep/hours"
"""Of the clock, since the sweep began."""


@dataclass(frozen=True, slots=True)
class SweepFacts:
    """Read once: nothing of it changes while a sweep runs, or goes on."""

    id: str
    name: str
    space: Space
    began: float
    """time.time() of its first process."""
    gpus: float | None
    """Of one trial; None where the record does not say."""
    common: Mapping[str, Any]
    """Entries of every run's config."""


def read_facts(folder: SweepFolder) -> SweepFacts:
    """From sweep.json, space.toml and runs.jsonl. Raises ResultsError or SpaceError where one cannot be read."""
    record = folder.read_settings()
    space = load_space(folder.space, record["pinned"])
    runs = folder.read_runs()
    # A sweep of an earlier carsray noted only what was asked for.
    shares = [record["settings"].get("gpus_per_trial"), *(r["gpus_per_trial"] for r in runs if "gpus_per_trial" in r)]
    identity = sweep_id(record)
    common = {
        "sweep": folder.name,
        "sweep_id": identity,
        "data_fingerprint": record["data"]["fingerprint"],
        "carsray": record["versions"].get("carsray"),
        "git_commit": record["git_commit"],
    }
    began = runs[0]["time"] if runs else 0.0
    return SweepFacts(identity, folder.name, space, began, shares[-1], common)


def sweep_id(record: Mapping[str, Any]) -> str:
    """Ten hex digits that stay when a sweep is renamed, moved, resumed or extended: where and when it began."""
    parts = [record["started"], record["host"], record["data"]["fingerprint"], record["space"], record["pinned"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]
