import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carsray.errors import ResultsError, StorageError
from carsray.results import SweepFolder, TrialState
from carsray.storage.address import Address, parse_address
from carsray.storage.fetch import fetch_record
from carsray.storage.place import Place, Version
from carsray.storage.rounds import Sent, mirror_round
from carsray.storage.watch import Watch

Small = dict[str, str]


class Life:
    """A record that changes as a driver changes it: an epoch, a rung, an end, or a trial that starts over."""

    def __init__(self, root: Path) -> None:
        self.folder = SweepFolder(root)
        self.watch = Watch()
        self.started_over: set[int] = set()
        self.folder.trials.mkdir(parents=True)
        self.folder.settings.write_text('{"settings": {}, "started": "now"}')
        self.folder.space.write_text("space")
        self.folder.split.write_text("split")
        self.folder.append_run("began")

    def happen(self, event: str, number: int) -> None:
        trial = self.folder.trial(number)
        with self.watch.writing:
            if not trial.config.exists():
                trial.write_config({"lr": number}, {})
            epochs = len(trial.read_history())
            if event == "over":
                self.started_over.add(number)
                trial.history.unlink(missing_ok=True)
                trial.snapshot.unlink(missing_ok=True)
                trial.checkpoint.unlink(missing_ok=True)
            else:
                trial.append({"epoch": epochs + 1})
            if event in ("rung", "end"):
                trial.checkpoint.write_text(f"weights of {number} at {epochs + 1}")
            if event == "rung":
                trial.snapshot.write_text(str(epochs + 1))
            if event == "end":
                trial.snapshot.unlink(missing_ok=True)
            trial.write_state(TrialState("finished" if event == "end" else "running", len(trial.read_history())))
            self.watch.note(number)


def small_files(root: Path) -> Small:
    paths = [root / "sweep.json", root / "runs.jsonl", *root.glob("trials/*/*.json*")]
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}


class Watched(Place):
    """A place at which something happens in the course of a round; after so many writes nothing is written any more."""

    def __init__(self, address: Address, life: Life, left: int, meanwhile: Iterator[tuple[str, int] | None]) -> None:
        super().__init__(address)
        self.life, self.left, self.meanwhile = life, left, meanwhile

    def write(self, name: str, content: bytes | IO[bytes]) -> Version:
        self._happen()
        return super().write(name, content)

    def delete(self, name: str) -> None:
        self._happen()
        super().delete(name)

    def _happen(self) -> None:
        if self.left <= 0:
            raise StorageError("cut")
        self.left -= 1
        if event := next(self.meanwhile, None):
            self.life.happen(*event)


Events = list[tuple[str, int]]
EVENT = st.tuples(st.sampled_from(["epoch", "epoch", "rung", "end", "over"]), st.integers(0, 2))


def mirror_until_cut(life: Life, place: Watched, rounds: list[Events]) -> list[Small]:
    """What the small files were as each round began; the last round may not have arrived."""
    sent, pending, moments = Sent(), set[int](), []
    for events in rounds:
        for event in events:
            life.happen(*event)
        moments.append(small_files(life.folder.root))
        try:
            mirror_round(life.folder, place, pending, life.watch, sent)
        except StorageError:
            break
    return moments


@given(
    rounds=st.lists(st.lists(EVENT, max_size=4), min_size=1, max_size=5),
    left=st.integers(0, 60),
    meanwhile=st.lists(st.none() | EVENT, max_size=60),
)
@settings(max_examples=100)
def test_a_mirror_that_is_cut_off_anywhere_is_the_record_of_one_moment(
    rounds: list[Events], left: int, meanwhile: list[tuple[str, int] | None]
) -> None:
    with tempfile.TemporaryDirectory() as home:
        life = Life(Path(home, "here", "cars-1"))
        place = Watched(parse_address(f"{home}/there/cars-1"), life, left, iter(meanwhile))
        moments = mirror_until_cut(life, place, rounds)
        fetched = SweepFolder(Path(home, "new", "cars-1"))
        fetched.root.parent.mkdir()
        try:
            fetch_record(place, fetched)
        except ResultsError:  # there is none yet
            assert len(moments) == 1
            return
        assert small_files(fetched.root) in moments[-2:]
        assert fetched.space.read_text() + fetched.split.read_text() == "spacesplit"
        for trial in (trial for trial in fetched.all_trials() if trial.state.exists()):
            history = trial.read_history()
            if trial.snapshot.exists() and trial.number not in life.started_over:
                assert int(trial.snapshot.read_text()) <= history[-1]["epoch"]
            if trial.read_state().state == "finished" and trial.number not in life.started_over:
                assert trial.checkpoint.exists()


