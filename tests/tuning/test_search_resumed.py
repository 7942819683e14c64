"""A searcher that goes on where an earlier process was."""

from dataclasses import replace
from typing import Any

import optuna
from optuna.trial import TrialState
from searches import NoFile, result_of, search_of, told

from carsray.leaderboard import TrialRow
from carsray.results import BEST

optuna.logging.set_verbosity(optuna.logging.ERROR)


def cut_off_sweep() -> tuple[list[TrialRow], dict[int, list[dict[str, Any]]], list[Any]]:
    """Trial 0 ended, 1 stands at a rung, 2 was under way; rows and histories as the record has them, and proposals."""
    search = search_of()
    proposals: list[Any] = [search.suggest(name) for name in "abc"]
    states = ("finished", "paused", "running")
    scores: tuple[list[float], ...] = ([0.1, 0.2, 0.3], [0.2], [])
    rows = [
        TrialRow(p["trial"], state, len(reached), {BEST: max(reached)} if reached else {}, 0.0, p["params"])
        for p, state, reached in zip(proposals, states, scores, strict=True)
    ]
    histories = {n: [result_of(e, s) for e, s in enumerate(reached, 1)] for n, reached in enumerate(scores)}
    return rows, histories, proposals


def test_going_on_repeats_the_trial_that_was_cut_off_and_then_counts_on() -> None:
    rows, histories, proposals = cut_off_sweep()
    search = search_of(cut_off=(2,))
    search.take_up(rows, histories)
    again = search.suggest("x")
    assert again == proposals[2]
    search._turns.begin(2)
    assert search.suggest("y")["trial"] == 3


def test_a_number_that_an_earlier_process_did_not_come_to_begin_is_begun_first() -> None:
    rows, histories, proposals = cut_off_sweep()
    search = search_of()
    search.take_up(rows[1:2], histories)
    assert search.suggest("x") == proposals[0]
    assert search.suggest("y")["trial"] == 2


def test_after_going_on_the_sampler_knows_what_it_knew() -> None:
    rows, histories, _ = cut_off_sweep()
    file = NoFile()
    search = search_of(cut_off=(2,), file=file)
    search.take_up(rows, histories)
    seen = [(trial.user_attrs["trial"], trial.state, trial.intermediate_values) for trial in told(search)]
    assert seen == [
        (0, TrialState.COMPLETE, {1: 0.1, 2: 0.2, 3: 0.3}),
        (1, TrialState.PRUNED, {1: 0.2}),
        (2, TrialState.RUNNING, {}),
    ]
    assert (file.begun, file.ended) == ([0, 1, 2], {0: TrialState.COMPLETE})


def test_a_trial_paused_by_an_earlier_process_ends_as_pruned_where_it_does_not_go_on() -> None:
    rows, histories, _ = cut_off_sweep()
    file = NoFile()
    search = search_of(cut_off=(2,), file=file)
    search.take_up(rows, histories)
    search.suggest("x")  # trial 2
    search.close_paused()
    assert file.ended[1] == TrialState.PRUNED
    assert 2 not in file.ended


def test_a_trial_that_was_cut_off_ends_in_the_study_where_it_does_not_go_on() -> None:
    """As pruned if it has a score, else as failed: Optuna has no pruned trial without a value."""
    rows, histories, _ = cut_off_sweep()
    file = NoFile()
    search = search_of(cut_off=(1, 2), file=file)
    search.take_up([rows[0], replace(rows[1], state="running"), rows[2]], histories)
    search.close_paused()
    assert file.ended == {0: TrialState.COMPLETE, 1: TrialState.PRUNED, 2: TrialState.FAIL}
