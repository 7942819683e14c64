import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny_sweeps import fake_trial, space_of

from carsray.leaderboard import TrialRow
from carsray.results import BEST, create_sweep
from carsray.tuning.picture import describe, duration, number, trial_table
from carsray.tuning.record import Recorder
from carsray.tuning.view import View

GOOD = TrialRow(4, "finished", 3, {BEST: 0.75}, 61.4, {"optimizer": "sgd", "lr": 0.0123456, "momentum": 0.9})
BAD = TrialRow(5, "failed", 0, {}, 2.0, {"optimizer": "adam", "lr": 0.1}, "loss became nan\nand a traceback")


def printed(table: object) -> list[list[str]]:
    """The words of each line."""
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def recorder_of(tmp_path: Path, *rows: TrialRow) -> Recorder:
    return Recorder(create_sweep(tmp_path, "tiny"), space_of(), rows)


def test_a_table_has_the_searched_parameters_as_columns() -> None:
    head, good, bad = printed(trial_table([GOOD, BAD], ["optimizer", "lr", "momentum"]))
    assert head == ["trial", "state", "epochs", BEST, "optimizer", "lr", "momentum", "seconds"]
    assert good == ["4", "finished", "3", "0.7500", "sgd", "0.0123", "0.9", "61"]
    assert bad == ["5", "failed", "0", "adam", "0.1", "2"]  # no score, no momentum


def test_a_trial_in_one_line() -> None:
    assert describe(GOOD) == "trial 4 finished after 3 epochs: 0.7500 [optimizer=sgd lr=0.0123 momentum=0.9]"
    assert describe(BAD) == "trial 5 failed after 0 epochs: no score (loss became nan) [optimizer=adam lr=0.1]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(0.0001234, "0.000123"), (32, "32"), (True, "True"), ("sgd", "sgd")])
def test_values_are_short(value: object, text: str) -> None:
    assert number(value) == text


def test_without_a_terminal_every_trial_that_ends_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View(recorder_of(tmp_path, GOOD, BAD), total=6)
    monkeypatch.setattr(View, "_elapsed", lambda view: 5.0)
    view.setup()
    view.on_trial_complete(0, [], fake_trial(4))
    view.on_trial_error(0, [], fake_trial(5))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{describe(GOOD)} | 2/6 trials | 1 failed | best 0.750 (trial 4) | 5 s gone")
    assert second.startswith(describe(BAD))


def test_the_time_left_counts_only_epochs_of_this_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = recorder_of(tmp_path, GOOD)
    view = View(recorder, total=3)
    view.on_trial_complete(0, [], fake_trial(4))
    assert "left" not in capsys.readouterr().err  # nothing was trained since the start: there is no telling
    recorder.rows[5] = replace(BAD, epochs=1)
    view.on_trial_result(0, [], fake_trial(5), {"epoch": 1})
    view.on_trial_complete(0, [], fake_trial(5))
    assert capsys.readouterr().err.endswith("left\n")


def test_the_time_left_is_told_of_a_trial_that_goes_on_from_an_early_snapshot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorder_of(tmp_path, replace(GOOD, state="running", epochs=28))
    view = View(recorder, total=3)
    monkeypatch.setattr(View, "_elapsed", lambda view: 60.0)
    recorder.rows[4] = replace(GOOD, state="running", epochs=12)
    view.on_trial_complete(0, [], fake_trial(4))
    recorder.rows[4] = replace(GOOD, state="running", epochs=13)
    view.on_trial_result(0, [], fake_trial(4), {"epoch": 13})
    view.on_trial_complete(0, [], fake_trial(4))
    before, after = capsys.readouterr().err.splitlines()
    assert before.endswith("1 min 00 s gone")
    assert after.endswith("about 3 min 00 s left")  # three trials of an epoch at least each, as dear as this one


def test_storage_that_cannot_be_reached_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = recorder_of(tmp_path, GOOD)
    view = View(recorder, total=3)
    view.setup()
    view.on_step_end(0, [])
    assert capsys.readouterr().err == ""
    recorder.watch.problem = "s3://b/x: cannot be written (no route)"
    view.on_step_end(1, [])
    view.on_step_end(2, [])
    told = capsys.readouterr().err
    assert told == "warning: storage: s3://b/x: cannot be written (no route). The sweep goes on\n"
