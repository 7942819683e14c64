import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from carsray.errors import ConfigError, ResultsError, StorageError
from carsray.files import write_json
from carsray.results import SweepFolder, TrialState
from carsray.storage import lease as lease_module
from carsray.storage import mirror as mirror_module
from carsray.storage.address import Address, parse_address
from carsray.storage.lease import NAME, Lease, Owner, take_lease
from carsray.storage.mirror import mirrored
from carsray.storage.place import Place, Version
from carsray.storage.work import at_work, names_in, require_free

WAIT_SECONDS = 240.0
"""Far more than anything here takes."""


class Moody(Place):
    """A place that can be told to fail, and says when it was written to."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.broken = False
        self.failed, self.written = threading.Event(), threading.Event()

    def write(self, name: str, content: bytes | IO[bytes]) -> Version:
        if self.broken and name != NAME:
            self.failed.set()
            raise StorageError("it is broken")
        version = super().write(name, content)
        if name == "runs.jsonl":
            self.written.set()
        return version


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    folder = SweepFolder(tmp_path / "results" / "cars-1")
    folder.trials.mkdir(parents=True)
    write_json(folder.settings, {"settings": {}, "started": "noon"})
    folder.append_run("began")
    return folder


@pytest.fixture
def moody(tmp_path: Path) -> Moody:
    return Moody(parse_address(str(tmp_path / "there" / "cars-1")))


@pytest.fixture
def lease(moody: Moody, folder: SweepFolder) -> Iterator[Lease]:
    held = take_lease(moody, Owner.of(folder.root), print)
    yield held
    held.release()


def begin_trial(folder: SweepFolder) -> None:
    folder.trial(0).write_config({}, {})
    folder.trial(0).write_state(TrialState("running"))


def test_all_is_there_at_the_end(folder: SweepFolder, moody: Moody, lease: Lease) -> None:
    told: list[str] = []
    with mirrored(folder, moody, lease, told.append) as watch:
        with watch.writing:
            begin_trial(folder)
            watch.note(0)
        folder.append_run("ended")
    assert told == []
    assert moody.read("trials/0000/state.json") == folder.trial(0).state.read_bytes()
    assert moody.read("runs.jsonl") == folder.runs.read_bytes()


def test_a_rung_is_sent_while_the_sweep_goes_on(folder: SweepFolder, moody: Moody, lease: Lease) -> None:
    with mirrored(folder, moody, lease, print) as watch:
        assert moody.written.wait(WAIT_SECONDS)
        moody.written.clear()
        begin_trial(folder)
        watch.note(0)
        watch.due.set()
        assert moody.written.wait(WAIT_SECONDS)


def test_what_a_later_command_writes_is_sent_without_a_word(
    folder: SweepFolder, moody: Moody, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(mirror_module, "LEAST_SECONDS", 0.01)
    with mirrored(folder, moody, lease, print):
        assert moody.written.wait(WAIT_SECONDS)
        (folder.root / "confirm").mkdir()
        (folder.root / "confirm/answers.csv").write_text("1,2")
        deadline = time.monotonic() + WAIT_SECONDS
        while moody.read("confirm/answers.csv") is None:
            assert time.monotonic() < deadline


def test_a_failure_is_known_and_mended_without_help(folder: SweepFolder, moody: Moody, lease: Lease) -> None:
    moody.broken = True
    told: list[str] = []
    with mirrored(folder, moody, lease, told.append) as watch:
        assert moody.failed.wait(WAIT_SECONDS)
        moody.broken = False
        assert moody.written.wait(WAIT_SECONDS)
    assert watch.problem == ""
    assert told == []


def test_what_is_missing_at_the_end_is_told_in_one_line(
    folder: SweepFolder, moody: Moody, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "AT_THE_END", 0.1)
    moody.broken = True
    told: list[str] = []
    with mirrored(folder, moody, lease, told.append) as watch:
        begin_trial(folder)
        (folder.root / "trials.csv").write_text("trial\n")
        watch.note(0)
        for _ in range(2):  # the round under way may have begun before
            moody.failed.clear()
            watch.due.set()
            assert moody.failed.wait(WAIT_SECONDS)
    (line,) = told
    assert "lacks the newest trials/0000, trials.csv (it is broken)" in line
    assert line.endswith(f"To send them: carsray resume cars-1 --results {folder.root.parent}")


def test_after_a_take_over_nothing_is_written(folder: SweepFolder, moody: Moody, lease: Lease) -> None:
    told: list[str] = []
    with mirrored(folder, moody, lease, told.append):
        assert moody.written.wait(WAIT_SECONDS)
        take_lease(moody, Owner("elsewhere", "/results", "x"), print, stale=0).release()
        take_lease(moody, Owner("elsewhere", "/results", "y"), print)
        lease.renew()
        folder.append_run("ended")
    assert told == [f"warning: {moody.address}: elsewhere has taken over; nothing more is sent there"]
    assert moody.read("runs.jsonl") != folder.runs.read_bytes()


# --- what a command does with it


def test_a_sweep_goes_from_machine_to_machine(folder: SweepFolder, shared: Place, tmp_path: Path) -> None:
    storage = str(shared.address)
    begin_trial(folder)
    with at_work(folder.root.parent, "cars-1", storage, print) as (there, _):
        assert there.root == folder.root
    assert names_in(storage) == ["cars-1"]
    with at_work(tmp_path / "second", "cars-1", storage, print) as (fetched, _):
        assert fetched.trial(0).read_state() == folder.trial(0).read_state()
        assert fetched.read_settings()["settings"]["storage"] == storage
        fetched.append_run("began")
    with pytest.raises(ResultsError, match="has runs that"), at_work(folder.root.parent, "cars-1", None, print):
        pass
    with at_work(tmp_path / "second", "cars-1", None, print):  # sweep.json remembers the storage
        assert (shared / "cars-1").read(NAME) is not None


def test_what_another_command_has_made_elsewhere_is_not_deleted_by_a_folder_that_lacks_it(
    folder: SweepFolder, shared: Place, tmp_path: Path
) -> None:
    storage = str(shared.address)
    with at_work(folder.root.parent, "cars-1", storage, print):
        pass
    with at_work(tmp_path / "second", "cars-1", storage, print) as (fetched, _):
        (fetched.root / "test_ledger.jsonl").write_text("opened\n")
    with pytest.raises(ResultsError, match="has runs that"), at_work(folder.root.parent, "cars-1", None, print):
        pass
    assert (shared / "cars-1").read("test_ledger.jsonl") == b"opened\n"


def test_a_head_that_wakes_after_a_take_over_writes_nothing(
    folder: SweepFolder, moody: Moody, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with mirrored(folder, moody, lease, told.append):
        assert moody.written.wait(WAIT_SECONDS)
        take_lease(moody, Owner("elsewhere", "/results", "x"), print, stale=0)
        now = time.time()
        monkeypatch.setattr("carsray.storage.lease.time.time", lambda: now + 3600)
        folder.append_run("ended")
    assert told == [f"warning: {moody.address}: elsewhere has taken over; nothing more is sent there"]
    assert moody.read("runs.jsonl") != folder.runs.read_bytes()


def test_a_name_that_is_no_sweeps_leaves_no_trace(folder: SweepFolder, shared: Place, tmp_path: Path) -> None:
    storage = str(shared.address)
    with at_work(folder.root.parent, "cars-1", storage, print):
        pass
    for _ in range(2):
        with (
            pytest.raises(ResultsError, match=r"is no sweep\. Sweeps there: cars-1$"),
            at_work(tmp_path / "second", "carz-1", storage, print),
        ):
            pass
    assert names_in(storage) == ["cars-1"]


def test_two_heads_do_not_work_on_one_sweep(
    folder: SweepFolder, shared: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.05)
    storage = str(shared.address)
    told: list[str] = []
    with (
        at_work(folder.root.parent, "cars-1", storage, print),
        pytest.raises(StorageError, match="works on this sweep"),
        at_work(tmp_path / "second", "cars-1", storage, told.append),
    ):
        pass
    assert not (tmp_path / "second" / "cars-1").exists()
    assert len(told) == 1


def test_a_name_that_is_taken_in_storage_is_refused(folder: SweepFolder, shared: Place, tmp_path: Path) -> None:
    storage = str(shared.address)
    require_free(storage, tmp_path, "cars-1")
    with at_work(folder.root.parent, "cars-1", storage, print):
        pass
    with pytest.raises(ResultsError, match="exists already"):
        require_free(storage, tmp_path, "cars-1")


def test_the_results_folder_is_no_storage_of_itself(folder: SweepFolder) -> None:
    with pytest.raises(ConfigError, match="is the results folder itself"):
        require_free(str(folder.root.parent), folder.root.parent, "cars-2")
