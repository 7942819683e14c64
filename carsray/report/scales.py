"""From values to places on an axis, in percent of its length, and the round values that are written along it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = (1, 2, 2.5, 5, 10)
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""Steps that a person counts time in; past the last one, days."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from low (0 %) to high (100 %)."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value, in percent, at an end where it lies outside."""
        low, high, value = (self._bent(each) for each in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def _bent(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.log else value


def span(values: Iterable[float], slack: float = 0.05) -> Scale:
    """A scale that all values fit on, with some room at its ends."""
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) * slack or abs(high) * slack or 0.5
    return Scale(low - room, high + room)


def share_span(values: Iterable[float]) -> Scale:
    """The same for shares, which are never below 0 or above 1."""
    scale = span(values)
    return Scale(max(scale.low, 0.0), min(scale.high, 1.0))


def ticks(scale: Scale, most: int = 6) -> list[float]:
    """Round values on a scale, at most so many."""
    if scale.log:
        return _decades(scale, most)
    return _multiples(scale, _step((scale.high - scale.low) / most))


def whole_ticks(scale: Scale, most: int = 8) -> list[float]:
    """Round whole numbers."""
    return _multiples(scale, max(1.0, math.ceil(_step((scale.high - scale.low) / most))))


def time_ticks(scale: Scale, most: int = 6) -> list[float]:
    """Round seconds, minutes or hours."""
    least = (scale.high - scale.low) / most
    step = next((step for step in SECONDS if step >= least), 86400 * math.ceil(least / 86400))
    return _multiples(scale, step)


def _step(least: float) -> float:
    if least <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(least))
    return next(step * size for step in STEPS if step * size >= least * (1 - 1e-9))


def _multiples(scale: Scale, step: float) -> list[float]:
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _decades(scale: Scale, most: int) -> list[float]:
    first, last = math.ceil(math.log10(scale.low) - 1e-9), math.floor(math.log10(scale.high) + 1e-9)
    if last - first < 1:
        return [scale.low, scale.high]
    every = math.ceil((last - first + 1) / most)
    return [10.0**power for power in range(first, last + 1, every)]
