"""A whole sweep sent from its record, by library and by command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_record import add_trial, ended_sweep, made_sweep
from wandb_server import ENTITY, KEY, Stored, serving

from carsray.errors import TrackingError
from carsray.progress import silent
from carsray.tracking import sdk as sdk_module
from carsray.tracking.changes import all_runs
from carsray.tracking.facts import read_facts
from carsray.tracking.follow import tracking_alone, upkeep_of
from carsray.tracking.sync import sync
from carsray.tracking.tracker import tracking

COMMAND = (sys.executable, "-c", "from carsray.cli import main; main()")


@pytest.mark.usefixtures("sdk")
def test_a_sweep_that_ran_without_wandb_is_sent_whole(tmp_path: Path, server: Stored) -> None:
    synced = sync(ended_sweep(tmp_path), "carsray", silent)
    assert (synced.runs, synced.problems) == (3, {})
    assert sorted(len(run["lines"]) for run in server.runs.values()) == [1, 2, 3]
    assert len(server.artifacts) == 1
    assert synced.url.endswith("/cars/carsray")


@pytest.mark.usefixtures("sdk")
def test_a_second_time_nothing_is_asked_about_runs_that_are_complete(tmp_path: Path, server: Stored) -> None:
    folder = ended_sweep(tmp_path)
    sync(folder, "carsray", silent)
    before = list(server.asked)
    assert sync(folder, "carsray", silent).problems == {}
    assert {*server.asked[len(before) :]} <= {"Viewer", "GetDefaultEntity"}
    sync(folder, "another", silent)
    assert server.asked.count("UpsertBucket") > before.count("UpsertBucket"), "another project has nothing yet"


@pytest.mark.usefixtures("sdk")
def test_a_trial_that_went_on_since_is_sent_from_where_it_was(tmp_path: Path, server: Stored) -> None:
    folder = made_sweep(tmp_path)
    add_trial(folder, 0, [0.1, 0.2], "running")
    sync(folder, "carsray", silent)
    [run] = server.runs.values()
    assert run["state"] == "preempted"
    add_trial(folder, 0, [0.1, 0.2, 0.3], "finished")
    sync(folder, "carsray", silent)
    assert [row["_step"] for row in run["lines"]] == [1, 2, 3]
    assert run["state"] == "finished"


@pytest.mark.usefixtures("sdk")
def test_runs_that_could_not_be_sent_are_named_with_the_reason(
    tmp_path: Path, server: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*arguments: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(sdk_module, "begin", refusing)
    synced = sync(ended_sweep(tmp_path), "carsray", silent)
    assert list(synced.problems.values()) == ["no route to host"] * 3


@pytest.mark.usefixtures("sdk")
def test_a_run_that_could_not_begin_begins_when_the_server_is_back(
    tmp_path: Path, server: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ended_sweep(tmp_path)
    upkeep = upkeep_of(folder, "online", "carsray", ENTITY)
    server.fault = "hang"
    [run, *_] = all_runs(folder, read_facts(folder))
    with monkeypatch.context() as impatient:
        impatient.setattr(sdk_module, "INIT_SECONDS", 1.0)
        upkeep.bring(run)
        assert upkeep.left() == 1
    server.fault = ""
    upkeep.hurry()
    assert (upkeep.left(), upkeep.problems) == (0, {})
    assert [row["_step"] for row in server.runs[run.id]["lines"]] == [1, 2, 3]


@pytest.mark.usefixtures("sdk", "server")
def test_while_a_tracker_is_at_work_there_is_nothing_to_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from carsray.tracking import follow

    monkeypatch.setattr(follow, "LOCK_SECONDS", 0)
    folder = ended_sweep(tmp_path)
    with tracking_alone(folder), pytest.raises(TrackingError, match="another process"):
        sync(folder, "carsray", silent)


def test_without_a_key_there_is_nothing_to_sync(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="WANDB_API_KEY"):
        sync(ended_sweep(tmp_path), "carsray", silent)


@pytest.mark.process
def test_what_a_dead_network_held_up_is_sent_by_the_command(
    tmp_path: Path, server: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ended_sweep(tmp_path)
    with serving("500") as (url, _), monkeypatch.context() as dead:
        dead.setenv("WANDB_BASE_URL", url)
        with tracking("online", "carsray", print) as tracker:
            tracker.follow(folder)
    assert server.runs == {}
    asked = [*COMMAND, "wandb", "sync", folder.name, "--results", str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True, env=os.environ | {"WANDB_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("W&B has 3 of 3 runs: http://127.0.0.1:")
    assert sorted(len(run["lines"]) for run in server.runs.values()) == [1, 2, 3]
