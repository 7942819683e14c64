"""Real child processes. One warm child serves the tests that leave it usable."""

import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_training import config_of, draw_folders, run_of, split_of

from carsray.config import TrialConfig
from carsray.data.batches import training_data
from carsray.data.records import DataSplit
from carsray.training.checkpoint import load_checkpoint
from carsray.training.fit import EpochResult, Progress, fit
from carsray.training.forked import fork_server
from carsray.training.messages import Epoch, Failed
from carsray.training.process import CHILD, TrainingProcess

SLOW = {"image_size": 128, "pack_size": 128, "width": 64, "batch_size": 1}
"""An epoch of some seconds."""

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("process")
    draw_folders(root / "pictures")
    return root


@pytest.fixture(scope="module")
def split(folder: Path) -> DataSplit:
    return split_of(folder / "pictures", folder / "cache")


@pytest.fixture(scope="module")
def warm(folder: Path, split: DataSplit) -> Iterator[TrainingProcess]:
    process = TrainingProcess(split, run_of(folder).model_copy(update={"fork_server": fork_server()}))
    yield process
    process.close()


@pytest.fixture
def start(folder: Path, split: DataSplit) -> Iterator[Callable[..., TrainingProcess]]:
    """Makes processes that are gone after the test, forked ones unless they are to be started anew."""
    made: list[TrainingProcess] = []

    def make(
        of: DataSplit = split, progress_seconds: float = 60.0, child: Sequence[str] = CHILD, anew: bool = False
    ) -> TrainingProcess:
        server = None if anew else fork_server()
        run = run_of(folder, progress_seconds).model_copy(update={"fork_server": server})
        made.append(TrainingProcess(of, run, child))
        return made[-1]

    yield make
    for process in made:
        process.close()


def answer_of(process: TrainingProcess, snapshot: bool = False) -> Epoch | Failed:
    """The answer that ends an epoch."""
    *progress, last = process.next_epoch(snapshot)
    assert all(isinstance(event, Progress) for event in progress)
    assert not isinstance(last, Progress)
    return last


def epoch_of(process: TrainingProcess, snapshot: bool = False) -> Epoch:
    answer = answer_of(process, snapshot)
    assert isinstance(answer, Epoch), answer
    return answer


