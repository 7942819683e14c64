"""Retrieval experiments over one training's embeddings: neighbours come from train, queries from test or val."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from carsray.config import RunConfig, TrialConfig
from carsray.data.pack import ensure_pack
from carsray.data.records import DataSplit, SplitName
from carsray.errors import CarsrayError
from carsray.published.experiments import Retrieval
from carsray.published.work import Measured
from carsray.retrieval.embed import embed
from carsray.retrieval.metrics import map_at_r, recall_at_k
from carsray.retrieval.normalize import fit_normalize
from carsray.retrieval.search import nearest
from carsray.retrieval.vote import predict, vote_weights
from carsray.training.answers import answer_metrics
from carsray.training.restore import restored
from carsray.training.whole import Impossible

Asked = tuple[str, Retrieval, Sequence[SplitName]]
"""A retrieval experiment: its id, its settings, and the parts of the data whose pictures are the queries."""


def search(
    asked: Sequence[Asked], checkpoint: bytes, config: TrialConfig, split: DataSplit, run: RunConfig
) -> Iterator[Measured | Impossible]:
    """Every retrieval over the embeddings of one checkpoint; before test, the caller writes to the ledger."""
    try:
        network = restored(checkpoint, run)
        sides: list[SplitName] = ["train", *dict.fromkeys(side for _, _, wanted in asked for side in wanted)]
        packs = {side: ensure_pack(getattr(split, side), config, run.cache) for side in sides}
        rows = {side: embed(network, pack, config, run) for side, pack in packs.items()}
    except CarsrayError as error:
        yield Impossible(str(error))
        return
    for name, retrieval, wanted in asked:
        try:
            for side in wanted:
                gallery, queries = (rows["train"], packs["train"].labels), (rows[side], packs[side].labels)
                yield _measured(name, side, retrieval, gallery, queries)
        except CarsrayError as error:
            yield Impossible(str(error), name)


Embedded = tuple[np.ndarray, np.ndarray]
"""Embeddings float32 (N, D) and their labels int64 (N,)."""


def _measured(name: str, side: SplitName, retrieval: Retrieval, gallery: Embedded, queries: Embedded) -> Measured:
    (rows, known), (asked, labels) = gallery, queries
    # The first search of a process compiles its inner loops, which is not what fit and predict take.
    nearest(rows[:2], asked[:1], 1, retrieval.distance)
    began = time.perf_counter()
    change = fit_normalize(retrieval.normalize_embeddings, rows)
    changed = np.ascontiguousarray(change(rows))
    fitted = time.perf_counter()
    found, near = nearest(changed, change(asked), retrieval.k, retrieval.distance)
    classes = int(max(known.max(), labels.max())) + 1
    predicted = predict(known[near], vote_weights(found, retrieval.vote), [retrieval.k], classes)[retrieval.k]
    ended = time.perf_counter()

    relevant = np.bincount(known, minlength=classes)[labels]
    _, ranked = nearest(changed, change(asked), max(1, int(relevant.max())), retrieval.distance)
    right = known[ranked] == labels[:, None]
    precision = np.array([map_at_r(right[at : at + 1], relevant[at : at + 1]) for at in range(len(labels))])
    metrics = {"fit_seconds": fitted - began, "predict_seconds": ended - fitted, "map_at_r": float(precision.mean())}
    metrics |= {f"recall_at_{k}": recall_at_k(right, k) for k in (1, 5, 10) if k <= right.shape[1]}
    answers = {"label": labels, "predicted": predicted, "average_precision": precision}
    return Measured(name, side, answer_metrics(predicted, labels) | metrics, answers)
