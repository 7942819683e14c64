"""What the workers do: train an experiment, measure it, search its embeddings. Each is a generator of events."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import eval_batches, training_data
from carsray.data.pack import ensure_pack
from carsray.data.records import DataSplit, SplitName
from carsray.data.seal import sealed
from carsray.errors import CarsrayError, TrialFailed
from carsray.models.network import Network
from carsray.training.answers import answer_metrics
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes, load_checkpoint
from carsray.training.device import compute_dtype, resolve_device
from carsray.training.evaluate import predict
from carsray.training.fit import EpochResult, Progress, fit
from carsray.training.metrics import classification_metrics


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """An epoch has ended."""

    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Trained:
    """The training has ended; the weights of its last or of its best epoch."""

    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out on one part of the data."""

    experiment: str
    split: SplitName
    metrics: dict[str, float]
    answers: dict[str, np.ndarray]
    """One value a picture, in the order of the split's rows: label, predicted, and loss or average_precision."""


@dataclass(frozen=True, slots=True)
class Impossible:
    """This run cannot go on; the others do."""

    reason: str


def train(
    config: TrialConfig, evaluate: str, split: DataSplit, run: RunConfig
) -> Iterator[Progress | EpochEnd | Trained | Impossible]:
    """Train to the end, with the test split sealed."""
    checkpoint = b""
    try:
        with sealed(row.path for row in split.test):
            data = training_data(split, config, run.cache)
            for event in fit(config, data, run):
                if isinstance(event, EpochResult):
                    if event.improved if evaluate == "best" else event.epoch == config.epochs:
                        info = CheckpointInfo(config, split.classes, event.epoch)
                        checkpoint = checkpoint_bytes(event.network, info)
                    yield EpochEnd(event.epoch, event.metrics)
                else:
                    yield event
        yield Trained(checkpoint)
    except (CarsrayError, TrialFailed) as error:
        yield Impossible(str(error))


def measure(
    name: str, checkpoint: bytes, config: TrialConfig, split: DataSplit, sides: Sequence[SplitName], run: RunConfig
) -> Iterator[Measured | Impossible]:
    """The network's answers to every picture of these sides; before test, the caller writes to the ledger."""
    try:
        network, device = restored(checkpoint, run)
        for side in sides:
            pack = ensure_pack(getattr(split, side), config, run.cache)
            logits, labels = predict(network, eval_batches(pack, config, device), compute_dtype(device, config))
            answers = {
                "label": labels.numpy(),
                "predicted": logits.argmax(dim=1).numpy(),
                "loss": functional.cross_entropy(logits, labels, reduction="none").numpy(),
            }
            metrics = classification_metrics(logits, labels) | answer_metrics(answers["predicted"], answers["label"])
            yield Measured(name, side, metrics, answers)
    except CarsrayError as error:
        yield Impossible(str(error))


def restored(checkpoint: bytes, run: RunConfig) -> tuple[Network, torch.device]:
    """The network of a checkpoint on the device of a run."""
    device = resolve_device(run)
    if device.type == "cpu":
        torch.set_num_threads(run.threads)
    with tempfile.TemporaryDirectory(prefix="carsray-") as folder:
        path = Path(folder, "checkpoint.safetensors")
        path.write_bytes(checkpoint)
        network, _ = load_checkpoint(path)
    return network.to(device, memory_format=torch.channels_last), device  # type: ignore[call-overload]
