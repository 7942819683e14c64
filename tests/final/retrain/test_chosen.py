from pathlib import Path
from typing import Any

import pytest
from tiny_retrain import HISTORY, SETTINGS, name_winner, swept

from carsray.config import TrialConfig
from carsray.errors import CarsrayError, ConfigError, ResultsError, SpaceError
from carsray.final.confirm.finalists import fixed_length
from carsray.final.confirm.record import settings_of
from carsray.final.retrain.chosen import read_chosen
from carsray.final.retrain.trainings import plan_trainings
from carsray.results import MICRO_BATCHES
from carsray.tuning.sweep import read_record


def test_the_winner_is_read_with_what_confirm_says_of_it(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    name_winner(folder, {"chosen": 7, "val_losses": [1.0, 0.5, 0.25], "statement": "Ahead."}, lr=0.02)
    chosen = read_chosen(folder, None)
    assert (chosen.confirmed, chosen.trial, chosen.id) == (True, 7, "winner")
    assert (chosen.config.lr, chosen.config.epochs, chosen.statement) == (0.02, 3, "Ahead.")
    assert chosen.val_losses == (1.0, 0.5, 0.25)


def test_a_winner_written_by_hand_is_enough_but_nobody_has_confirmed_it(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    name_winner(folder)
    chosen = read_chosen(folder, None)
    assert (chosen.confirmed, chosen.trial, chosen.id) == (False, None, "winner")


def test_a_winner_that_was_changed_is_no_more_what_was_confirmed(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    told = {"chosen": 7, "statement": "Ahead.", "settings": settings_of(TrialConfig(**(SETTINGS | {"lr": 0.02})))}
    name_winner(folder, told, lr=0.02)
    assert read_chosen(folder, None).confirmed
    name_winner(folder, told, lr=0.03)
    chosen = read_chosen(folder, None)
    assert (chosen.confirmed, chosen.trial, chosen.statement, chosen.config.lr) == (False, None, "", 0.03)


def test_batches_that_had_to_be_cut_in_the_sweep_are_cut_from_the_start(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    assert read_chosen(folder, 0).micro_batches == 1
    folder.trial(0).append({"epoch": 4, "val/accuracy": 0.1, "val/loss": 1.0, MICRO_BATCHES: 4})
    name_winner(folder, {"chosen": 0})
    for chosen in (read_chosen(folder, None), read_chosen(folder, 0)):
        trainings = plan_trainings(chosen, read_record(folder)[1], seeds=1, decay=0.0)
        assert [training.micro_batches for training in trainings] == [4, 4]


def test_each_seed_has_initial_weights_and_views_of_its_own(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    name_winner(folder)
    config = read_chosen(folder, None).seeded(2)
    assert (config.seed, config.view_seed) == (2, 2)


def test_without_a_winner_confirm_comes_first(tmp_path: Path) -> None:
    with pytest.raises(
        ResultsError, match=r"winner\.toml: no winner yet\. Run carsray confirm cars --results .* first, or .*--trial N"
    ):
        read_chosen(swept(tmp_path), None)


def test_a_trial_may_be_retrained_unconfirmed(tmp_path: Path) -> None:
    folder = swept(tmp_path, schedule="plateau")
    chosen = read_chosen(folder, 0)
    assert (chosen.confirmed, chosen.trial, chosen.id) == (False, 0, "trial-0000")
    assert chosen.config.epochs == 2
    assert chosen.val_losses == (0.9, 0.6)


@pytest.mark.parametrize(("schedule", "length"), [("cosine", 9), ("step", 9), ("none", 2), ("plateau", 2)])
def test_the_length_is_the_first_best_epoch_unless_the_schedule_is_made_for_all(schedule: str, length: int) -> None:
    history = [{"epoch": epoch, "val/accuracy": accuracy} for epoch, accuracy, _ in HISTORY]
    config = TrialConfig(epochs=9, schedule=schedule)  # type: ignore[arg-type]
    assert fixed_length(config, history) == length


def test_a_warm_up_is_never_longer_than_the_training() -> None:
    history = [{"epoch": epoch, "val/accuracy": accuracy} for epoch, accuracy, _ in HISTORY]
    assert fixed_length(TrialConfig(epochs=9, warmup_epochs=4), history) == 5


@pytest.mark.parametrize(
    ("told", "changes", "error", "says"),
    [
        (
            {"val_losses": [1.0]},
            {"schedule": "plateau"},
            ResultsError,
            "1 val_losses, and schedule plateau needs one for",
        ),
        (None, {"schedule": "plateau"}, ResultsError, "0 val_losses"),
        # Those of the winner as it was before somebody changed it say nothing of this one.
        (
            {"val_losses": [1.0, 0.5, 0.25], "settings": {"lr": 0.01}},
            {"schedule": "plateau"},
            ResultsError,
            "0 val_losses",
        ),
        (None, {"classes": 2}, ConfigError, r"classes = 2, but the sweep's pictures were split with None"),
        (None, {"holdout": 0.3}, ConfigError, r"holdout = 0\.3"),
        (None, {"lr": "fast"}, SpaceError, "lr = 'fast'"),
    ],
)
def test_a_winner_that_does_not_fit_is_refused_in_one_line(
    told: dict[str, Any] | None, changes: dict[str, Any], error: type[CarsrayError], says: str, tmp_path: Path
) -> None:
    folder = swept(tmp_path)
    name_winner(folder, told, **changes)
    with pytest.raises(error, match=says) as raised:
        read_chosen(folder, None)
    assert "\n" not in str(raised.value)


def test_a_trial_without_an_epoch_is_refused_with_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"--trial 4: has no epoch on record\. Trials that have: 0$"):
        read_chosen(swept(tmp_path), 4)


def test_damaged_finalists_are_one_line(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    name_winner(folder)
    (folder.root / "finalists.json").write_text("[")
    with pytest.raises(ResultsError, match=r"finalists\.json: cannot be read"):
        read_chosen(folder, None)
