import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from carsray.errors import ResultsError
from carsray.leaderboard import TrialRow, ranked, read_rows, write_table
from carsray.results import BEST, SweepFolder, TrialFolder, TrialState, create_sweep, next_name, open_sweep


def epoch(number: int, accuracy: float, best: float) -> dict[str, Any]:
    return {"epoch": number, "val/accuracy": accuracy, BEST: best, "train/loss": 1 / number}


def row(trial: int, score: float | None = None, **changes: Any) -> TrialRow:
    best = {} if score is None else {BEST: score, "val/accuracy": score}
    return replace(TrialRow(trial, "finished", 3, best, 1.5, {"lr": 0.1}), **changes)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    return create_sweep(tmp_path, "cars-1")


@pytest.fixture
def trial(sweep: SweepFolder) -> TrialFolder:
    folder = sweep.trial(7)
    folder.write_config({"lr": 0.1}, {"lr": 0.1, "epochs": 3})
    folder.write_state(TrialState("running"))
    return folder


def test_the_folder_is_laid_out_as_documented(sweep: SweepFolder, tmp_path: Path) -> None:
    trial = sweep.trial(17)
    paths = [sweep.space, sweep.settings, sweep.split, sweep.study, sweep.table, sweep.importances, sweep.trials]
    paths += [trial.config, trial.history, trial.state, trial.checkpoint]
    assert [str(path.relative_to(tmp_path / "cars-1")) for path in paths] == [
        *("space.toml", "sweep.json", "split.csv", "study.db", "trials.csv", "importances.json", "trials"),
        *("trials/0017/config.json", "trials/0017/history.jsonl", "trials/0017/state.json"),
        "trials/0017/checkpoint.safetensors",
    ]


def test_a_new_sweep_has_a_folder_and_no_trials(sweep: SweepFolder, tmp_path: Path) -> None:
    assert (tmp_path / "cars-1" / "trials").is_dir()
    assert sweep.name == "cars-1"
    assert list(sweep.all_trials()) == []


def test_a_sweep_makes_the_folder_of_all_sweeps(tmp_path: Path) -> None:
    assert create_sweep(tmp_path / "a" / "b", "cars").trials.is_dir()


def test_a_taken_name_is_told_with_what_to_do(sweep: SweepFolder, tmp_path: Path) -> None:
    sweep.settings.write_text("{}")
    with pytest.raises(ResultsError, match=r"cars-1: exists already\. Choose another --name, or .* carsray resume car"):
        create_sweep(tmp_path, "cars-1")


@pytest.mark.parametrize("inside", [None, "report.md", "trials/0000/config.json"])
def test_a_name_is_taken_by_whatever_has_it(tmp_path: Path, inside: str | None) -> None:
    path = tmp_path / "cars-1" / inside if inside else tmp_path / "cars-1"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    with pytest.raises(ResultsError, match="exists already"):
        create_sweep(tmp_path, "cars-1")


def test_a_sweep_that_died_before_it_had_a_record_bars_no_name(sweep: SweepFolder, tmp_path: Path) -> None:
    sweep.space.write_text("")
    assert create_sweep(tmp_path, "cars-1").trials.is_dir()


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a/", "/tmp/a"])
def test_a_name_is_a_plain_folder_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultsError, match=r"must be a plain folder name such as cars-1"):
        create_sweep(tmp_path, name)


def test_a_file_in_place_of_the_results_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(ResultsError, match=r"cannot be created: Not a directory\. Choose another --results"):
        create_sweep(tmp_path / "results", "cars-1")


def test_the_next_name_is_the_first_free_one(tmp_path: Path) -> None:
    assert next_name(tmp_path / "not there yet", "cars") == "cars-1"
    for name in ("cars-1", "cars-3", "vans-2"):
        create_sweep(tmp_path, name)
    assert next_name(tmp_path, "cars") == "cars-2"


def test_opening_a_sweep_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    for name in ("b", "a", "begun"):
        folder = create_sweep(tmp_path, name)
        if name != "begun":
            folder.settings.write_text("{}")
    with pytest.raises(ResultsError, match=r"nope: is no sweep\. Sweeps there: a, b$"):
        open_sweep(tmp_path, "nope")
    assert open_sweep(tmp_path, "a").read_settings() == {}


def test_without_any_sweep_there_are_none_to_list(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"is no sweep\. There are no sweeps$"):
        open_sweep(tmp_path / "results", "cars-1")


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", "3"])
def test_settings_that_cannot_be_read_are_one_line(sweep: SweepFolder, content: str | None) -> None:
    if content is not None:
        sweep.settings.write_text(content)
    with pytest.raises(ResultsError, match=r"sweep\.json: cannot be read \(.*\)\. Restore it or start a new sweep"):
        sweep.read_settings()


def test_a_trial_gives_back_what_was_written(trial: TrialFolder) -> None:
    state = TrialState("failed", 2, 1.5, "out of memory", "node-1")
    trial.write_state(state)
    assert trial.read_state() == state
    assert trial.read_params() == {"lr": 0.1}
    assert json.loads(trial.config.read_text())["config"] == {"lr": 0.1, "epochs": 3}


@pytest.mark.parametrize("name", ["config", "state"])
def test_a_damaged_trial_is_one_line(trial: TrialFolder, name: str) -> None:
    (trial.root / f"{name}.json").write_text("{}")
    with pytest.raises(ResultsError, match=f"{name}.json: cannot be read"):
        trial.read_params() if name == "config" else trial.read_state()


def test_a_history_gives_back_every_epoch(trial: TrialFolder) -> None:
    assert trial.read_history() == []
    epochs = [epoch(1, 0.4, 0.4), epoch(2, 0.3, 0.4)]
    for metrics in epochs:
        trial.append(metrics)
    assert trial.read_history() == epochs
    assert len(trial.history.read_text().splitlines()) == 2


