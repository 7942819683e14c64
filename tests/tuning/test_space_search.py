import math
from dataclasses import replace
from typing import Any, cast

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher
from searches import NoFile, fail, result_of, run, search_of, told
from tiny_sweeps import TEXT, roomy_turns, space_of

from carsray.errors import SweepFailed
from carsray.seed import derive
from carsray.space import Space
from carsray.tuning.search import FAILURES_IN_A_ROW, FIRST_SPREAD, SpaceSearch

optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_start_points_come_first_in_their_order() -> None:
    search, space = search_of(), space_of()
    starts = [space.only_active(point) for point in space.start]
    first = [search.suggest(name) for name in "ab"]
    assert [proposal["params"] for proposal in first] == starts
    assert [proposal["trial"] for proposal in first] == [0, 1]
    assert search.suggest("c")["params"] not in starts


def test_parameters_that_do_not_exist_at_a_point_are_absent() -> None:
    search = search_of()
    kinds = set()
    for number in range(16):
        proposal = search.suggest(str(number))
        params, config = proposal["params"], proposal["config"]
        kinds.add(params["optimizer"])
        assert ("momentum" in params) == (params["optimizer"] == "sgd")
        assert list(params) == [name for name in ("optimizer", "lr", "momentum") if name in params]
        assert all(config[name] == value for name, value in params.items())
        run(search, str(number), [0.1, 0.2, 0.3])
    assert kinds == {"sgd", "adam"}


def test_a_proposal_carries_rungs_and_a_whole_config() -> None:
    proposal = search_of().suggest("a")
    assert proposal["rungs"] == (1, 2)
    assert proposal["config"] == space_of().config(proposal["params"], **seeds(proposal)).model_dump()


def seeds(proposal: dict[str, Any]) -> dict[str, int]:
    return {name: proposal["config"][name] for name in ("seed", "view_seed")}


def test_a_trial_that_lost_its_actor_is_proposed_again_and_is_no_failure() -> None:
    turns = roomy_turns()
    search = SpaceSearch(space_of(), cast(Any, NoFile()), 3, turns, lambda number: {"epoch": 1})
    first = search.suggest("a")
    assert first is not None
    turns.begin(0)
    turns.lose(0)
    search.on_trial_complete("a", None, error=True)
    again = search.suggest("b")
    assert again == {**first, "going_on": {"epoch": 1}}
    turns.begin(0)
    run(search, "b", [0.2, 0.5, 0.6])
    (trial,) = told(search)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.6)


def test_a_trial_that_is_left_before_it_began_is_no_failure() -> None:
    turns, file = roomy_turns(), NoFile()
    search = SpaceSearch(space_of(), cast(Any, file), 3, turns)
    search.suggest("a")
    turns.begin(0)
    turns.wind_down()
    turns.leave(0)
    search.on_trial_complete("a")
    assert told(search)[0].state == TrialState.RUNNING
    assert file.ended == {}
    assert search._failures == 0


DEPTHS = """
[objective]
rungs = [1]

[fixed]
backbone = "mobilenet_v2"
epochs = 3

[search]
unfreeze_depth = { choices = ["all", 0, 3, 8] }
lr = { low = 1e-4, high = 0.1, log = true }
"""


def test_trials_that_train_few_blocks_come_first_and_of_few_trials_some_train_many() -> None:
    search = SpaceSearch(space_of(DEPTHS), cast(Any, NoFile()), 3, roomy_turns(), ends=[10])
    proposals = [search.suggest(str(number)) for number in range(10)]
    depths = [proposal["params"]["unfreeze_depth"] for proposal in proposals if isinstance(proposal, dict)]
    assert depths == sorted(depths, key=lambda depth: math.inf if depth == "all" else depth)
    assert set(depths) == {0, 3, 8, "all"}


def test_ends_are_told_as_what_they_were() -> None:
    search = search_of()
    for name in "abcd":
        search.suggest(name)
    run(search, "a", [0.2, 0.5, 0.6])
    run(search, "b", [0.4, 0.4])
    fail(search, "c")
    search.on_trial_complete("d", None, error=True)
    full, pruned, failed, lost = told(search)
    assert [trial.state for trial in (full, pruned, failed, lost)] == [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.FAIL,
    ]
    assert (full.value, pruned.value) == (0.6, 0.4)
    assert full.intermediate_values == {1: 0.2, 2: 0.5, 3: 0.6}
    assert pruned.intermediate_values == {1: 0.4, 2: 0.4}
    assert failed.user_attrs == {"trial": 2, "failed": "loss became nan"}
    assert lost.user_attrs["failed"] == "its Ray actor died"


def test_a_trial_pruned_at_the_first_rung_has_a_value() -> None:
    search = search_of()
    search.suggest("a")
    run(search, "a", [0.25])
    assert (told(search)[0].state, told(search)[0].value) == (TrialState.PRUNED, 0.25)


def test_an_end_told_twice_is_told_once() -> None:
    search = search_of()
    search.suggest("a")
    run(search, "a", [0.25])
    search.on_trial_complete("a", result_of(1, 0.25))
    assert len(told(search)) == 1
    assert search._failures == 0


def test_failures_in_a_row_end_the_sweep() -> None:
    search = search_of()
    for number in range(FAILURES_IN_A_ROW):
        assert search.suggest(str(number)) != Searcher.FINISHED
        fail(search, str(number))
    assert search.suggest("next") == Searcher.FINISHED


