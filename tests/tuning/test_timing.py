from pathlib import Path

import pytest

from carsray.config import TrialConfig
from carsray.results import SweepFolder, create_sweep
from carsray.tuning.timing import Timing, pictures_an_epoch, time_spent, timing_lines


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return create_sweep(tmp_path, "tiny")


def trained(folder: SweepFolder, number: int, batch_size: int, epochs: list[dict[str, float]]) -> None:
    trial = folder.trial(number)
    trial.root.mkdir(parents=True, exist_ok=True)
    trial.write_config({}, TrialConfig(batch_size=batch_size).model_dump(mode="json"))
    for epoch, seconds in enumerate(epochs, start=1):
        trial.append({"epoch": epoch, **{f"seconds/{part}": value for part, value in seconds.items()}})


@pytest.mark.parametrize(
    ("train", "batch_size", "taken"), [(100, 32, 96), (96, 32, 96), (33, 32, 32), (32, 32, 32), (31, 32, 31)]
)
def test_an_epoch_takes_full_batches_or_all(train: int, batch_size: int, taken: int) -> None:
    assert pictures_an_epoch(train, batch_size) == taken


def test_seconds_and_pictures_are_summed_over_epochs_and_trials(folder: SweepFolder) -> None:
    trained(folder, 0, 32, [{"compute": 1.0, "data": 0.5, "start": 2.0}, {"compute": 1.5, "data": 0.25}])
    trained(folder, 1, 64, [{"compute": 2.0, "validation": 1.0}])
    timing = time_spent(folder, 100)
    assert {part: value for part, value in timing.seconds.items() if value} == {
        "compute": 4.5,
        "data": 0.75,
        "start": 2.0,
        "validation": 1.0,
    }
    assert timing.pictures == 2 * 96 + 64


def test_of_an_epoch_that_was_cut_short_the_steps_taken_count(folder: SweepFolder) -> None:
    trained(folder, 0, 32, [{"compute": 1.0}, {"compute": 1.0}])
    folder.trial(0).append({"epoch": 3, "seconds/compute": 0.5, "train/cut_after_step": 2})
    assert time_spent(folder, 320).pictures == 320 + 320 + 64


def test_epochs_without_times_count_for_nothing(folder: SweepFolder) -> None:
    trained(folder, 0, 32, [{}, {}])
    assert time_spent(folder, 100) == Timing({}, 0)


def test_shares_are_told_largest_first_and_those_near_nothing_left_out() -> None:
    seconds = {"compute": 54.0, "data": 6.0, "validation": 60.0, "checkpoint": 0.1, "prefix": 0.0}
    shares, rate = timing_lines(Timing(seconds, 6000))
    assert shares == "Where 2 min 00 s in all slots went: validation 50%, training 45%, waiting for data 5%"
    assert rate == "Training: 100 pictures a second and slot, 90% of its time computing and not waiting for data"


def test_nothing_trained_nothing_told() -> None:
    assert timing_lines(Timing({}, 0)) == []