def mirrored(life: Life, place: Place, sent: Sent, whole: bool = False) -> None:
    mirror_round(life.folder, place, set(), life.watch, sent, whole)


class Counted(Place):
    """Knows what was written to it."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.written: list[str] = []

    def write(self, name: str, content: bytes | IO[bytes]) -> Version:
        self.written.append(name)
        return super().write(name, content)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path / "results" / "cars-1")


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(parse_address(str(tmp_path / "there")))


def test_only_what_has_changed_is_sent(life: Life, counted: Counted) -> None:
    life.happen("rung", 0)
    life.happen("rung", 1)
    sent = Sent()
    mirrored(life, counted, sent)
    assert {"split.csv", "trials/0000/snapshot.safetensors", "trials/0001/history.jsonl"} <= {*counted.written}
    counted.written.clear()
    life.happen("epoch", 1)
    mirrored(life, counted, sent)
    small = [f"trials/0001/{name}" for name in ("config.json", "state.json", "history.jsonl")]
    assert sorted(counted.written) == sorted(["round.json", "sweep.json", "runs.jsonl", *small])


def test_what_is_deleted_here_is_deleted_there(life: Life, counted: Counted) -> None:
    life.happen("rung", 0)
    table = life.folder.root / "retrieval.csv"
    table.write_text("x")
    sent = Sent()
    mirrored(life, counted, sent)
    life.happen("over", 0)
    table.unlink()
    mirrored(life, counted, sent)
    names = {found.name for found in counted.objects()}
    assert names == {"round.json", "sweep.json", "runs.jsonl", "space.toml", "split.csv"} | {
        "trials/0000/config.json",
        "trials/0000/state.json",
    }


def test_weights_that_a_trial_loses_to_another_are_deleted_there(life: Life, counted: Counted) -> None:
    life.happen("end", 0)
    sent = Sent()
    mirrored(life, counted, sent)
    life.folder.trial(0).checkpoint.unlink()
    life.happen("end", 1)
    mirrored(life, counted, sent)
    weights = [found.name for found in counted.objects() if found.name.endswith("checkpoint.safetensors")]
    assert weights == ["trials/0001/checkpoint.safetensors"]


def test_another_process_knows_what_was_sent_before(life: Life, counted: Counted) -> None:
    life.happen("rung", 0)
    sent = Sent()
    mirrored(life, counted, sent)
    mirrored(life, counted, sent)  # the journal of a round says what the rounds before it sent
    counted.written.clear()
    mirrored(life, counted, Sent.found_in(counted))
    assert counted.written == ["round.json", "sweep.json", "runs.jsonl"]


def test_the_study_and_files_of_other_commands_go_along_at_the_end(life: Life, counted: Counted) -> None:
    (life.folder.root / "retrain").mkdir()
    (life.folder.root / "retrain" / "model.json").write_text("1")
    (life.folder.root / ".trials.csv.17.partial").write_text("half")
    life.folder.study.write_text("database")
    sent = Sent()
    mirrored(life, counted, sent)
    assert counted.read("retrain/model.json") == b"1"
    assert counted.read("study.db") is None
    assert sent.missing(life.folder) == ["study.db"]
    mirrored(life, counted, sent, whole=True)
    assert counted.read("study.db") == b"database"
    assert counted.read(".trials.csv.17.partial") is None
    assert sent.missing(life.folder) == []


def test_what_has_failed_is_part_of_the_next_round(life: Life, tmp_path: Path) -> None:
    life.happen("rung", 0)
    sent, pending = Sent(), set[int]()
    place = Watched(parse_address(str(tmp_path / "there")), life, 5, iter(()))
    with pytest.raises(StorageError):
        mirror_round(life.folder, place, pending, life.watch, sent)
    assert pending == {0}
    place.left = 100
    mirror_round(life.folder, place, pending, life.watch, sent)
    assert pending == set()
    state = place.read("trials/0000/state.json")
    assert state
    assert json.loads(state)["epochs"] == 1


def test_a_snapshot_that_is_newer_than_the_journal_waits_for_the_next_round(life: Life, tmp_path: Path) -> None:
    life.happen("rung", 0)
    place = Watched(parse_address(str(tmp_path / "there")), life, 100, iter([("epoch", 0), ("rung", 0)]))
    sent, pending = Sent(), set[int]()
    mirror_round(life.folder, place, pending, life.watch, sent)
    assert place.read("trials/0000/snapshot.safetensors") is None
    mirror_round(life.folder, place, pending, life.watch, sent)
    assert place.read("trials/0000/snapshot.safetensors") == b"3"
