from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from tiny_sweeps import fake_trial

from carsray.results import BEST
from carsray.tuning.rungs import RungTable
from carsray.tuning.scheduler import RungScheduler


def rays_scheduler(longest: int, grace: int, reduction: int) -> ASHAScheduler:
    return ASHAScheduler("epoch", BEST, "max", max_t=longest, grace_period=grace, reduction_factor=reduction)


def rays_rungs(scheduler: ASHAScheduler, longest: int) -> list[int]:
    return sorted(int(rung) for rung, _ in scheduler._brackets[0]._rungs if rung < longest)


@settings(deadline=None)
@given(
    curves=st.lists(st.lists(st.integers(0, 5), min_size=12, max_size=12), min_size=1, max_size=8),
    order=st.lists(st.integers(0, 7), max_size=100),
    longest=st.integers(1, 12),
    grace=st.integers(1, 4),
    reduction=st.sampled_from([2, 3, 4]),
)
def test_decisions_are_those_of_ray_in_any_order_of_arrival(
    curves: list[list[int]], order: list[int], longest: int, grace: int, reduction: int
) -> None:
    theirs = rays_scheduler(longest, min(grace, longest), reduction)
    ours = RungScheduler(RungTable(rays_rungs(theirs, longest), reduction), longest)
    assert ours.set_search_properties(BEST, "max")
    trials = [fake_trial(number) for number in range(len(curves))]
    for number, trial in enumerate(trials):
        trial.trial_id = str(number)
        theirs.on_trial_add(None, trial)
    reached = [0] * len(curves)
    running = set(range(len(curves)))
    for wanted in order:
        number = wanted % len(curves)
        if number not in running:
            continue
        reached[number] += 1
        result = {"epoch": reached[number], BEST: max(curves[number][: reached[number]]) / 5}
        decision = ours.on_trial_result(None, trials[number], result)
        assert decision == theirs.on_trial_result(None, trials[number], result)
        if decision == TrialScheduler.STOP:
            running.remove(number)
            ours.on_trial_complete(None, trials[number], result)
            theirs.on_trial_complete(None, trials[number], result)


def test_the_first_at_a_rung_goes_on_and_then_the_better_half() -> None:
    table = RungTable([1], 2)
    assert [table.record(n, 1, score) for n, score in enumerate([0.5, 0.4, 0.45, 0.5, 0.47])] == [
        False,  # nobody was there
        True,  # below 0.5
        False,  # the median of 0.4 and 0.5: not strictly below
        False,
        True,  # below the median of four, 0.475
    ]


def test_epochs_between_rungs_decide_nothing() -> None:
    table = RungTable([2, 6], 3)
    for epoch in (1, 3, 4, 5, 7):
        assert not table.record(0, epoch, 0.9)
        assert not table.record(1, epoch, 0.1)
    assert table.counts() == {2: 0, 6: 0}


def test_a_trial_counts_once_at_a_rung() -> None:
    table = RungTable([1], 2)
    table.record(0, 1, 0.9)
    assert table.record(1, 1, 0.1)
    assert not table.record(1, 1, 0.1)  # a trial that begins again after a crash has had its decision
    table.record(0, 1, 0.0)
    assert table.counts() == {1: 2}
    assert table.cut(1) == pytest.approx(0.5)


def test_a_rung_without_trials_has_no_cut() -> None:
    assert RungTable([3], 3).cut(3) is None


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_a_table_rebuilt_from_histories_decides_as_the_lost_one(order: list[int]) -> None:
    """The cut depends on who was there, not on when: this is what resume relies on."""
    first, again = RungTable([1], 3), RungTable([1], 3)
    for trial in range(6):
        first.record(trial, 1, trial / 7)
    for trial in order:
        again.record(trial, 1, trial / 7)
    assert first.cut(1) == again.cut(1)


@pytest.mark.parametrize(("epoch", "decision"), [(3, TrialScheduler.CONTINUE), (4, TrialScheduler.STOP)])
def test_the_last_epoch_ends_even_the_best(epoch: int, decision: str) -> None:
    scheduler = RungScheduler(RungTable([1, 2], 2), epochs=4)
    scheduler.set_search_properties(BEST, "max")
    trial = SimpleNamespace(config={"trial": 0})
    assert scheduler.on_trial_result(None, trial, {"epoch": epoch, BEST: 1.0}) == decision
