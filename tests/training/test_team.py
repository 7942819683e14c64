"""Several workers train one network as one worker does that cuts its batches into as many parts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from team_member import CHANGES
from tiny_training import config_of, data_of, draw_folders, run_of, split_of

from carsray.data.batches import training_data
from carsray.errors import ConfigError
from carsray.training.fit import EpochResult, fit
from carsray.training.team import ALONE, Team, this_team


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two workers leave behind."""
    root = tmp_path_factory.mktemp("team")
    draw_folders(root / "pictures")
    member = Path(__file__).with_name("team_member.py")
    workers = [subprocess.Popen([sys.executable, str(member), str(root), str(rank)]) for rank in range(2)]
    assert [worker.wait(timeout=240) for worker in workers] == [0, 0]
    return root


def metrics_in(path: Path) -> dict[str, float]:
    with safetensors.safe_open(path, "pt") as file:
        return {name: float(value) for name, value in file.metadata().items()}


@pytest.mark.process
def test_two_workers_give_the_weights_of_one_with_two_parts(home: Path) -> None:
    config = config_of(**CHANGES)
    data = training_data(split_of(home / "pictures", home / "cache"), config, home / "cache")
    *_, alone = fit(config, data, run_of(home), micro_batches=2)
    assert isinstance(alone, EpochResult)
    together = safetensors.torch.load_file(home / "0.safetensors")
    for name, parameter in alone.network.named_parameters():
        torch.testing.assert_close(together[name], parameter.detach(), rtol=1e-4, atol=1e-6, msg=name)
    found = metrics_in(home / "0.safetensors")
    assert found["train/loss"] == pytest.approx(alone.metrics["train/loss"], rel=1e-5)
    assert found["train/accuracy"] == alone.metrics["train/accuracy"]


@pytest.mark.process
def test_the_first_worker_alone_measures_and_all_end_with_the_same_network(home: Path) -> None:
    first, second = (safetensors.torch.load_file(home / f"{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert {name for name in metrics_in(home / "1.safetensors") if name.startswith("val/")} == set()
    assert metrics_in(home / "0.safetensors").keys() >= {"val/accuracy", "val/accuracy_best"}


@pytest.mark.parametrize(("rows", "size"), [(7, 2), (8, 2), (32, 5)])
def test_parts_cover_a_batch_once_and_are_those_of_a_cut_batch(rows: int, size: int) -> None:
    batch = np.arange(rows) * 3
    parts = [Team(rank, size).part(batch) for rank in range(size)]
    cut = torch.from_numpy(batch).tensor_split(size)
    assert [part.tolist() for part in parts] == [part.tolist() for part in cut]


def test_a_batch_too_small_for_the_team_is_refused_with_the_most_that_it_allows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"3 workers: a batch of 4 pictures gives not all of them two; use at most 2"):
        next(iter(fit(config_of(batch_size=4), data_of(tmp_path), run_of(tmp_path), team=Team(0, 3))))


def test_a_process_of_its_own_is_a_team_of_one() -> None:
    assert this_team() == ALONE == Team(0, 1)
