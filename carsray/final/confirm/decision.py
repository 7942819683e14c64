"""Which finalist is named: the best mean; where others cannot be told from it, the cheapest of these."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carsray.final.confirm.certainty import Certainty
from carsray.interval import Interval


@dataclass(frozen=True, slots=True)
class Decision:
    """Finalists by their position."""

    best: int
    """The highest mean."""
    chosen: int
    behind: tuple[Interval, ...]
    """Of each finalist's true accuracy less that of the best; of the best itself (0, 0)."""

    @property
    def alike(self) -> list[int]:
        """The best, and those that cannot be told from it."""
        return _alike(self.behind)


def decide(certainty: Certainty, seconds: Sequence[float]) -> Decision:
    """Name one of F finalists whose training takes so many seconds.

    The best is itself chosen by these means, so the comparisons that have to hold together are those of all pairs.
    """
    best = int(np.argmax(certainty.means))
    count = len(certainty.means)
    pairs = count * (count - 1) // 2
    behind = tuple((0.0, 0.0) if f == best else certainty.difference(f, best, pairs) for f in range(count))
    return Decision(best, min(_alike(behind), key=lambda finalist: seconds[finalist]), behind)


def _alike(behind: Sequence[Interval]) -> list[int]:
    return [finalist for finalist, (_, high) in enumerate(behind) if high >= 0]
