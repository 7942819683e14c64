"""A retrain, from the winner to the numbers on test. Training and opening are two steps: the first may be repeated."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from carsray.cluster.connect import Node
from carsray.cluster.tasks import Tasks, share
from carsray.commit import git_commit
from carsray.config import RunConfig, SweepSettings
from carsray.data.records import DataSplit
from carsray.errors import SweepFailed
from carsray.files import write_json
from carsray.final.retrain.answering import Answers, Retrieved, answer_val, open_test
from carsray.final.retrain.chosen import Chosen, read_chosen
from carsray.final.retrain.cost import cost_of
from carsray.final.retrain.folder import TWIN, RetrainFolder, Training
from carsray.final.retrain.opening import check_opening, check_pictures, read_point, retrieval_scores, write_to_ledger
from carsray.final.retrain.scores import compared, over_all_seeds, scored
from carsray.final.retrain.tables import write_test_tables
from carsray.final.retrain.trainings import LOSSES, plan_trainings, run_trainings
from carsray.final.retrain.twin import Judged, judge_twin, weights_of_twin
from carsray.results import SweepFolder
from carsray.retrieval.grid import Grid
from carsray.training.whole import Impossible
from carsray.tuning.resources import share_out
from carsray.tuning.sweep import read_record


@dataclass(frozen=True, slots=True)
class Request:
    """What `carsray retrain` was asked for."""

    seeds: int = 1
    decay: float = 0.0
    """Of an average of the weights; 0: none."""
    trial: int | None = None
    """Retrain this one, unconfirmed."""
    again: bool = False
    """Open test although it was opened before."""
    workers: int | None = None
    """That share a training; None: as many as seems good."""


@dataclass(frozen=True, slots=True)
class Retrain:
    """Everything that is fixed before the first training begins."""

    folder: RetrainFolder
    chosen: Chosen
    split: DataSplit
    settings: SweepSettings
    trainings: list[Training]
    """Seed 0 is the one that is exported; the twin comes last."""
    point: Grid | None
    """Of the retrieval that was chosen on val."""
    workers: int | None


def prepare(sweep: SweepFolder, request: Request) -> Retrain:
    """Read what is to be trained, and refuse now what could only be refused later. Opens no picture."""
    folder = RetrainFolder(sweep)
    chosen = read_chosen(sweep, request.trial)
    _, split, settings = read_record(sweep)
    check_opening(folder, split, request.again)
    trainings = plan_trainings(chosen, split, request.seeds, request.decay)
    # Trials share GPUs; a training has one to itself.
    settings = settings.model_copy(update={"gpus_per_trial": None, "concurrent": None})
    return Retrain(folder, chosen, split, settings, trainings, read_point(folder), request.workers)


@contextmanager
def noted(folder: RetrainFolder) -> Iterator[None]:
    """Note when work began and ended, for its cost."""
    folder.append_run("began")
    try:
        yield
    finally:
        folder.append_run("ended")


def train_all(retrain: Retrain, nodes: Sequence[Node]) -> Judged:
    """Train what is not trained yet, and ask the twin about val. Test stays closed."""
    run_trainings(retrain.folder, retrain.trainings, nodes, retrain.settings, retrain.workers)
    weights = weights_of_twin(retrain.folder)
    events = _ask(nodes, retrain, answer_val, share(weights), retrain.trainings[-1].config, retrain.split)
    answers = {event.name: event for event in events if isinstance(event, Answers)}
    return judge_twin(retrain.folder, retrain.trainings, retrain.split, answers)


def open_and_record(
    retrain: Retrain, judged: Judged, nodes: Sequence[Node], opened: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Open test, on the record; what retrain.json says then. ``opened`` is called once the opening is on record."""
    folder = retrain.folder
    check_pictures(retrain.split)  # the trainings may have taken days
    own = [folder.training(training.name) for training in retrain.trainings]
    weights = {
        training.name: each.checkpoint.read_bytes() for training, each in zip(retrain.trainings, own, strict=True)
    }
    count = write_to_ledger(folder, retrain.chosen, retrain.trainings, retrain.split)
    opened()
    first = retrain.trainings[0]
    events = _ask(nodes, retrain, open_test, share(weights), first.config, retrain.split, retrain.point)
    answers = {event.name: event for event in events if isinstance(event, Answers)}
    retrieved = next((event for event in events if isinstance(event, Retrieved)), None)
    write_test_tables(folder, retrain.split.test, answers[first.name], retrain.split.classes, judged.temperature)
    measured = hashlib.sha256(weights[first.name]).hexdigest()
    record = _record(retrain, judged, answers, retrieved) | {"opening": count, "weights": measured}
    write_json(folder.record, record)
    return record


def _ask(nodes: Sequence[Node], retrain: Retrain, work: Any, *args: Any) -> list[Any]:
    """The events of one task on one share of the cluster, begun again where its worker or node is lost: nobody has
    seen an answer then, so that test is still in the same opening. Raises SweepFailed where it cannot be done.
    """
    one = share_out(nodes, retrain.settings.model_copy(update={"trials": 1}))
    tasks = Tasks(one.cpus, one.gpus)
    run = RunConfig(device=one.device, threads=one.threads, cache=retrain.settings.cache)
    for left in range(LOSSES, -1, -1):
        tasks.start(work.__name__, work, *args, run)
        *events, end = [event for _, event in tasks.events()]
        if not end.lost or not left:
            break
    reasons = [event.reason for event in events if isinstance(event, Impossible)] + [end.problem] * bool(end.problem)
    if reasons:
        why = reasons[0].splitlines()[0]
        raise SweepFailed(f"{retrain.folder.root}: the trained networks could not be measured: {why}")
    return events


def _record(
    retrain: Retrain, judged: Judged, answers: dict[str, Answers], retrieved: Retrieved | None
) -> dict[str, Any]:
    *own, twin = retrain.trainings
    first, chosen, split = own[0], retrain.chosen, retrain.split
    of_twin = scored(answers[TWIN], judged.temperature)
    return {
        "config": first.config.model_dump(mode="json"),
        "confirmed": chosen.confirmed,
        "trial": chosen.trial,
        "classes": list(split.classes),
        "fingerprint": split.fingerprint,
        "seeds": [training.config.seed for training in own],
        "workers": retrain.folder.training(first.name).read_workers(),
        "temperature": judged.temperature,
        "average": judged.average,
        "test_kind": split.test_kind,
        "pictures": {"train": len(first.split.train), "test": len(split.test), "twin": len(twin.split.train)},
        "test": scored(answers[first.name], judged.temperature),
        **over_all_seeds([answers[training.name] for training in own]),
        "twin": {"val": judged.val, "test": of_twin, **compared([answers[each.name] for each in own], answers[TWIN])},
        "retrieval": retrieval_scores(retrieved, retrain.point.tie) if retrain.point else None,
        "retrieval_problem": retrieved.problem if retrieved else "",
        "cost": cost_of(retrain.folder, [training.name for training in retrain.trainings]),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": git_commit(),
    }
