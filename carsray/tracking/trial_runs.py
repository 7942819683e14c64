"""The trials of a sweep, as runs."""

from collections.abc import Mapping
from typing import Any

from carsray.results import BEST, INTERRUPTED, SweepFolder, TrialFolder, TrialState
from carsray.tracking.facts import HOURS, RUNG, SweepFacts
from carsray.tracking.run import Row, TrackedRun, numbers


def trial_run(trial: TrialFolder, facts: SweepFacts, settled: bool = False) -> TrackedRun | None:
    """A trial as far as it has come; None where its record has only just begun.

    In a ``settled`` sweep, which may only go on if it is extended, the weights that were kept belong to it.
    """
    if not (trial.config.exists() and trial.state.exists()):
        return None
    state = trial.read_state()  # first: it is written last, so a history read afterwards is at least as long
    config = trial.read_trial_config()
    tags = [config.backbone, config.optimizer, *(["baseline"] if trial.number == 0 and facts.space.start else [])]
    if state.state in ("pruned", "failed"):
        tags.append(state.state)
    own = {"trial": trial.number, "outcome": _outcome(state), **config.model_dump(mode="json")}
    return TrackedRun(
        id=f"{facts.id}-{trial.number:04d}",
        name=f"{facts.name} trial {trial.number}",
        job_type="trial",
        tags=tuple(tags),
        config={**facts.common, **own},
        rows=tuple(_row(line, facts) for line in trial.read_history()),
        state=state.state,
        summary=_summary(state, facts),
        files=(trial.checkpoint,) if settled and trial.checkpoint.exists() else (),
    )


def is_settled(folder: SweepFolder) -> bool:
    """Whether no process works on the sweep, and the last one ended by itself: complete, or at a limit."""
    last = (folder.read_runs() or [{}])[-1]
    return last.get("event") == "ended" and last.get("why") != INTERRUPTED


def _row(line: Mapping[str, Any], facts: SweepFacts) -> Row:
    row = {"epoch": line["epoch"], **numbers(line, ("time",))}
    if line["epoch"] in facts.space.rungs:
        row[RUNG] = line[BEST]
    if "time" in line:
        row["_timestamp"] = line["time"]  # W&B's own name for when it was
        row[HOURS] = round((line["time"] - facts.began) / 3600, 5)
    return row


def _outcome(state: TrialState) -> str:
    """How a trial stands, with the kind of its failure: what failures are counted by."""
    return f"failed: {state.kind or 'unknown'}" if state.state == "failed" else state.state


def _summary(state: TrialState, facts: SweepFacts) -> dict[str, Any]:
    said: dict[str, Any] = {
        "trial/state": state.state,
        "trial/epochs": state.epochs,
        "trial/count": 1,
        "trial/failed": int(state.state == "failed"),
        "cost/hours": state.seconds / 3600,
        "node": state.node,
    }
    if facts.gpus is not None:
        said["cost/gpu_hours"] = facts.gpus * state.seconds / 3600
    if state.reason:
        said["reason"] = state.reason.splitlines()[0]
    return said
