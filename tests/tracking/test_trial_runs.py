"""Trials as runs: what a tracker is to show of them."""

import shutil
from pathlib import Path

import pytest
from made_record import add_trial, ended_sweep, made_sweep

from carsray.config import TrialConfig
from carsray.results import BEST, SweepFolder
from carsray.tracking.facts import HOURS, RUNG, read_facts
from carsray.tracking.run import TrackedRun
from carsray.tracking.trial_runs import is_settled, trial_run


def run_of(folder: SweepFolder, number: int, settled: bool = False) -> TrackedRun:
    run = trial_run(folder.trial(number), read_facts(folder), settled)
    assert run is not None
    return run


def test_every_epoch_is_a_row_with_its_metrics_its_time_and_no_text(tmp_path: Path) -> None:
    run = run_of(ended_sweep(tmp_path), 0)
    assert [row["epoch"] for row in run.rows] == [1, 2, 3]
    assert [row[BEST] for row in run.rows] == [0.2, 0.5, 0.5]
    assert [row["_timestamp"] for row in run.rows] == [1_000_060.0, 1_000_120.0, 1_000_180.0]
    assert run.rows[1][HOURS] == pytest.approx(2 / 60, abs=1e-5)
    assert run.rows[0]["system/processors"] == 0.9
    assert not {"outlived", "time"} & run.rows[0].keys()


def test_the_score_is_there_once_more_at_rungs(tmp_path: Path) -> None:
    assert [row.get(RUNG) for row in run_of(ended_sweep(tmp_path), 0).rows] == [0.2, 0.5, None]


def test_the_config_is_flat_and_has_the_settings_as_they_are(tmp_path: Path) -> None:
    config = run_of(ended_sweep(tmp_path), 1).config
    assert config.keys() > TrialConfig.model_fields.keys()
    assert (config["lr"], config["unfreeze_depth"], config["batchnorm"]) == (0.001, "all", True)
    assert (config["sweep"], config["trial"]) == ("cars-1", 1)
    assert not any(isinstance(value, dict | list) for value in config.values())


def test_tags_say_what_is_trained_how_and_how_it_ended(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    assert [run_of(folder, number).tags for number in range(3)] == [
        ("cnn", "sgd", "baseline"),
        ("cnn", "adam", "pruned"),
        ("cnn", "sgd", "failed"),
    ]


def test_a_failed_trial_says_why_in_a_line_and_of_what_kind(tmp_path: Path) -> None:
    run = run_of(ended_sweep(tmp_path), 2)
    assert run.state == "failed"
    assert (run.summary["reason"], run.summary["trial/failed"]) == ("loss became nan", 1)
    assert run.config["outcome"] == "failed: trial"


def test_the_cost_is_in_hours_and_in_gpu_hours(tmp_path: Path) -> None:
    summary = run_of(ended_sweep(tmp_path), 0).summary
    assert (summary["cost/hours"], summary["cost/gpu_hours"]) == (0.025, 0.0125)


def test_weights_belong_to_a_run_once_the_sweep_is_settled(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    assert run_of(folder, 0).files == ()
    assert run_of(folder, 0, settled=True).files == (folder.trial(0).checkpoint,)
    assert run_of(folder, 1, settled=True).files == ()


def test_a_sweep_is_settled_when_it_has_ended_by_itself_and_nobody_works_on_it(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    assert is_settled(folder)
    folder.append_run("began")
    assert not is_settled(folder)
    folder.append_run("ended", why="interrupted")
    assert not is_settled(folder)


def test_a_sweep_that_ended_at_a_limit_is_settled_with_trials_that_could_go_on(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    add_trial(folder, 1, [0.1], "paused")
    folder.append_run("ended", why="1 hour is over")
    assert is_settled(folder)


def test_a_trial_whose_record_has_only_begun_is_no_run_yet(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    folder.trial(0).root.mkdir()
    assert trial_run(folder.trial(0), read_facts(folder)) is None


def test_the_id_stays_when_the_folder_is_renamed_and_the_sweep_extended(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    before = run_of(folder, 0).id
    shutil.move(folder.root, tmp_path / "other")
    moved = SweepFolder(tmp_path / "other")
    text = moved.settings.read_text()
    moved.settings.write_text(text.replace('"trials": 3', '"trials": 30'))
    assert moved.settings.read_text() != text
    assert run_of(moved, 0).id == before


def test_two_sweeps_of_one_name_have_other_ids(tmp_path: Path) -> None:
    first, second = ended_sweep(tmp_path / "a"), ended_sweep(tmp_path / "b")
    text = second.settings.read_text()
    second.settings.write_text(text.replace('"started": "2', '"started": "3'))
    assert run_of(first, 0).id != run_of(second, 0).id
