"""Which trials of a sweep are repeated: the best ones from different regions of the space."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carsray.config import TrialConfig
from carsray.errors import ResultsError
from carsray.leaderboard import TrialRow, ranked, read_rows
from carsray.results import MICRO_BATCHES, SweepFolder
from carsray.space import Parameter, Space, Value, Values

APART = 0.2
"""Least distance between two finalists; halved as long as there are too few, and never nothing."""
NOISE = 1.96 * math.sqrt(2)
"""Standard deviations of a score within which two trials cannot be told apart by the search."""
NEARLY_NOTHING = 1e-6
DECAYING = ("cosine", "step")
"""Schedules that are made for the full length of a training."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """A trial that is to be repeated."""

    trial: int
    score: float
    """Its best epoch in the search."""
    params: Values
    config: TrialConfig
    """With the epochs that it is repeated for."""
    micro_batches: int = 1
    """Parts that its batches were cut into in the end, for lack of memory."""


def pick_finalists(folder: SweepFolder, space: Space, count: int, pictures: int) -> list[Finalist]:
    """So many finalists, best first; fewer where the sweep has not so many different trials with a score.

    First those that the search, on so many ``pictures``, cannot tell from the best; others where these are too few.
    Raises ResultsError where no trial has a score.
    """
    scored = [row for row in ranked(read_rows(folder)) if row.state != "failed" and row.epochs and row.best]
    if not scored:
        raise ResultsError(
            f"{folder.root}: no trial has a score yet, so there is nothing to confirm. "
            f"Go on with the sweep: carsray resume {folder.arguments}"
        )
    best = scored[0].score
    margin = NOISE * math.sqrt(best * (1 - best) / pictures)
    rivals = [row for row in scored if row.score >= best - margin]
    chosen = from_different_regions(rivals, space.parameters, count)
    if len(chosen) < count:
        chosen += from_different_regions(scored[len(rivals) :], space.parameters, count - len(chosen), chosen)
    return [_finalist(folder, row) for row in chosen]


def _finalist(folder: SweepFolder, row: TrialRow) -> Finalist:
    trial = folder.trial(row.trial)
    config = trial.read_trial_config()
    history = trial.read_history()
    fixed = config.model_copy(update={"epochs": fixed_length(config, history)})
    return Finalist(row.trial, row.score, row.params, fixed, history[-1].get(MICRO_BATCHES, 1))


def fixed_length(config: TrialConfig, history: Sequence[Mapping[str, Any]]) -> int:
    """How long a config is to be trained, known before it is: what the search says of it.

    Its last epoch is the one that counts. Cosine and step are made for the full length. Under none and plateau the
    epochs after the best one have not helped; a warm-up has to end before the last.
    """
    if config.schedule in DECAYING:
        return config.epochs
    best = max(history, key=lambda line: (line["val/accuracy"], -line["epoch"]))
    return max(int(best["epoch"]), config.warmup_epochs + 1 if config.warmup_epochs else 1)


def from_different_regions(
    rows: Sequence[TrialRow], parameters: Mapping[str, Parameter], count: int, others: Sequence[TrialRow] = ()
) -> list[TrialRow]:
    """Greedily from ``rows``, best first: the next is the first one that is apart from all chosen, and from others."""
    apart = APART
    while True:
        chosen: list[TrialRow] = []
        for row in rows:
            taken = (*others, *chosen)
            if len(chosen) < count and all(distance(row.params, one.params, parameters) >= apart for one in taken):
                chosen.append(row)
        if len(chosen) >= count or apart <= NEARLY_NOTHING:
            return chosen
        apart = apart / 2 if apart > APART / 16 else NEARLY_NOTHING


def distance(first: Mapping[str, Value], second: Mapping[str, Value], parameters: Mapping[str, Parameter]) -> float:
    """From 0, all parameters equal, to 1. Gower 1971, https://doi.org/10.2307/2528823

    The mean over the parameters that both points have: a range by its own scale, a choice equal or not. One that exists
    at one point only is not compared; the choice that it depends on differs already.
    """
    parts = [_part(p, first[n], second[n]) for n, p in parameters.items() if n in first and n in second]
    return sum(parts) / len(parts) if parts else 0.0


def _part(parameter: Parameter, first: Value, second: Value) -> float:
    if parameter.choices:
        return float(first != second or type(first) is not type(second))
    low, high, one, other = _on_scale(parameter, (parameter.low, parameter.high, float(first), float(second)))
    return min(abs(one - other) / (high - low), 1.0)  # a point of --from may lie outside


def _on_scale(parameter: Parameter, values: Iterable[float]) -> list[float]:
    return [math.log(max(value, 1e-300)) if parameter.log else value for value in values]
