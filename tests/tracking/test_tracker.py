"""The tracker's process beside a driver: what it sends, when it ends, and that nothing of it stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_record import add_trial, ended_sweep, made_sweep, training
from offline_files import folders, rows
from wandb_server import KEY, OTHER_KEY, Fault, Stored, serving

from carsray.cli.tracked import followed
from carsray.errors import TrackingError
from carsray.results import BEST, SweepFolder
from carsray.tracking import beside
from carsray.tracking.beside import TrackerProcess
from carsray.tracking.messages import Begin, Ended
from carsray.tracking.tracker import tracking

pytestmark = pytest.mark.process

MUTE = (sys.executable, "-c", "import time; time.sleep(600)")
"""A tracker that gives no answer."""


@pytest.fixture(autouse=True)
def _a_slow_machine_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "READY_SECONDS", 120.0)
    monkeypatch.setattr(beside, "END_SECONDS", 120.0)


def steps(stored: Stored) -> dict[str, list[int]]:
    return {name: [row["_step"] for row in run["lines"]] for name, run in stored.runs.items()}


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_all_that_a_record_has_is_sent(tmp_path: Path, server: Stored) -> None:
    said: list[str] = []
    with tracking("online", "carsray", said.append) as tracker:
        tracker.check()
        tracker.follow(ended_sweep(tmp_path))
    assert sorted(map(len, steps(server).values())) == [1, 2, 3]
    assert sorted(run["state"] for run in server.runs.values()) == ["failed", "finished", "finished"]
    assert [line.rpartition("/")[2] for line in said] == ["carsray"], "where the runs are, and nothing else"


def test_a_sweep_that_is_cut_off_and_goes_on_has_every_epoch_once(tmp_path: Path, server: Stored) -> None:
    folder = made_sweep(tmp_path)
    add_trial(folder, 0, [0.1, 0.2, 0.3], "running")
    with tracking("online", "carsray", print) as tracker:
        tracker.follow(folder)
    folder.trial(0).cut_history(1)
    add_trial(folder, 0, [0.1, 0.25, 0.35, 0.4], "finished")
    with tracking("online", "carsray", print) as tracker:
        tracker.follow(folder)
    [run] = server.runs.values()
    assert [(row["epoch"], row[BEST]) for row in run["lines"]] == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    assert run["state"] == "finished"


def test_whoever_asks_for_files_gets_them_and_they_follow_the_record(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    add_trial(folder, 0, [0.1, 0.2, 0.3], "running")
    add_trial(folder, 1, [0.1], "paused")
    for scores in (None, [0.1, 0.25]):
        if scores:
            add_trial(folder, 0, scores, "finished")
        with tracking("offline", "carsray", print) as tracker:
            tracker.follow(folder)
    found = folders(folder.root)
    assert {name[-4:]: len(paths) for name, paths in found.items()} == {"0000": 1, "0001": 1}
    assert [row[BEST] for row in rows(min(found.items())[1][0])] == [0.1, 0.25]


def test_a_driver_that_dies_leaves_a_tracker_that_ends_by_itself(tmp_path: Path, server: Stored) -> None:
    process = TrackerProcess(Begin("online", "carsray"))
    process.ready()
    process.follow(ended_sweep(tmp_path))
    process._pipe.close()
    process._process.wait(timeout=240)
    assert sorted(map(len, steps(server).values())) == [1, 2, 3]


@pytest.mark.parametrize("fault", ["500", "hang"])
def test_without_an_answer_runs_are_written_to_files_which_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    folder, said = ended_sweep(tmp_path), list[str]()
    with serving(fault) as (url, _):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        with tracking("online", "carsray", said.append) as tracker:
            tracker.check()
            tracker.check()
            tracker.follow(folder)
    assert len(said) == 1
    assert "offline" in said[0]
    assert len(folders(folder.root)) == 3


def test_a_wrong_key_ends_the_command(monkeypatch: pytest.MonkeyPatch, server: Stored) -> None:
    monkeypatch.setenv("WANDB_API_KEY", OTHER_KEY)
    with tracking("online", "carsray", print) as tracker, pytest.raises(TrackingError, match="refuses the key"):
        tracker.check()


def test_a_server_that_hangs_after_the_login_costs_what_is_allowed_and_is_told(
    tmp_path: Path, server: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "END_SECONDS", 0.5)
    said: list[str] = []
    with tracking("online", "carsray", said.append) as tracker:
        tracker.check()
        server.fault = "hang"
        tracker.follow(ended_sweep(tmp_path))
    assert said[-1].endswith(f"carsray wandb sync cars-1 --results {tmp_path}")


def test_a_tracker_without_an_answer_is_killed_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "END_SECONDS", 0.1)
    process = TrackerProcess(Begin("offline", "carsray"), MUTE)
    process.follow(ended_sweep(tmp_path))
    process.end()
    assert process.wait() == Ended(-1, "the tracker gave no answer in time")
    assert not exists(process._process.pid)


def test_a_tracker_that_is_dead_from_the_start_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    process = TrackerProcess(Begin("offline", "carsray"), (sys.executable, "-c", ""))
    with pytest.raises(TrackingError, match="--wandb off"):
        process.ready()


def test_two_trackers_of_a_sweep_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from carsray.tracking import follow

    monkeypatch.setattr(follow, "LOCK_SECONDS", 0)
    folder = made_sweep(tmp_path)
    with (
        follow.tracking_alone(folder),
        pytest.raises(TrackingError, match="another process"),
        follow.tracking_alone(SweepFolder(folder.root)),
    ):
        pass


def test_without_a_wish_or_a_key_there_is_no_trace(tmp_path: Path) -> None:
    folder, said = ended_sweep(tmp_path), list[str]()
    with tracking(None, "carsray", said.append) as tracker:
        tracker.check()
        tracker.follow(folder)
    assert not (folder.root / "wandb").exists()
    assert len(said) == 1


def test_what_a_later_command_adds_is_all_that_is_written_again(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    for stage in ("sweep", "confirm"):
        if stage == "confirm":
            training(folder.root / "confirm/0000/seed-0", 0.5)
        with tracking("offline", "carsray", print) as tracker:
            tracker.follow(folder)
    noted = [json.loads(line)["run"] for line in (folder.root / "wandb/tracked.jsonl").read_text().splitlines()]
    assert sorted(name[11:] for name in noted)[:3] == ["0000", "0001", "0002"]
    assert len(noted) == len({*noted}) == 4


def test_a_command_of_an_earlier_sweep_tracks_what_it_adds_as_the_sweep_was_tracked(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    folder.settings.write_text(folder.settings.read_text().replace('"wandb": null', '"wandb": "offline"'))
    with followed(folder):
        training(folder.root / "confirm/0000/seed-0", 0.5)
    assert [name[11:29] for name in folders(folder.root)][-1] == "finalist-0000-seed"


def test_the_driver_does_not_import_the_sdk() -> None:
    script = (
        "import sys, carsray, carsray.cli.sweep, carsray.tuning.sweep\n"
        "from carsray.tracking.tracker import tracking\n"
        "with tracking('offline', 'p', print) as tracker: tracker.check()\n"
        "print({'wandb', 'wandb_workspaces', 'optuna_dashboard'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["W&B: offline", "set()"]
