import json
import time
from pathlib import Path

import pytest
from made_report import BEGAN, Told, made, made_sweep

from carsray.errors import ResultsError
from carsray.report.reading import read_sweep
from carsray.results import SweepFolder


def test_a_sweep_that_ended_by_itself_is_complete(tmp_path: Path) -> None:
    assert made(tmp_path).standing == "complete"


def test_a_sweep_that_ended_otherwise_says_why(tmp_path: Path) -> None:
    sweep = made(tmp_path, ended="the budget of 2 hours is spent")
    assert (sweep.standing, sweep.why) == ("ended early", "the budget of 2 hours is spent")


def test_a_sweep_that_a_process_holds_is_running(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path, ended=None)
    with folder.alone():
        assert read_sweep(folder).standing == "running"


def test_a_sweep_that_nobody_holds_and_that_is_silent_was_cut_off(tmp_path: Path) -> None:
    assert made(tmp_path, ended=None).standing == "cut off"


def test_a_sweep_that_wrote_lately_is_running_on_some_machine(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path, ended=None)
    _append_epoch(folder, time.time() - 5)
    assert read_sweep(folder).standing == "running"


def test_looking_does_not_keep_others_off_the_sweep(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    read_sweep(folder)
    with folder.alone():
        pass


def test_breaks_between_processes_do_not_count(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path, [Told([0.1, 0.2])])  # 20 seconds
    later = BEGAN + 5000
    with folder.runs.open("a") as runs:
        runs.write(json.dumps({"event": "began", "time": later}) + "\n")
    _append_epoch(folder, later + 30)
    sweep = read_sweep(folder)
    assert sweep.seconds == 50
    assert [sweep.worked(at) for at in (BEGAN + 10, BEGAN + 1000, later + 12)] == [10, 20, 32]


def test_a_damaged_record_of_a_later_stage_is_named(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    folder.finalists_json.write_text('{"chosen": 1}')
    with pytest.raises(ResultsError, match=r"finalists\.json: cannot be read \(lacks 'finalists'\)"):
        read_sweep(folder)


def _append_epoch(folder: SweepFolder, at: float) -> None:
    folder.trial(0).append({"epoch": 9, "val/accuracy": 0.1, "val/accuracy_best": 0.5, "time": at})
