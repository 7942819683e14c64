"""Where the embeddings of a retrieval sweep come from: a trial's checkpoint and the pictures of its sweep."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from carsray.config import RunConfig
from carsray.data.pack import ensure_pack, pack_key
from carsray.data.records import DataSplit, Row
from carsray.data.remote import local_paths
from carsray.data.seal import sealed
from carsray.errors import ResultsError
from carsray.leaderboard import ranked, read_rows
from carsray.progress import Report
from carsray.results import SweepFolder
from carsray.retrieval.embed import embed
from carsray.retrieval.evaluate import Embedded
from carsray.retrieval.store import cached, embedding_key
from carsray.training.checkpoint import load_checkpoint
from carsray.training.device import compute_dtype, resolve_device

EmbedRows = Callable[[Path, Sequence[Row], RunConfig, Report], np.ndarray]
"""(checkpoint, pictures, run, report) to embeddings."""


def pick_checkpoint(folder: SweepFolder, trial: int | None) -> Path:
    """The checkpoint of a trial, or of the best trial that has one. Raises ResultsError where there is none."""
    kept = [row.trial for row in ranked(read_rows(folder)) if folder.trial(row.trial).checkpoint.exists()]
    if not kept:
        raise ResultsError(f"{folder.trials}: no trial has a checkpoint. Run the sweep, or give --checkpoint")
    if trial is None:
        return folder.trial(kept[0]).checkpoint
    if trial not in kept:
        listed = ", ".join(map(str, kept))
        raise ResultsError(
            f"--trial {trial}: has no checkpoint, only the best trials keep theirs. Use one of: {listed}"
        )
    return folder.trial(trial).checkpoint


def embed_rows(checkpoint: Path, rows: Sequence[Row], run: RunConfig, report: Report) -> np.ndarray:
    """Embeddings float32 (N, D) of pictures, on this machine."""
    network, info = load_checkpoint(checkpoint)
    return embed(network, ensure_pack(rows, info.config, run.cache), info.config, run, report)


def _embedded(
    work: EmbedRows, checkpoint: Path, rows: Sequence[Row], run: RunConfig, report: Callable[[str], Report], side: str
) -> np.ndarray:
    return work(checkpoint, rows, run, report(side))


def embed_split(
    checkpoint: Path,
    split: DataSplit,
    run: RunConfig,
    report: Callable[[str], Report],
    work: EmbedRows = embed_rows,
) -> tuple[Embedded, Embedded]:
    """Train as the gallery, val as the queries, from the cache where they are there; the test pictures stay sealed."""
    _, info = load_checkpoint(checkpoint)
    if info.classes != split.classes:
        raise ResultsError(
            f"{checkpoint}: was trained on {len(info.classes)} classes that are not the {len(split.classes)} of this "
            "sweep's split. Give a checkpoint of the same data"
        )
    device = resolve_device(run)
    computed = f"{device.type} {compute_dtype(device, info.config)}"
    sides = []
    with sealed(local_paths(split.test, run.cache)):
        for name, rows in (("train", split.train), ("val", split.val)):
            key = embedding_key(checkpoint, pack_key(rows, info.config), computed)
            make = partial(_embedded, work, checkpoint, rows, run, report, name)
            # What the machines of a cluster compute in, they alone know.
            found = cached(run.cache, key, len(rows), make) if work is embed_rows else make()
            sides.append(Embedded(found, np.array([row.label for row in rows], dtype=np.int64)))
    return sides[0], sides[1]
