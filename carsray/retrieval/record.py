"""The table and the choice of a retrieval sweep, retrieval.csv and retrieval.json a sweep's folder."""

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from carsray.files import write_json, write_text
from carsray.interval import wilson
from carsray.retrieval.evaluate import Outcome
from carsray.retrieval.grid import Grid

LEVEL = 0.05
"""Of the test that tells a point from the best."""


def best_of(outcomes: Sequence[Outcome]) -> Outcome:
    """The point with the highest accuracy; of equal ones the higher macro F1, then the smaller k, then the first."""
    return max(outcomes, key=lambda each: (each.metrics["accuracy"], each.metrics["f1_macro"], -each.point.k))


def separable(best: Outcome, other: Outcome) -> bool:
    """Whether the best is better by more than chance on the same queries: McNemar's exact test, 5 %, two-sided.

    McNemar 1947, https://doi.org/10.1007/BF02295996; with no correction for how many points are compared.
    """
    only_best = int((best.right & ~other.right).sum())
    only_other = int((other.right & ~best.right).sum())
    if not only_best + only_other:
        return False
    return bool(2 * stats.binom.cdf(min(only_best, only_other), only_best + only_other, 0.5) < LEVEL)


def table(outcomes: Sequence[Outcome], tie: str) -> pd.DataFrame:
    """One row a point, best first: the point, metrics, 95 % interval of the accuracy, whether it equals the best."""
    best = best_of(outcomes)
    rows = []
    for each in outcomes:
        low, high = wilson(int(each.right.sum()), len(each.right))
        interval = {"accuracy_low": low, "accuracy_high": high, "separable_from_best": separable(best, each)}
        rows.append(asdict(each.point) | {"tie": tie} | each.metrics | interval)
    frame = pd.DataFrame(rows)
    return frame.sort_values(["accuracy", "f1_macro", "k"], ascending=[False, False, True], kind="stable")


def write_record(stem: Path, outcomes: Sequence[Outcome], grid: Grid, facts: dict[str, Any]) -> None:
    """Write STEM.csv and STEM.json. Facts say what was searched: source, protocol, sizes."""
    frame, best = table(outcomes, grid.tie), best_of(outcomes)
    text = io.StringIO()
    frame.round(6).to_csv(text, index=False)
    write_text(stem.with_suffix(".csv"), text.getvalue())
    rivals = [asdict(each.point) for each in outcomes if each is not best and not separable(best, each)]
    record = {
        "chosen": asdict(best.point) | {"tie": grid.tie},
        "metrics": {name: _plain(value) for name, value in best.metrics.items()},
        "accuracy_interval": wilson(int(best.right.sum()), len(best.right)),
        "chosen_on": "val accuracy" if facts["protocol"] == "same-classes" else "leave-one-out accuracy",
        "points": len(outcomes),
        "not_separable_from_chosen": rivals,
    }
    write_json(stem.with_suffix(".json"), record | facts)


def curve(outcomes: Sequence[Outcome]) -> list[dict[str, float]]:
    """What a tracker shows as one run: for each k, the best accuracy under each normalisation and distance."""
    steps: dict[int, dict[str, float]] = {}
    for each in outcomes:
        step = steps.setdefault(each.point.k, {"k": each.point.k})
        name = f"retrieval/{each.point.normalize}/{each.point.distance}/accuracy"
        step[name] = max(step.get(name, 0.0), each.metrics["accuracy"])
    return [steps[k] for k in sorted(steps)]


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value  # JSON has no NaN
