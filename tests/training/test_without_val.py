"""Training on everything but test: nothing is measured, and the schedule knows in advance what it will look at."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_training import config_of, data_of, run_of

from carsray.errors import ConfigError
from carsray.training.fit import EpochResult, fit

PLATEAU = {"schedule": "plateau", "patience": 0, "plateau_threshold": 0.0, "epochs": 4, "lr": 0.02}


def epochs_of(tmp_path: Path, val_losses: tuple[float, ...] = (), val: bool = False, **changes) -> list[EpochResult]:
    data = data_of(tmp_path, **changes)
    data = replace(data, val=data.val if val else None, val_losses=val_losses)
    return [event for event in fit(config_of(**changes), data, run_of(tmp_path)) if isinstance(event, EpochResult)]


def test_without_val_nothing_is_said_of_it_and_no_epoch_is_the_best(tmp_path: Path) -> None:
    for result in epochs_of(tmp_path):
        assert result.metrics.keys() == {"train/loss", "train/accuracy", "train/lr"}
        assert result.improved is False


def test_the_weights_are_the_same_with_and_without_val(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    *_, measured = epochs_of(tmp_path / "with", val=True)
    *_, unmeasured = epochs_of(tmp_path / "without")
    torch.testing.assert_close(unmeasured.network.state_dict(), measured.network.state_dict(), rtol=0, atol=0)


def test_a_plateau_follows_the_losses_that_are_known_in_advance(tmp_path: Path) -> None:
    rates = [result.metrics["train/lr"] for result in epochs_of(tmp_path, (1.0, 2.0, 0.5, 0.7), **PLATEAU)]
    assert rates == pytest.approx([0.02, 0.02, 0.002, 0.002])


def test_the_known_losses_count_even_where_others_are_measured(tmp_path: Path) -> None:
    rising = epochs_of(tmp_path, (1.0, 2.0, 3.0, 4.0), val=True, **PLATEAU)
    assert [result.metrics["train/lr"] for result in rising] == pytest.approx([2e-2, 2e-2, 2e-3, 2e-4])
    assert all("val/loss" in result.metrics for result in rising)


@pytest.mark.parametrize("known", [(), (1.0, 2.0)])
def test_a_plateau_that_has_nothing_to_look_at_is_refused(known: tuple[float, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{len(known)} validation losses are known for 4 epochs"):
        epochs_of(tmp_path, known, **PLATEAU)
