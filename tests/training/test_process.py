"""What a real training process answers. One warm one serves the tests that leave it usable."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_training import answer_of, config_of, epoch_of, run_of

from carsray.config import TrialConfig
from carsray.data.batches import training_data
from carsray.data.records import DataSplit
from carsray.training.checkpoint import load_checkpoint
from carsray.training.fit import EpochResult, fit
from carsray.training.messages import Epoch, Failed
from carsray.training.process import TrainingProcess

pytestmark = pytest.mark.process


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
