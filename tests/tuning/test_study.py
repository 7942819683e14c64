import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from carsray.tuning.study import StudyFile, open_storage


def trial_of(number: int, state: TrialState = TrialState.RUNNING, **scores: float) -> FrozenTrial:
    """A trial with one parameter; scores as e1=0.3."""
    reached = {int(name[1:]): score for name, score in scores.items()}
    return create_trial(
        state=state,
        value=max(reached.values()) if reached and state.is_finished() else None,
        params={"lr": 0.1 * number},
        distributions={"lr": FloatDistribution(0, 10)},
        intermediate_values=reached,
        user_attrs={"trial": number},
    )


def read(path: Path) -> list[FrozenTrial]:
    return optuna.load_study(study_name="s", storage=open_storage(path)).trials


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty study; making one takes a second."""
    path = tmp_path_factory.mktemp("study") / "study.db"
    StudyFile(path, "s")
    return path.read_bytes()


@pytest.fixture
def path(empty: bytes, tmp_path: Path) -> Path:
    (tmp_path / "study.db").write_bytes(empty)
    return tmp_path / "study.db"


def test_a_trial_is_there_from_its_beginning(path: Path) -> None:
    StudyFile(path, "s").begin(trial_of(3))
    (found,) = read(path)
    assert (found.state, found.params, found.user_attrs) == (
        TrialState.RUNNING,
        {"lr": pytest.approx(0.3)},
        {"trial": 3},
    )


def test_an_ended_trial_has_its_scores(path: Path) -> None:
    file = StudyFile(path, "s")
    file.begin(trial_of(0))
    file.end(trial_of(0, TrialState.PRUNED, e1=0.2, e3=0.4))
    (found,) = read(path)
    assert (found.state, found.value, found.intermediate_values) == (TrialState.PRUNED, 0.4, {1: 0.2, 3: 0.4})


def test_a_failed_trial_says_why(path: Path) -> None:
    file = StudyFile(path, "s")
    file.begin(trial_of(0))
    failed = trial_of(0, TrialState.FAIL)
    failed.user_attrs["failed"] = "loss became nan"
    file.end(failed)
    (found,) = read(path)
    assert (found.state, found.user_attrs["failed"]) == (TrialState.FAIL, "loss became nan")


def test_a_later_process_goes_on_with_the_same_entries(path: Path) -> None:
    first = StudyFile(path, "s")
    for number in (0, 1):
        first.begin(trial_of(number))
    first.end(trial_of(0, TrialState.COMPLETE, e1=0.5))
    later = StudyFile(path, "s")
    for number in (0, 1, 2):
        later.begin(trial_of(number))
    later.end(trial_of(0, TrialState.COMPLETE, e1=0.5))
    later.end(trial_of(1, TrialState.PRUNED, e1=0.1))
    assert [trial.state for trial in read(path)] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING]


def test_a_trial_drawn_anew_with_other_parameters_has_an_entry_of_its_own(path: Path) -> None:
    StudyFile(path, "s").begin(trial_of(3))
    drawn = trial_of(3)
    drawn.params = {"lr": 0.7}
    for _ in range(2):  # and a process after that knows it as it is
        file = StudyFile(path, "s")
        file.begin(drawn)
    drawn.state, drawn.value, drawn.intermediate_values = TrialState.PRUNED, 0.2, {1: 0.2}
    file.end(drawn)
    found = [(trial.state, trial.params["lr"], trial.value) for trial in read(path)]
    assert found == [(TrialState.FAIL, pytest.approx(0.3), None), (TrialState.PRUNED, 0.7, 0.2)]


def test_a_lost_file_is_written_again(tmp_path: Path) -> None:
    file = StudyFile(tmp_path / "new.db", "s")
    done = trial_of(0, TrialState.COMPLETE, e1=0.5)
    file.begin(done)
    file.end(done)
    assert [(trial.state, trial.value) for trial in read(tmp_path / "new.db")] == [(TrialState.COMPLETE, 0.5)]


def test_trials_that_nobody_knows_are_closed(path: Path) -> None:
    """The sampler's own draws that did not fit were kept there once."""
    storage = open_storage(path)
    storage.create_new_trial(storage.get_study_id_from_name("s"))
    StudyFile(path, "s")
    assert [trial.state for trial in read(path)] == [TrialState.FAIL]


def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_bytes(b"not a database, " * 100)
    StudyFile(path, "s").begin(trial_of(0))
    assert [trial.state for trial in read(path)] == [TrialState.RUNNING]
    assert path.with_suffix(".broken").read_bytes().startswith(b"not a database")


def test_a_copy_that_cannot_be_written_says_so_and_disturbs_nobody(path: Path) -> None:
    file = StudyFile(path, "s")
    file.begin(trial_of(0))
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE trial_values")
        other.commit()
    file.end(trial_of(0, TrialState.COMPLETE, e1=0.5))
    assert file.problem.startswith(f"{path}: lacks some trials (")
