"""Sweeps played through by hand: whose turn it is."""

from collections.abc import Collection

from hypothesis import given, settings
from hypothesis import strategies as st

from carsray.tuning.rungs import RungTable
from carsray.tuning.turns import LOSSES, Turns

EPOCHS = 9


def turns_of(slots: int = 2, new: int = 6, cut_off: tuple[int, ...] = ()) -> Turns:
    return Turns(RungTable([1, 3], 3), slots, new, cut_off)


def reach(turns: Turns, trial: int, epoch: int, score: float) -> bool:
    """A running trial trains until an epoch and stands at a rung or ends there; whether it goes on at once."""
    if turns.table.record(trial, epoch, score):
        return turns.stand(trial)
    turns.end(trial)
    return False


def play(turns: Turns, scores: list[float], slots: int, first: int = 0, doomed: Collection[int] = ()) -> dict[int, int]:
    """A whole sweep, trials in step with each other; how far each trial came. The doomed fail after the last rung."""
    running: list[int] = []
    came = dict.fromkeys(range(len(scores)), 0)
    upcoming = first
    while not turns.over():
        while turns.free():
            recalled, promoted = turns.recalled(), turns.promoted()
            if recalled is not None:
                turns.begin(recalled)
                running.append(recalled)
            elif promoted is not None:
                turns.go_on(promoted)
                running.append(promoted)
            elif turns.wants_new():
                turns.begin(upcoming)
                running.append(upcoming)
                upcoming += 1
            else:
                break
        assert 0 < len(running) <= slots
        trial = running.pop(0)
        came[trial] = next(end for end in (1, 3, EPOCHS) if end > came[trial])
        if trial in doomed and came[trial] == EPOCHS:
            came[trial] = 3
            turns.fail(trial)
        elif reach(turns, trial, came[trial], scores[trial]):
            running.append(trial)
    return came


@settings(deadline=None)
@given(scores=st.lists(st.integers(0, 5), min_size=1, max_size=15), slots=st.integers(1, 5))
def test_every_sweep_ends_with_all_trials_begun_and_one_at_its_end(scores: list[int], slots: int) -> None:
    came = play(turns_of(slots, len(scores)), [float(score) for score in scores], slots)
    assert min(came.values()) >= 1
    assert max(came.values()) == EPOCHS


@settings(deadline=None)
@given(
    scores=st.lists(st.integers(0, 5), min_size=2, max_size=15),
    doomed=st.sets(st.integers(0, 14)),
    slots=st.integers(1, 5),
)
def test_whoever_fails_after_the_last_rung_one_of_the_others_runs_to_its_end(
    scores: list[int], doomed: set[int], slots: int
) -> None:
    trials = set(range(len(scores)))
    came = play(turns_of(slots, len(scores)), [float(score) for score in scores], slots, doomed=doomed)
    assert max(came.values()) == (3 if trials <= doomed else EPOCHS)


def test_nobody_begins_while_all_slots_are_taken() -> None:
    turns = turns_of(slots=1)
    turns.begin(0)
    assert not turns.wants_new()
    assert turns.promoted() is None
    assert not turns.over()


def test_a_promotion_goes_before_a_new_trial() -> None:
    turns = turns_of(slots=1)
    for trial in range(3):
        turns.begin(trial)
        reach(turns, trial, 1, -trial / 3)
    assert turns.promoted() == 0
    assert not turns.wants_new()


def test_trials_that_were_cut_off_run_first() -> None:
    turns = turns_of(new=3, cut_off=(4, 7))
    assert turns.recalled() == 4
    assert not turns.wants_new()
    turns.begin(4)
    assert turns.recalled() == 7
    turns.begin(7)
    assert turns.new == 3
    assert not turns.free()


def test_a_paused_trial_of_an_earlier_process_is_recalled_not_promoted_from_memory() -> None:
    turns = turns_of(new=0)
    for trial in range(3):
        turns.table.record(trial, 1, trial / 3)
    assert turns.recalled() == 2
    turns.begin(2)
    assert turns.table.paused() == [0, 1]
    assert turns.new == 0


