import math
from pathlib import Path

import pytest
from tiny_training import config_of, data_of, run_of

from carsray.data.batches import TrainingData, batch_count
from carsray.results import CUT, whole_epoch_seconds
from carsray.training.fit import EpochResult, fit
from carsray.training.hopeless import Hopeless

PICTURES = 32
"""In a batch."""


def cut_after(losses: list[float], right: float = 1.0, classes: int = 40, to_pass: float = 0.0) -> int | None:
    """The step after which an epoch with these mean losses, and so many right answers a step, is cut."""
    return cut_after_steps(losses, [right] * len(losses), classes, to_pass)


def cut_after_steps(losses: list[float], right: list[float], classes: int, to_pass: float) -> int | None:
    watch = Hopeless(len(losses), classes, to_pass)
    for step in range(1, len(losses) + 1):
        sums = sum(losses[:step]) * PICTURES, sum(right[:step])
        if step in watch.looks and watch.found(step, sums, step * PICTURES):
            return step
    return None


def test_a_loss_that_rises_while_nothing_is_learnt_ends_the_epoch_after_a_third() -> None:
    assert cut_after([3.8, 5.0] + [8.0] * 58) == 20


def test_a_short_epoch_is_given_twelve_steps() -> None:
    assert cut_after([3.8] + [8.0] * 19) == 12
    assert cut_after([3.8] + [8.0] * 10) is None


def test_a_loss_about_that_of_guessing_is_let_be() -> None:
    assert cut_after([3.8] + [3.9] * 59) is None


def test_a_spike_at_the_start_is_let_be_once_it_is_over() -> None:
    assert cut_after([3.8] + [9.0] * 9 + [3.7] * 50) is None


def test_a_high_loss_with_right_answers_is_let_be() -> None:
    assert cut_after([3.8] + [43.0] * 59, right=3.0) is None


def test_a_first_batch_that_was_easy_does_not_count_for_less_than_guessing() -> None:
    assert cut_after([3.0] + [3.7] * 59) is None


@pytest.mark.parametrize(("to_pass", "step"), [(0.21, 20), (0.19, 30), (0.13, 30), (0.12, 40), (0.11, 40)])
def test_who_still_guesses_ends_the_sooner_the_more_is_asked_for(to_pass: float, step: int) -> None:
    assert cut_after([3.7] * 60, right=0.5, to_pass=to_pass) == step


def test_who_still_guesses_goes_on_while_little_is_asked_for() -> None:
    """Where most of a sweep still guesses after an epoch, a guess may pass."""
    assert cut_after([3.7] * 60, to_pass=0.09) is None
    assert cut_after([0.7] * 60, classes=2, to_pass=0.9) is None


def test_who_has_begun_to_learn_goes_on() -> None:
    """More than guessing has in each of the halves that count: steps 11 to 20, 16 to 30, 21 to 40."""
    assert cut_after_steps([3.7] * 60, [0.8] * 10 + [1.7] * 30 + [0.8] * 20, classes=40, to_pass=0.3) is None


def test_who_begins_to_learn_late_is_judged_by_what_is_asked_for() -> None:
    late = [0.8] * 20 + [2.0] * 40
    assert cut_after_steps([3.7] * 60, late, classes=40, to_pass=0.3) == 20
    assert cut_after_steps([3.7] * 60, late, classes=40, to_pass=0.15) is None


def test_a_few_unlucky_steps_are_no_verdict() -> None:
    """Of a short epoch, too, a whole half counts: steps 7 to 12, then 8 to 14 of 21."""
    right = [0.8] * 7 + [3.0] * 5 + [0.0] * 9
    assert cut_after_steps([3.7] * 21, right, classes=40, to_pass=0.19) is None
    assert cut_after_steps([3.7] * 21, [0.8] * 21, classes=40, to_pass=0.19) == 14


def test_where_verdicts_fall_together_the_most_patient_holds() -> None:
    """After 12 of 21 steps, a third and a half of the epoch."""
    assert cut_after([3.7] * 21, right=0.5, to_pass=0.21) == 12
    assert cut_after([3.7] * 13, right=0.5, to_pass=0.19) is None


def epochs_of(data: TrainingData, tmp_path: Path, lr: float, to_pass: float | None) -> list[dict[str, float]]:
    config = config_of(optimizer="adam", lr=lr, batchnorm=False)
    events = fit(config, data, run_of(tmp_path), to_pass=to_pass)
    return [event.metrics for event in events if isinstance(event, EpochResult)]


def test_only_the_first_epoch_of_a_diverged_trial_is_cut(tmp_path: Path) -> None:
    first, second = epochs_of(data_of(tmp_path, each=40), tmp_path, lr=1.0, to_pass=0.0)
    assert first[CUT] == 12
    assert whole_epoch_seconds(first) is None
    assert "train/cut_after_step" not in second


def test_an_epoch_is_not_cut_at_its_last_step(tmp_path: Path) -> None:
    data = data_of(tmp_path, each=20)
    config = config_of(optimizer="adam", lr=1.0, batchnorm=False, batch_size=len(data.train.labels) // 12)
    first = next(event for event in fit(config, data, run_of(tmp_path), to_pass=1.0) if isinstance(event, EpochResult))
    assert batch_count(data.train, config) == 12
    assert CUT not in first.metrics


def test_outside_a_sweep_no_epoch_is_cut(tmp_path: Path) -> None:
    first, _ = epochs_of(data_of(tmp_path, each=40), tmp_path, lr=1.0, to_pass=None)
    assert "train/cut_after_step" not in first


def test_a_trial_that_learns_nothing_ends_its_first_epoch_early(tmp_path: Path) -> None:
    data = data_of(tmp_path, classes=6, each=30)
    first, second = epochs_of(data, tmp_path, lr=1e-9, to_pass=1.0)
    assert first["train/cut_after_step"] == math.ceil(2 * (len(data.train.labels) // 4) / 3)
    assert "train/cut_after_step" not in second


def test_a_trial_that_learns_gives_the_same_numbers_whatever_is_asked_for(tmp_path: Path) -> None:
    six, data = data_of(tmp_path / "six", classes=6, each=40), data_of(tmp_path, each=40)
    assert epochs_of(six, tmp_path, 1e-2, to_pass=0.7) == epochs_of(six, tmp_path, 1e-2, to_pass=None)
    assert epochs_of(data, tmp_path, 1e-3, to_pass=0.0) == epochs_of(data, tmp_path, 1e-3, to_pass=None)
