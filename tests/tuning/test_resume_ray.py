"""Real sweeps that are interrupted, extended or wound down, and go on."""

import signal
from pathlib import Path

import pytest
from optuna.trial import TrialState
from ray.cluster_utils import Cluster
from ray_sweeps import WAIT_SECONDS, Run, start_cli, study_of, wait_for, without_times
from tiny_sweeps import TEXT, space_of

from carsray.data.records import DataSplit
from carsray.results import SweepFolder, read_rows
from carsray.tuning.sweep import extend_record, read_record, run_sweep

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_an_extended_sweep_keeps_its_trials_and_gets_new_ones(run: Run, split: DataSplit) -> None:
    folder, rows = run("short", space_of(), trials=2, concurrent=1)
    extend_record(folder, 2, {})
    space, _, settings = read_record(folder)
    longer = run_sweep(folder, space, split, settings, read_rows(folder))
    assert longer[:2] == rows
    assert [row.trial for row in longer] == [0, 1, 2, 3]
    assert all(row.ended for row in longer)


def test_a_sweep_winds_down_at_its_target(run: Run) -> None:
    folder, rows = run("target", space_of(), trials=6, concurrent=1, target=0.01)
    assert [row.trial for row in rows] == [0]
    last = folder.read_runs()[-1]
    assert (last["event"], last["why"]) == ("ended", "trial 0 has reached the target of 0.01")


def test_an_interrupted_sweep_keeps_everything_and_resumes_to_the_same_end(
    cluster: Cluster, run: Run, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(TEXT)
    results, pins = home / "results", {"width": 48, "image_size": 32, "pack_size": 32}  # slow enough to be caught
    pinned = [part for name, value in pins.items() for part in ("--set", f"{name}={value}")]
    where = ["--results", results, "--cache", home / "cache", "--address", cluster.address, "--gpus-per-trial", 0]
    how = ["--data", home / "pictures", "--trials", 5, "--seed", 5, "--concurrent", 1]
    process = start_cli("sweep", file, *how, *pinned, *where, "--name", "cut")
    folder = SweepFolder(results / "cut")
    wait_for(folder.trial(1).history.exists, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert "Traceback" not in err
    assert "Go on with: carsray resume cut" in out
    rows = read_rows(folder)
    assert 0 < len(rows) < 5
    assert rows[0].state in ("paused", "finished")
    kept = [trial.read_history() for trial in folder.all_trials()]
    assert all(kept)

    process = start_cli("resume", "cut", "--results", results)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    assert "Interrupted" not in out
    ended = read_rows(folder)
    assert [row.trial for row in ended] == [0, 1, 2, 3, 4]
    assert {row.state for row in ended} <= {"finished", "pruned"}
    assert folder.trial(0).read_history()[: len(kept[0])] == kept[0]
    assert TrialState.RUNNING not in {trial.state for trial in study_of(folder)}

    whole, _ = run("whole", space_of(**pins), trials=5, concurrent=1)
    assert without_times(whole) == without_times(folder)
