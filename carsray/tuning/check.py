"""Builds the networks that a space asks for, before any trial does: one error in time instead of one per trial."""

import itertools
import sys
from multiprocessing.connection import Connection

from carsray.errors import CarsrayError
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.space import Space, Value

DECIDING = ("backbone", "weights", "unfreeze_depth")
"""The settings that can make a network impossible."""


def check_networks(space: Space) -> None:
    """Load every weights file and look at every depth that the space may ask for.

    Raises WeightsError for weights that cannot be had or do not fit, ConfigError for a depth that a network lacks.
    """
    base = space.first
    built: dict[tuple[Value, Value], Network] = {}
    for choices in itertools.product(*(_choices(space, name) for name in DECIDING)):
        chosen = {name: value for name, value in zip(DECIDING, choices, strict=True) if value is not None}
        if not space.fits({**base, **chosen}):
            continue  # is not drawn either
        config = space.config({**base, **chosen})
        kind = config.backbone, config.weights
        if kind not in built or config.backbone == "cnn":
            built[kind] = build_network(config, num_classes=2)
        else:
            built[kind].unfreeze(config.unfreeze_depth)


def _choices(space: Space, name: str) -> tuple[Value | None, ...]:
    """What a setting may be, of a range its ends; None alone where it is not searched."""
    if name not in space.parameters:
        return (None,)
    parameter = space.parameters[name]
    return parameter.choices or (int(parameter.low), int(parameter.high))


def main(pipe: int) -> None:
    """In a process of its own, see cli/checking.py: receives a space, and answers with what is wrong, or None."""
    connection = Connection(pipe)
    try:
        check_networks(connection.recv())
    except CarsrayError as error:
        connection.send(error)
    else:
        connection.send(None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
