import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sweeps import TEXT, space_of

from carsray.leaderboard import TrialRow
from carsray.results import BEST
from carsray.tuning.rungs import RungTable, expected_epochs
from carsray.tuning.sweep import _rung_table

THIRDS = TEXT.replace("reduction = 2", "reduction = 3")


def table_of(scores: dict[int, float], rung: int = 1, reduction: float = 3) -> RungTable:
    """A table of trials that all stand at one rung."""
    table = RungTable([1, 3], reduction)
    for trial, score in scores.items():
        table.record(trial, rung, score)
    return table


@pytest.mark.parametrize(
    ("scores", "promoted"),
    [
        ([], None),
        ([0.9, 0.8], None),  # a third of two is nobody
        ([0.1, 0.9, 0.5], 1),
        ([0.5, 0.5, 0.5], 0),  # of equals the earlier
        ([0.1, 0.2, 0.3, 0.4, 0.5], 4),
    ],
)
def test_the_best_of_the_best_third_is_promoted(scores: list[float], promoted: int | None) -> None:
    assert table_of(dict(enumerate(scores))).next_promotion() == promoted


@pytest.mark.parametrize(
    ("scores", "promoted"), [([], None), ([0.1], 0), ([0.1, 0.2], 1), ([0.2, 0.2], 0), ([0.3, 0.2, 0.1, 0.1], 0)]
)
def test_of_guesses_the_best_goes_on_before_a_rung_can_cut(scores: list[float], promoted: int | None) -> None:
    table = RungTable([1, 3], 3, guesses=True)
    for trial, score in enumerate(scores):
        table.record(trial, 1, score)
    assert table.next_promotion() == promoted
    for trial in [promoted] if promoted is not None else []:
        table.go_on(trial)
    assert table.next_promotion() is None


def test_of_guesses_nothing_is_asked_for_before_a_rung_can_cut() -> None:
    table = RungTable([1, 3], 3, guesses=True)
    for trial, passed in enumerate([0, 0, 0.5]):
        table.record(trial, 1, 0.5 - trial / 10)
        assert table.to_pass() == passed


def test_to_pass_takes_what_the_worst_of_those_has_who_pass() -> None:
    table = table_of({0: 0.1, 1: 0.2})
    assert table.to_pass() == 0
    for trial, score in {2: 0.3, 3: 0.4, 4: 0.5, 5: 0.6}.items():
        table.record(trial, 1, score)
    table.record(5, 3, 0.9)
    assert table.to_pass() == 0.5


@pytest.mark.parametrize("rungs", [[], [2, 6]])
def test_without_a_rung_after_the_first_epoch_nothing_is_asked_for_there(rungs: list[int]) -> None:
    table = RungTable(rungs, 3)
    for trial in range(6):
        table.record(trial, 2, 0.5)
    assert table.to_pass() is None


def test_a_promoted_trial_makes_way_for_the_next_best() -> None:
    table = table_of({trial: trial / 10 for trial in range(6)})
    assert table.next_promotion() == 5
    table.go_on(5)
    assert table.next_promotion() == 4
    table.go_on(4)
    assert table.next_promotion() is None


def test_the_highest_rung_is_served_first() -> None:
    table = table_of({trial: trial / 10 for trial in range(6)})
    for trial in (3, 4, 5):
        table.go_on(trial)
        table.record(trial, 3, trial / 10)
    assert table.next_promotion() == 5


def test_one_that_has_ended_is_not_promoted_and_keeps_its_seat() -> None:
    table = table_of({0: 0.9, 1: 0.8, 2: 0.1})
    table.drop(0)
    assert table.next_promotion() is None


def test_the_seat_of_one_that_failed_goes_to_the_next_best() -> None:
    table = table_of({0: 0.9, 1: 0.8, 2: 0.1})
    table.fail(0)
    table.fail(0)  # as told twice
    assert promotions(table) == [1]
    table.fail(1)
    assert promotions(table) == [2]
    table.fail(2)
    assert (table.next_promotion(), table.to_pass()) == (None, 0)


