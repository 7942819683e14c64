"""The first points of a sweep: as random as drawn ones, but spread, so that no part of a range is left unvisited.

A Latin hypercube (McKay and others 1979, https://doi.org/10.1080/00401706.1979.10489755): each range is cut into as
many pieces as there are points, and each piece has one of them.
"""

import math
from collections.abc import Sequence

import numpy as np

from carsray.space import Parameter, Space, Value, Values


def spread_points(space: Space, seed: int, count: int) -> list[Values]:
    """So many points; parameters that would not be active at one have a value there, too."""
    rng = np.random.default_rng(seed)
    columns = {
        name: [_at(parameter, share) for share in (rng.permutation(count) + rng.random(count)) / count]
        for name, parameter in space.parameters.items()
    }
    return [{name: values[number] for name, values in columns.items()} for number in range(count)]


def cheap_first(space: Space, points: Sequence[Values]) -> list[Values]:
    """Points that train few blocks before those that train many.

    What the dear ones are to beat is known by then: more of them end in the middle of their first epoch, and a good
    trial is found sooner.
    """
    depths = space.parameters.get("unfreeze_depth")
    if depths is None:
        return list(points)

    def cost(point: Values) -> float:
        depth = point["unfreeze_depth"]
        return math.inf if depth == "all" else float(depth)

    return sorted(points, key=cost)


def _at(parameter: Parameter, share: float) -> Value:
    """The value that so large a share of the range or of the choices lies below; ``share`` is in [0, 1)."""
    if parameter.choices:
        return parameter.choices[int(share * len(parameter.choices))]
    # A whole number stands for all that round to it: the ends of a range come as often as those between them.
    low, high = parameter.low - 0.5 * parameter.integer, parameter.high + 0.5 * parameter.integer
    value = float(low * (high / low) ** share if parameter.log else low + share * (high - low))
    if parameter.integer:
        return int(min(max(math.floor(value + 0.5), parameter.low), parameter.high))
    return min(max(value, parameter.low), parameter.high)
