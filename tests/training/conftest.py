"""Real training processes; a module with pictures of its own has fixtures of these names itself."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tiny_training import draw_folders, run_of, split_of

from carsray.data.records import DataSplit
from carsray.training.forked import fork_server
from carsray.training.process import CHILD, TrainingProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("process")
    draw_folders(root / "pictures")
    return root


@pytest.fixture(scope="module")
def split(folder: Path) -> DataSplit:
    return split_of(folder / "pictures", folder / "cache")


@pytest.fixture(scope="module")
def warm(folder: Path, split: DataSplit) -> Iterator[TrainingProcess]:
    process = TrainingProcess(split, run_of(folder).model_copy(update={"fork_server": fork_server()}))
    yield process
    process.close()


@pytest.fixture
def start(folder: Path, split: DataSplit) -> Iterator[Callable[..., TrainingProcess]]:
    """Makes processes that are gone after the test, forked ones unless they are to be started anew."""
    made: list[TrainingProcess] = []

    def make(
        of: DataSplit = split, progress_seconds: float = 60.0, child: Sequence[str] = CHILD, anew: bool = False
    ) -> TrainingProcess:
        server = None if anew else fork_server()
        run = run_of(folder, progress_seconds).model_copy(update={"fork_server": server})
        made.append(TrainingProcess(of, run, child))
        return made[-1]

    yield make
    for process in made:
        process.close()
