"""Runs as W&B's SDK writes them, read back from its files and from a server that answers as W&B does."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_record import WEIGHTS, add_trial, ended_sweep, made_sweep
from offline_files import folders, records, rows
from wandb_server import ENTITY, KEY, Stored

from carsray.results import BEST, SweepFolder
from carsray.tracking.facts import read_facts
from carsray.tracking.run import TrackedRun
from carsray.tracking.sdk import OfflineRuns, OnlineRuns, Place
from carsray.tracking.trial_runs import trial_run

pytestmark = pytest.mark.usefixtures("sdk")


def run_of(folder: SweepFolder, number: int = 0, settled: bool = False) -> TrackedRun:
    run = trial_run(folder.trial(number), read_facts(folder), settled)
    assert run is not None
    return run


def offline(folder: SweepFolder) -> OfflineRuns:
    return OfflineRuns(Place("offline", "carsray", folder.root))


def online(folder: SweepFolder) -> OnlineRuns:
    return OnlineRuns(Place("online", "carsray", folder.root, ENTITY))


def test_an_offline_run_that_is_written_again_has_one_folder_with_every_epoch_once(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    writer = offline(folder)
    for scores in ([0.1], [0.1, 0.2, 0.3]):  # and cut back to other epochs in between
        add_trial(folder, 0, scores, "paused")
        writer.write(run_of(folder))
    add_trial(folder, 0, [0.1, 0.4, 0.5], "finished")
    writer.write(run_of(folder))
    [(_, [only])] = folders(folder.root).items()
    history = rows(only)
    assert [(row["_step"], row["epoch"], row[BEST]) for row in history] == [(1, 1, 0.1), (2, 2, 0.4), (3, 3, 0.5)]
    assert [row["_timestamp"] for row in history] == [1_000_060, 1_000_120, 1_000_180]


def test_what_an_offline_file_says_of_a_run(tmp_path: Path) -> None:
    folder = ended_sweep(tmp_path)
    offline(folder).write(run_of(folder, settled=True))
    [(name, [only])] = folders(folder.root).items()
    said = records(only)
    begun = said["run"][0]
    assert (begun["run_id"], begun["run_group"], begun["job_type"]) == (name, "cars-1", "trial")
    assert (begun["project"], begun["tags"], begun["resume"]) == ("carsray", ["cnn", "sgd", "baseline"], True)
    assert begun["config"]["update"]["lr"] == 0.01
    metrics = {each.get("name", each.get("glob_name")): each for each in said["metric"]}
    assert metrics["*"]["step_metric"] == "epoch"
    assert metrics[BEST]["summary"] == {"max": True}
    [artifact] = said["artifact"]
    [entry] = artifact["manifest"]["contents"]
    assert entry["ref"] == folder.trial(0).checkpoint.absolute().as_uri()
    assert said["exit"] == [{"exit_code": 0}]


def test_the_files_of_a_run_know_no_key_no_code_and_no_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    folder = ended_sweep(tmp_path)
    offline(folder).write(run_of(folder))
    files = [path for path in (folder.root / "wandb").rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in files)
    assert not {"requirements.txt", "wandb-metadata.json", "diff.patch", "output.log"} & {path.name for path in files}


def test_a_failed_trial_is_a_failed_run_and_one_that_may_go_on_is_preempted(tmp_path: Path, server: Stored) -> None:
    folder = ended_sweep(tmp_path)
    add_trial(folder, 1, [0.1], "paused")
    writer = online(folder)
    for number in range(3):
        writer.write(run_of(folder, number))
    states = [server.runs[run_of(folder, number).id]["state"] for number in range(3)]
    assert states == ["finished", "preempted", "failed"]
    assert server.runs[run_of(folder, 2).id]["config"]["outcome"] == {"value": "failed: trial"}


def test_an_online_run_stays_open_and_ends_with_its_trial(tmp_path: Path, server: Stored) -> None:
    folder = made_sweep(tmp_path)
    writer = online(folder)
    for scores in ([0.1], [0.1, 0.2]):
        add_trial(folder, 0, scores, "running")
        writer.write(run_of(folder))
    add_trial(folder, 0, [0.1, 0.2, 0.3], "finished")
    writer.write(run_of(folder))
    [run] = server.runs.values()
    assert [row["_step"] for row in run["lines"]] == [1, 2, 3]
    assert server.asked.count("RunResumeStatus") == 1
    assert run["summary"][BEST] == {"max": 0.3}
    assert not list((folder.root / "wandb").glob("run-*")), "the server has it, and the record"


def test_another_process_goes_on_in_the_same_run_without_an_epoch_twice(tmp_path: Path, server: Stored) -> None:
    folder = made_sweep(tmp_path)
    add_trial(folder, 0, [0.1, 0.2], "running")
    online(folder).write(replace(run_of(folder), state="paused"))  # cut off
    add_trial(folder, 0, [0.1, 0.25, 0.3], "finished")  # the second epoch was trained again
    online(folder).write(run_of(folder))
    [run] = server.runs.values()
    assert [(row["_step"], row[BEST]) for row in run["lines"]] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert run["state"] == "finished"


def test_weights_are_named_where_they_lie_and_not_sent(tmp_path: Path, server: Stored) -> None:
    folder = ended_sweep(tmp_path)
    online(folder).write(run_of(folder, settled=True))
    [artifact] = server.artifacts
    assert artifact["artifactCollectionName"] == run_of(folder).id
    assert not any(WEIGHTS in content for content in server.uploads.values())
    assert any(b"checkpoint.safetensors" in content for content in server.uploads.values())
