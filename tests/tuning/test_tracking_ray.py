"""Real sweeps with W&B beside them: killed and taken up again, and with a network that dies."""

from pathlib import Path

import pytest
from filelock import FileLock
from offline_files import folders, rows
from ray.cluster_utils import Cluster
from ray_sweeps import WAIT_SECONDS, start_cli, wait_for
from tiny_sweeps import TEXT
from wandb_server import KEY, Stored, serving
from wandb_views import all_panels, asked_for, there

from carsray.leaderboard import read_rows
from carsray.results import BEST, SweepFolder

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

NOT_YET = (
    *("finalist/rank", "finalist/mean", "finalist/low", "finalist/high", "k", "train/accuracy"),
    *("system/gpu", "system/gpu_memory_gb", "system/cache_gb"),
)
"""What confirm, retrieval and retrain are to add, and what only a GPU or a frozen prefix brings."""


@pytest.fixture
def asked(cluster: Cluster, home: Path, tmp_path: Path) -> list[object]:
    """What a sweep is asked for: trials so slow that they can be caught, with epochs far from any rung."""
    file = tmp_path / "tiny.toml"
    file.write_text(TEXT)
    slow = {"width": 48, "image_size": 32, "pack_size": 32}
    pins = [part for name, value in slow.items() for part in ("--set", f"{name}={value}")]
    where = ["--results", tmp_path, "--cache", home / "cache", "--address", cluster.address, "--gpus-per-trial", 0]
    how = ["--data", home / "pictures", "--trials", 4, "--epochs", 6, "--seed", 5, "--concurrent", 1]
    return [file, *how, *pins, *where, "--name", "cars-1"]


PATIENT = f"from carsray.tracking import beside; beside.READY_SECONDS = beside.END_SECONDS = {WAIT_SECONDS}"
"""A busy machine may need longer than a driver waits for the login, and for the last files, which are sent later then.
"""


def histories(folder: SweepFolder) -> dict[str, list[tuple[int, float]]]:
    return {
        f"{trial.number:04d}": [(line["epoch"], line[BEST]) for line in trial.read_history()]
        for trial in folder.all_trials()
    }


def steps(stored: Stored) -> dict[str, list[tuple[int, float]]]:
    return {name[-4:]: [(row["_step"], row[BEST]) for row in run["lines"]] for name, run in stored.runs.items()}


def test_after_a_kill_and_a_resume_the_files_have_every_epoch_of_every_trial_once(
    asked: list[object], tmp_path: Path
) -> None:
    process = start_cli("sweep", *asked, "--wandb", "offline", before=PATIENT)
    folder = SweepFolder(tmp_path / "cars-1")
    wait_for(lambda: len(folder.trial(0).read_history()) >= 4, process)
    process.kill()
    process.communicate()
    with FileLock(tmp_path / ".cars-1.wandb.lock", timeout=WAIT_SECONDS):  # its tracker ends by itself
        [first, *_] = sorted(folders(folder.root).items())
    before = rows(first[1][0])
    assert len(before) >= 4, "beyond the last snapshot: these are trained again"

    process = start_cli("resume", "cars-1", "--results", tmp_path, before=PATIENT)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, err
    found = folders(folder.root)
    assert all(len(places) == 1 for places in found.values())
    read = {name[-4:]: [(row["epoch"], row[BEST]) for row in rows(places[0])] for name, places in found.items()}
    assert read == histories(folder)
    assert [row.trial for row in read_rows(folder)] == [0, 1, 2, 3]


@pytest.mark.soak  # its parts: tests/tracking/test_tracker.py, test_sync.py
def test_a_network_that_dies_in_the_middle_loses_nothing_and_the_dashboard_finds_all_of_it(
    asked: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder = SweepFolder(tmp_path / "cars-1")
    with serving() as (url, stored):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        process = start_cli("sweep", *asked)  # there is a key: online by itself
        wait_for(lambda: bool(folder.trial(0).read_history()), process)
        stored.fault = "hang"
        _, err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, err
        assert "carsray wandb sync cars-1" in err
        assert {row.state for row in read_rows(folder)} <= {"finished", "pruned"}
        stored.fault = ""
        process = start_cli("wandb", "sync", "cars-1", "--results", tmp_path)
        _, err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, err
        process = start_cli("wandb", "dashboard", "cars-1", "--results", tmp_path)
        out, err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, err
    assert steps(stored) == histories(folder)
    assert {run["state"] for run in stored.runs.values()} == {"finished"}
    assert out.startswith(f"Workspace: {url}/cars/carsray?nw=")
    known = there(stored) | {("history", name) for name in NOT_YET} | {("summary", "finalist/accuracy")}
    for panel in all_panels(stored):
        assert asked_for(panel) <= known, panel


def test_a_wrong_key_is_told_before_anything_is_written(
    asked: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY.replace("0", "f"))
    with serving() as (url, _):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        process = start_cli("sweep", *asked, "--wandb", "online", before=PATIENT)
        _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert err.splitlines()[-1].startswith(f"error: W&B: {url} refuses the key")
    assert not (tmp_path / "cars-1").exists()
