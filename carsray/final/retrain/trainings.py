"""The trainings of a retrain, as Ray tasks. The driver alone writes."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from carsray.cluster.connect import Node
from carsray.cluster.tasks import Ended, share
from carsray.config import RunConfig, SweepSettings
from carsray.data.records import DataSplit
from carsray.data.splits import merged
from carsray.errors import SweepFailed
from carsray.files import write_bytes
from carsray.final.retrain.chosen import Chosen
from carsray.final.retrain.folder import TWIN, RetrainFolder, Training
from carsray.final.retrain.placement import Runner, place
from carsray.published.view import View
from carsray.training.fit import Progress
from carsray.training.memory import MOST_PARTS, lacks_memory
from carsray.training.whole import EpochEnd, Impossible, Saved, Terms, Trained, train
from carsray.tuning.same_weights import require_same_weights

LOSSES = 3
"""A training whose worker or node is lost goes on from its last snapshot: so often without an epoch that it had not
reached before."""


def plan_trainings(chosen: Chosen, split: DataSplit, seeds: int, decay: float) -> list[Training]:
    """Seeds 0, 1, ... on train and val together, and the twin of seed 0 on train alone, which val can judge.

    The twin's schedule is the others', fixed in advance: the pictures are all that differs.
    """
    losses = chosen.val_losses if chosen.config.schedule == "plateau" else ()
    terms, everything = Terms(losses, decay), merged(split)
    parts = chosen.micro_batches
    own = [Training(f"seed-{seed}", chosen.seeded(seed), everything, terms, parts) for seed in range(seeds)]
    return [*own, Training(TWIN, chosen.seeded(0), split, terms, parts)]


def run_trainings(
    folder: RetrainFolder,
    trainings: Sequence[Training],
    nodes: Sequence[Node],
    settings: SweepSettings,
    workers: int | None = None,
) -> None:
    """Train what the folder does not have yet, from the last snapshots. Raises SweepFailed where one cannot be.

    What has ended by then stays, whatever ends this early. ``workers`` are those that share a training.
    """
    todo = [training for training in trainings if not folder.training(training.name).done(training)]
    if not todo:
        return
    require_same_weights(folder.sweep)
    placed = place(nodes, settings, len(todo), todo[0].config.batch_size, workers)
    run = RunConfig(device="auto" if placed.gpus else "cpu", threads=placed.threads, cache=settings.cache)
    shared = {training.split.fingerprint: share(training.split) for training in todo}

    def start(training: Training) -> None:
        snapshot = folder.training(training.name).begin(training, placed.workers, placed.gpus)
        args = training.config, "last", shared[training.split.fingerprint], run, training.terms, snapshot
        placed.runner.start(training.name, train, *args, training.micro_batches)

    for training in todo:
        start(training)
    with View(trainings, [training for training in trainings if training not in todo], "training") as view:
        failures = _follow(folder, {training.name: training for training in todo}, placed.runner, start, view)
    if failures:
        name, reason = next(iter(failures.items()))
        raise SweepFailed(
            f"{folder.training(name).root}: could not be trained: {reason.splitlines()[0]}. Test stays closed; what is "
            f"done is kept. Mend it and run again: carsray retrain {folder.sweep.arguments}"
        )


def _follow(
    folder: RetrainFolder,
    todo: dict[str, Training],
    runner: Runner,
    start: Callable[[Training], None],
    view: View,
) -> dict[str, str]:
    """Write what the trainings send; why those failed that did. One whose worker was lost is started again, and one
    that lacked memory, with its batches in twice as many parts.
    """
    failures: dict[str, str] = {}
    losses: Counter[str] = Counter()
    furthest: Counter[str] = Counter()

    def fail(name: str, reason: str) -> None:
        if name not in failures:
            failures[name] = reason
            folder.training(name).write_failed(reason)
            view.failed(todo[name], reason)

    for name, event in runner.events():
        own = folder.training(name)
        match event:
            case Progress(epoch, step, steps):
                view.progress(todo[name], epoch, step / steps)
            case EpochEnd(epoch, metrics):
                if epoch > furthest[name]:
                    furthest[name], losses[name] = epoch, 0
                own.add_end(event)
                view.epoch(todo[name], epoch, metrics)
            case Saved(snapshot):
                write_bytes(own.snapshot, snapshot)
            case Trained():
                own.write_trained(event)
                view.done(todo[name], "trained")
            case Impossible(reason):
                fail(name, reason)
            case Ended(problem, lost) if problem:
                losses[name] += lost
                if lost and losses[name] <= LOSSES:
                    start(todo[name])
                elif not lost and lacks_memory(problem) and todo[name].micro_batches < MOST_PARTS:
                    todo[name] = replace(todo[name], micro_batches=2 * todo[name].micro_batches)
                    start(todo[name])
                else:
                    fail(name, problem)
    return failures