def test_a_resumed_sweep_knows_from_the_record_who_failed() -> None:
    rows = [TrialRow(0, "paused", 1, {BEST: 0.4}, 1.0, {}), TrialRow(1, "failed", 1, {BEST: 0.6}, 1.0, {}, "nan")]
    histories = {row.trial: [{"epoch": 1, BEST: row.score}] for row in rows}
    assert _rung_table(space_of(), 12, rows, histories).next_promotion() == 0


def test_of_a_small_sweep_the_next_best_goes_to_the_end_where_the_first_has_failed() -> None:
    table = table_of({0: 0.4, 1: 0.6})
    table.go_on(1)
    for epoch in (2, 3, 4):
        table.record(1, epoch, 0.7)
    assert table.leader() is None
    table.fail(1)
    assert table.leader() == 0


def test_epochs_between_rungs_decide_nothing() -> None:
    table = RungTable([2, 6], 3)
    for epoch in (1, 3, 4, 5, 7):
        assert not table.record(0, epoch, 0.9)
    assert table.paused() == []


def test_a_trial_counts_once_at_a_rung() -> None:
    table = table_of({0: 0.9, 1: 0.1})
    table.go_on(1)
    assert table.record(1, 1, 0.95)  # begun again after a crash: it stands there once more, with its first score
    assert table.next_promotion() is None
    table.record(2, 1, 0.5)
    assert table.next_promotion() == 0


def test_a_small_sweep_sends_its_best_to_the_end() -> None:
    table = table_of({0: 0.4, 1: 0.6})
    assert table.leader() == 1
    table.go_on(1)
    table.record(1, 3, 0.7)
    assert table.leader() == 1
    table.go_on(1)
    table.record(1, 9, 0.8)
    assert table.leader() is None


def promotions(table: RungTable) -> list[int]:
    order = []
    while (trial := table.next_promotion()) is not None:
        order.append(trial)
        table.go_on(trial)
    return order


