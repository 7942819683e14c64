"""Trials that outlive failures, with a process that does as a script says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_training import config_of, run_of

from carsray.config import TrialConfig
from carsray.data.records import DataSplit
from carsray.training import attempts
from carsray.training.attempts import ATTEMPTS, Attempts
from carsray.training.messages import Epoch, Failed, FailureKind, Progress

NOTHING = DataSplit(("a", "b"), (), (), (), "none", "")


class Scripted:
    """Trains from where it is begun; fails as often as it is told to, before the epochs it is told to."""

    def __init__(self, split: DataSplit, run: Any) -> None:
        self.failures: dict[int, list[FailureKind]] = {}
        self.begun: list[tuple[int, int]] = []
        self.trained: list[int] = []
        self.closed = 0
        self.asked: list[tuple[int, bool]] = []
        self.problem: str | None = None

    def begin(
        self, config: TrialConfig, snapshot: bytes | None, micro_batches: int, to_pass: float | None
    ) -> str | None:
        self.at = int(snapshot or b"0")
        self.begun.append((self.at, micro_batches))
        self.to_pass = to_pass
        return self.problem

    def next_epoch(self, snapshot: bool = False) -> Iterator[Progress | Epoch | Failed]:
        self.asked.append((self.at + 1, snapshot))
        yield Progress(self.at + 1, 1, 2)
        if self.failures.get(self.at + 1):
            yield Failed("it happens", self.failures[self.at + 1].pop(0))
            return
        self.at += 1
        self.trained.append(self.at)
        yield Epoch(self.at, {}, {}, None, str(self.at).encode() if snapshot else None)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Attempts:
    monkeypatch.setattr(attempts, "TrainingProcess", Scripted)
    made = Attempts(NOTHING, run_of(tmp_path))
    made.begin(config_of())
    return made


def script(trial: Attempts) -> Any:
    return trial.process


def train(trial: Attempts, epochs: int, every: int = 2) -> list[int | str]:
    """Epochs as the owner sees them, with a snapshot every so many; a failure by its kind."""
    seen: list[int | str] = []
    for epoch in range(1, epochs + 1):
        last = list(trial.next_epoch(snapshot=epoch % every == 0))[-1]
        assert isinstance(last, Epoch | Failed)
        seen.append(last.epoch if isinstance(last, Epoch) else last.kind)
        if isinstance(last, Failed):
            break
    return seen


@pytest.mark.parametrize("kind", list(ATTEMPTS))
def test_a_failure_that_may_pass_costs_the_epochs_since_the_last_snapshot(kind: FailureKind, trial: Attempts) -> None:
    script(trial).failures = {4: [kind]}
    assert train(trial, 6) == [1, 2, 3, 4, 5, 6]
    assert script(trial).trained == [1, 2, 3, 3, 4, 5, 6]
    assert [failure.kind for failure in trial.log] == [kind]


def test_without_a_snapshot_the_trial_starts_over(trial: Attempts) -> None:
    script(trial).failures = {2: ["died"]}
    assert train(trial, 3, every=9) == [1, 2, 3]
    assert script(trial).trained == [1, 1, 2, 3]


@pytest.mark.parametrize("kind", ["trial", "bug"])
def test_what_would_happen_again_ends_the_trial_at_once(kind: FailureKind, trial: Attempts) -> None:
    script(trial).failures = {2: [kind]}
    assert train(trial, 6) == [1, kind]
    assert len(script(trial).begun) == 1


@pytest.mark.parametrize(("kind", "most"), list(ATTEMPTS.items()))
def test_a_cause_that_does_not_pass_ends_the_trial(kind: FailureKind, most: int, trial: Attempts) -> None:
    script(trial).failures = {2: [kind] * most}
    assert train(trial, 6) == [1, kind]


@pytest.mark.parametrize("kind", list(ATTEMPTS))
def test_failures_with_new_epochs_in_between_do_not_add_up(kind: FailureKind, trial: Attempts) -> None:
    script(trial).failures = {epoch: [kind] for epoch in range(1, 9)}
    assert train(trial, 8) == list(range(1, 9))
    assert len(trial.log) == 8


def test_full_memory_halves_the_parts_of_a_batch_each_time(trial: Attempts) -> None:
    script(trial).failures = {1: ["memory"] * 3}
    assert train(trial, 2) == [1, 2]
    assert [parts for _, parts in script(trial).begun] == [1, 2, 4, 8]
    assert trial.micro_batches == 8


def test_a_kill_by_chance_changes_nothing_and_a_second_one_is_taken_for_full_memory(trial: Attempts) -> None:
    script(trial).failures = {1: ["died", "died"]}
    assert train(trial, 2) == [1, 2]
    assert [parts for _, parts in script(trial).begun] == [1, 1, 2]


def test_a_faulty_device_gets_a_fresh_process(trial: Attempts) -> None:
    script(trial).failures = {1: ["device"]}
    train(trial, 1)
    assert script(trial).closed == 1


def test_a_process_that_had_to_be_replaced_is_noted_and_costs_the_trial_nothing(trial: Attempts) -> None:
    script(trial).problem = "memory was not given back"
    trial.begin(config_of())
    assert train(trial, 2) == [1, 2]
    assert trial.log == [Failed("memory was not given back", "unfit")]
    assert trial.micro_batches == 1


def test_the_next_trial_begins_without_the_failures_of_the_last(trial: Attempts) -> None:
    script(trial).failures = {1: ["memory"]}
    train(trial, 1)
    trial.begin(config_of(), b"5", done=5)
    assert (trial.log, trial.micro_batches) == ([], 1)
    assert train(trial, 1) == [6]


def test_a_trial_that_goes_on_keeps_the_parts_of_its_batches(trial: Attempts) -> None:
    script(trial).failures = {6: ["memory"]}
    trial.begin(config_of(), b"5", done=5, micro_batches=2)
    assert train(trial, 1) == [6]
    assert script(trial).begun[-2:] == [(5, 2), (5, 4)]


def test_what_a_trial_is_to_pass_holds_after_a_failure_too(trial: Attempts) -> None:
    trial.begin(config_of(), to_pass=0.4)
    script(trial).failures, script(trial).to_pass = {1: ["died"]}, None
    assert train(trial, 1) == [1]
    assert script(trial).to_pass == 0.4


def test_epochs_that_are_trained_again_send_nothing_that_would_be_dropped(trial: Attempts) -> None:
    """The process sends its best weights once: with an epoch that is dropped, they would be lost."""
    script(trial).failures = {6: ["died"]}
    assert train(trial, 6, every=3) == [1, 2, 3, 4, 5, 6]
    assert script(trial).asked[-4:] == [(6, True), (4, False), (5, False), (6, True)]
