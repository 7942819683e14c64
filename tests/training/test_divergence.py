from pathlib import Path

from tiny_training import config_of, data_of, run_of

from carsray.data.batches import TrainingData
from carsray.training.divergence import Divergence
from carsray.training.fit import EpochResult, fit

PICTURES = 32
"""In a batch."""


def cut_after(losses: list[float], right: float = 1.0, classes: int = 40) -> int | None:
    """The step after which an epoch with these mean losses, and so many right answers a step, is cut."""
    watch = Divergence(len(losses), classes)
    for step in range(1, len(losses) + 1):
        if step in watch.looks and watch.diverged((sum(losses[:step]) * PICTURES, right * step), step * PICTURES):
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


def epochs_of(data: TrainingData, tmp_path: Path, lr: float, stop_diverged: bool) -> list[dict[str, float]]:
    run = run_of(tmp_path).model_copy(update={"stop_diverged": stop_diverged})
    config = config_of(optimizer="adam", lr=lr, batchnorm=False)
    return [event.metrics for event in fit(config, data, run) if isinstance(event, EpochResult)]


def test_only_the_first_epoch_of_a_diverged_trial_is_cut(tmp_path: Path) -> None:
    first, second = epochs_of(data_of(tmp_path, each=40), tmp_path, lr=1.0, stop_diverged=True)
    assert first["train/cut_after_step"] == 12
    assert "train/cut_after_step" not in second


def test_outside_a_sweep_no_epoch_is_cut(tmp_path: Path) -> None:
    first, _ = epochs_of(data_of(tmp_path, each=40), tmp_path, lr=1.0, stop_diverged=False)
    assert "train/cut_after_step" not in first


def test_a_trial_that_learns_gives_the_same_numbers_either_way(tmp_path: Path) -> None:
    data = data_of(tmp_path, each=40)
    assert epochs_of(data, tmp_path, 1e-3, stop_diverged=True) == epochs_of(data, tmp_path, 1e-3, stop_diverged=False)
