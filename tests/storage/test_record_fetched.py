import json
from pathlib import Path

import pytest

from carsray.errors import ResultsError, StorageError
from carsray.results import SweepFolder
from carsray.storage.fetch import fetch_record, require_no_newer
from carsray.storage.place import Place

SETTINGS = json.dumps({"settings": {}, "started": "noon"})
BEGAN, ENDED = '{"event": "began"}\n', '{"event": "ended"}\n'


def journal(place: Place, **files: str | None) -> None:
    place.write("round.json", json.dumps({"files": {"sweep.json": SETTINGS, "runs.jsonl": BEGAN} | files}).encode())


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    (tmp_path / "results").mkdir()
    return SweepFolder(tmp_path / "results" / "cars-1")


def test_the_journal_is_put_over_the_files(place: Place, folder: SweepFolder) -> None:
    sweep = place / "cars-1"
    sweep.write("trials/0000/history.jsonl", b"old")
    sweep.write("trials/0000/state.json", b"old")
    sweep.write("trials/0000/snapshot.safetensors", b"\x00\xff")
    journal(sweep, **{"trials/0000/history.jsonl": "new", "trials/0000/state.json": None})
    fetch_record(sweep, folder)
    trial = folder.trial(0)
    assert trial.history.read_text() == "new"
    assert not trial.state.exists()
    assert trial.snapshot.read_bytes() == b"\x00\xff"
    assert folder.settings.read_text() == SETTINGS
    assert [path.name for path in folder.root.parent.iterdir()] == ["cars-1"]


def test_what_somebody_who_waits_tries_to_write_is_none_of_the_record(place: Place, folder: SweepFolder) -> None:
    sweep = place / "cars-1"
    journal(sweep)
    sweep.write(".carsray-1a2b", b"carsray")
    fetch_record(sweep, folder)
    assert not (folder.root / ".carsray-1a2b").exists()


def test_a_name_that_is_not_there_is_told_with_those_that_are(shared: Place, folder: SweepFolder) -> None:
    journal(shared / "vans-1")
    with pytest.raises(ResultsError, match=r"is no sweep\. Sweeps there: vans-1"):
        fetch_record(shared / "cars-1", folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_nothing_is_written_outside_of_the_folder(shared: Place, folder: SweepFolder, name: str) -> None:
    journal(shared, **{name: "x"})
    with pytest.raises(StorageError, match="outside of a results folder"):
        fetch_record(shared, folder)
    assert not folder.root.exists()
    assert list(folder.root.parent.iterdir()) == []


def test_a_damaged_journal_is_one_line(shared: Place, folder: SweepFolder) -> None:
    shared.write("round.json", b"{")
    with pytest.raises(StorageError, match="not what carsray wrote"):
        fetch_record(shared, folder)


def here(folder: SweepFolder, settings: str, runs: str) -> SweepFolder:
    folder.root.mkdir()
    folder.settings.write_text(settings)
    folder.runs.write_text(runs)
    return folder


@pytest.mark.parametrize("runs", [BEGAN, BEGAN + ENDED])
def test_a_folder_that_knows_all_that_the_storage_has_is_right(shared: Place, folder: SweepFolder, runs: str) -> None:
    require_no_newer(shared, here(folder, SETTINGS, runs))
    journal(shared)
    require_no_newer(shared, folder)


def test_a_folder_that_another_head_has_left_behind_is_refused(shared: Place, folder: SweepFolder) -> None:
    journal(shared, **{"runs.jsonl": BEGAN + BEGAN})
    with pytest.raises(ResultsError, match="move the folder away"):
        require_no_newer(shared, here(folder, SETTINGS, BEGAN + ENDED))


def test_a_folder_that_knows_of_no_later_command_elsewhere_is_refused(shared: Place, folder: SweepFolder) -> None:
    journal(shared, **{"visits.jsonl": "first\n"})
    with pytest.raises(ResultsError, match="move the folder away"):
        require_no_newer(shared, here(folder, SETTINGS, BEGAN))
    folder.visits.write_text("first\nsecond\n")
    require_no_newer(shared, folder)


def test_another_sweep_of_the_same_name_is_refused(shared: Place, folder: SweepFolder) -> None:
    journal(shared)
    with pytest.raises(ResultsError, match="another sweep of the same name"):
        require_no_newer(shared, here(folder, SETTINGS.replace("noon", "midnight"), BEGAN))
