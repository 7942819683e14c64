"""Where a sweep's time went, read from the histories of its trials."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carsray.results import COMPUTING, SweepFolder
from carsray.tuning.picture import duration

PARTS = {
    "compute": "training",
    "data": "waiting for data",
    "prefix": "computing the frozen part",
    "validation": "validation",
    "checkpoint": "checkpoints",
    "start": "start",
    "waiting": "waiting for the driver",
}
"""As histories name them, and as a person reads them."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Sums over every epoch of every trial."""

    seconds: dict[str, float]
    """By part; together the time that the slots were in use, epochs that never ended left out."""
    pictures: int
    """Trained on; a picture counts once an epoch."""


def pictures_an_epoch(train: int, batch_size: int) -> int:
    """How many of the pictures of train an epoch takes: full batches, or all where they do not fill one."""
    return train - train % batch_size if train > batch_size else train


def pictures_trained(epoch: Mapping[str, Any], train: int, batch_size: int) -> int:
    """How many of the pictures of train an epoch took by its line of history: fewer where it was cut short."""
    whole = pictures_an_epoch(train, batch_size)
    return min(int(epoch.get("train/cut_after_step", whole)) * batch_size, whole)


def time_spent(folder: SweepFolder, train: int) -> Timing:
    """What the histories of a sweep over ``train`` training pictures add up to."""
    seconds: Counter[str] = Counter()
    pictures = 0
    for trial in folder.all_trials():
        epochs = [epoch for epoch in trial.read_history() if COMPUTING in epoch]
        for epoch in epochs:
            seconds.update({part: epoch.get(f"seconds/{part}", 0.0) for part in PARTS})
        if epochs:
            batch_size = trial.read_trial_config().batch_size
            pictures += sum(pictures_trained(epoch, train, batch_size) for epoch in epochs)
    return Timing(dict(seconds), pictures)


def timing_lines(timing: Timing) -> list[str]:
    """Two lines for a person; none where nothing was trained."""
    total = sum(timing.seconds.values())
    computing, waiting = timing.seconds.get("compute", 0.0), timing.seconds.get("data", 0.0)
    if not computing:
        return []
    parts = sorted(timing.seconds, key=lambda part: -timing.seconds[part])
    shares = [f"{PARTS[part]} {share:.0%}" for part in parts if (share := timing.seconds[part] / total) >= 0.005]
    training = computing + waiting
    return [
        f"Where {duration(total)} in all slots went: {', '.join(shares)}",
        f"Training: {timing.pictures / training:,.0f} pictures a second and slot,"
        f" {computing / training:.0%} of its time computing and not waiting for data",
    ]
