from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from carsray.cli import cli
from carsray.config import SweepSettings
from carsray.data.records import DataSplit, Row
from carsray.results import BEST, SweepFolder, TrialState, create_sweep
from carsray.space_file import parse_space
from carsray.tuning.sweep import begin_record

SPACE = """
[objective]
rungs = [1]
reduction = 2
[fixed]
backbone = "cnn"
epochs = 2
[search]
lr = { low = 1e-4, high = 0.1, log = true }
"""


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    """A sweep of four trials, one of which has trained an epoch."""
    made = create_sweep(tmp_path, "cars-1")
    space, rows = parse_space(SPACE, "tiny.toml", {}), tuple(Row(f"{n}.jpg", n % 2, f"{n:064d}") for n in range(8))
    split = DataSplit(("a", "b"), rows[:4], rows[4:], (), "as given", "none")
    begin_record(made, space, split, SweepSettings(data=str(tmp_path), cache=tmp_path, trials=4))
    trial = made.trial(0)
    trial.write_config({"lr": 0.01}, space.config({"lr": 0.01}).model_dump())
    made.append_run("began")
    trial.append({"epoch": 1, "val/accuracy": 0.75, BEST: 0.75, "time": made.read_runs()[0]["time"] + 5})
    trial.write_state(TrialState("running", 1, 5.0))
    return made


def watched(folder: SweepFolder) -> Result:
    return CliRunner().invoke(cli, ["watch", folder.name, "--once", "--results", str(folder.root.parent)])


def test_a_running_sweep_is_shown_as_it_stands(folder: SweepFolder) -> None:
    with folder.alone():
        shown = watched(folder)
    assert shown.exit_code == 0
    assert "0/4 trials | 1 running | best 0.750 (trial 0)" in shown.stdout
    assert "epoch 1: 1 came, 0 went on" in shown.stdout
    assert shown.stdout.endswith("It goes on.\n")


def test_one_that_was_killed_says_how_to_go_on(folder: SweepFolder) -> None:
    shown = watched(folder)
    assert "| 5 s gone |" in shown.stdout
    assert f"Cut off: nobody works on it. Go on with: carsray resume {folder.arguments}" in shown.stdout


def test_one_that_has_ended_says_why(folder: SweepFolder) -> None:
    folder.append_run("ended", why="complete")
    assert watched(folder).stdout.endswith("Ended: complete.\n")


def test_one_whose_lock_is_another_user_s_goes_on_as_long_as_it_writes(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SweepFolder, "at_work", lambda folder: None)  # root may open any lock
    assert watched(folder).stdout.endswith("It goes on.\n")
    monkeypatch.setattr("carsray.results.LATELY", -100.0)
    assert "Cut off: nobody works on it" in watched(folder).stdout
