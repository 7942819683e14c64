from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from carsray.cli.summary import print_summary
from carsray.config import SweepSettings
from carsray.data.records import DataSplit, Row
from carsray.errors import SweepFailed
from carsray.leaderboard import TrialRow
from carsray.results import BEST, SweepFolder, create_sweep
from carsray.space_file import parse_space
from carsray.tuning.doubts import edges

SPACE = parse_space(
    """
[fixed]
epochs = 3
[search]
lr = { low = 1e-4, high = 1e-1, log = true }
dropout = { low = 0.1, high = 0.5 }
optimizer = { choices = ["sgd", "adam"] }
""",
    "tiny.toml",
    {},
)
ROWS = tuple(Row(f"/{number}.jpg", number % 2, str(number)) for number in range(100))
SPLIT = DataSplit(("a", "b"), ROWS, ROWS, ROWS[:40], "held out, not the official test", "f")


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return create_sweep(tmp_path, "tiny")


def row_of(trial: int, score: float | None, state: Any = "finished", **params: Any) -> TrialRow:
    best = {} if score is None else {BEST: score}
    return TrialRow(trial, state, 3, best, 1.0, {"lr": 0.01, "dropout": 0.3, "optimizer": "sgd"} | params)


def summary(capsys: pytest.CaptureFixture[str], folder: SweepFolder, rows: list[TrialRow], trials: int = 3) -> str:
    """Of a sweep that is complete, unless the folder says otherwise."""
    if not folder.read_runs():
        folder.append_run("ended", why="complete")
    settings = SweepSettings(data=Path("/cars"), cache=Path("/cache"), trials=trials)
    print_summary(folder, SPACE, SPLIT, settings, rows)
    return capsys.readouterr().out


