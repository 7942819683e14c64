from dataclasses import replace

import pytest
from tiny_sweeps import space_of

from carsray.results import BEST, State, TrialRow
from carsray.tuning.picture import Outlook


def row(trial: int, state: State, epochs: int, seconds: float = 0.0, score: float = 0.5) -> TrialRow:
    return TrialRow(trial, state, epochs, {BEST: score} if epochs else {}, seconds, {"optimizer": "sgd", "lr": 0.1})


OUTLOOK = Outlook(space_of(), total=10, expected=20.0)


def test_the_status_counts_trials_by_state_and_names_the_best() -> None:
    rows = [row(0, "finished", 3, score=0.6), row(1, "paused", 1, score=0.7), row(2, "running", 0), row(3, "failed", 0)]
    status = OUTLOOK.status(rows, 61)
    assert status.startswith("2/10 trials | 1 running | 1 paused | 1 failed | best 0.700 (trial 1) | 1 min 01 s gone")


def test_the_time_left_is_that_of_the_epochs_to_come() -> None:
    assert OUTLOOK.left([row(0, "finished", 3), row(1, "running", 2)], 50) == "about 2 min 30 s left"


def test_nothing_is_said_of_the_time_left_before_the_first_epoch_and_after_the_last() -> None:
    assert OUTLOOK.left([row(0, "running", 0)], 50) == ""
    assert OUTLOOK.left([row(n, "pruned", 1) for n in range(10)], 50) == ""


def test_epochs_of_an_earlier_process_say_nothing_of_the_speed_of_this_one() -> None:
    rows = [row(0, "finished", 3), row(1, "running", 2)]
    assert replace(OUTLOOK, before=3).left(rows, 50) == "about 6 min 15 s left"


@pytest.mark.parametrize(("costs", "interval"), [((10, 10, 10), "2 min 50 s to 2 min 50 s"), ((5, 10, 15), "1 min")])
def test_the_interval_is_as_wide_as_costs_differ(costs: tuple[float, ...], interval: str) -> None:
    rows = [row(n, "pruned", 1, cost) for n, cost in enumerate(costs)]
    assert f"about 2 min 50 s left ({interval}" in OUTLOOK.left(rows, 30)


def test_at_each_rung_stands_how_many_came_and_went_on() -> None:
    rows = [row(0, "finished", 3), row(1, "paused", 1), row(2, "running", 0), row(3, "running", 2)]
    assert OUTLOOK.rungs(rows) == "epoch 1: 3 came, 2 went on | epoch 2: 2 came, 1 went on"
