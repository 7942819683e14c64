"""Workers that Ray Train starts share a training: the weights are those of one worker with as many parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from carsray.cluster.connect import connected
from carsray.cluster.parallel import Teams
from carsray.cluster.tasks import Ended, share
from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import training_data
from carsray.data.inspect import inspect
from carsray.data.records import DataSplit
from carsray.data.sources.catalog import open_catalog
from carsray.data.splits import make_split
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes
from carsray.training.fit import EpochResult, fit
from carsray.training.team import this_team
from carsray.training.whole import EpochEnd, Trained, train

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
CONFIG = TrialConfig(
    **{"backbone": "cnn", "depth": 2, "width": 4, "hidden": 6, "image_size": 16, "pack_size": 20, "augment": "light"},
    **{"batch_size": 7, "precision": "float32", "lr": 0.05, "epochs": 2},
)


@pytest.fixture(scope="module", autouse=True)
def started() -> Iterator[None]:
    with connected(None):
        yield


@pytest.fixture
def split(tmp_path: Path) -> DataSplit:
    rng = np.random.default_rng(0)
    for label, colour in enumerate(rng.integers(60, 196, (3, 3))):
        (tmp_path / f"pictures/class {label}").mkdir(parents=True)
        for number in range(10):
            pixels = colour + rng.integers(-60, 60, (20, 20, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"pictures/class {label}/{number}.png")
    catalog = open_catalog(tmp_path / "pictures")
    return make_split(catalog, inspect(catalog, tmp_path / "cache"), CONFIG)[0]


def told(work: Any, *args: Any) -> list[tuple[str, Any]]:
    teams = Teams(workers=2, cpus=0.5, gpus=0)
    teams.start("both", work, *args)
    return list(teams.events())


@pytest.mark.soak  # the same without Ray: tests/training/test_team.py
def test_two_workers_train_the_weights_of_one_with_two_parts(split: DataSplit, tmp_path: Path) -> None:
    run = RunConfig(device="cpu", cache=tmp_path / "cache", progress_seconds=600)
    events = [event for _, event in told(train, CONFIG, "last", share(split), run)]
    assert [type(event) for event in events] == [EpochEnd, EpochEnd, Trained, Ended]
    assert events[-1] == Ended()
    *_, alone = fit(CONFIG, training_data(split, CONFIG, run.cache), run, micro_batches=2)
    assert isinstance(alone, EpochResult)
    expected = safetensors.torch.load(checkpoint_bytes(alone.network, CheckpointInfo(CONFIG, split.classes, 2)))
    found = safetensors.torch.load(events[2].checkpoint)
    for name, parameter in alone.network.named_parameters():
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-6, msg=name)
        assert parameter.requires_grad
    assert events[1].metrics["train/loss"] == pytest.approx(alone.metrics["train/loss"], rel=1e-5)


def test_a_worker_that_fails_ends_the_training_of_all_with_its_reason() -> None:
    def one_of_them_fails() -> Iterator[str]:  # within, since the workers do not know this module
        team = this_team()
        yield f"{team} in {Path.cwd()}"
        if not team.leads:
            raise RuntimeError("the second worker is unwell")
        torch.distributed.barrier()  # waits for the other

    *before, (name, end) = told(one_of_them_fails)
    assert (name, end) == ("both", Ended("RuntimeError: the second worker is unwell"))
    assert set(before) <= {("both", f"Team(rank=0, size=2) in {Path.cwd()}")}
