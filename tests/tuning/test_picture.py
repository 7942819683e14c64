import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_sweeps import space_of

from carsray.leaderboard import TrialRow
from carsray.results import BEST, State
from carsray.tuning.picture import Outlook
from carsray.tuning.to_come import times_dearer


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


DEEP = """
[fixed]
backbone = "mobilenet_v2"
epochs = 3

[search]
unfreeze_depth = { choices = [0, 2, 4, "all"] }
"""
"""Each depth is tried five times in twenty trials."""


def deep_row(trial: int, depth: int | str, epochs: int, seconds: float) -> TrialRow:
    return replace(row(trial, "paused", epochs, seconds), params={"unfreeze_depth": depth})


def test_where_depth_is_not_searched_the_trials_to_come_cost_as_those_so_far() -> None:
    assert times_dearer(space_of(), 10, [row(0, "finished", 3, 30.0)]) == 1


def test_while_one_depth_has_been_tried_nobody_knows_what_deeper_ones_cost() -> None:
    rows = [deep_row(0, 0, 2, 2.0), deep_row(1, 0, 1, 1.0)]
    assert times_dearer(space_of(DEEP), 20, rows) is None
    assert Outlook(space_of(DEEP), total=20, expected=40.0).left(rows, 3) == ""
    assert times_dearer(space_of(DEEP), 20, []) is None


def test_depths_that_nobody_has_tried_cost_what_a_line_through_the_others_says() -> None:
    rows = [deep_row(n, 0, 1, 1.0) for n in range(5)] + [deep_row(5, 2, 5, 25.0)]
    # To come are four of depth 2 at 5 s, five of depth 4 at 9 s and five of all, taken for 8 blocks, at 17 s.
    assert times_dearer(space_of(DEEP), 20, rows) == pytest.approx((4 * 5 + 5 * 9 + 5 * 17) / 14 / (30 / 10))


def test_where_every_depth_has_been_tried_none_is_guessed() -> None:
    rows = [
        deep_row(n, depth, 1, cost) for n, (depth, cost) in enumerate({0: 1.0, 2: 2.0, 4: 3.0, "all": 50.0}.items())
    ]
    assert times_dearer(space_of(DEEP), 20, rows) == pytest.approx(1)
    assert times_dearer(space_of(DEEP), 4, rows) == 1


@given(st.lists(st.tuples(st.sampled_from([0, 2, 4, "all"]), st.integers(0, 3), st.floats(0, 1e6)), max_size=24))
def test_the_trials_to_come_never_cost_less_than_nothing(told: list[tuple[int | str, int, float]]) -> None:
    rows = [deep_row(number, *each) for number, each in enumerate(told)]
    dearer = times_dearer(space_of(DEEP), 24, rows)
    assert dearer is None or 0 <= dearer < math.inf


def test_the_time_left_knows_that_the_dear_trials_are_still_to_come() -> None:
    rows = [deep_row(n, 0, 2, 2.0) for n in range(5)] + [deep_row(n, 2, 2, 10.0) for n in range(5, 10)]
    outlook = Outlook(space_of(DEEP), total=20, expected=40.0)
    # Twenty epochs took 60 s; twenty are to come, of which ten, the first of each new trial, at 9 or 17 s.
    assert outlook.left(rows, 60).startswith("about 2 min 40 s left")
