"""The opening of the test set: once, on the record before the first picture is read, counted where it is repeated."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from carsray.config import explain
from carsray.data.ledger import Opening, read_ledger, write_opening
from carsray.data.records import DataSplit
from carsray.errors import ConfigError, DataError, ResultsError
from carsray.final.package.gallery import SearchPoint
from carsray.final.retrain.answering import Retrieved
from carsray.final.retrain.chosen import Chosen
from carsray.final.retrain.folder import RetrainFolder, Training
from carsray.interval import wilson
from carsray.retrieval.grid import Grid
from carsray.storage.address import is_remote

BY = "retrain"


def openings(folder: RetrainFolder) -> list[dict[str, object]]:
    """Those so far, first to last."""
    return [line for line in read_ledger(folder.ledger) if line["by"] == BY]


def check_opening(folder: RetrainFolder, split: DataSplit, again: bool) -> None:
    """Raise ResultsError where test was opened before and nobody asked for more; DataError as check_pictures."""
    check_pictures(split)
    before = openings(folder)
    if before and not again:
        times = "once" if len(before) == 1 else f"{len(before)} times, the last time"
        raise ResultsError(
            f"{folder.ledger}: the test of this sweep was opened {times} on {before[-1]['time']}; what is chosen after "
            "that is no longer judged by fresh pictures. With --again it is opened once more, and counted"
        )


def check_pictures(split: DataSplit) -> None:
    """Raise DataError where there is no test, or its pictures are gone. Opens none of them."""
    if not split.test:
        raise DataError("split.csv: has no test pictures to open. Sweep over pictures of which some are held out")
    here = (row.path for row in split.test if not is_remote(row.path))
    if missing := next((path for path in here if not Path(path).is_file()), None):
        raise DataError(f"{missing}: a test picture is not there. Bring it back; nothing was opened")


def write_to_ledger(folder: RetrainFolder, chosen: Chosen, own: Sequence[Training], split: DataSplit) -> int:
    """Add the line of this opening; how many there are now."""
    first, *others = (
        hashlib.sha256(folder.training(training.name).checkpoint.read_bytes()).hexdigest() for training in own
    )
    config = own[0].config
    write_opening(folder.ledger, Opening(BY, chosen.id, config.seed, config.key(), first, tuple(others)), split)
    return len(openings(folder))


def read_point(folder: RetrainFolder) -> Grid | None:
    """The retrieval that was chosen on val, as a grid of one point; None where no retrieval sweep was run.

    Raises ConfigError for a file that was changed badly: found out before test is opened.
    """
    if not folder.retrieval.exists():
        return None
    try:
        chosen: dict[str, Any] = json.loads(folder.retrieval.read_text(encoding="utf-8"))["chosen"]
        point = SearchPoint(**{name: chosen[name] for name in SearchPoint.model_fields})
        return Grid((point.k,), (point.distance,), (point.normalize,), (point.vote,), point.tie)
    except ValidationError as error:
        problem = "; ".join(explain(error))
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = repr(error)
    raise ConfigError(
        f"{folder.retrieval}: has no usable point ({problem}). Run it again, or delete it: "
        f"carsray retrieval {folder.sweep.arguments}"
    )


def retrieval_scores(retrieved: Retrieved | None, tie: str) -> dict[str, Any] | None:
    """The point, its metrics on test, and the interval of its accuracy; None where there is nothing to tell."""
    if retrieved is None or retrieved.outcome is None:
        return None
    outcome = retrieved.outcome
    metrics = {name: value for name, value in outcome.metrics.items() if value == value}  # JSON has no NaN
    interval = wilson(int(outcome.right.sum()), len(outcome.right))
    return {"point": asdict(outcome.point) | {"tie": tie}, **metrics, "accuracy_interval": list(interval)}
