"""Learning-rate schedules. All but plateau are a pure function of the time trained so far."""

import math
from typing import Any

import torch

from carsray.config import TrialConfig


def lr_factor(config: TrialConfig, epoch: int, step: int, steps: int) -> float:
    """What multiplies the learning rate in one step of schedules none, step and cosine.

    Args:
        config: schedule, warmup_epochs, step_epochs, decay_factor, epochs.
        epoch: the current epoch, from 1.
        step: the current step of the epoch, from 0.
        steps: steps in an epoch.

    """
    elapsed = epoch - 1 + step / steps  # epochs trained before this step
    if elapsed < config.warmup_epochs:
        return (elapsed + 1 / steps) / config.warmup_epochs  # the last warm-up step has the full rate
    if config.schedule == "step":
        return float(config.decay_factor ** ((epoch - 1) // config.step_epochs))
    if config.schedule == "cosine":
        # SGDR without restarts, https://arxiv.org/abs/1608.03983
        share = (elapsed - config.warmup_epochs) / (config.epochs - config.warmup_epochs)
        return 0.5 * (1 + math.cos(math.pi * share))
    return 1.0


class Schedule:
    """Sets the learning rates of an optimiser."""

    def __init__(self, optimizer: torch.optim.Optimizer, config: TrialConfig) -> None:
        self._optimizer, self._config = optimizer, config
        self._base = [float(group["lr"]) for group in optimizer.param_groups]
        self._plateau = None
        if config.schedule == "plateau":
            self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=config.decay_factor, patience=config.patience, threshold=config.plateau_threshold
            )

    def before_step(self, epoch: int, step: int, steps: int) -> None:
        """Set the rate for this step."""
        if self._plateau is None:
            factor = lr_factor(self._config, epoch, step, steps)
            for group, base in zip(self._optimizer.param_groups, self._base, strict=True):
                group["lr"] = base * factor

    def after_epoch(self, val_loss: float) -> None:
        """Let plateau look at the validation loss, measured or known in advance."""
        if self._plateau is not None:
            self._plateau.step(val_loss)

    def state(self) -> dict[str, Any]:
        """What plateau remembers, as plain data; the others remember nothing."""
        if self._plateau is None:
            return {}
        rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        return {"plateau": self._plateau.state_dict(), "rates": rates}

    def take_up(self, state: dict[str, Any]) -> None:
        """Remember what `state` gave."""
        if self._plateau is not None:
            self._plateau.load_state_dict(state["plateau"])
            for group, rate in zip(self._optimizer.param_groups, state["rates"], strict=True):
                group["lr"] = rate

    @property
    def lr(self) -> float:
        """The body's current learning rate (the head's, where only the head is trained)."""
        return float(self._optimizer.param_groups[0]["lr"])
