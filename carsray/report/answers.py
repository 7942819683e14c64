"""Whose answers the mistakes are read from: the final model's, the winner's repetitions', or the best trial's."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carsray.config import RunConfig
from carsray.data.batches import eval_batches
from carsray.data.pack import ensure_pack, pack_key
from carsray.data.records import Row
from carsray.errors import CarsrayError, ResultsError
from carsray.files import read_csv
from carsray.final.retrain.folder import RetrainFolder
from carsray.progress import Report
from carsray.report.reading import Sweep
from carsray.retrieval.store import cached, embedding_key
from carsray.training.checkpoint import load_checkpoint
from carsray.training.device import compute_dtype, resolve_device
from carsray.training.evaluate import predict


@dataclass(frozen=True, slots=True)
class Answers:
    """What pictures were taken for."""

    about: str
    """Who answered, and about which pictures."""
    rows: Sequence[Row]
    predicted: np.ndarray
    """int64 (N,), numbers of classes."""

    @property
    def labels(self) -> np.ndarray:
        """int64 (N,): what they are."""
        return np.array([row.label for row in self.rows], dtype=np.int64)


def find_answers(sweep: Sweep, report: Report) -> Answers | str:
    """The surest answers there are, or why there are none.

    Before a winner is confirmed nobody has written answers down: then the best trial whose weights are kept is asked
    about val, once for each state of its weights.
    """
    root, findings, split = sweep.folder.root, sweep.findings, sweep.split
    try:
        if findings.test_is_open:
            path = RetrainFolder(sweep.folder).answers
            return _read(
                [path], split.test, f"the final model on {len(split.test):,} test pictures ({split.test_kind})"
            )
        if findings.confirmed:
            trial = int(findings.confirmed["chosen"])
            # An earlier call may have left more of them, which the verdict is not about.
            own = [root / "confirm" / f"{trial:04d}" / f"seed-{n}" for n in range(findings.confirmed["asked"]["seeds"])]
            paths = [seed / "answers.csv" for seed in own if (seed / "answers.csv").exists()]
            about = f"the {len(paths)} repetitions of trial {trial}, each on pictures it was not trained on"
            return _read(paths, (*split.train, *split.val), about)
        kept = [row.trial for row in sweep.scored if sweep.folder.trial(row.trial).checkpoint.exists()]
        if not kept:
            return "No weights are kept yet: they are saved at rungs and at the end of a trial."
        return _ask(sweep, kept[0], report)
    except CarsrayError as error:
        return f"{error}."


def _read(paths: Sequence[Path], rows: Sequence[Row], about: str) -> Answers:
    """Answers from files: columns path and predicted. Raises ResultsError."""
    known = {row.path: row for row in rows}
    found: list[Row] = []
    predicted: list[int] = []
    for path in paths:
        try:
            lines = read_csv(path, "surrogateescape")
            found += [known[line["path"]] for line in lines]
            predicted += [int(line["predicted"]) for line in lines]
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise ResultsError(f"{path}: has no answers about this sweep's pictures ({error!r})") from None
    if not found:
        raise ResultsError(f"{about}: the answers are not there any more")
    return Answers(about, found, np.array(predicted, dtype=np.int64))


def _ask(sweep: Sweep, trial: int, report: Report) -> Answers:
    """Ask a trial about val; its logits are kept in the cache."""
    path, run, rows = sweep.folder.trial(trial).checkpoint, RunConfig(cache=sweep.settings.cache), sweep.split.val
    network, info = load_checkpoint(path)
    device = resolve_device(run)
    dtype = compute_dtype(device, info.config)

    def logits() -> np.ndarray:
        pack = ensure_pack(rows, info.config, run.cache, report)
        network.to(device)
        return predict(network, eval_batches(pack, info.config, device), dtype)[0].numpy()

    key = embedding_key(path, pack_key(rows, info.config), f"logits {device.type} {dtype}")
    about = f"trial {trial} on the {len(rows):,} pictures of val, which also chose it"
    return Answers(about, rows, cached(run.cache, key, len(rows), logits).argmax(1))
