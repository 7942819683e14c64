"""Real sweeps that are interrupted, extended or wound down, and go on."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from optuna.trial import TrialState
from ray.cluster_utils import Cluster
from ray_sweeps import WAIT_SECONDS, Run, start_cli, study_of, wait_for, without_times
from tiny_sweeps import TEXT, space_of

from carsray.cli.options import first_config, split_data
from carsray.config import SweepSettings
from carsray.data.pack import pack_key
from carsray.data.records import DataSplit
from carsray.errors import ResultsError
from carsray.files import write_json
from carsray.leaderboard import read_rows
from carsray.results import SweepFolder, create_sweep
from carsray.tuning.signals import TAKEN
from carsray.tuning.sweep import begin_record, extend_record, read_record, run_sweep

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

PINS = {"width": 48, "image_size": 32, "pack_size": 32}
"""Slow enough to be caught."""


def test_an_extended_sweep_keeps_its_trials_and_gets_new_ones(run: Run, split: DataSplit) -> None:
    folder, rows = run("short", space_of(), trials=2, concurrent=1)
    extend_record(folder, 2, {})
    space, _, settings = read_record(folder)
    longer = run_sweep(folder, space, split, settings, read_rows(folder))
    assert longer[:2] == rows
    assert [row.trial for row in longer] == [0, 1, 2, 3]
    assert all(row.ended for row in longer)


def test_a_sweep_stops_at_its_limit_and_goes_on_from_there_to_the_same_end_under_another(
    run: Run, undisturbed: SweepFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, rows = run("target", space_of(**PINS), trials=5, concurrent=1, target=0.01)
    assert [(row.trial, row.ended) for row in rows] == [(0, False)]
    last = folder.read_runs()[-1]
    assert (last["event"], last["why"]) == ("ended", "trial 0 has reached the target of 0.01")
    assert folder.trial(0).checkpoint.exists()
    assert folder.trial(0).snapshot.exists()
    assert run_sweep(folder, *read_record(folder), before=rows) == rows
    assert folder.read_runs()[-1]["why"] == last["why"]

    with pytest.raises(ResultsError, match=r"has reached the target of 0.01, so nothing would begin. Name a limit"):
        extend_record(folder, 3, {"budget_hours": 5})
    assert read_record(folder)[2].trials == 5
    extend_record(folder, 0, {"target": 1.0})  # which the first trial reaches, as it is easy
    rows = run_sweep(folder, *read_record(folder), before=rows)
    assert [(row.trial, row.state) for row in rows] == [(0, "finished")]
    assert capfd.readouterr().out == ""  # of the trial that would have been the next

    record = folder.read_settings()
    record["settings"]["target"] = None
    write_json(folder.settings, record)
    assert {row.state for row in run_sweep(folder, *read_record(folder), before=rows)} <= {"finished", "pruned"}
    assert folder.read_runs()[-1]["why"] == "complete"
    assert without_times(folder) == without_times(undisturbed)


def test_trials_that_a_limit_cuts_off_between_rungs_run_to_their_ends_when_the_sweep_is_extended(run: Run) -> None:
    space = space_of(TEXT.replace("rungs = [1, 2]", "rungs = [5]"), epochs=6)
    folder, rows = run("between", space, trials=3, concurrent=3, target=0.01)
    assert {row.state for row in rows} == {"running"}
    assert TrialState.RUNNING in {trial.state for trial in study_of(folder)}
    extend_record(folder, 0, {"target": 1.0})
    ended = run_sweep(folder, *read_record(folder), before=rows)
    assert [row.trial for row in ended] == [0, 1, 2]
    assert {row.state for row in ended} <= {"finished", "pruned"}
    assert max(row.epochs for row in ended) == 6
    for row in ended:
        assert [epoch["epoch"] for epoch in folder.trial(row.trial).read_history()] == list(range(1, row.epochs + 1))


Begin = Callable[[str], tuple[subprocess.Popen[str], SweepFolder]]


@pytest.fixture
def begin(cluster: Cluster, home: Path, tmp_path: Path) -> Begin:
    """A sweep of five trials, one at a time, in a process of its own."""
    file = tmp_path / "tiny.toml"
    file.write_text(TEXT)
    pinned = [part for name, value in PINS.items() for part in ("--set", f"{name}={value}")]
    where = ["--results", home / "results", "--cache", home / "cache", "--address", cluster.address]
    how = ["--data", home / "pictures", "--trials", 5, "--seed", 5, "--concurrent", 1, "--gpus-per-trial", 0]

    def named(name: str) -> tuple[subprocess.Popen[str], SweepFolder]:
        folder = SweepFolder(home / "results" / name)
        return start_cli("sweep", file, *how, *pinned, *where, "--name", name), folder

    return named


@pytest.fixture(scope="module")
def undisturbed(run: Run) -> SweepFolder:
    return run("whole", space_of(**PINS), trials=5, concurrent=1)[0]


def resume(folder: SweepFolder) -> str:
    """Go on to the end; what is printed."""
    process = start_cli("resume", folder.name, "--results", folder.root.parent)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    return out


def test_an_interrupted_sweep_keeps_everything_and_resumes_to_the_same_end(
    begin: Begin, undisturbed: SweepFolder
) -> None:
    process, folder = begin("cut")
    wait_for(folder.trial(1).history.exists, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert "Traceback" not in err
    assert "Go on with: carsray resume cut" in out
    rows = read_rows(folder)
    assert 0 < len(rows) < 5
    assert rows[0].state in ("paused", "finished")
    kept = [trial.read_history() for trial in folder.all_trials()]
    assert kept[0]
    assert kept[1]

    assert "Interrupted" not in resume(folder)
    ended = read_rows(folder)
    assert [row.trial for row in ended] == [0, 1, 2, 3, 4]
    assert {row.state for row in ended} <= {"finished", "pruned"}
    assert folder.trial(0).read_history()[: len(kept[0])] == kept[0]
    assert TrialState.RUNNING not in {trial.state for trial in study_of(folder)}
    assert without_times(folder) == without_times(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_is_stopped_before_its_first_trial_as_it_is_in_them(home: Path, number: signal.Signals) -> None:
    """While it packs: another process has the lock of the pack."""
    space = space_of(width=4, pack_size=20 + int(number))  # a pack that no other test has made
    folder = create_sweep(home / "results", f"packing-{number.name}")
    split = split_data(home / "pictures", first_config(space), home / "cache")
    settings = SweepSettings(data=home / "pictures", cache=home / "cache", wandb="off")
    begin_record(folder, space, split, settings)
    path = home / "cache/packs" / f"{pack_key(split.train, first_config(space))}.npy.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        process = start_cli("resume", folder.name, "--results", home / "results")
        wait_for(lambda: bool(folder.at_work()), process)
        process.send_signal(number)
        _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, err
    assert err.endswith(f"to go on: carsray resume {folder.arguments}\n")


def test_after_a_sweep_signals_do_what_they_did(run: Run) -> None:
    before = {number: signal.getsignal(number) for number in TAKEN}
    run("handlers", space_of(), trials=1, concurrent=1)
    assert {number: signal.getsignal(number) for number in TAKEN} == before


def damage(folder: SweepFolder) -> int:
    """A line of history cut short, a changed bit in every snapshot, the study's file lost; how many snapshots."""
    under_way = [row for row in read_rows(folder) if not row.ended][-1]
    with folder.trial(under_way.trial).history.open("a") as file:
        file.write('{"epoch": 7, "val/acc')
    snapshots = [trial.snapshot for trial in folder.all_trials() if trial.snapshot.exists()]
    for snapshot in snapshots:
        content = bytearray(snapshot.read_bytes())
        content[-1] ^= 1
        snapshot.write_bytes(content)
    folder.study.unlink()
    return len(snapshots)


def test_a_record_damaged_after_a_kill_comes_to_the_same_end(begin: Begin, undisturbed: SweepFolder) -> None:
    process, folder = begin("damaged")
    wait_for(lambda: [row.state for row in read_rows(folder)].count("paused") > 0, process)
    wait_for(lambda: any(row.state == "running" for row in read_rows(folder)), process)
    process.kill()
    process.communicate()
    assert damage(folder) > 0
    resume(folder)
    assert without_times(folder) == without_times(undisturbed)
    assert len(study_of(folder)) == 5