@settings(deadline=None)
@given(scores=st.lists(st.integers(0, 9), max_size=20), order=st.randoms(), reduction=st.sampled_from([2, 3, 4]))
def test_a_table_rebuilt_in_any_order_promotes_as_the_lost_one(
    scores: list[int], order: object, reduction: int
) -> None:
    trials = dict(enumerate(map(float, scores)))
    shuffled = list(trials)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    expected = promotions(table_of(trials, reduction=reduction))
    assert promotions(table_of({trial: trials[trial] for trial in shuffled}, reduction=reduction)) == expected
    best = sorted(trials, key=lambda trial: (-trials[trial], trial))
    assert expected == best[: len(trials) // reduction]


def noisy(*scores: float, pictures: int = 311) -> RungTable:
    """A table of trials that all stand at the first rung, with scores of so many pictures."""
    table = RungTable([1, 3], 3, pictures)
    for trial, score in enumerate(scores):
        table.record(trial, 1, score)
    return table


def test_a_trial_within_the_noise_of_the_cut_goes_on() -> None:
    assert promotions(noisy(0.14, 0.13, 0.12, 0.03, 0.03, 0.03)) == [0, 1, 2]


def test_a_trial_clearly_below_the_cut_does_not() -> None:
    assert promotions(noisy(0.14, 0.13, 0.08, 0.03, 0.03, 0.03)) == [0, 1]


def test_more_pictures_see_smaller_differences() -> None:
    assert promotions(noisy(0.14, 0.13, 0.12, 0.03, 0.03, 0.03, pictures=9000)) == [0, 1]


def test_however_noisy_at_most_half_go_on() -> None:
    assert promotions(noisy(*[0.1] * 7)) == [0, 1, 2]


def test_noise_counts_at_every_rung() -> None:
    table = RungTable([1, 3], 3, 311)
    for trial, score in enumerate([0.14, 0.13, 0.12, 0.03, 0.03, 0.03]):
        table.record(trial, 3, score)
    assert promotions(table) == [0, 1, 2]


@pytest.mark.parametrize(("seconds", "promoted"), [(1.4, [0, 1, 2]), (2.5, [0, 1])])
def test_one_whose_epochs_are_dear_has_to_pass_the_cut_itself(seconds: float, promoted: list[int]) -> None:
    """Dear: more than one and a half times the average, 1.07 and 1.25 here."""
    table = RungTable([1, 3], 3, 311)
    for trial, score in enumerate([0.14, 0.13, 0.12, 0.03, 0.03, 0.03]):
        table.record(trial, 1, score, seconds if trial == 2 else 1.0)
    assert promotions(table) == promoted


def test_one_that_does_not_tell_how_dear_it_is_counts_as_cheap_and_in_no_average() -> None:
    """An epoch that was cut short says nothing of a whole one."""
    table = RungTable([1, 3], 3, 311)
    for trial, score in enumerate([0.14, 0.13, 0.12, 0.12, 0.03, 0.03, 0.03, 0.03]):
        table.record(trial, 1, score, {0: 1.0, 1: 1.0, 3: 1.4}.get(trial))
    assert promotions(table) == [0, 1, 2, 3]


def test_a_dear_one_that_passes_the_cut_goes_on() -> None:
    table = RungTable([1, 3], 3, 311)
    for trial, score in enumerate([0.14, 0.03, 0.03]):
        table.record(trial, 1, score, 9.0 if trial == 0 else 1.0)
    assert promotions(table) == [0]


def test_noise_lets_nobody_go_on_before_there_is_a_cut() -> None:
    assert promotions(noisy(0.1, 0.1)) == []


def test_a_trial_below_the_cut_waits_and_goes_on_once_the_cut_has_come_down_to_it() -> None:
    """It was paused, not stopped."""
    table = noisy(0.3, 0.2, 0.1)
    table.go_on(0)
    assert table.next_promotion() is None
    for trial in (3, 4, 5):
        table.record(trial, 1, 0.05)
    assert table.next_promotion() == 1


@settings(deadline=None)
@given(right=st.lists(st.integers(0, 311), max_size=20), reduction=st.sampled_from([2, 3, 4]), pictures=st.just(311))
def test_noise_only_ever_adds_to_those_who_go_on(right: list[int], reduction: int, pictures: int) -> None:
    exact, blurred = RungTable([1], reduction), RungTable([1], reduction, pictures)
    for trial, count in enumerate(right):
        exact.record(trial, 1, count / pictures)
        blurred.record(trial, 1, count / pictures)
    clear, all_of_them = promotions(exact), promotions(blurred)
    assert all_of_them[: len(clear)] == clear
    assert len(all_of_them) <= max(len(clear), len(right) // 2)


def test_noise_costs_epochs_and_the_expectation_says_so() -> None:
    assert expected_epochs(space_of(THIRDS), 24, 300)[1] > expected_epochs(space_of(THIRDS), 24)[1]


def test_a_space_without_noise_expects_sharp_cuts() -> None:
    sharp = space_of(THIRDS.replace("reduction = 3", "reduction = 3\nnoise = false"))
    assert expected_epochs(sharp, 24, 300) == expected_epochs(sharp, 24)


def test_what_is_expected_of_a_sweep_adds_up() -> None:
    reaching, epochs = expected_epochs(space_of(), 16)  # rungs 1, 2 of 3 epochs, reduction 2
    assert reaching[1] == 16
    assert 8 <= reaching[2] <= 12
    assert 4 <= reaching[3] <= 8
    assert epochs == pytest.approx(sum(reaching.values()))


def test_even_one_trial_is_expected_to_run_to_its_end() -> None:
    assert expected_epochs(space_of(), 1) == ({1: 1, 2: 1, 3: 1}, 3)
