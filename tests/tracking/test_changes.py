"""Which runs have come further since the last look."""

from pathlib import Path

from made_record import RETRIEVAL, add_trial, ended_sweep, made_sweep, training

from carsray.results import SweepFolder
from carsray.tracking.changes import Changes, all_runs
from carsray.tracking.facts import read_facts


def seen(changes: Changes) -> list[tuple[str, int]]:
    return [(run.name, len(run.rows)) for run in changes.look()]


def changes_of(folder: SweepFolder) -> Changes:
    return Changes(folder, read_facts(folder))


def test_a_run_is_seen_once_and_again_when_it_has_come_further(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    changes = changes_of(folder)
    assert seen(changes) == []
    add_trial(folder, 0, [0.1], "running")
    add_trial(folder, 1, [0.2], "running")
    assert seen(changes) == [("cars-1 trial 0", 1), ("cars-1 trial 1", 1)]
    assert seen(changes) == []
    add_trial(folder, 1, [0.2, 0.3], "paused")
    assert seen(changes) == [("cars-1 trial 1", 2)]


def test_a_history_that_was_cut_back_is_seen_as_it_is_now(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    changes = changes_of(folder)
    add_trial(folder, 0, [0.1, 0.2], "running")
    seen(changes)
    folder.trial(0).cut_history(1)
    assert seen(changes) == [("cars-1 trial 0", 1)]


def test_all_stages_of_a_sweep_are_runs(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    training(folder.root / "confirm/0000/seed-0", 0.5)
    training(folder.root / "retrain/seed-0", 0.5)
    training(folder.root / "retrain/twin", 0.5)
    (folder.root / "retrieval.csv").write_text(RETRIEVAL)
    (folder.root / "retrieval-neighbours.csv").write_text("query,class,rank,neighbour,neighbour_class\na,b,1,c,d\n")
    runs = all_runs(folder, read_facts(folder))
    assert [run.job_type for run in runs] == ["trial"] * 3 + ["finalist"] + ["retrain"] * 2 + ["retrieval"]
    assert len({run.id for run in runs}) == len(runs)
