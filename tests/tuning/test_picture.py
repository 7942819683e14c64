from dataclasses import replace

import pytest
from tiny_sweeps import space_of

from carsray.leaderboard import TrialRow
from carsray.results import BEST, State
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


def using(trial: int, state: State, node: str, **used: float) -> TrialRow:
    return replace(row(trial, state, 1), node=node, used={f"system/{name}": value for name, value in used.items()})


def test_what_is_in_use_is_that_of_the_trials_that_run() -> None:
    rows = [
        using(0, "running", "a", processors=0.9, memory_gb=1.25, gpu=0.8, gpu_memory_gb=10.0, cache_gb=2.0),
        using(1, "running", "a", processors=1.0, memory_gb=1.5, gpu=0.9, gpu_memory_gb=6.0, cache_gb=2.5),
        using(2, "running", "b", processors=1.0, memory_gb=1.0, gpu=1.0, gpu_memory_gb=4.0, cache_gb=1.0),
        using(3, "paused", "b", processors=7.0, memory_gb=7.0, gpu=0.1, gpu_memory_gb=7.0, cache_gb=7.0),
    ]
    assert OUTLOOK.used(rows) == (
        "in use: 2.9 processors, 3.8 GB of memory, GPU busy 90% of the time, 20.0 GB of its memory, "
        "3.5 GB of cached activations"
    )


def test_of_a_trial_without_an_epoch_nothing_is_known_and_without_a_gpu_nothing_is_said() -> None:
    assert OUTLOOK.used([row(0, "running", 0)]) == ""
    assert OUTLOOK.used([using(0, "running", "a", processors=1.0)]) == "in use: 1.0 processors"


def test_at_each_rung_stands_how_many_came_and_went_on() -> None:
    rows = [row(0, "finished", 3), row(1, "paused", 1), row(2, "running", 0), row(3, "running", 2)]
    assert OUTLOOK.rungs(rows) == "epoch 1: 3 came, 2 went on | epoch 2: 2 came, 1 went on"
