"""What a training process and its owner say to each other over a pipe. All of it is plain data.

Neither this module nor process.py imports torch: the owner has no use for it, and it takes seconds and 700 MB a trial.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from carsray.config import RunConfig, TrialConfig
from carsray.data.records import DataSplit

FailureKind = Literal["trial", "memory", "device", "died", "stalled", "unfit", "bug"]
"""trial: its settings or its loss; memory: the device's or the machine's is full; device: the GPU reported a fault;
died, stalled: the training process did; unfit: it was in no state to take this trial after another, and was replaced;
bug: nobody expected it, and the reason ends with the traceback."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of life within an epoch: a place to show, to save, to stop."""

    epoch: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Open:
    """First request: the data and the place of every trial to come."""

    split: DataSplit
    run: RunConfig


@dataclass(frozen=True, slots=True)
class LetGo:
    """Request: drop the trial at hand and look whether all is well for another. Answered by Released."""


@dataclass(frozen=True, slots=True)
class Released:
    """Answer: the trial is gone."""

    problem: str | None
    """Why the next trial should have another process, if it should."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Request: begin this trial, or go on with it where a snapshot was made."""

    config: TrialConfig
    snapshot: bytes | None = None
    micro_batches: int = 1
    """Parts that each batch is cut into, for a device that cannot hold it whole."""
    to_pass: float | None = None
    """The accuracy that is asked for after the first epoch, of a trial of a sweep."""


@dataclass(frozen=True, slots=True)
class NextEpoch:
    """Request: train one epoch. Answered by any number of Progress, then Epoch or Failed."""

    snapshot: bool = False
    """Whether a snapshot is to come with the answer."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Answer: an epoch has ended."""

    epoch: int
    metrics: dict[str, float]
    seconds: dict[str, float]
    checkpoint: bytes | None
    """The trained part of the network at its best epoch since one was last sent; with snapshots, at the end, and
    whenever there is a better one where the run asks for that."""
    snapshot: bytes | None
    """All that the trial needs to go on after this epoch, where that was asked for."""
    predicted: np.ndarray | None = None
    """int64 (N,): the class that each picture of val was taken for; with the last epoch."""
    usage: dict[str, float] = field(default_factory=dict)
    """What the training process used of its machine; see usage.py."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Answer: the trial cannot go on."""

    reason: str
    kind: FailureKind


Request = Open | LetGo | Begin | NextEpoch
Answer = Released | Progress | Epoch | Failed
