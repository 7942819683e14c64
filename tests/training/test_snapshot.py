"""A trial broken off and taken up again gives the numbers that it would have given without the break."""

from pathlib import Path
from typing import Any

import pytest
from tiny_training import config_of, data_of, run_of

from carsray.config import TrialConfig
from carsray.data.batches import TrainingData
from carsray.errors import ResultsError
from carsray.training.fit import EpochResult, fit
from carsray.training.standing import snapshot_standing


def results(config: TrialConfig, data: TrainingData, tmp_path: Path, snapshot: bytes | None = None) -> Any:
    return (event for event in fit(config, data, run_of(tmp_path), snapshot) if isinstance(event, EpochResult))


def broken_off(config: TrialConfig, data: TrainingData, tmp_path: Path, after: int) -> bytes:
    """The snapshot after so many epochs."""
    return next(result.snapshot() for result in results(config, data, tmp_path) if result.epoch == after)


PROGRESSIVE = {"backbone": "mobilenet_v2", "unfreeze_depth": 2, "unfreeze_every": 1, "image_size": 32, "pack_size": 32}


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "schedule": "cosine", "warmup_epochs": 1},
        {"optimizer": "sgd", "momentum": 0.0},
        {"optimizer": "adam", "dropout": 0.3, "lr": 0.01},
        {"optimizer": "adamw", "weight_decay": 0.1, "spatial_dropout": 0.2},
        {"optimizer": "rmsprop", "lr": 0.001, "schedule": "step", "step_epochs": 1},
        {"optimizer": "sgd", "schedule": "plateau", "patience": 0, "plateau_threshold": 0.9, "lr": 0.05},
        {"optimizer": "adamw", "lr": 0.001, **PROGRESSIVE},
    ],
    ids=lambda settings: "-".join(str(value) for value in settings.values())[:40],
)
def test_a_trial_taken_up_goes_on_as_if_nothing_had_been(settings: dict[str, Any], tmp_path: Path) -> None:
    changes = {"epochs": 4, **settings}
    config, data = config_of(**changes), data_of(tmp_path, **changes)
    straight = [result.metrics for result in results(config, data, tmp_path)]
    snapshot = broken_off(config, data, tmp_path, after=2)
    assert [result.metrics for result in results(config, data, tmp_path, snapshot)] == straight[2:]


def test_a_snapshot_says_how_far_it_came(tmp_path: Path) -> None:
    config = config_of(epochs=3)
    for result in results(config, data_of(tmp_path), tmp_path):
        assert snapshot_standing(result.snapshot(), config) == (result.epoch, result.metrics["val/accuracy_best"])


def test_a_snapshot_of_another_config_is_refused(tmp_path: Path) -> None:
    snapshot = broken_off(config_of(), data_of(tmp_path), tmp_path, after=1)
    with pytest.raises(ResultsError, match=r"is of config \w+, not \w+"):
        snapshot_standing(snapshot, config_of(lr=0.5))


@pytest.mark.parametrize("damage", [lambda d: d[:100], lambda d: d[:-4], lambda d: b"", lambda d: b"\0" * 64])
def test_a_damaged_snapshot_is_refused(damage: Any, tmp_path: Path) -> None:
    snapshot = broken_off(config_of(), data_of(tmp_path), tmp_path, after=1)
    with pytest.raises(ResultsError, match="cannot be read"):
        snapshot_standing(damage(snapshot), config_of())
