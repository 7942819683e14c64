"""A real Ray for the sweeps of this folder: a head with two processors, and three nodes with two logical GPUs each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray_sweeps import Run
from tiny_sweeps import draw_folders, space_of

from carsray.cli.options import split_data
from carsray.config import SweepSettings
from carsray.data.records import DataSplit
from carsray.leaderboard import TrialRow
from carsray.results import SweepFolder, create_sweep
from carsray.space import Space
from carsray.tuning.sweep import begin_record, run_sweep


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0, "include_dashboard": False})
    for _ in range(3):
        made.add_node(num_cpus=2, num_gpus=2)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR", namespace="carsray")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sweeps")
    draw_folders(root / "pictures")
    return root


@pytest.fixture(scope="package")
def split(home: Path) -> DataSplit:
    return split_data(home / "pictures", space_of().config(space_of().start[0]), home / "cache")


def settings_of(home: Path, **asked: Any) -> SweepSettings:
    return SweepSettings(**{"data": home / "pictures", "cache": home / "cache", "seed": 5, "gpus_per_trial": 0} | asked)


@pytest.fixture(scope="package")
def run(cluster: Cluster, home: Path, split: DataSplit) -> Run:
    """Begins a record and runs its sweep in this process."""

    def sweep(name: str, space: Space, pictures: DataSplit = split, **asked: Any) -> tuple[SweepFolder, list[TrialRow]]:
        folder = create_sweep(home / "results", name)
        settings = settings_of(home, **asked)
        begin_record(folder, space, pictures, settings)
        return folder, run_sweep(folder, space, pictures, settings)

    return sweep
