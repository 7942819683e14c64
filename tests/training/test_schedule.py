import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carsray.config import TrialConfig
from carsray.training.schedule import Schedule, lr_factor


def config_of(**changes: Any) -> TrialConfig:
    return TrialConfig(**changes)


def sgd(*rates: float) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates], lr=1.0)


def torch_factors(schedule: type[torch.optim.lr_scheduler.LRScheduler], epochs: int, **arguments: Any) -> list[float]:
    """What torch multiplies the rate by in each epoch."""
    optimizer = sgd(1.0)
    theirs = schedule(optimizer, **arguments)
    factors = []
    for _ in range(epochs):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    return factors


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 8), st.sampled_from([0.1, 0.5, 0.9]))
def test_step_drops_when_torch_does(epochs: int, step_epochs: int, factor: float) -> None:
    config = config_of(schedule="step", epochs=epochs, step_epochs=step_epochs, decay_factor=factor)
    theirs = torch_factors(torch.optim.lr_scheduler.StepLR, epochs, step_size=step_epochs, gamma=factor)
    for step in (0, 4):
        assert [lr_factor(config, e, step, 5) for e in range(1, epochs + 1)] == pytest.approx(theirs)


@settings(deadline=None)
@given(st.integers(1, 20))
def test_cosine_begins_each_epoch_at_the_rate_of_torch(epochs: int) -> None:
    config = config_of(schedule="cosine", epochs=epochs)
    theirs = torch_factors(torch.optim.lr_scheduler.CosineAnnealingLR, epochs, T_max=epochs)
    assert [lr_factor(config, e, 0, 7) for e in range(1, epochs + 1)] == pytest.approx(theirs, abs=1e-9)


def test_cosine_falls_from_step_to_step_and_ends_close_to_nothing() -> None:
    config = config_of(schedule="cosine", epochs=3)
    factors = [lr_factor(config, epoch, step, 50) for epoch in (1, 2, 3) for step in range(50)]
    assert factors == sorted(factors, reverse=True)
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 149 / 150)))


def test_cosine_after_warm_up_is_torchs_cosine_over_the_epochs_left() -> None:
    config = config_of(schedule="cosine", epochs=10, warmup_epochs=3)
    theirs = torch_factors(torch.optim.lr_scheduler.CosineAnnealingLR, 7, T_max=7)
    assert [lr_factor(config, epoch, 0, 4) for epoch in range(4, 11)] == pytest.approx(theirs, abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 30), st.sampled_from(["none", "step", "cosine"]))
def test_warm_up_rises_in_equal_steps_to_the_full_rate(warmup: int, steps: int, schedule: str) -> None:
    config = config_of(schedule=schedule, epochs=warmup + 1, warmup_epochs=warmup)
    factors = [lr_factor(config, e, s, steps) for e in range(1, warmup + 1) for s in range(steps)]
    total = warmup * steps
    assert factors == pytest.approx([(n + 1) / total for n in range(total)])


def test_none_keeps_the_rate() -> None:
    config = config_of(schedule="none", epochs=4)
    assert {lr_factor(config, epoch, step, 3) for epoch in range(1, 5) for step in range(3)} == {1.0}


def test_every_group_keeps_its_own_base_rate() -> None:
    optimizer = sgd(0.1, 0.5)
    schedule = Schedule(optimizer, config_of(schedule="step", epochs=9, step_epochs=2, decay_factor=0.1))
    schedule.before_step(5, 0, 3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.001, 0.005])
    assert schedule.lr == pytest.approx(0.001)
    schedule.before_step(1, 0, 3)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.5])


def test_plateau_drops_after_more_than_patience_epochs_without_gain() -> None:
    config = config_of(schedule="plateau", epochs=20, patience=1, decay_factor=0.5, plateau_threshold=0.1)
    optimizer = sgd(0.8, 1.6)
    schedule = Schedule(optimizer, config)
    # A gain counts from ten percent on: 0.95 after 1.0 is none.
    losses = [1.0, 0.95, 0.99, 0.8, 0.79, 0.5, 0.5, 0.5]
    rates = []
    for epoch, loss in enumerate(losses, start=1):
        schedule.before_step(epoch, 0, 1)
        schedule.after_epoch(loss)
        rates.append(schedule.lr)
    assert rates == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.4, 0.2])
    assert optimizer.param_groups[1]["lr"] == pytest.approx(0.4)


@pytest.mark.parametrize("schedule", ["none", "step", "cosine"])
def test_other_schedules_do_not_look_at_the_validation_loss(schedule: str) -> None:
    chosen = Schedule(sgd(0.3), config_of(schedule=schedule, epochs=5, patience=0))
    for loss in (1.0, 2.0, 3.0, 4.0):
        chosen.after_epoch(loss)
    assert chosen.lr == 0.3
