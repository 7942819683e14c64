from pathlib import Path

import pytest

from carsray.leaderboard import TrialRow
from carsray.results import BEST, State, SweepFolder, create_sweep
from carsray.tuning.kept import KEEP_CHECKPOINTS, Kept


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return create_sweep(tmp_path, "tiny")


def row_of(number: int, state: State, score: float, epochs: int = 1) -> TrialRow:
    return TrialRow(number, state, epochs, {BEST: score}, 1.0, {})


def filled(folder: SweepFolder, count: int, room: int = 10**9) -> Kept:
    """So many trials with 100 bytes of weights and a snapshot of 300."""
    kept = Kept(folder, room=room)
    for number in range(count):
        kept.checkpoint(number, b"w" * 100)
        kept.snapshot(number, b"s" * 300)
    return kept


def files(folder: SweepFolder, count: int) -> dict[int, list[str]]:
    """What is on disk of each trial: w for weights, s for a snapshot."""
    trials = [folder.trial(number) for number in range(count)]
    return {
        trial.number: [letter for letter, path in (("w", trial.checkpoint), ("s", trial.snapshot)) if path.exists()]
        for trial in trials
    }


def test_trials_that_have_ended_keep_no_snapshot_and_the_best_their_weights(folder: SweepFolder) -> None:
    kept, count = filled(folder, KEEP_CHECKPOINTS + 1), KEEP_CHECKPOINTS + 1
    kept.tidy({number: row_of(number, "finished", 0.1 * (number + 1)) for number in range(count)})
    assert files(folder, count) == {0: [], **{number: ["w"] for number in range(1, count)}}
    assert kept.total == 100 * KEEP_CHECKPOINTS


def test_trials_that_may_go_on_keep_everything_while_there_is_room(folder: SweepFolder) -> None:
    kept = filled(folder, 6)
    kept.tidy({number: row_of(number, "paused" if number else "running", 0.1) for number in range(6)})
    assert set(map(tuple, files(folder, 6).values())) == {("w", "s")}


def test_where_room_ends_the_weakest_paused_trials_lose_theirs(folder: SweepFolder) -> None:
    kept = filled(folder, 4, room=900)
    rows = {
        0: row_of(0, "running", 0.0),
        1: row_of(1, "paused", 0.2, epochs=3),  # further on: goes last
        2: row_of(2, "paused", 0.9),
        3: row_of(3, "paused", 0.8),
    }
    kept.tidy(rows)
    assert files(folder, 4) == {0: ["w", "s"], 1: ["w", "s"], 2: [], 3: []}
    assert kept.total == 800


def test_running_trials_keep_theirs_whatever_the_room(folder: SweepFolder) -> None:
    kept = filled(folder, 2, room=10)
    kept.tidy({number: row_of(number, "running", 0.1) for number in range(2)})
    assert files(folder, 2) == {0: ["w", "s"], 1: ["w", "s"]}


def test_files_of_an_earlier_process_count(folder: SweepFolder) -> None:
    filled(folder, 2)
    assert Kept(folder, [0, 1, 7]).total == 800


def test_a_file_written_again_counts_once(folder: SweepFolder) -> None:
    kept = filled(folder, 1)
    kept.snapshot(0, b"s" * 50)
    assert kept.total == 150


def test_a_trial_that_begins_anew_has_nothing(folder: SweepFolder) -> None:
    kept = filled(folder, 1)
    kept.drop(0)
    assert files(folder, 1) == {0: []}
    assert kept.total == 0
