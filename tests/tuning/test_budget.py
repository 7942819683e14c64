import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from carsray.config import SweepSettings
from carsray.leaderboard import TrialRow
from carsray.results import BEST
from carsray.tuning.budget import Budget, gpu_seconds, gpus_of_a_trial, hours_worked, lost_gpus, spans_worked

HERE = Path(__file__)


def budget(gpus: float = 1.0, before: float = 0.0, ago: float = 0.0, **asked: Any) -> Budget:
    return Budget(SweepSettings(data=HERE, cache=HERE, **asked), gpus, before, time.time() - ago)


def row(trial: int = 0, score: float = 0.5, seconds: float = 0.0) -> TrialRow:
    return TrialRow(trial, "running", 1, {BEST: score}, seconds, {})


def test_without_limits_nothing_is_ever_spent() -> None:
    assert budget(ago=1e9, before=1e9).spent({0: row(score=1.0, seconds=1e9)}) == ""


@pytest.mark.parametrize(("before", "ago", "spent"), [(0.0, 3500.0, False), (0.0, 3601.0, True), (0.9, 400.0, True)])
def test_hours_of_earlier_processes_count(before: float, ago: float, spent: bool) -> None:
    assert bool(budget(before=before, ago=ago, budget_hours=1.0).spent({})) == spent


@pytest.mark.parametrize(("gpus", "spent"), [(1.0, False), (2.0, True)])
def test_gpu_hours_are_the_time_of_trials_times_their_gpus(gpus: float, spent: bool) -> None:
    rows = {0: row(seconds=1800), 1: row(seconds=1700)}
    assert bool(budget(gpus, budget_gpu_hours=1.5).spent(rows)) == spent


def test_gpu_hours_of_earlier_processes_count_with_the_share_that_they_had() -> None:
    """Begun on processors, gone on with on GPUs: only the latter spend the budget."""
    runs = [began(0.0, 0), began(1.0, 7200)]
    before = gpu_seconds(runs, None, 9000)
    now = replace(budget(2.0, budget_gpu_hours=1.0), seconds_before=9000, gpu_seconds_before=before)
    assert before == 1800
    assert now.spent({0: row(seconds=9000), 1: row(seconds=800)}) == ""
    assert now.spent({0: row(seconds=9000), 1: row(seconds=900)}) == "the budget of 1 GPU-hours is spent"


@pytest.mark.parametrize(("before", "now", "warned"), [(1.0, 0.0, True), (1.0, 0.5, False), (0.0, 0.0, False)])
def test_that_trials_have_lost_their_gpus_is_told(before: float, now: float, warned: bool) -> None:
    assert ("had 1 GPU before and has none now" in lost_gpus([began(before, 0)], now)) is warned


def began(gpus: float, *seconds: float) -> dict[str, Any]:
    return {"event": "began", "gpus_per_trial": gpus, **({"seconds": seconds[0]} if seconds else {})}


@pytest.mark.parametrize(
    ("runs", "asked", "found"),
    [
        ([], None, None),
        ([], 0.5, 50),
        ([began(0.5, 0)], None, 50),
        ([began(1.0, 0), {"event": "ended"}, began(0.0, 60)], None, 60),
        ([began(1.0), began(0.25)], None, 25),  # of a carsray that noted no seconds: the last share counts
        ([began(1.0), began(0.25), began(0.5, 40)], None, 40 * 0.25 + 60 * 0.5),
    ],
)
def test_gpu_seconds_follow_the_shares_of_all_processes(
    runs: list[dict[str, Any]], asked: float | None, found: float | None
) -> None:
    assert gpu_seconds(runs, asked, 100) == found


def test_the_target_names_the_trial_that_reached_it() -> None:
    rows = {3: row(3, 0.79)}
    assert budget(target=0.8).spent(rows) == ""
    rows[4] = row(4, 0.81)
    assert budget(target=0.8).spent(rows) == "trial 4 has reached the target of 0.8"


def event(name: str, at: float) -> dict[str, Any]:
    return {"event": name, "time": at}


@pytest.mark.parametrize(
    ("runs", "epochs", "seconds"),
    [
        ([], [], 0),
        ([event("began", 100), event("ended", 400)], [200], 300),
        ([event("began", 100)], [150, 250], 150),  # killed: up to its last epoch
        ([event("began", 100)], [], 0),
        ([event("began", 100), event("began", 1000), event("ended", 1100)], [160, 1050], 160),
    ],
)
def test_hours_worked_are_those_between_beginnings_and_ends(
    runs: list[dict[str, Any]], epochs: list[float], seconds: float
) -> None:
    assert hours_worked(runs, epochs) * 3600 == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("runs", "asked", "found"),
    [
        ([{"event": "began"}], None, None),
        ([{"event": "began"}], 0.5, 0.5),
        ([{"event": "began", "gpus_per_trial": 1.0}, {"event": "began", "gpus_per_trial": 0.25}], 0.5, 0.25),
        ([{"event": "began", "gpus_per_trial": 0}], 1.0, 0.0),
    ],
)
def test_what_the_last_process_gave_its_trials_counts_before_what_was_asked_for(runs, asked, found) -> None:
    assert gpus_of_a_trial(runs, asked) == found


def test_a_process_that_was_killed_worked_until_its_last_epoch() -> None:
    runs = [{"event": "began", "time": 0}, {"event": "began", "time": 100}, {"event": "ended", "time": 120}]
    assert spans_worked(runs, [10, 20, 110]) == [(0, 20), (100, 120)]


def test_a_trial_that_failed_has_reached_no_target() -> None:
    assert budget(target=0.8).spent({3: replace(row(3, 0.81), state="failed")}) == ""