def ended(pid: int, within: float = 30.0) -> bool:
    """Whether a process that is nobody's child here ends in time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within)[0])
    finally:
        os.close(handle)


def test_trials_share_a_child_and_get_the_numbers_of_fit(warm: TrainingProcess, folder: Path, split: DataSplit) -> None:
    pids = set()
    for seed in (0, 1):
        config = config_of(seed=seed, dropout=0.2)
        warm.begin(config)
        pids.add(warm.pid)
        found = [epoch_of(warm) for _ in range(config.epochs)]
        events = fit(config, training_data(split, config, folder / "cache"), run_of(folder))
        here = [event for event in events if isinstance(event, EpochResult)]
        assert [epoch.metrics for epoch in found] == [event.metrics for event in here]
        assert all(epoch.predicted is None for epoch in found[:-1])
        assert np.array_equal(found[-1].predicted, here[-1].predicted)
    assert len(pids) == 1


def environment_of(process: TrainingProcess) -> list[str]:
    process.begin(config_of())
    epoch_of(process)  # before a child runs, Linux may show no environment
    return Path(f"/proc/{process.pid}/environ").read_text().split("\0")


def test_a_child_keeps_its_heap_unless_the_environment_says_otherwise(
    start: Callable[..., TrainingProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "7")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    environment = environment_of(start(anew=True))
    assert "MALLOC_MMAP_MAX_=7" in environment
    assert f"MALLOC_TRIM_THRESHOLD_={2**40}" in environment


@pytest.mark.parametrize(("policy", "ours"), [(None, True), ("active", False)])
def test_the_threads_of_a_child_do_not_spin_long_unless_the_environment_says_otherwise(
    policy: str | None, ours: bool, start: Callable[..., TrainingProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    if policy:
        monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    assert ("GOMP_SPINCOUNT=5000" in environment_of(start(anew=True))) == ours


def test_a_trial_given_up_between_epochs_makes_room_for_the_next(warm: TrainingProcess) -> None:
    warm.begin(config_of(epochs=9))
    first = epoch_of(warm).metrics
    warm.begin(config_of(epochs=9))
    assert epoch_of(warm).metrics == first


def test_the_best_weights_come_with_a_snapshot_and_at_the_end(warm: TrainingProcess, tmp_path: Path) -> None:
    warm.begin(config_of(epochs=5))
    best, unsent = (-1.0, 0), False
    for asked in (False, False, True, False, False):
        epoch = epoch_of(warm, snapshot=asked)
        score = epoch.metrics["val/accuracy"]
        unsent = unsent or score > best[0]
        best = max(best, (score, epoch.epoch), key=lambda pair: pair[0])
        due = asked or epoch.epoch == 5
        assert (epoch.checkpoint is not None) == (due and unsent)
        if epoch.checkpoint:
            (tmp_path / "checkpoint").write_bytes(epoch.checkpoint)
            assert load_checkpoint(tmp_path / "checkpoint")[1].epoch == best[1]
            unsent = False


def test_a_trial_that_fails_leaves_the_child_usable(warm: TrainingProcess) -> None:
    warm.begin(config_of(lr=10.0, batchnorm=False, weight_decay=1.0, epochs=50))
    answer = answer_of(warm)
    while isinstance(answer, Epoch):
        answer = answer_of(warm)
    assert "loss became" in answer.reason
    assert answer.kind == "trial"
    pid = warm.pid
    warm.begin(config_of())
    assert epoch_of(warm).epoch == 1
    assert warm.pid == pid


def test_settings_that_fit_no_network_fail_the_trial_in_one_line(warm: TrainingProcess) -> None:
    warm.begin(config_of(unfreeze_depth=1))
    answer = answer_of(warm)
    assert isinstance(answer, Failed)
    assert answer.reason.startswith("unfreeze_depth = 1")
    assert "\n" not in answer.reason
    assert answer.kind == "trial"


def test_where_a_sweep_may_end_after_any_epoch_weights_come_whenever_they_are_the_best(
    folder: Path, split: DataSplit
) -> None:
    process, best = TrainingProcess(split, run_of(folder).model_copy(update={"keep_improved": True})), -1.0
    try:
        process.begin(config_of(epochs=4))
        for epoch in [epoch_of(process) for _ in range(3)]:
            assert (epoch.checkpoint is not None) == (epoch.metrics["val/accuracy"] > best)
            best = max(best, epoch.metrics["val/accuracy"])
    finally:
        process.close()


def test_an_epoch_past_the_last_is_a_failure(warm: TrainingProcess) -> None:
    warm.begin(config_of(epochs=1))
    epoch_of(warm)
    answer = answer_of(warm)
    assert isinstance(answer, Failed)
    assert "past its last" in answer.reason


def test_a_bug_in_the_child_carries_its_traceback(warm: TrainingProcess) -> None:
    warm.begin(TrialConfig.model_construct(**config_of().model_dump() | {"epochs": "many"}))
    answer = answer_of(warm)
    assert isinstance(answer, Failed)
    assert answer.kind == "bug"
    assert "Traceback" in answer.reason
    assert "fit.py" in answer.reason
    warm.begin(config_of())
    assert epoch_of(warm).epoch == 1


def test_test_pictures_are_sealed_in_the_child(start: Callable[..., TrainingProcess], split: DataSplit) -> None:
    process = start(replace(split, val=split.test))
    process.begin(config_of())
    answer = answer_of(process)
    assert isinstance(answer, Failed)
    assert "sealed while a sweep runs" in answer.reason


def test_a_child_killed_within_an_epoch_is_a_failure_and_the_next_trial_gets_a_new_one(
    start: Callable[..., TrainingProcess],
) -> None:
    process = start(progress_seconds=0.0)
    process.begin(config_of(**SLOW))
    answers = process.next_epoch()
    assert isinstance(next(answers), Progress)
    killed = process.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    *_, last = answers
    assert isinstance(last, Failed)
    assert "signal 9" in last.reason
    assert last.kind == "died"
    assert isinstance(answer_of(process), Failed)  # asking on does no harm
    process.begin(config_of())
    assert process.pid != killed
    assert epoch_of(process).epoch == 1


def test_a_child_killed_between_trials_is_replaced(start: Callable[..., TrainingProcess]) -> None:
    process = start()
    process.begin(config_of(epochs=1))
    first = epoch_of(process)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    problem = process.begin(config_of(epochs=1))
    assert problem is not None
    assert "signal 9" in problem
    assert epoch_of(process).metrics == first.metrics


def test_a_child_that_keeps_memory_is_replaced_before_the_next_trial(start: Callable[..., TrainingProcess]) -> None:
    process = start(child=(sys.executable, str(Path(__file__).with_name("leaky_child.py"))))
    found = []
    for _ in range(3):
        problem = process.begin(config_of(epochs=1))
        found.append((problem, process.pid, epoch_of(process).epoch))
    (first, leaky, _), (second, kept, _), (third, fresh, _) = found
    assert (first, second) == (None, None)  # what the first trial leaves is the measure for all others
    assert third is not None
    assert "MiB of memory were not given back" in third
    assert leaky == kept != fresh


def test_a_healthy_child_stays_through_trials_of_all_kinds(warm: TrainingProcess) -> None:
    warm.begin(config_of())
    pid = warm.pid
    kinds = [{"width": 32, "hidden": 512}, {"batch_size": 16, "optimizer": "adamw"}, {"lr": 10.0, "batchnorm": False}]
    for number in range(12):
        assert warm.begin(config_of(seed=number, **kinds[number % 3])) is None
        answer_of(warm)
    assert warm.pid == pid


def test_a_trial_given_up_within_an_epoch_does_not_answer_for_the_next(start: Callable[..., TrainingProcess]) -> None:
    process = start(progress_seconds=0.0)
    process.begin(config_of(epochs=1, lr=0.5))
    assert isinstance(next(process.next_epoch()), Progress)
    assert process.begin(config_of(epochs=1)) is None
    given = epoch_of(process).metrics
    process.begin(config_of(epochs=1))
    assert epoch_of(process).metrics == given


def test_close_leaves_no_process_even_in_the_middle_of_an_epoch(start: Callable[..., TrainingProcess]) -> None:
    process = start(progress_seconds=0.0)
    process.begin(config_of(**SLOW))
    answers = process.next_epoch()
    next(answers)
    pid = process.pid
    assert pid is not None
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert process.pid is None
    process.close()  # twice is as good as once


OWNER = """
import pickle, sys
from carsray.training.forked import fork_server
from carsray.training.process import TrainingProcess

split, run, config = pickle.load(open(sys.argv[1], "rb"))
if sys.argv[2] == "forked":
    run = run.model_copy(update={"fork_server": fork_server()})
process = TrainingProcess(split, run)
process.begin(config)
for _ in process.next_epoch():
    print(process.pid, flush=True)
"""


@pytest.mark.parametrize("how", ["forked", "anew"])
def test_a_child_ends_when_its_owner_is_killed(how: str, folder: Path, split: DataSplit, tmp_path: Path) -> None:
    arguments = tmp_path / "arguments.pickle"
    arguments.write_bytes(pickle.dumps((split, run_of(folder, progress_seconds=0.0), config_of(**SLOW))))
    command = [sys.executable, "-c", OWNER, str(arguments), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        owner.kill()
    assert ended(child)
