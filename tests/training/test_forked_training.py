"""Training processes, forked and started anew."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tiny_training import config_of, draw_folders, run_of, split_of

from carsray.training.forked import Forked, fork_server
from carsray.training.messages import Epoch, Failed
from carsray.training.process import TrainingProcess

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def server() -> Path:
    found = fork_server()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("forked")
    draw_folders(root / "pictures")
    return root


def trained(folder: Path, server: Path | None = None) -> tuple[TrainingProcess, Epoch | Failed]:
    """A training process after one epoch."""
    process = TrainingProcess(
        split_of(folder / "pictures", folder / "cache"), run_of(folder).model_copy(update={"fork_server": server})
    )
    process.begin(config_of(dropout=0.2))
    *_, last = process.next_epoch()
    assert not isinstance(last, Failed)
    return process, last


def test_a_forked_training_process_gives_the_numbers_of_one_started_anew(server: Path, folder: Path) -> None:
    forked, there = trained(folder, server)
    anew, here = trained(folder)
    assert isinstance(there, Epoch)
    assert isinstance(here, Epoch)
    assert there.metrics == here.metrics
    assert isinstance(forked._child, Forked)
    assert not isinstance(anew._child, Forked)
    forked.close()
    anew.close()


def test_a_forked_training_process_that_is_killed_says_how_and_is_replaced(server: Path, folder: Path) -> None:
    process, first = trained(folder, server)
    killed = process.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    problem = process.begin(config_of(dropout=0.2))
    assert problem is not None
    assert "signal 9" in problem
    *_, again = process.next_epoch()
    assert isinstance(again, Epoch)
    assert isinstance(first, Epoch)
    assert again.metrics == first.metrics
    process.close()


def test_where_the_server_is_gone_training_processes_are_started_anew(folder: Path) -> None:
    process, _ = trained(folder, folder / f"{'0' * 12}/socket")
    assert isinstance(process._child, subprocess.Popen)
    process.close()
