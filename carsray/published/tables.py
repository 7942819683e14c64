"""Published beside reproduced: one row for every experiment, part of the data and metric."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from carsray.data.records import SplitName
from carsray.interval import Interval, of_averages, of_mean, over_seeds, wilson
from carsray.published.folder import ReproductionFolder
from carsray.published.numbers import Published, published_value
from carsray.published.plan import Run

TRAINED = ("loss", "accuracy", "top5", "precision", "recall", "f1")
SEARCHED = ("accuracy", "precision", "recall", "f1", "map_at_r", "recall_at_1", "fit_seconds", "predict_seconds")
AVERAGED = ("precision", "recall", "f1")
NAMES = {"map_at_r": "mAP@R", "recall_at_1": "recall@1", "fit_seconds": "fit, s", "predict_seconds": "predict, s"}
"""Where a metric is called otherwise."""
PLAIN = ("loss", "fit_seconds", "predict_seconds")
"""Metrics that are no shares."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number."""

    experiment: str
    title: str
    split: SplitName
    test_kind: str
    metric: str
    average: str
    """Of precision, recall and F1; empty for others."""
    published: float | None
    reproduced: float
    """The mean over seeds."""
    interval: Interval
    """95 %: for one seed where the value for other pictures lies, for more that for other seeds on these pictures."""
    seeds: int
    pictures: int

    @property
    def difference(self) -> float | None:
        """Reproduced less published."""
        return None if self.published is None else self.reproduced - self.published


def make_rows(folder: ReproductionFolder, runs: Sequence[Run], numbers: Sequence[Published], report: str) -> list[Row]:
    """Every number of the runs that have ended, in the order of the runs."""
    rows: list[Row] = []
    for name in dict.fromkeys(run.id for run in runs):
        same = [run for run in runs if run.id == name]
        for side in same[0].experiment.splits:
            ended = [run for run in same if side in folder.run(run).read_metrics()]
            if ended:
                rows += _rows(folder, ended, side, numbers, report)
    return rows


def _rows(
    folder: ReproductionFolder, runs: list[Run], side: SplitName, numbers: Sequence[Published], report: str
) -> Iterable[Row]:
    run, average = runs[0], runs[0].experiment.reporting.average
    found = [folder.run(each).read_metrics()[side] for each in runs]
    answers = folder.run(run).read_answers(side)
    alone = _intervals(answers, average, found[0]) if len(runs) == 1 else {}
    for metric in SEARCHED if run.source else TRAINED:
        averaged = metric in AVERAGED
        key = f"{metric}_{average}" if averaged else metric
        values = [each[key] for each in found]
        interval = alone.get(metric, (-math.inf, math.inf)) if len(runs) == 1 else over_seeds(values)
        yield Row(
            run.id,
            run.experiment.title,
            side,
            run.split.test_kind,
            metric,
            average if averaged else "",
            published_value(numbers, report, run.id, side, metric),
            float(np.mean(values)),
            interval,
            len(runs),
            len(answers["label"]),
        )


def _intervals(answers: dict[str, np.ndarray], average: str, metrics: dict[str, float]) -> dict[str, Interval]:
    """By metric, from the answers of one seed."""
    labels = answers["label"]
    found = of_averages(labels, answers["predicted"], average)
    for share in ("accuracy", "top5", "recall_at_1"):
        if share in metrics:
            found[share] = wilson(round(metrics[share] * len(labels)), len(labels))
    for column, metric in (("loss", "loss"), ("average_precision", "map_at_r")):
        if column in answers:
            found[metric] = of_mean(answers[column])
    return found


def to_csv(rows: Iterable[Row]) -> str:
    """One line a number, shares as shares."""
    records: list[dict[str, Any]] = [
        {
            **{name: getattr(row, name) for name in ("experiment", "title", "split", "test_kind", "metric", "average")},
            "published": row.published,
            "reproduced": row.reproduced,
            "difference": row.difference,
            "low": _bounded(row.interval[0]),
            "high": _bounded(row.interval[1]),
            "seeds": row.seeds,
            "pictures": row.pictures,
        }
        for row in rows
    ]
    return pd.DataFrame(records).to_csv(index=False)


def _bounded(value: float) -> float | None:
    return value if math.isfinite(value) else None


def cells(row: Row) -> tuple[str, str, str, str]:
    """Metric, published, reproduced and difference with its interval, as a person reads them: shares in percent."""
    scale, digits = (1.0, 4) if row.metric in PLAIN else (100.0, 2)
    name = NAMES.get(row.metric, row.metric) + (f" ({row.average})" if row.average else "")
    published = "" if row.published is None else f"{row.published * scale:.{digits}f}"
    reproduced = f"{row.reproduced * scale:.{digits}f}"
    base = row.published or 0.0
    low, high = ((bound - base) * scale for bound in row.interval)
    bounds = f"[{low:+.{digits}f}, {high:+.{digits}f}]" if math.isfinite(low) else ""
    if row.difference is None:
        low, high = (bound * scale for bound in row.interval)
        bounds = f"in [{low:.{digits}f}, {high:.{digits}f}]" if math.isfinite(low) else ""
        return name, published, reproduced, bounds
    return name, published, reproduced, f"{row.difference * scale:+.{digits}f} {bounds}".strip()
