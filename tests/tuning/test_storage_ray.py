"""Real sweeps that are mirrored to a bucket, lose their machine, and go on elsewhere."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from object_server import KEYS, ObjectServer, object_server
from ray.cluster_utils import Cluster
from ray_sweeps import WAIT_SECONDS, Run, start_cli, wait_for, without_times
from tiny_sweeps import TEXT, space_of

from carsray.cli.options import split_data
from carsray.data.remote import local_paths
from carsray.leaderboard import read_rows
from carsray.results import SweepFolder
from carsray.storage.address import parse_address
from carsray.storage.lease import NAME as LEASE
from carsray.storage.place import Place
from carsray.storage.rounds import read_journal

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
PINS = {"width": 48, "image_size": 32, "pack_size": 32, "batch_size": 2}
"""Slow enough to be caught."""
SNAPSHOT = "trials/0000/snapshot.safetensors"
PATIENT = f"from carsray.storage import lease, mirror; lease.RELEASE_SECONDS = mirror.INTERRUPTED = {WAIT_SECONDS}"
"""A busy machine may need longer than a driver that ends waits for its storage."""
Sweep = Callable[..., tuple[object, ...]]


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with object_server() as running:
        yield running


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def words(cluster: Cluster, home: Path, tmp_path: Path) -> Sweep:
    """The command line of a sweep of four trials, one at a time."""
    file = tmp_path / "tiny.toml"
    file.write_text(TEXT)

    def line(name: str, storage: str, results: Path) -> tuple[object, ...]:
        pinned = [part for pin, value in PINS.items() for part in ("--set", f"{pin}={value}")]
        where = ["--results", results, "--cache", home / "cache", "--address", cluster.address, "--storage", storage]
        how = ["--data", home / "pictures", "--trials", 4, "--seed", 5, "--concurrent", 1, "--gpus-per-trial", 0]
        return ("sweep", file, *how, *pinned, *where, "--name", name)

    return line


@pytest.fixture(scope="module")
def undisturbed(run: Run) -> SweepFolder:
    return run("undisturbed", space_of(**PINS), trials=4, concurrent=1)[0]


def epochs_in(place: Place) -> int:
    """How many the storage has of the sweep."""
    journal = read_journal(place) or {"files": {}}
    names = {found.name for found in place.objects()} | journal["files"].keys()
    histories = [place.read(name) or b"" for name in names if name.endswith("history.jsonl")]
    return sum(content.count(b"\n") for content in histories)


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.soak)])
def test_a_killed_driver_whose_disk_is_lost_goes_on_from_storage_to_the_same_end(
    server: ObjectServer, words: Sweep, tmp_path: Path, undisturbed: SweepFolder, kills: int
) -> None:
    storage = server.address(f"killed-{kills}")
    place = Place(parse_address(storage)) / "cars-1"
    begin = (*words("cars-1", storage, tmp_path / "results"), "--or-resume")
    first = b""
    for _ in range(kills):
        before = epochs_in(place)
        driver = start_cli(*begin)
        # A history arrives before the snapshot that goes with it: without that, its epochs are trained again.
        wait_for(
            lambda before=before, first=first: epochs_in(place) > before and bool(first or place.read(SNAPSHOT)), driver
        )
        driver.kill()
        driver.communicate()
        shutil.rmtree(tmp_path / "results")
        first = first or place.read("trials/0000/history.jsonl") or b""

    head = start_cli("resume", "cars-1", "--storage", storage, "--results", tmp_path / "results", before=PATIENT)
    out, err = head.communicate(timeout=WAIT_SECONDS)
    assert head.returncode == 0, (out, err)
    folder = SweepFolder(tmp_path / "results/cars-1")
    assert without_times(folder) == without_times(undisturbed)
    assert folder.trial(0).history.read_bytes().startswith(first)  # what was in storage was not trained again
    assert place.read(LEASE) is None
    assert {found.name for found in place.objects()} == {
        path.relative_to(folder.root).as_posix() for path in folder.root.rglob("*") if path.is_file()
    } | {"round.json"}


def test_an_interrupted_sweep_has_all_of_it_in_storage(server: ObjectServer, words: Sweep, tmp_path: Path) -> None:
    storage = server.address("interrupted")
    driver = start_cli(*words("cars-1", storage, tmp_path), before=PATIENT)
    folder = SweepFolder(tmp_path / "cars-1")
    wait_for(folder.trial(1).history.exists, driver)
    driver.send_signal(signal.SIGTERM)
    _, err = driver.communicate(timeout=WAIT_SECONDS)
    assert driver.returncode == 130
    assert "warning" not in err
    place = Place(parse_address(storage)) / "cars-1"
    for path in [path for path in folder.root.rglob("*") if path.is_file()]:
        assert place.read(path.relative_to(folder.root).as_posix()) == path.read_bytes(), path


@pytest.mark.parametrize("broken", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.soak)])
def test_a_sweep_whose_storage_goes_away_goes_on_and_says_so_once(
    words: Sweep, tmp_path: Path, broken: signal.Signals
) -> None:
    with object_server() as server:
        driver = start_cli(*words("cars-1", server.address("x"), tmp_path))
        place = Place(parse_address(server.address("x"))) / "cars-1"
        wait_for(lambda: epochs_in(place) >= 1, driver)
        server.process.send_signal(broken)
        folder = SweepFolder(tmp_path / "cars-1")
        wait_for(lambda: len(read_rows(folder)) > 1, driver)
        driver.send_signal(signal.SIGINT)
        _, err = driver.communicate(timeout=WAIT_SECONDS)
    assert driver.returncode == 130
    assert "Traceback" not in err
    assert err.count("The sweep goes on") <= 1
    assert " lacks the newest trials/" in err


def test_pictures_in_a_bucket_reach_the_trials_by_themselves_and_test_pictures_stay_there(
    server: ObjectServer, run: Run, home: Path, tmp_path: Path
) -> None:
    source = server.address("cars")
    place = Place(parse_address(source))
    for path in (home / "pictures").rglob("*.jpg"):
        place.write(path.relative_to(home / "pictures").as_posix(), path.read_bytes())
    split = split_data(source, space_of().config(space_of().start[0]), tmp_path / "driver")
    node = tmp_path / "node"  # where the trials find nothing yet
    remote, rows = run("remote", space_of(), pictures=split, trials=2, concurrent=1, data=source, cache=node)
    assert {row.state for row in rows} <= {"finished", "pruned"}
    assert {str(path) for path in node.rglob("*.jpg")} == {*local_paths(split.train + split.val, node)}
    here, _ = run("here", space_of(), trials=2, concurrent=1)
    assert without_times(remote) == without_times(here)
