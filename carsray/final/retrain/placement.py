"""Who trains: a training to each share of the cluster, or several workers on one training after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from carsray.cluster.connect import Node
from carsray.cluster.parallel import Teams
from carsray.cluster.tasks import Tasks
from carsray.config import SweepSettings
from carsray.errors import ClusterError
from carsray.training.team import Team
from carsray.tuning.resources import share_out

LEAST_PART = 16
"""Pictures of a batch that a worker should have unless a person says otherwise: BatchNorm sees its own part alone, and
with fewer its error rises (Wu and He 2018, figure 1, https://arxiv.org/abs/1803.08494)."""


class Runner(Protocol):
    """Runs generators by name."""

    def start(self, name: str, work: Callable[..., Iterator[Any]], *args: Any) -> None:
        """Run ``work(*args)`` when there is room."""

    def events(self) -> Iterator[tuple[str, Any]]:
        """(name, event), with one Ended for each name."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where trainings run, and what each of them gets."""

    runner: Runner
    workers: int
    threads: int
    """Processor threads of a worker."""
    gpus: float
    """Of a whole training."""


def place(
    nodes: Sequence[Node], settings: SweepSettings, trainings: int, batch_size: int, workers: int | None
) -> Placement:
    """Share the cluster out.

    Nobody having asked for workers, a machine with more GPUs than there are trainings uses them all for each in turn.
    Raises ClusterError where the cluster does not hold the workers, ConfigError where a batch does not.
    """
    count = workers or _workers(nodes, trainings, batch_size)
    Team(0, count).check(batch_size)
    share = share_out(nodes, settings.model_copy(update={"trials": trainings if count == 1 else count}))
    if count == 1:
        return Placement(Tasks(share.cpus, share.gpus), 1, share.threads, share.gpus)
    if share.concurrent < count:
        what = "GPUs" if share.gpus else "processors"
        raise ClusterError(
            f"--workers {count}: the cluster has {what} for {share.concurrent}; ask for at most that many"
        )
    return Placement(Teams(count, share.cpus, share.gpus), count, share.threads, count * share.gpus)


def _workers(nodes: Sequence[Node], trainings: int, batch_size: int) -> int:
    gpus = int(max(node.gpus for node in nodes))
    return max(1, min(gpus, batch_size // LEAST_PART)) if gpus > trainings else 1
