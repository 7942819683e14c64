"""What the workers do with the weights of an experiment: measure them. A generator of events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.nn import functional

from carsray.config import RunConfig, TrialConfig
from carsray.data.records import DataSplit, SplitName
from carsray.errors import CarsrayError
from carsray.training.answers import answer_metrics
from carsray.training.metrics import classification_metrics
from carsray.training.restore import answers_to, restored
from carsray.training.whole import Impossible


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out on one part of the data."""

    experiment: str
    split: SplitName
    metrics: dict[str, float]
    answers: dict[str, np.ndarray]
    """One value a picture, in the order of the split's rows: label, predicted, and loss or average_precision."""


def measure(
    name: str, checkpoint: bytes, config: TrialConfig, split: DataSplit, sides: Sequence[SplitName], run: RunConfig
) -> Iterator[Measured | Impossible]:
    """The network's answers to every picture of these sides; before test, the caller writes to the ledger."""
    try:
        network = restored(checkpoint, run)
        for side in sides:
            logits, labels = answers_to(getattr(split, side), network, config, run)
            answers = {
                "label": labels.numpy(),
                "predicted": logits.argmax(dim=1).numpy(),
                "loss": functional.cross_entropy(logits, labels, reduction="none").numpy(),
            }
            metrics = classification_metrics(logits, labels) | answer_metrics(answers["predicted"], answers["label"])
            yield Measured(name, side, metrics, answers)
    except CarsrayError as error:
        yield Impossible(str(error))