def test_a_last_line_cut_short_is_left_out(trial: TrialFolder) -> None:
    for number in (1, 2):
        trial.append(epoch(number, 0.5, 0.5))
    whole = trial.history.read_text()
    second = whole.index("\n") + 1
    for end in range(second, len(whole) - 2):
        trial.history.write_text(whole[:end])
        assert trial.read_history() == [epoch(1, 0.5, 0.5)]


def test_any_other_broken_line_is_an_error(trial: TrialFolder) -> None:
    trial.append(epoch(1, 0.5, 0.5))
    trial.history.write_text('{"epo\n' + trial.history.read_text())
    with pytest.raises(ResultsError, match=r"history\.jsonl: line 1 is not JSON\. Restore the file or delete it"):
        trial.read_history()


def test_trials_come_by_number_and_strangers_are_ignored(sweep: SweepFolder) -> None:
    for name in ("10000", "0002", "9999", ".DS_Store", "notes"):
        (sweep.trials / name).mkdir()
    assert [trial.number for trial in sweep.all_trials()] == [2, 9999, 10000]


def test_a_row_keeps_the_metrics_of_its_best_epoch() -> None:
    begun = TrialRow(0, "running", 0, {}, 0.0, {})
    assert begun.score == -math.inf
    first = begun.after(epoch(1, 0.4, 0.4), 2.0)
    better = first.after(epoch(2, 0.6, 0.6), 3.0)
    worse = better.after(epoch(3, 0.5, 0.6), 1.0)
    assert (worse.epochs, worse.seconds, worse.score) == (3, 6.0, 0.6)
    assert worse.best == better.best == {"val/accuracy": 0.6, BEST: 0.6, "train/loss": 0.5}
    assert begun.best == {}


def test_an_equal_epoch_later_does_not_replace_the_best() -> None:
    row = TrialRow(0, "running", 0, {}, 0.0, {}).after(epoch(1, 0.4, 0.4), 0).after(epoch(2, 0.4, 0.4), 0)
    assert row.best["train/loss"] == 1.0


def test_an_accuracy_of_nothing_is_still_a_score() -> None:
    assert TrialRow(0, "running", 0, {}, 0.0, {}).after(epoch(1, 0.0, 0.0), 0).best[BEST] == 0.0


def test_rows_are_read_back_from_the_trials_folders(sweep: SweepFolder, trial: TrialFolder) -> None:
    for metrics in (epoch(1, 0.4, 0.4), epoch(2, 0.6, 0.6), epoch(3, 0.5, 0.6)):
        trial.append(metrics)
    trial.write_state(TrialState("pruned", 3, 12.5))
    sweep.trial(8).write_config({"lr": 0.2}, {})
    sweep.trial(8).write_state(TrialState("failed", reason="loss is nan"))
    sweep.trial(9).write_config({"lr": 0.3}, {})  # killed before its first state
    best = {"val/accuracy": 0.6, BEST: 0.6, "train/loss": 0.5}
    assert read_rows(sweep) == [
        TrialRow(7, "pruned", 3, best, 12.5, {"lr": 0.1}),
        TrialRow(8, "failed", 0, {}, 0.0, {"lr": 0.2}, "loss is nan"),
    ]


def test_the_best_comes_first_and_failures_last() -> None:
    rows = [row(0), row(1, 0.9, state="failed"), row(2, 0.5), row(3, 0.7), row(4, 0.5), row(5, state="failed")]
    assert [r.trial for r in ranked(rows)] == [3, 2, 4, 0, 1, 5]


def read_table(folder: SweepFolder) -> tuple[list[str], list[dict[str, str]]]:
    with folder.table.open(newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), list(reader)


def test_the_table_has_a_row_a_trial_in_the_order_given(sweep: SweepFolder) -> None:
    rows = [
        row(3, 0.75, params={"optimizer": "sgd", "step_epochs": 7, "lr": 0.001}),
        row(1, 0.5, state="pruned", epochs=1, params={"optimizer": "adam", "lr": 0.1}, seconds=2.3456),
        row(2, None, state="failed", epochs=0, params={"optimizer": "a,b", "lr": 1e-05}),
    ]
    write_table(sweep, rows, ["lr", "optimizer", "step_epochs"])
    columns, lines = read_table(sweep)
    assert columns == ["trial", "state", "epochs", BEST, "val/accuracy", "seconds", "lr", "optimizer", "step_epochs"]
    assert [list(line.values()) for line in lines] == [
        ["3", "finished", "3", "0.75", "0.75", "1.5", "0.001", "sgd", "7"],
        ["1", "pruned", "1", "0.5", "0.5", "2.35", "0.1", "adam", ""],
        ["2", "failed", "0", "", "", "1.5", "1e-05", "a,b", ""],
    ]


def test_the_table_has_its_columns_before_the_first_trial(sweep: SweepFolder) -> None:
    write_table(sweep, [], ["lr"])
    assert sweep.table.read_text() == f"trial,state,epochs,{BEST},seconds,lr\n"


def test_a_table_that_cannot_be_written_leaves_nothing_behind(sweep: SweepFolder) -> None:
    sweep.table.mkdir()
    with pytest.raises(ResultsError, match=r"trials\.csv: cannot be written"):
        write_table(sweep, [row(0, 0.5)], ["lr"])
    assert {path.name for path in sweep.root.iterdir()} == {"trials", "trials.csv"}


def test_a_command_finds_a_sweep_whose_name_or_place_has_a_space() -> None:
    assert SweepFolder(Path("results/my space-1")).arguments == "'my space-1'"
    assert SweepFolder(Path("/my disk/cars-1")).arguments == "cars-1 --results '/my disk'"
