"""A whole training, from the pictures to the weights, as plain events: what runs on a worker."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import training_data
from carsray.data.records import DataSplit
from carsray.data.remote import local_paths
from carsray.data.seal import sealed
from carsray.errors import CarsrayError, TrialFailed
from carsray.results import MICRO_BATCHES
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes
from carsray.training.device import device_name, resolve_device
from carsray.training.fit import EpochResult, Progress, fit
from carsray.training.standing import SNAPSHOT_SECONDS
from carsray.training.team import this_team


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """An epoch has ended."""

    epoch: int
    metrics: dict[str, float]
    seconds: dict[str, float] = field(default_factory=dict)
    """Where the time went."""
    device: str = ""
    """What it was trained on."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A place to go on from; sent every few minutes, at the end of an epoch."""

    snapshot: bytes


@dataclass(frozen=True, slots=True)
class Trained:
    """The training has ended; the weights of its last or of its best epoch."""

    checkpoint: bytes
    averaged: bytes | None = None
    """The average of the weights at that epoch, where one was kept."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """This run cannot go on; the others do."""

    reason: str
    experiment: str = ""
    """Where several go together, which of them; none: all."""


Event = Progress | EpochEnd | Saved | Trained | Impossible


@dataclass(frozen=True, slots=True)
class Terms:
    """What a training goes by beside its config."""

    val_losses: tuple[float, ...] = ()
    """What schedule plateau looks at, by epoch, in place of what it would measure."""
    decay: float = 0.0
    """Of the average of the weights; 0: none is kept."""


def train(
    config: TrialConfig,
    weights: Literal["last", "best"],
    split: DataSplit,
    run: RunConfig,
    terms: Terms | None = None,
    snapshot: bytes | None = None,
    micro_batches: int = 1,
) -> Iterator[Event]:
    """Train to the end with the test split sealed, from the start or from a snapshot; on this team of workers.

    Only under terms, where the caller can go on from them, are snapshots sent. A split without val measures nothing.
    Each batch is cut into so many micro_batches; where memory lacks, the error of that is raised.
    """
    team = this_team()
    try:
        with sealed(local_paths(split.test, run.cache)):
            yield from _train(config, weights, split, run, terms, snapshot, micro_batches)
    except (CarsrayError, TrialFailed) as error:
        if not team.leads:
            raise  # the others would wait for this worker for ever
        yield Impossible(str(error))
        if team.size > 1:
            raise  # and they wait for the first one as well


def _train(
    config: TrialConfig,
    weights: Literal["last", "best"],
    split: DataSplit,
    run: RunConfig,
    terms: Terms | None,
    snapshot: bytes | None,
    micro_batches: int,
) -> Iterator[Event]:
    parts = {MICRO_BATCHES: micro_batches} if micro_batches > 1 else {}
    asked = terms or Terms()
    data = replace(training_data(split, config, run.cache), val_losses=asked.val_losses)
    device = device_name(resolve_device(run))
    ended, saved = Trained(b""), time.perf_counter()
    for event in fit(config, data, run, snapshot, micro_batches, asked.decay, this_team()):
        if not isinstance(event, EpochResult):
            yield event
            continue
        last = event.epoch == config.epochs
        if event.improved if weights == "best" else last:
            info = CheckpointInfo(config, split.classes, event.epoch)
            averaged = checkpoint_bytes(event.averaged, info) if event.averaged else None
            ended = Trained(checkpoint_bytes(event.network, info), averaged)
        yield EpochEnd(event.epoch, event.metrics | parts, event.seconds, device)
        if terms and not last and time.perf_counter() - saved > SNAPSHOT_SECONDS:
            yield Saved(event.snapshot())
            saved = time.perf_counter()
    yield ended
