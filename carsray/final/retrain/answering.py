"""What workers do with trained weights: answer pictures, and search a picture's neighbours. Generators of events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carsray.config import RunConfig, TrialConfig
from carsray.data.pack import ensure_pack
from carsray.data.records import DataSplit, Row
from carsray.data.remote import local_paths
from carsray.data.seal import sealed
from carsray.data.splits import merged
from carsray.errors import CarsrayError
from carsray.final.inference import infer
from carsray.models.network import Network
from carsray.retrieval.evaluate import Embedded, Outcome, evaluate_grid
from carsray.retrieval.grid import Grid
from carsray.training.restore import restored
from carsray.training.whole import Impossible


@dataclass(frozen=True, slots=True)
class Answers:
    """What a network says of every picture, in the order of its rows."""

    name: str
    logits: np.ndarray
    """float32 (N, C)."""
    labels: np.ndarray
    """int64 (N,)."""

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,)."""
        predicted: np.ndarray = self.logits.argmax(axis=1)
        return predicted

    @property
    def right(self) -> np.ndarray:
        """bool (N,)."""
        right: np.ndarray = self.predicted == self.labels
        return right


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The answers of the neighbours, or why there are none."""

    outcome: Outcome | None
    problem: str = ""


def answer_val(
    weights: Mapping[str, bytes], config: TrialConfig, split: DataSplit, run: RunConfig
) -> Iterator[Answers | Impossible]:
    """Each network's answers to val, with test sealed."""
    try:
        with sealed(local_paths(split.test, run.cache)):
            for name, checkpoint in weights.items():
                yield _answers(name, restored(checkpoint, run), split.val, config, run)
    except CarsrayError as error:
        yield Impossible(str(error))


def open_test(
    weights: Mapping[str, bytes], config: TrialConfig, split: DataSplit, point: Grid | None, run: RunConfig
) -> Iterator[Answers | Retrieved | Impossible]:
    """Each network's answers to test; and those of the first one's neighbours in train and val, at the one point of a
    grid. The caller has written to the ledger.
    """
    try:
        networks = {name: restored(checkpoint, run) for name, checkpoint in weights.items()}
        for name, network in networks.items():
            yield _answers(name, network, split.test, config, run)
        if point is not None:
            yield _retrieved(next(iter(networks.values())), config, split, point, run)
    except CarsrayError as error:
        yield Impossible(str(error))


def _answers(name: str, network: Network, rows: Sequence[Row], config: TrialConfig, run: RunConfig) -> Answers:
    """As the exported model answers, in float32: what is measured is what is handed over."""
    pack = ensure_pack(rows, config, run.cache)
    return Answers(name, infer(network, config, pack.images)[0], np.asarray(pack.labels))


def _retrieved(network: Network, config: TrialConfig, split: DataSplit, point: Grid, run: RunConfig) -> Retrieved:
    """A search that cannot be done does not spoil the opening."""
    try:
        packs = [ensure_pack(rows, config, run.cache) for rows in (merged(split).train, split.test)]
        gallery, queries = (Embedded(infer(network, config, pack.images)[1], np.asarray(pack.labels)) for pack in packs)
        (outcome,) = evaluate_grid(gallery, queries, point)
        return Retrieved(outcome)
    except CarsrayError as error:
        return Retrieved(None, str(error))