def test_a_wound_down_sweep_waits_for_those_that_run() -> None:
    turns = turns_of(new=5)
    for trial in range(4):
        turns.table.record(trial, 1, trial / 4)
    turns.begin(9)
    turns.wind_down()
    assert turns.promoted() is None
    assert not turns.wants_new()
    assert not turns.over()
    turns.end(9)
    assert turns.over()


def test_what_a_wound_down_sweep_leaves_is_for_a_later_process() -> None:
    turns = turns_of(slots=2, new=1)
    for trial in (0, 1):
        turns.begin(trial)
    turns.table.record(0, 1, 0.5)
    turns.wind_down()
    assert not turns.stand(0)
    turns.leave(1)
    turns.close()
    assert (turns.over(), turns.complete()) == (True, False)
    assert turns.comes_again(0)
    assert turns.comes_again(1)


def test_a_complete_sweep_closes_its_rungs() -> None:
    turns = turns_of(new=0)
    for trial, epoch in ((0, 1), (1, EPOCHS)):
        turns.table.record(trial, epoch, 0.5)
    turns.wind_down()  # a target that the last trial has reached leaves nothing either
    assert turns.complete()
    turns.close()
    assert not turns.comes_again(0)


def test_a_trial_that_loses_its_actor_in_a_wound_down_sweep_does_not_begin_again() -> None:
    turns = turns_of(slots=1, new=0)
    turns.begin(0)
    turns.wind_down()
    turns.lose(0)
    assert turns.recalled() is None
    assert turns.over()
    assert turns.comes_again(0)  # later


def test_the_baseline_does_not_pause_unless_the_sweep_winds_down() -> None:
    turns = Turns(RungTable([1, 3], 3), slots=2, new=5, baseline=0)
    turns.begin(0)
    turns.table.record(0, 1, 0.0)
    turns.wind_down()
    assert not turns.stand(0)


def test_the_baseline_does_not_pause() -> None:
    turns = Turns(RungTable([1, 3], 3), slots=2, new=5, baseline=0)
    for trial in (0, 1):
        turns.begin(trial)
        turns.table.record(trial, 1, 0.0)
    assert turns.stand(0)
    assert not turns.stand(1)
    assert turns.table.paused() == [1]
    assert turns.wants_new()  # in the one slot that is free


def test_a_trial_that_loses_its_actor_comes_again_before_new_ones() -> None:
    turns = turns_of(slots=1, new=2)
    turns.begin(0)
    turns.lose(0)
    assert turns.comes_again(0)
    assert (turns.recalled(), turns.wants_new()) == (0, False)
    turns.begin(0)
    assert not turns.comes_again(0)
    assert (turns.free(), turns.new) == (False, 1)


def test_a_trial_lost_again_and_again_without_an_epoch_is_given_up() -> None:
    turns = turns_of(slots=1, new=1)
    turns.begin(0)
    for _ in range(LOSSES):
        turns.lose(0)
        turns.begin(0)
    turns.lose(0)
    assert not turns.comes_again(0)
    assert turns.over()


def test_an_epoch_makes_up_for_the_losses_before_it() -> None:
    turns = turns_of(slots=1, new=1)
    turns.begin(0)
    for epoch in range(4, 4 + 2 * LOSSES):
        turns.lose(0)
        turns.begin(0)
        turns.reached(0, epoch, 0.5)
    turns.lose(0)
    assert turns.comes_again(0)


def test_a_trial_lost_as_it_goes_on_from_its_rung_comes_again_all_the_same() -> None:
    turns = turns_of(slots=1, new=0)
    for trial, score in enumerate([0.1, 0.2, 0.3]):
        turns.begin(trial)
        reach(turns, trial, 1, score)
    turns.lose(2)  # the best of three went on at once
    assert turns.recalled() == 2