def test_a_sweep_that_has_given_up_stays_so_whatever_is_reported_then() -> None:
    search = search_of()
    search.suggest("works")
    for number in range(FAILURES_IN_A_ROW):
        search.suggest(str(number))
        fail(search, str(number))
    search.on_trial_result("works", result_of(1, 0.3))
    assert search.gave_up
    assert search.suggest("next") == Searcher.FINISHED


def test_a_trial_that_works_ends_a_row_of_failures() -> None:
    search = search_of()
    for number in range(3 * FAILURES_IN_A_ROW):
        assert search.suggest(str(number)) != Searcher.FINISHED
        if number % FAILURES_IN_A_ROW:
            fail(search, str(number))
        else:
            run(search, str(number), [0.1])


def test_an_epoch_between_rungs_of_another_trial_ends_a_row_of_failures() -> None:
    search = search_of(space_of(TEXT.replace("rungs = [1, 2]", "rungs = [2]")))
    search.suggest("works")
    for number in range(FAILURES_IN_A_ROW):
        search.suggest(str(number))
        fail(search, str(number))
        if number == 2:
            search.on_trial_result("works", result_of(1, 0.3))
    assert not search.gave_up


def test_the_same_seed_gives_the_same_proposals_and_another_one_others() -> None:
    def proposals(seed: int) -> list[dict[str, Any]]:
        search, made = search_of(seed=seed), []
        for number in range(FIRST_SPREAD + 8):  # past those that are spread before TPE begins
            made.append(search.suggest(str(number)))
            run(search, str(number), [made[-1]["params"]["lr"]] * (1 + number % 3))
        return made

    assert proposals(7) == proposals(7)
    assert proposals(7)[2:] != proposals(8)[2:]


def test_seeds_belong_to_the_number_of_a_trial_and_views_to_the_sweep() -> None:
    search, proposals = search_of(seed=11), []
    for number in range(4):
        proposals.append(search.suggest(str(number)))
        fail(search, str(number))
    found = [seeds(proposal) for proposal in proposals]
    assert found == [{"seed": derive(11, "trial", n), "view_seed": derive(11, "views")} for n in range(4)]


def test_a_start_point_is_the_same_trial_however_much_happened_before() -> None:
    fresh, later = search_of(), search_of()
    fresh.suggest("a")
    later.suggest("a")
    run(later, "a", [0.1, 0.2, 0.3])
    assert fresh.suggest("b") == later.suggest("b")


def test_a_proposal_says_what_the_trial_will_be_asked_for() -> None:
    search = search_of()
    assert search.suggest("a")["to_pass"] == 0
    for trial in range(4):
        search._turns.table.record(trial, 1, trial / 10)
        search._turns.table.drop(trial)
    assert search.suggest("b")["to_pass"] == 0.2


def test_a_trial_at_a_rung_counts_as_pruned_there_until_it_has_gone_further() -> None:
    """Of trials that run TPE learns nothing: most of a sweep waits at rungs."""
    file = NoFile()
    search = search_of(file=file)
    search.suggest("a")
    search.on_trial_result("a", result_of(1, 0.3))
    (seen,) = told(search)
    assert (seen.state, seen.value, seen.intermediate_values) == (TrialState.PRUNED, 0.3, {1: 0.3})
    search.on_trial_result("a", result_of(2, 0.5))
    assert (seen.state, seen.value) == (TrialState.PRUNED, 0.5)
    assert file.ended == {}
    search.on_trial_complete("a", result_of(3, 0.6))
    assert (told(search)[0].state, told(search)[0].value) == (TrialState.COMPLETE, 0.6)
    assert file.ended == {0: TrialState.COMPLETE}


def test_a_paused_trial_that_will_not_go_on_ends_as_pruned() -> None:
    file = NoFile()
    search = search_of(file=file)
    search.suggest("a")
    search.on_trial_result("a", result_of(1, 0.3))
    search.on_trial_complete("a")
    assert file.ended == {0: TrialState.PRUNED}


def clashing(**fixed: Any) -> Space:
    """Warm-up of up to 2 epochs, which must be below epochs = 2; no file gets through with corners that do not fit."""
    space = space_of(TEXT.replace("momentum = {", "warmup_epochs = { low = 0, high = 2, default = 0 }\nmomentum = {"))
    return replace(space, fixed={**space.fixed, "epochs": 2, **fixed})


def test_draws_that_do_not_fit_together_are_drawn_again() -> None:
    search = search_of(clashing())
    proposals = [search.suggest(str(number)) for number in range(12)]
    assert [proposal["trial"] for proposal in proposals] == list(range(12))
    assert {proposal["params"]["warmup_epochs"] for proposal in proposals} == {0, 1}
    reasons = {trial.user_attrs["failed"] for trial in told(search) if trial.state == TrialState.FAIL}
    assert reasons == {"Value error, warmup_epochs 2 must be below epochs 2"}


def test_a_space_without_a_fitting_point_ends_the_sweep() -> None:
    search = search_of(clashing(image_size=32, pack_size=16))
    with pytest.raises(SweepFailed, match="no settings that fit together"):
        search.suggest("a")


def test_numbers_of_a_range_come_as_whole_where_they_count() -> None:
    space = space_of(TEXT.replace("momentum = {", "step_epochs = { low = 1, high = 5, default = 2 }\nmomentum = {"))
    search = search_of(space)
    assert {type(search.suggest(str(n))["params"]["step_epochs"]) for n in range(5)} == {int}
