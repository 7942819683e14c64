"""What an epoch of the trials to come costs by what one has cost so far: those that train few blocks come first."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from carsray.leaderboard import TrialRow
from carsray.space import Space, Value

DEPTH = "unfreeze_depth"
ALL = 2.0
"""All blocks count as so many times the largest number that the space names: who only watches builds no network."""


def times_dearer(space: Space, total: int, rows: Sequence[TrialRow]) -> float | None:
    """Mean cost of an epoch of the trials, of ``total``, that have not begun, by the mean of the epochs so far.

    Each depth is tried about equally often, see spread.py; the cost of one that nobody has tried lies on a line through
    those of the others. None where too few have been tried for a line.
    """
    depths = space.parameters[DEPTH].choices if DEPTH in space.parameters else ()
    begun = Counter(row.params.get(DEPTH) for row in rows)
    to_come = {depth: max(total / len(depths) - begun[depth], 0.0) for depth in depths}
    if not sum(to_come.values()):
        return 1.0
    seconds, epochs = defaultdict[Value, list[float]](list), list[float]()
    for row in rows:
        if row.epochs:
            cost = row.seconds / row.epochs
            seconds[row.params.get(DEPTH, depths[0])].append(cost)
            epochs += [cost] * row.epochs
    if not epochs:
        return None
    costs = {depth: fmean(some) for depth, some in seconds.items()}
    if unknown := [depth for depth, count in to_come.items() if count and depth not in costs]:
        if len(costs) < 2:
            return None
        costs |= _on_a_line(depths, costs, unknown)
    mean = sum(count * costs[depth] for depth, count in to_come.items() if count) / sum(to_come.values())
    return mean / fmean(epochs) if fmean(epochs) else 1.0


def _on_a_line(depths: Sequence[Value], costs: dict[Value, float], unknown: Sequence[Value]) -> dict[Value, float]:
    """Seconds of an epoch at depths that nobody has tried: no more blocks, no less time."""
    largest = max((float(depth) for depth in depths if depth != "all"), default=1.0)
    blocks = {depth: ALL * largest if depth == "all" else float(depth) for depth in {*depths, *costs}}
    slope, start = np.polyfit([blocks[depth] for depth in costs], list(costs.values()), 1)
    slope, start = (slope, start) if slope > 0 else (0.0, fmean(costs.values()))
    return {depth: max(start + slope * blocks[depth], 0.0) for depth in unknown}
