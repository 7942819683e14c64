"""Runs a plan as Ray tasks: trainings first, then what is measured on their weights. The driver alone writes."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from carsray.cluster.connect import connected
from carsray.cluster.tasks import Ended, Tasks, share
from carsray.config import RunConfig, SweepSettings
from carsray.data.ledger import Opening, write_opening
from carsray.data.records import DataSplit, SplitName
from carsray.published.folder import ReproductionFolder
from carsray.published.plan import Plan, Run
from carsray.published.search import search
from carsray.published.view import View
from carsray.published.work import Measured, measure
from carsray.training.fit import Progress
from carsray.training.memory import MOST_PARTS, lacks_memory
from carsray.training.whole import EpochEnd, Impossible, Trained, train
from carsray.tuning.resources import share_out


@dataclass(frozen=True, slots=True)
class Task:
    """One Ray task: the training of a run, the measuring of its weights, or the searches of its embeddings."""

    run: Run
    reports: tuple[Run, ...]
    """The runs whose results come out; none while training."""


def run_plan(folder: ReproductionFolder, plan: Plan, settings: SweepSettings) -> dict[str, str]:
    """Run what the folder does not have yet; by the name of each run that could not: why.

    Ctrl-C ends it early; what has ended by then stays.
    """
    todo = [run for run in plan.runs if folder.run(run).missing(run)]
    if not todo:
        return {}
    view = View(plan.runs, done=[run for run in plan.runs if run not in todo])
    with connected(settings.address) as nodes, view:
        resources = share_out(nodes, settings.model_copy(update={"trials": _tasks_at_once(plan)}))
        run_config = RunConfig(device=resources.device, threads=resources.threads, cache=settings.cache)
        driver = _Driver(folder, plan, run_config, Tasks(resources.cpus, resources.gpus), view)
        driver.drive()
    return driver.failures


def _tasks_at_once(plan: Plan) -> int:
    return max(1, len(plan.trainings))


class _Driver:
    def __init__(self, folder: ReproductionFolder, plan: Plan, run: RunConfig, tasks: Tasks, view: View) -> None:
        self.folder, self.plan, self.run_config, self.tasks, self.view = folder, plan, run, tasks, view
        self.failures: dict[str, str] = {}
        self._known: dict[str, Task] = {}
        self._splits: dict[str, Any] = {}
        self._parts: defaultdict[str, int] = defaultdict(lambda: 1)
        """That the batches of a run are cut into."""

    def drive(self) -> None:
        for run in self.plan.trainings:
            reports = [run, *self.plan.searches_of(run)]
            if not any(self.folder.run(each).missing(each) for each in reports):
                continue
            if self.folder.run(run).checkpoint.exists():
                self._after_training(run)
            else:
                self._start_training(run)
        for name, event in self.tasks.events():
            self._take(self._known[name], event)

    def _take(self, task: Task, event: Any) -> None:
        match event:
            case Progress(epoch, step, steps):
                self.view.progress(task.run, epoch, step / steps)
            case EpochEnd(epoch, metrics):
                self.folder.run(task.run).add_epoch({"epoch": epoch, **metrics})
                self.view.epoch(task.run, epoch, metrics)
            case Trained(checkpoint):
                self.folder.run(task.run).write_checkpoint(checkpoint)
                self._after_training(task.run)
            case Measured():
                self._keep(task, event)
            case Impossible(reason, experiment):
                self._fail(task, reason, experiment)
            case Ended(problem, lost) if problem:
                if self._with_more_parts(task, problem, lost):
                    self._start_training(task.run)
                else:
                    self._fail(task, problem)

    def _keep(self, task: Task, measured: Measured) -> None:
        (run,) = (run for run in task.reports if run.id == measured.experiment)
        self.folder.run(run).write_measured(measured, getattr(run.split, measured.split), run.split.classes)
        if not self.folder.run(run).missing(run):
            self.view.done(run, f"accuracy {measured.metrics['accuracy']:.2%}")

    def _fail(self, task: Task, reason: str, experiment: str = "") -> None:
        """A training takes the searches of its embeddings with it; one search of several, which is named, none."""
        concerned = task.reports or [task.run, *self.plan.searches_of(task.run)]
        for run in [run for run in concerned if experiment in ("", run.id)]:
            if run.name not in self.failures and self.folder.run(run).missing(run):
                own = run is task.run or bool(task.reports)
                self.failures[run.name] = reason if own else f"needs {task.run.id}, which could not run"
                self.folder.run(run).write_failed(reason)
                self.view.failed(run, self.failures[run.name])

    def _start_training(self, run: Run) -> None:
        self.folder.run(run).begin(run)
        self.view.started(run)
        evaluate = run.experiment.reporting.evaluate
        name, split = f"train {run.name}", self._shared(run.split)
        self._known[name] = Task(run, ())
        args = run.config, evaluate, split, self.run_config, None, None, self._parts[run.name]
        self.tasks.start(name, train, *args)

    def _with_more_parts(self, task: Task, problem: str, lost: bool) -> bool:
        """Whether a training is to begin again with its batches in twice as many parts, since it lacked memory."""
        if task.reports or lost or not lacks_memory(problem) or self._parts[task.run.name] >= MOST_PARTS:
            return False
        self._parts[task.run.name] *= 2
        return True

    def _after_training(self, run: Run) -> None:
        """Start what the weights are wanted for."""
        searches = [each for each in self.plan.searches_of(run) if self.folder.run(each).missing(each)]
        own = [run] if self.folder.run(run).missing(run) else []
        weights = self.folder.run(run).checkpoint.read_bytes()
        shared, split = share(weights), self._shared(run.split)
        for each in (*own, *searches):
            self._write_ledger(each, weights)
            self.view.measuring(each)
        if own:
            missing = self.folder.run(run).missing(run)
            self._start(f"measure {run.name}", Task(run, (run,)), measure, run.id, shared, run.config, split, missing)
        if searches:
            asked = [(each.id, each.experiment.retrieval(), self.folder.run(each).missing(each)) for each in searches]
            for each in searches:
                self.folder.run(each).begin(each)
            self._start(f"search {run.name}", Task(run, tuple(searches)), search, asked, shared, run.config, split)

    def _start(self, name: str, task: Task, work: Any, *args: Any) -> None:
        self._known[name] = task
        self.tasks.start(name, work, *args, self.run_config)

    def _shared(self, split: DataSplit) -> Any:
        if split.fingerprint not in self._splits:
            self._splits[split.fingerprint] = share(split)
        return self._splits[split.fingerprint]

    def _write_ledger(self, run: Run, weights: bytes) -> None:
        missing: Sequence[SplitName] = self.folder.run(run).missing(run)
        if "test" in missing:
            digest = hashlib.sha256(weights).hexdigest()
            opening = Opening("reproduce", run.id, run.seed, run.config.key(), digest)
            write_opening(self.folder.ledger, opening, run.split)
