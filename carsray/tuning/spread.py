"""The first points of a sweep: as random as drawn ones, but spread, so that no part of a range is left unvisited.

A Latin hypercube (McKay and others 1979, https://doi.org/10.1080/00401706.1979.10489755): each range is cut into as
many pieces as there are points, and each piece has one of them.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from carsray.seed import derive
from carsray.space import Parameter, Space, Value, Values


def spread_points(space: Space, seed: int, count: int) -> list[Values]:
    """So many points; parameters that would not be active at one have a value there, too."""
    rng = np.random.default_rng(seed)
    columns = {
        name: [_at(parameter, share) for share in (rng.permutation(count) + rng.random(count)) / count]
        for name, parameter in space.parameters.items()
    }
    return [{name: values[number] for name, values in columns.items()} for number in range(count)]


def first_points(space: Space, seed: int, count: int, ends: Sequence[int]) -> list[Values]:
    """What the first ``count`` trials try: start points, then spread ones, those that train few blocks first.

    What those that train many are to beat is known by then: more of these end in the middle of their first epoch, and a
    good trial is found sooner. A sweep is asked for so many trials, and later perhaps for more: ``ends`` are these
    numbers. Each part is a hypercube of its own, with an order of its own, so that a short sweep visits all of the
    space, too, and trains many blocks.
    """
    points = list(space.start)
    for part, end in enumerate((*ends, count)):
        missing = max(0, min(end, count) - len(points))
        spread = spread_points(space, derive(seed, "part", part) if part else seed, missing)
        points += sorted(spread, key=partial(_blocks_trained, space))
    return points


def _blocks_trained(space: Space, point: Values) -> float:
    depth = {**space.fixed, **space.only_active(point)}.get("unfreeze_depth", "all")
    return math.inf if depth == "all" else float(depth)


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
