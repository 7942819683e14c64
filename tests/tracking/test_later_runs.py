"""What comes after the search, as runs."""

from pathlib import Path

import pytest
from made_record import FINALISTS, RETRIEVAL, made_sweep, training

from carsray.errors import ResultsError
from carsray.results import BEST
from carsray.tracking.facts import SweepFacts, read_facts
from carsray.tracking.later_runs import RANK, finalist_run, retrain_run, retrieval_run, verdict_run


@pytest.fixture
def facts(tmp_path: Path) -> SweepFacts:
    return read_facts(made_sweep(tmp_path))


def test_a_repetition_counts_by_its_last_epoch_and_not_by_the_score_of_the_search(
    tmp_path: Path, facts: SweepFacts
) -> None:
    root = training(tmp_path / "confirm/0007/seed-2", 0.5, 0.4)
    run = finalist_run(root, facts)
    assert run is not None
    assert (run.job_type, run.state, run.config["trial"], run.config["repetition"]) == ("finalist", "running", 7, 3)
    (root / "answers.csv").touch()
    run = finalist_run(root, facts)
    assert run is not None
    assert (run.state, run.summary["finalist/accuracy"]) == ("finished", 0.4)
    assert BEST not in run.rows[0]


def test_a_repetition_with_another_seed_is_another_run(tmp_path: Path, facts: SweepFacts) -> None:
    first = finalist_run(training(tmp_path / "a/0007/seed-0"), facts)
    second = finalist_run(training(tmp_path / "b/0007/seed-0", seed=1), facts)
    assert first
    assert second
    assert first.id != second.id


def test_a_repetition_that_failed_says_why(tmp_path: Path, facts: SweepFacts) -> None:
    root = training(tmp_path / "confirm/0007/seed-0")
    (root / "failed.txt").write_text("out of memory\ntraceback")
    run = finalist_run(root, facts)
    assert run
    assert (run.state, run.summary["reason"]) == ("failed", "out of memory")


def test_a_retrain_that_is_through_has_its_weights(tmp_path: Path, facts: SweepFacts) -> None:
    root = training(tmp_path / "retrain/seed-0", 0.5)
    run = retrain_run(root, facts)
    assert run
    assert (run.state, run.files) == ("running", ())
    (root / "checkpoint.safetensors").touch()
    run = retrain_run(root, facts)
    assert run
    assert (run.state, run.files) == ("finished", (root / "checkpoint.safetensors",))


def test_a_folder_that_has_no_config_yet_is_no_run(tmp_path: Path, facts: SweepFacts) -> None:
    assert retrain_run(tmp_path / "retrain/twin", facts) is None


def test_a_config_that_cannot_be_read_is_told(tmp_path: Path, facts: SweepFacts) -> None:
    root = training(tmp_path / "retrain/twin")
    (root / "config.json").write_text("{}")
    with pytest.raises(ResultsError, match=r"config\.json: cannot be read"):
        retrain_run(root, facts)


def test_the_verdict_has_a_step_a_finalist_with_the_ends_of_its_interval(tmp_path: Path, facts: SweepFacts) -> None:
    path = tmp_path / "finalists.csv"
    assert verdict_run(path, facts) is None
    path.write_text(FINALISTS)
    run = verdict_run(path, facts)
    assert run
    assert run.axis == RANK
    ends = {"finalist/mean": 0.55, "finalist/low": 0.5, "finalist/high": 0.6, "finalist/search_score": 0.6}
    assert run.rows[0] == {RANK: 1, "trial": 7, **ends}
    assert "finalist/low" not in run.rows[1]
    path.write_text(FINALISTS.replace("0.55", "0.56"))
    other = verdict_run(path, facts)
    assert other
    assert other.id != run.id


def test_retrieval_has_the_best_accuracy_over_k_by_distance_and_the_best_point(
    tmp_path: Path, facts: SweepFacts
) -> None:
    path = tmp_path / "retrieval.csv"
    path.write_text(RETRIEVAL)
    run = retrieval_run(path, facts)
    assert run
    assert run.rows == (
        {"k": 1, "retrieval/l2/cosine/accuracy": 0.8},
        {"k": 5, "retrieval/l2/cosine/accuracy": 0.9, "retrieval/none/euclidean/accuracy": 0.6},
    )
    assert (run.summary["retrieval/best/k"], run.summary["retrieval/low"]) == ("5", 0.8)
