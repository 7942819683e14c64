"""What ends a training in plain words: settings that do not fit the pictures, and a loss that is no number any more."""

import math

from carsray.config import TrialConfig
from carsray.data.batches import TrainingData
from carsray.errors import ConfigError, TrialFailed
from carsray.training.team import Team


def check_trainable(config: TrialConfig, data: TrainingData, team: Team) -> None:
    """Raise ConfigError for what cannot be trained on these data by this team."""
    known = len(data.val_losses)
    if config.schedule == "plateau" and known < config.epochs and (known or not data.val):
        raise ConfigError(
            f"schedule = plateau: {known} validation losses are known for {config.epochs} epochs, and without val none"
            " are measured; give one for each epoch"
        )
    team.check(min(config.batch_size, len(data.train.labels)))


def check_finite(value: float, name: str, epoch: int, lr: float, step: int | None = None) -> None:
    """Raise TrialFailed with the place, unless a value is finite."""
    if not math.isfinite(value):
        where = f"epoch {epoch}" + (f", step {step + 1}" if step is not None else "")
        raise TrialFailed(f"{name} became {value} in {where} (lr {lr:.2g})")


def batch_of_one(config: TrialConfig) -> TrialFailed:
    """A BatchNorm has refused one value a channel: what the network makes of the only picture of a batch is no map."""
    return TrialFailed(
        f"batch_size = {config.batch_size}: a batch of one picture, and a BatchNorm cannot train on a single value; use"
        " batches of 2 or more, and as many pictures to train on"
    )