def test_the_best_trial_leads_and_its_files_are_named(folder: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.table.write_text("trial")
    out = summary(capsys, folder, [row_of(0, 0.5), row_of(1, 0.75), row_of(2, 0.6, "pruned")])
    head, first, second, third, *_ = out.splitlines()
    assert head.split() == ["trial", "state", "epochs", BEST, "lr", "dropout", "optimizer", "seconds"]
    assert [line.split()[0] for line in (first, second, third)] == ["1", "2", "0"]
    assert "Best: trial 1, val/accuracy 0.7500" in out
    assert f"{folder.table}  all trials" in out
    assert "checkpoint" not in out  # it is not there, so it is not named
    assert "trials have ended" not in out


def test_the_noise_of_the_score_and_the_seal_are_told(folder: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    out = summary(capsys, folder, [row_of(0, 0.5)], trials=1)
    # 1.96 * sqrt(0.25 / 100) = 9.8 points
    assert "Scored on val, 100 pictures: differences below about 9.6 points are within its noise" in out
    assert "The test split (40 pictures, held out, not the official test) stayed sealed." in out


def test_where_the_time_went_is_told(folder: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    trial = folder.trial(0)
    trial.root.mkdir()
    trial.write_config({}, {"batch_size": 20})
    trial.append({"epoch": 1, BEST: 0.5, "seconds/compute": 2.0, "seconds/validation": 6.0})
    out = summary(capsys, folder, [row_of(0, 0.5)], trials=1)
    assert "Where 8 s in all slots went: validation 75%, training 25%" in out
    assert "Training: 50 pictures a second and slot, 100% of its time computing" in out


def test_an_interrupted_sweep_says_how_to_go_on(folder: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.append_run("began")
    out = summary(capsys, folder, [row_of(0, 0.5), row_of(1, 0.4, "running")], trials=5)
    command = f"carsray resume tiny --results {folder.root.parent}"
    assert f"Interrupted: 1 of 5 trials have ended. Go on with: {command}" in out


FAILED = [TrialRow(number, "failed", 0, {}, 1.0, {"lr": 0.1}, "no memory") for number in range(1, 6)]


@pytest.mark.parametrize(
    ("why", "rows", "code", "told"),
    [
        ("complete", [row_of(0, 0.5)] * 6, 0, ""),
        ("interrupted", [row_of(0, 0.5)], 130, "Interrupted: 1 of 6 trials have ended. Go on with: carsray resume"),
        ("interrupted", FAILED, 130, "Interrupted: 5 of 6 trials have ended. Go on with: carsray resume"),
        (
            "5 trials failed in a row",
            FAILED,
            1,
            "5 of 6 trials have ended. Once the cause is mended, go on with: carsray r",
        ),
        (
            "5 trials failed in a row",
            [row_of(0, 0.5), *FAILED],
            1,
            "6 of 6 trials have ended. Once the cause is mended, go on with: carsray extend",
        ),
        (
            "the budget of 2 hours is spent",
            [row_of(0, 0.5), *[row_of(1, 0.4, "paused")] * 5],
            0,
            "The budget of 2 hours is spent: 1 of 6 trials have ended. Go on with: carsray extend tiny",
        ),
    ],
)
def test_the_exit_code_and_the_last_line_go_by_why_a_sweep_ended(
    why: str,
    rows: list[TrialRow],
    code: int,
    told: str,
    folder: SweepFolder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder.append_run("ended", why=why)
    settings = SweepSettings(data=Path("/"), cache=Path("/"), trials=6)
    assert print_summary(folder, SPACE, SPLIT, settings, rows) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert told in last
    assert ("trials have ended" in last) is bool(told)


def test_failures_are_counted_with_the_first_reason(folder: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    failed = [TrialRow(n, "failed", 0, {}, 1.0, {"lr": 0.1}, f"loss became nan in epoch {n}") for n in (1, 2)]
    out = summary(capsys, folder, [row_of(0, 0.5), *failed])
    assert "2 trials failed; the first, trial 1: loss became nan in epoch 1" in out


@pytest.mark.parametrize(("nodes", "told"), [("aab", ", all on a"), ("aaa", ""), ("abb", "")])
def test_that_all_failures_come_from_one_node_of_several_is_told(
    nodes: str, told: str, folder: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [replace(row_of(n, 0.5, state), node=nodes[n]) for n, state in enumerate(("failed", "failed", "finished"))]
    assert f"2 trials failed{told}; the first, trial 0" in summary(capsys, folder, rows)


def test_a_sweep_interrupted_before_its_first_trial_ended_says_how_to_go_on(
    folder: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SweepSettings(data=Path("/cars"), cache=Path("/cache"), trials=3)
    assert print_summary(folder, SPACE, SPLIT, settings, [row_of(0, None, "running")]) == 130
    assert "Go on with: carsray resume tiny" in capsys.readouterr().out


def test_what_is_kept_on_disk_is_told(folder: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.trial(0).root.mkdir()
    folder.trial(0).checkpoint.write_bytes(b"w" * 2000)
    assert "Weights and snapshots on disk: 2.0 kB" in summary(capsys, folder, [row_of(0, 0.5)], trials=1)


def test_a_sweep_without_a_score_has_failed(folder: SweepFolder) -> None:
    rows = [TrialRow(0, "failed", 0, {}, 1.0, {}, "no memory")]
    folder.append_run("ended", why="complete")
    with pytest.raises(SweepFailed, match=r"none of 1 trials reached the end of an epoch\.$"):
        print_summary(folder, SPACE, SPLIT, SweepSettings(data=Path("/"), cache=Path("/")), rows)


def test_a_sweep_without_a_score_at_its_limit_says_how_to_go_on(folder: SweepFolder) -> None:
    folder.append_run("ended", why="the budget of 2 hours is spent")
    with pytest.raises(SweepFailed, match=r"The budget of 2 hours is spent: 0 of 20 .* carsray extend tiny"):
        print_summary(
            folder, SPACE, SPLIT, SweepSettings(data=Path("/"), cache=Path("/")), [row_of(0, None, "running")]
        )


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"lr": 0.01, "dropout": 0.3}, []),
        ({"lr": 0.0, "dropout": 0.3}, []),  # a start point from outside of the space
        ({"lr": 0.09, "dropout": 0.3}, ["best lr 0.09 sits at the high end"]),
        ({"lr": 1.2e-4, "dropout": 0.3}, ["best lr 0.00012 sits at the low end"]),
        ({"lr": 0.01, "dropout": 0.11}, ["best dropout 0.11 sits at the low end"]),
        (
            {"lr": 0.09, "dropout": 0.49},
            ["best lr 0.09 sits at the high end", "best dropout 0.49 sits at the high end"],
        ),
    ],
)
def test_a_best_value_at_the_end_of_its_range_is_told(params: dict[str, float], told: list[str]) -> None:
    found = list(edges(SPACE, row_of(0, 0.5, **params)))
    assert [line.split(" end of ")[0] + " end" for line in found] == told


def test_no_edge_is_told_where_the_setting_itself_goes_no_further() -> None:
    space = parse_space("[search]\ndropout = { low = 0.0, high = 0.5 }\n", "tiny.toml", {})
    assert list(edges(space, TrialRow(0, "finished", 1, {BEST: 0.5}, 1.0, {"dropout": 0.0}))) == []
