import pytest
from hypothesis import given
from hypothesis import strategies as st

from carsray.config import TrialConfig
from carsray.errors import ResultsError
from carsray.final.confirm.finalists import APART, distance, fixed_length, from_different_regions, pick_finalists
from carsray.leaderboard import TrialRow
from carsray.results import BEST, State, SweepFolder, TrialState, create_sweep
from carsray.space import Space, Values
from carsray.space_file import parse_space

TEXT = """
[fixed]
backbone = "cnn"
epochs = 9
[search]
optimizer = { choices = ["sgd", "adam"] }
lr = { low = 1e-4, high = 1.0, log = true }
dropout = { low = 0.0, high = 0.5 }
momentum = { low = 0.0, high = 0.9, when = { optimizer = "sgd" } }
"""
SGD: Values = {"optimizer": "sgd", "lr": 0.01, "dropout": 0.0, "momentum": 0.9}
ADAM: Values = {"optimizer": "adam", "lr": 0.01, "dropout": 0.0}


def space() -> Space:
    return parse_space(TEXT, "space.toml", {})


def row(trial: int, score: float, params: Values, state: State = "finished") -> TrialRow:
    return TrialRow(trial, state, 3, {BEST: score}, 1.0, params)


def chosen(rows: list[TrialRow], count: int) -> list[int]:
    return [each.trial for each in from_different_regions(rows, space().parameters, count)]


def apart(first: Values, second: Values) -> float:
    return distance(first, second, space().parameters)


def test_a_range_counts_on_its_own_scale() -> None:
    assert apart(ADAM, ADAM | {"lr": 0.1}) == pytest.approx(1 / 4 / 3)  # one decade of four, one parameter of three
    assert apart(ADAM, ADAM | {"dropout": 0.25}) == pytest.approx(1 / 2 / 3)


def test_a_choice_is_equal_or_not() -> None:
    assert apart(SGD | {"optimizer": "adam"}, SGD) == pytest.approx(1 / 4)


def test_a_parameter_that_one_point_lacks_is_not_compared() -> None:
    assert apart(SGD, ADAM) == pytest.approx(1 / 3)


def test_a_value_outside_of_the_range_is_as_far_as_its_end() -> None:
    assert apart(ADAM | {"lr": 1e-4}, ADAM | {"lr": 100.0}) == pytest.approx(1 / 3)


points = st.fixed_dictionaries(
    {"optimizer": st.sampled_from(["sgd", "adam"]), "lr": st.floats(1e-4, 1), "dropout": st.floats(0, 0.5)}
)


@given(points, points)
def test_a_distance_is_symmetric_from_nought_to_one_and_nought_from_itself(first: Values, second: Values) -> None:
    assert apart(first, first) == 0
    assert 0 <= apart(first, second) == apart(second, first) <= 1


def test_the_best_comes_first_and_its_neighbours_make_room_for_other_regions() -> None:
    near = [row(n, 0.9 - n / 100, ADAM | {"lr": 0.01 + n / 1000}) for n in range(5)]
    far = row(5, 0.5, SGD | {"lr": 1.0})
    assert chosen([*near, far], 2) == [0, 5]


def test_where_regions_are_too_few_nearer_ones_are_taken_best_first() -> None:
    rows = [row(n, 0.9 - n / 100, ADAM | {"dropout": n / 20}) for n in range(3)]
    assert apart(rows[0].params, rows[2].params) < APART
    assert chosen(rows, 3) == [0, 1, 2]
    assert chosen(rows, 2) == [0, 2]  # the farther of two near ones


def test_the_same_point_twice_is_one_finalist() -> None:
    assert chosen([row(0, 0.9, ADAM), row(1, 0.8, dict(ADAM)), row(2, 0.7, SGD)], 3) == [0, 2]


