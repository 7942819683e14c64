"""Batches for training and evaluation, cut straight from a pack and made ready on the device."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from carsray.config import TrialConfig
from carsray.data.augment import AUGMENTATIONS, augment, centre, normalize, resize, view_params
from carsray.data.on_device import pictures, to_device
from carsray.data.pack import Pack, ensure_pack
from carsray.data.records import DataSplit
from carsray.progress import Report, silent
from carsray.seed import derive


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a trial may see."""

    train: Pack
    val: Pack | None
    """None: nothing is measured while it trains."""
    classes: tuple[str, ...]
    val_losses: tuple[float, ...] = ()
    """By epoch: what schedule plateau looks at in place of what it would measure, so that it is known in advance."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures and labels on the device, and where in the pack they come from."""

    images: Tensor
    """float32 (B, 3, s, s), normalised, channels last in memory."""
    labels: Tensor
    """int64 (B,)."""
    rows: np.ndarray
    """int64 (B,), ascending positions in the pack."""


def training_data(split: DataSplit, config: TrialConfig, cache: Path, report: Report = silent) -> TrainingData:
    """The packs of train and, where it has pictures, val; test is not touched.

    Raises DataError where a picture cannot be read or has changed, or the cache cannot hold a pack.
    """
    first, total = len(split.train), len(split.train) + len(split.val)
    train = ensure_pack(split.train, config, cache, lambda done, _: report(done, total))
    val = ensure_pack(split.val, config, cache, lambda done, _: report(first + done, total)) if split.val else None
    return TrainingData(train, val, split.classes)


def batch_count(pack: Pack, config: TrialConfig) -> int:
    """Training batches in an epoch: full ones only, or one of everything where the pack does not fill one."""
    return max(len(pack.labels) // config.batch_size, min(len(pack.labels), 1))


def train_rows(pack: Pack, config: TrialConfig, epoch: int) -> Iterator[np.ndarray]:
    """Positions in the pack, batch by batch, of one epoch counted from 1: int64 (B,), ascending.

    What does not fill a batch is left for another epoch, since BatchNorm cannot train on a batch of one.
    """
    order = np.random.default_rng(derive(config.seed, "order", epoch)).permutation(len(pack.labels))
    for number in range(batch_count(pack, config)):
        # Within a batch the order means nothing; ascending, the file is read forwards.
        yield np.sort(order[number * config.batch_size : (number + 1) * config.batch_size])


def all_batches(pack: Pack, config: TrialConfig, epoch: int, device: torch.device, size: int = 64) -> Iterator[Batch]:
    """Every picture once, in the order of the pack, augmented as in training epoch ``epoch``."""
    rows = np.arange(len(pack.labels))
    return _augmented(pack, config, epoch, device, (rows[at : at + size] for at in range(0, len(rows), size)))


def train_batches(
    pack: Pack, config: TrialConfig, epoch: int, device: torch.device, rows: Iterable[np.ndarray] | None = None
) -> Iterator[Batch]:
    """One epoch, counted from 1: the pictures in an order of their own, augmented as view ``epoch``.

    ``rows`` are what a worker takes of each batch, where several share them; none: everything.
    """
    return _augmented(pack, config, epoch, device, train_rows(pack, config, epoch) if rows is None else rows)


def _augmented(
    pack: Pack, config: TrialConfig, epoch: int, device: torch.device, batches: Iterable[np.ndarray]
) -> Iterator[Batch]:
    augmentation = AUGMENTATIONS[config.augment]
    params = view_params(augmentation, len(pack.labels), config.view_seed, view=epoch)
    for rows in batches:
        images = pictures(pack, rows, device)
        if config.augment == "none":
            x = normalize(resize(images, config.image_size), config.normalize)
        else:
            x = augment(images, params[rows], config.image_size, config.normalize)
        yield _batch(pack, rows, x)


def eval_batches(pack: Pack, config: TrialConfig, device: torch.device, batch_size: int = 128) -> Iterator[Batch]:
    """Every picture once, in the order of the pack, without augmentation; the last batch may be smaller."""
    for start in range(0, len(pack.labels), batch_size):
        rows = np.arange(start, min(start + batch_size, len(pack.labels)))
        images = centre(pictures(pack, rows, device), config.eval_crop)
        yield _batch(pack, rows, normalize(resize(images, config.image_size), config.normalize))


def _batch(pack: Pack, rows: np.ndarray, images: Tensor) -> Batch:
    return Batch(images, to_device(pack.labels[rows], images.device), rows)
