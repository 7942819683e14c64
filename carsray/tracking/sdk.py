"""Runs as W&B's SDK writes them: begun, or taken up where the server has them, brought up to date, ended."""

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import wandb

from carsray.results import BEST
from carsray.tracking.messages import Way
from carsray.tracking.run import TrackedRun

INIT_SECONDS = 30.0
FINISH_SECONDS = 30.0
"""After which a server that does not answer is asked again later."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs go."""

    way: Way
    project: str
    root: Path
    """The sweep's folder: W&B's own files lie in wandb/ in there."""
    entity: str | None = None

    def __str__(self) -> str:
        return "offline" if self.way == "offline" else f"{self.entity}/{self.project}"


def begin(tracked: TrackedRun, place: Place) -> wandb.Run:
    """A run that is new, or taken up after the last step that the server has. Raises what the SDK raises.

    The step is the epoch, so that an epoch that is trained again after a kill is not there twice.
    """
    run = wandb.init(
        project=place.project,
        entity=place.entity,
        id=tracked.id,
        name=tracked.name,
        group=tracked.config["sweep"],
        job_type=tracked.job_type,
        tags=tracked.tags,
        config=dict(tracked.config),
        allow_val_change=True,
        resume="allow",
        settings=_settings(place),
    )
    run.define_metric(tracked.axis)
    run.define_metric("*", step_metric=tracked.axis)
    for name in (BEST, "val/accuracy"):
        run.define_metric(name, step_metric=tracked.axis, summary="max")
    for name in ("train/loss", "val/loss"):
        run.define_metric(name, step_metric=tracked.axis, summary="min")
    return run


def log_rows(run: wandb.Run, tracked: TrackedRun, after: int) -> int:
    """Log the rows after a step; the last step by now."""
    for row in tracked.rows:
        step = int(row[tracked.axis])
        if step > after:
            run.log(row, step=step)
            after = step
    return after


def end(run: wandb.Run, tracked: TrackedRun) -> None:
    """Say what is known at its end, and wait until all of it is sent.

    One that is not at its end stands as preempted: it may go on.
    """
    run.tags = tracked.tags
    run.config.update(dict(tracked.config), allow_val_change=True)  # type: ignore[no-untyped-call]
    run.summary.update(dict(tracked.summary))
    for file in tracked.files:
        artifact = wandb.Artifact(tracked.id, "model", metadata={"job_type": tracked.job_type})
        artifact.add_reference(file.absolute().as_uri(), name=file.name)
        run.log_artifact(artifact)
    if tracked.state in ("running", "paused"):
        run.mark_preempting()
    run.finish(exit_code=0 if tracked.state in ("finished", "pruned") else 1)


class OfflineRuns:
    """Files that `wandb sync` and `wandb leet` read: one folder a run, written anew whenever the run has come further.

    Written whole, a file holds what the record holds, whatever was cut off, and cut back, in between.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def write(self, tracked: TrackedRun) -> None:
        """Replace the run's folder."""
        for folder in (self._place.root / "wandb").glob(f"offline-run-*_*-{tracked.id}"):
            shutil.rmtree(folder)
        run = begin(tracked, self._place)
        log_rows(run, tracked, 0)
        end(run, tracked)

    def clear(self) -> None:
        """See OnlineRuns.clear."""
        wandb.teardown()


class OnlineRuns:
    """Runs on a server; those under way stay open from one look at the record to the next."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._open: dict[str, tuple[wandb.Run, int]] = {}

    def write(self, tracked: TrackedRun) -> None:
        """Send what the server lacks; end the run if it is at rest."""
        with self._lock:
            run, after = self._open.pop(tracked.id, (None, 0))
        if run is None:
            run = begin(tracked, self._place)
            after = run.starting_step - 1  # a new run starts at step 0, one that was taken up after its last one
        after = log_rows(run, tracked, after)
        if tracked.at_rest:
            end(run, tracked)
            shutil.rmtree(Path(run.dir).parent, ignore_errors=True)  # the server has it, and the record
        else:
            with self._lock:
                self._open[tracked.id] = (run, after)

    def clear(self) -> None:
        """Let go of all runs, and end the SDK's helper process, which would take one that failed to begin for begun."""
        with self._lock:
            self._open.clear()
        wandb.teardown()


def _settings(place: Place) -> wandb.Settings:
    """Runs are made from a record that may be of another machine, so nothing is said of this one or its code."""
    return wandb.Settings(
        mode=place.way,
        root_dir=str(place.root),
        symlink=False,
        reinit="create_new",
        console="off",
        silent=True,
        save_code=False,
        disable_git=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS if place.way == "online" else 0.0,
        finish_timeout_raises=True,
    )
