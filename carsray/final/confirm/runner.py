"""Runs repetitions as Ray tasks, each in a training process of its own. The driver alone writes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from carsray.cluster.connect import connected
from carsray.cluster.tasks import Ended, Tasks, share
from carsray.config import RunConfig, SweepSettings, TrialConfig
from carsray.data.records import DataSplit
from carsray.final.confirm.repetitions import Repetition
from carsray.published.view import View
from carsray.results import MICRO_BATCHES
from carsray.training.attempts import Attempts
from carsray.training.forked import fork_server
from carsray.training.messages import Epoch, Failed, Progress
from carsray.tuning.resources import share_out
from carsray.tuning.signals import terminated_as_interrupted

STARTS = 4
"""A repetition whose worker or node is lost is started again, three times."""


def run_repetitions(repetitions: Sequence[Repetition], settings: SweepSettings) -> dict[str, str]:
    """Run what is not done yet; by the name of each repetition that could not: why.

    Ctrl-C or SIGTERM raises KeyboardInterrupt; what has ended by then stays.
    """
    done = {each.name for each in repetitions if each.done()}
    todo = [each for each in repetitions if each.name not in done]
    if not todo:
        return {}
    view = View(repetitions, [each for each in repetitions if each.name in done], "repetition")
    with connected(settings.address) as nodes, terminated_as_interrupted(), view:  # Ray has a handler of its own
        resources = share_out(nodes, settings.model_copy(update={"trials": len(todo)}))
        depths = tuple(dict.fromkeys(each.config.unfreeze_depth for each in repetitions))
        run = RunConfig(
            device=resources.device,
            threads=resources.threads,
            cache=settings.cache,
            fork_server=fork_server(),
            depths=depths,
        )
        driver = _Driver(todo, run, Tasks(resources.cpus, resources.gpus), view)
        driver.drive()
    return driver.failures


def repeat(
    config: TrialConfig, split: DataSplit, run: RunConfig, micro_batches: int = 1
) -> Iterator[Progress | Epoch | Failed]:
    """Train to the last epoch, with the test sealed. A process that dies or lacks memory is replaced (Attempts)."""
    attempts = Attempts(split, run)
    try:
        attempts.begin(config, micro_batches=micro_batches)
        for _ in range(config.epochs):
            for event in attempts.next_epoch():
                if isinstance(event, Epoch):
                    parts = {MICRO_BATCHES: attempts.micro_batches} if attempts.micro_batches > 1 else {}
                    yield replace(event, checkpoint=None, metrics=event.metrics | parts)
                else:
                    yield event
                if isinstance(event, Failed):
                    return
    finally:
        attempts.close()


class _Driver:
    def __init__(self, todo: Sequence[Repetition], run: RunConfig, tasks: Tasks, view: View) -> None:
        self.todo, self.run_config, self.tasks, self.view = {each.name: each for each in todo}, run, tasks, view
        self.failures: dict[str, str] = {}
        self._splits: dict[str, Any] = {}
        self._starts: Counter[str] = Counter()

    def drive(self) -> None:
        for repetition in self.todo.values():
            self._start(repetition)
        for name, event in self.tasks.events():
            self._take(self.todo[name], event)

    def _start(self, repetition: Repetition) -> None:
        mark = repetition.split.fingerprint
        if mark not in self._splits:
            self._splits[mark] = share(repetition.split)
        repetition.folder.begin(repetition.settings)
        self._starts[repetition.name] += 1
        self.view.started(repetition)
        args = repetition.config, self._splits[mark], self.run_config, repetition.finalist.micro_batches
        self.tasks.start(repetition.name, repeat, *args)

    def _take(self, repetition: Repetition, event: Any) -> None:
        match event:
            case Progress(epoch, step, steps):
                self.view.progress(repetition, epoch, step / steps)
            case Epoch():
                self._keep(repetition, event)
            case Failed(reason):
                self._fail(repetition, reason)
            case Ended(problem, lost) if problem:
                if lost and self._starts[repetition.name] < STARTS:
                    self._start(repetition)
                else:
                    self._fail(repetition, problem)

    def _keep(self, repetition: Repetition, epoch: Epoch) -> None:
        seconds = {f"seconds/{name}": value for name, value in epoch.seconds.items()}
        repetition.folder.add_epoch({"epoch": epoch.epoch, **epoch.metrics, **seconds})
        self.view.epoch(repetition, epoch.epoch, epoch.metrics)
        if epoch.epoch == repetition.epochs:
            assert epoch.predicted is not None
            repetition.folder.write_answers(repetition.split, epoch.predicted)
            self.view.done(repetition, f"accuracy {epoch.metrics['val/accuracy']:.2%}")

    def _fail(self, repetition: Repetition, reason: str) -> None:
        self.failures[repetition.name] = reason
        repetition.folder.write_failed(reason)
        self.view.failed(repetition, reason)
