"""Keeping runs up to date, with a writer that notes what it is given."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from made_record import made_sweep

from carsray.results import State
from carsray.tracking.ledger import Ledger
from carsray.tracking.run import TrackedRun
from carsray.tracking.upkeep import Upkeep


def run_of(epochs: int, state: State = "finished", name: str = "a") -> TrackedRun:
    rows = tuple({"epoch": epoch} for epoch in range(1, epochs + 1))
    return TrackedRun(name, name, "trial", {"sweep": "s"}, rows, state)


class Writer:
    """Notes how far each run was when it was written; refuses as often as told, and waits at a gate."""

    def __init__(self, refusals: int = 0) -> None:
        self.written: list[tuple[str, int]] = []
        self.refusals = refusals
        self.begun, self.gate = threading.Semaphore(0), threading.Event()
        self.gate.set()

    def __call__(self, run: TrackedRun) -> None:
        self.begun.release()
        self.gate.wait()
        if self.refusals:
            self.refusals -= 1
            raise OSError("the network is down\nand more")
        self.written.append((run.id, len(run.rows)))

    @contextmanager
    def held(self) -> Iterator[None]:
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()


def upkeep_of(tmp_path: Path, writer: Writer) -> tuple[Upkeep, Ledger]:
    ledger = Ledger(made_sweep(tmp_path), "cars/carsray")
    return Upkeep(writer, ledger, 2), ledger


def test_what_was_sent_is_not_sent_again(tmp_path: Path) -> None:
    writer = Writer()
    upkeep, ledger = upkeep_of(tmp_path, writer)
    upkeep.bring(run_of(2))
    assert upkeep.left() == 0
    upkeep.bring(run_of(2))
    assert upkeep.left() == 0
    assert writer.written == [("a", 2)]
    assert ledger.holds(run_of(2))
    assert not ledger.holds(run_of(3))


def test_the_ledger_is_there_for_the_next_process_and_knows_one_place_from_another(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    Ledger(folder, "cars/carsray").note(run_of(2))
    assert Ledger(folder, "cars/carsray").holds(run_of(2))
    assert not Ledger(folder, "offline").holds(run_of(2))


def test_while_a_run_is_written_the_newest_state_of_it_waits(tmp_path: Path) -> None:
    writer = Writer()
    upkeep, _ = upkeep_of(tmp_path, writer)
    with writer.held():
        upkeep.bring(run_of(1, "running"))
        writer.begun.acquire()
        upkeep.bring(run_of(2, "running"))
        upkeep.bring(run_of(3))
        assert upkeep.left(seconds=0) == 1
    assert upkeep.left() == 0
    assert writer.written == [("a", 1), ("a", 3)]


def test_a_run_that_waits_keeps_no_other_waiting(tmp_path: Path) -> None:
    writer = Writer()
    upkeep, _ = upkeep_of(tmp_path, writer)
    with writer.held():
        upkeep.bring(run_of(1, name="a"))
        upkeep.bring(run_of(1, name="b"))
        for _ in "ab":
            writer.begun.acquire()  # both are under way
    assert upkeep.left() == 0


def test_what_has_failed_is_left_over_with_its_reason_until_it_is_tried_again(tmp_path: Path) -> None:
    writer = Writer(refusals=2)
    upkeep, ledger = upkeep_of(tmp_path, writer)
    upkeep.bring(run_of(2))
    assert upkeep.left() == 1
    assert upkeep.problems == {"a": "the network is down"}
    upkeep.tend()  # too early
    assert writer.refusals == 1
    upkeep.hurry()
    assert upkeep.left() == 1
    upkeep.hurry()
    assert upkeep.left() == 0
    assert (upkeep.problems, ledger.holds(run_of(2))) == ({}, True)


def test_a_run_under_way_is_not_noted_as_sent(tmp_path: Path) -> None:
    upkeep, ledger = upkeep_of(tmp_path, Writer())
    upkeep.bring(run_of(2, "running"))
    assert upkeep.left() == 0
    assert not ledger.holds(run_of(2, "running"))


def test_before_a_run_is_tried_again_what_it_left_is_put_away_while_nothing_is_written(tmp_path: Path) -> None:
    writer, cleared = Writer(refusals=1), list[list[tuple[str, int]]]()
    upkeep = Upkeep(writer, Ledger(made_sweep(tmp_path), "cars/carsray"), 2, lambda: cleared.append([*writer.written]))
    upkeep.bring(run_of(1, name="a"))
    assert upkeep.left() == 1
    with writer.held():
        upkeep.bring(run_of(1, name="b"))
        for _ in "ab":
            writer.begun.acquire()
        upkeep.hurry()
        assert cleared == [], "b is being written"
    assert upkeep.left() == 0
    assert cleared == [[("b", 1)]]
    assert writer.written == [("b", 1), ("a", 1)]
