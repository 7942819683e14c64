"""How training processes end: killed, replaced, closed, left by their owner."""

import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_training import answer_of, config_of, epoch_of, run_of

from carsray.data.records import DataSplit
from carsray.training import process as process_module
from carsray.training.fit import Progress
from carsray.training.messages import Failed
from carsray.training.process import TrainingProcess

pytestmark = pytest.mark.process

SLOW = {"image_size": 128, "pack_size": 128, "width": 64, "batch_size": 1}
"""An epoch of some seconds."""


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


def test_a_child_that_reads_nothing_is_given_up(
    start: Callable[..., TrainingProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "STALL_SECONDS", 0.5)
    process = start(child=(sys.executable, "-c", "import signal; signal.pause()"))
    process.begin(config_of(), snapshot=bytes(10**7))
    answer = answer_of(process)
    assert isinstance(answer, Failed)
    assert (answer.kind, "no sign of life" in answer.reason) == ("stalled", True)
    assert process.pid is None


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
