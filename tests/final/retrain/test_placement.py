from pathlib import Path

import pytest

from carsray.cluster.connect import Node
from carsray.cluster.parallel import Teams
from carsray.cluster.tasks import Tasks
from carsray.config import SweepSettings
from carsray.errors import ClusterError, ConfigError
from carsray.final.retrain.placement import Placement, place

SETTINGS = SweepSettings(data=Path("data"), cache=Path("cache"))


def placed(
    *nodes: tuple[float, float], trainings: int = 2, batch_size: int = 64, workers: int | None = None
) -> Placement:
    """On nodes of so many (processors, GPUs)."""
    made = [Node(f"node {number}", cpus, gpus) for number, (cpus, gpus) in enumerate(nodes)]
    return place(made, SETTINGS, trainings, batch_size, workers)


def test_on_processors_trainings_run_side_by_side() -> None:
    found = placed((4, 0))
    assert isinstance(found.runner, Tasks)
    assert (found.workers, found.threads, found.gpus) == (1, 2, 0)


@pytest.mark.parametrize("gpus", [1, 2])
def test_with_no_more_gpus_than_trainings_each_has_one(gpus: int) -> None:
    found = placed((8, gpus))
    assert isinstance(found.runner, Tasks)
    assert (found.workers, found.gpus) == (1, 1)


@pytest.mark.parametrize(("batch_size", "workers"), [(256, 8), (64, 4), (47, 2), (16, 1)])
def test_more_gpus_than_trainings_share_each_in_turn_as_long_as_parts_stay_large(batch_size: int, workers: int) -> None:
    found = placed((32, 8), (32, 2), batch_size=batch_size)
    assert isinstance(found.runner, Teams if workers > 1 else Tasks)
    assert (found.workers, found.gpus) == (workers, workers)


def test_workers_are_as_asked_for_on_processors_too() -> None:
    found = placed((8, 0), workers=4, batch_size=8)
    assert isinstance(found.runner, Teams)
    assert (found.workers, found.threads, found.gpus) == (4, 2, 0)


def test_more_workers_than_the_cluster_holds_are_refused_with_its_number() -> None:
    with pytest.raises(ClusterError, match=r"--workers 4: the cluster has GPUs for 3; ask for at most that many"):
        placed((8, 2), (8, 1), workers=4)
    with pytest.raises(ClusterError, match=r"--workers 3: the cluster has processors for 2"):
        placed((2, 0), workers=3)


def test_more_workers_than_a_batch_feeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="use at most 2"):
        placed((8, 0), workers=3, batch_size=4)
