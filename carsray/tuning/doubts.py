"""What to doubt of a sweep's best trial: the noise of its score, and values at the ends of their ranges."""

import math
from collections.abc import Iterator

from carsray.interval import wilson
from carsray.leaderboard import TrialRow
from carsray.settings import not_allowed
from carsray.space import Parameter, Space
from carsray.tuning.picture import number

EDGE = 0.05
"""A best value within this share of its range's width from an end sits on the edge."""


def noise_note(score: float, pictures: int) -> str:
    """Half the width of the 95 % interval of a share of so many pictures, in words."""
    low, high = wilson(round(score * pictures), pictures)
    return f"differences below about {50 * (high - low):.1f} points are within its noise"


def edges(space: Space, best: TrialRow) -> Iterator[str]:
    """A line for each range whose end the best trial sits on, unless the setting itself ends there."""
    for name, value in best.params.items():
        parameter = space.parameters.get(name)
        if parameter and not parameter.choices and parameter.contains(value):
            share = _position(parameter, float(value))
            if not EDGE <= share <= 1 - EDGE and not not_allowed(name, _beyond(parameter, low=share < 0.5)):
                end, way = ("low", "lower") if share < 0.5 else ("high", "higher")
                yield f"best {name} {number(value)} sits at the {end} end of {parameter}; a {way} one may be better"


def _beyond(parameter: Parameter, low: bool) -> float:
    """A value just outside the range."""
    if parameter.integer:
        return int(parameter.low) - 1 if low else int(parameter.high) + 1
    return parameter.low - 1e-9 if low else parameter.high + 1e-9


def _position(parameter: Parameter, value: float) -> float:
    low, high = parameter.low, parameter.high
    if parameter.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)