@given(st.lists(points, min_size=1, max_size=8), st.integers(1, 4))
def test_there_are_as_many_finalists_as_asked_for_or_as_different_points(made: list[Values], count: int) -> None:
    rows = [row(n, 1 - n / 10, values) for n, values in enumerate(made)]
    found = chosen(rows, count)
    assert found[0] == 0
    assert found == sorted(found)
    assert len(found) <= count


@pytest.mark.parametrize(
    ("settings", "best", "epochs"),
    [
        ({"schedule": "cosine"}, 3, 9),
        ({"schedule": "step"}, 3, 9),
        ({"schedule": "none"}, 3, 3),
        ({"schedule": "plateau"}, 7, 7),
        ({"schedule": "none", "warmup_epochs": 4}, 3, 5),
    ],
)
def test_epochs_are_fixed_by_the_schedule(settings: dict[str, object], best: int, epochs: int) -> None:
    config = TrialConfig(epochs=9, **settings)  # type: ignore[arg-type]
    history = [{"epoch": epoch, "val/accuracy": 0.5 if epoch == best else 0.4} for epoch in range(1, 10)]
    length = fixed_length(config, history)
    assert length == epochs
    TrialConfig(**{**config.model_dump(), "epochs": length})


def sweep_with(folder: SweepFolder, trial: int, state: State, accuracies: list[float], params: Values) -> None:
    made = folder.trial(trial)
    made.root.mkdir(parents=True)
    made.write_config(params, space().config(params).model_dump())
    best = 0.0
    for epoch, accuracy in enumerate(accuracies, 1):
        best = max(best, accuracy)
        made.append({"epoch": epoch, "val/accuracy": accuracy, BEST: best})
    made.write_state(TrialState(state, len(accuracies), 1.0))


@pytest.fixture
def folder(tmp_path: object) -> SweepFolder:
    return create_sweep(tmp_path, "sweep")  # type: ignore[arg-type]


def test_failed_trials_and_those_without_an_epoch_are_no_finalists(folder: SweepFolder) -> None:
    sweep_with(folder, 0, "failed", [0.9], ADAM)
    sweep_with(folder, 1, "running", [], ADAM)
    sweep_with(folder, 2, "pruned", [0.3, 0.5, 0.4], SGD)
    (found,) = pick_finalists(folder, space(), 3, 100)
    assert (found.trial, found.score, found.config.epochs, found.params) == (2, 0.5, 2, SGD)


def test_the_first_of_two_equal_epochs_is_the_best(folder: SweepFolder) -> None:
    sweep_with(folder, 0, "finished", [0.3, 0.5, 0.5], SGD)
    assert pick_finalists(folder, space(), 1, 100)[0].config.epochs == 2


def test_a_sweep_without_a_score_has_no_finalists(folder: SweepFolder) -> None:
    sweep_with(folder, 0, "failed", [0.5], SGD)
    with pytest.raises(ResultsError, match="no trial has a score yet"):
        pick_finalists(folder, space(), 3, 100)


@pytest.mark.parametrize(("pictures", "trials"), [(400, [0, 1]), (40, [0, 2])])
def test_a_far_region_counts_only_within_the_noise_of_the_search(
    folder: SweepFolder, pictures: int, trials: list[int]
) -> None:
    sweep_with(folder, 0, "finished", [0.50], ADAM)
    sweep_with(folder, 1, "finished", [0.48], ADAM | {"dropout": 0.01})
    sweep_with(folder, 2, "finished", [0.40], SGD)
    assert [finalist.trial for finalist in pick_finalists(folder, space(), 2, pictures)] == trials


def test_who_lost_the_search_is_taken_where_rivals_are_too_few(folder: SweepFolder) -> None:
    for trial, (accuracy, params) in enumerate([(0.9, ADAM), (0.3, dict(ADAM)), (0.2, SGD)]):
        sweep_with(folder, trial, "finished", [accuracy], params)
    assert [finalist.trial for finalist in pick_finalists(folder, space(), 3, 1000)] == [0, 2]
