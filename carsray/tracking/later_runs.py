"""What comes after the search, as runs: the finalists' repetitions and their verdict, the retrain, the retrieval grid.

The commands that write these files stand below tracking in the house, so they are read here as what they are on disk:
results/README.md describes them.
"""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from carsray.config import TrialConfig
from carsray.errors import ResultsError
from carsray.results import BEST, State, read_lines
from carsray.tracking.facts import SweepFacts
from carsray.tracking.run import JobType, Row, TrackedRun, numbers

RANK = "finalist/rank"
"""Of a finalist by its mean over repetitions, from 1: the axis of the verdict."""


def finalist_run(root: Path, facts: SweepFacts) -> TrackedRun | None:
    """confirm/<trial>/seed-<number>/: one repetition of one finalist."""
    trial, number = int(root.parent.name), int(root.name.removeprefix("seed-"))
    own = {"trial": trial, "repetition": number + 1}
    name = f"finalist {trial} repetition {number + 1}"
    made = _training(root, facts, "finalist", name, own, root / "answers.csv", f"{trial:04d}-{root.name}")
    if made is None or not made.rows:
        return made
    return replace(made, summary={**made.summary, "finalist/accuracy": made.rows[-1].get("val/accuracy")})


def retrain_run(root: Path, facts: SweepFacts) -> TrackedRun | None:
    """retrain/seed-<number>/ or retrain/twin/: one training of the winner."""
    checkpoint = root / "checkpoint.safetensors"
    own = {"training": root.name}
    made = _training(root, facts, "retrain", f"retrain {root.name}", own, checkpoint, root.name)
    if made is None or made.state != "finished":
        return made
    return replace(made, files=(checkpoint,))


def verdict_run(path: Path, facts: SweepFacts) -> TrackedRun | None:
    """finalists.csv: a step a finalist, its mean with both ends of its interval."""
    lines = read_table(path)
    rows: list[Row] = []
    for rank, line in enumerate(lines, start=1):
        said = {name: _number(line[name]) for name in ("mean", "low", "high", "search_score")}
        known = {f"finalist/{name}": value for name, value in said.items() if value is not None}
        rows.append({RANK: rank, "trial": int(line["trial"]), **known})
    summary = {f"finalist/{rank} trial {line['trial']}": float(line["mean"]) for rank, line in enumerate(lines, 1)}
    return _of_table(path, facts, "verdict", "finalists", rows, RANK, summary)


def retrieval_run(path: Path, facts: SweepFacts) -> TrackedRun | None:
    """retrieval.csv: a step a k, the best accuracy there under each normalisation and distance."""
    lines = read_table(path)
    steps: dict[int, Row] = {}
    for line in lines:
        step = steps.setdefault(int(line["k"]), {"k": int(line["k"])})
        name = f"retrieval/{line['normalize']}/{line['distance']}/accuracy"
        step[name] = max(step.get(name, 0.0), float(line["accuracy"]))
    best = lines[0] if lines else {}
    point = ("k", "distance", "normalize", "vote", "tie")
    summary: dict[str, Any] = {f"retrieval/best/{name}": best[name] for name in point if name in best}
    ends = {"retrieval/accuracy": "accuracy", "retrieval/low": "accuracy_low", "retrieval/high": "accuracy_high"}
    summary |= {shown: float(best[name]) for shown, name in ends.items() if name in best}
    rows = [steps[k] for k in sorted(steps)]
    return _of_table(path, facts, "retrieval", path.stem, rows, "k", summary)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _training(
    root: Path, facts: SweepFacts, job_type: JobType, name: str, own: Mapping[str, Any], done: Path, which: str
) -> TrackedRun | None:
    """A folder with config.json and history.jsonl; ``done`` is there once it has ended well."""
    record = _record(root / "config.json")
    if record is None:
        return None
    config, key = record
    rows = tuple({"epoch": line["epoch"], **_row(line)} for line in read_lines(root / "history.jsonl"))
    failed = root / "failed.txt"
    state: State = "failed" if failed.exists() else "finished" if done.exists() else "running"
    reason = failed.read_text(encoding="utf-8").splitlines()[:1] if state == "failed" else []
    return TrackedRun(
        id=f"{facts.id}-{job_type}-{which}-{key[:6]}",
        name=f"{facts.name} {name}",
        job_type=job_type,
        config={**facts.common, **own, **config.model_dump(mode="json")},
        rows=rows,
        state=state,
        tags=(config.backbone, config.optimizer),
        summary={"trial/state": state, **({"reason": reason[0]} if reason else {})},
    )


def _row(line: Mapping[str, Any]) -> Row:
    # The score of the search is of trials alone: what importances and the best so far are made of.
    row = numbers(line, ("time", "epoch", BEST))
    return row | {"_timestamp": line["time"]} if "time" in line else row


def _record(path: Path) -> tuple[TrialConfig, str] | None:
    """The config, and what names all that decides the result: trained anew under other settings, it is another run."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        config = TrialConfig(**record["config"])
        return config, str(record.get("key", config.key()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{path}: cannot be read ({error}). Delete its folder to have it made anew") from None


def _of_table(
    path: Path,
    facts: SweepFacts,
    job_type: JobType,
    name: str,
    rows: Sequence[Row],
    axis: str,
    summary: Mapping[str, Any],
) -> TrackedRun | None:
    """A file that is written whole: another content is another run, since a step once sent stays."""
    if not rows:
        return None
    content = hashlib.sha256(path.read_bytes()).hexdigest()[:6]
    return TrackedRun(
        id=f"{facts.id}-{name}-{content}",
        name=f"{facts.name} {name}",
        job_type=job_type,
        config=dict(facts.common),
        rows=tuple(rows),
        state="finished",
        axis=axis,
        summary=summary,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
