"""Reads W&B's offline files with W&B's own reader."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

READER = (sys.executable, "-m", "wandb", "leet", "inspect", "--json")


def folders(sweep: Path) -> dict[str, list[Path]]:
    """The folders of each run, by the run's id."""
    found: dict[str, list[Path]] = {}
    for path in sorted((sweep / "wandb").glob("offline-run-*")):
        found.setdefault(path.name.split("-", 3)[3], []).append(path)
    return found


def records(folder: Path) -> dict[str, list[Any]]:
    """What a run's file holds, by the kind of record, in its order."""
    done = subprocess.run([*READER, folder], capture_output=True, text=True, check=True)
    found: dict[str, list[Any]] = {}
    for line in map(json.loads, done.stdout.splitlines()):
        found.setdefault(line["type"], []).append(line[line["type"]])
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    """Its history, as W&B reads it."""
    return [record["item"] for record in records(folder)["history"]]
