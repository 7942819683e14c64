"""A real process that imports torch, once for each test."""

import multiprocessing

import pytest

from carsray.cli.checking import networks_checked
from carsray.errors import ConfigError, SweepFailed
from carsray.space import Space
from carsray.space_file import parse_space

pytestmark = pytest.mark.process


SPACE = """
[fixed]
backbone = "mobilenet_v2"
image_size = 64
[search]
unfreeze_depth = {{ choices = [{}] }}
"""


def space_of(depths: str) -> Space:
    return parse_space(SPACE.format(depths), "tiny.toml", {})


def test_networks_that_can_be_built_pass() -> None:
    with networks_checked(space_of("0, 3")) as checked:
        checked()


def test_what_is_wrong_is_told_as_it_is() -> None:
    with pytest.raises(ConfigError, match="unfreeze_depth = 99"), networks_checked(space_of("0, 99")) as checked:
        checked()


def test_a_check_that_dies_ends_the_sweep() -> None:
    with networks_checked(space_of("0, 3")) as checked:
        (process,) = multiprocessing.active_children()
        process.kill()
        with pytest.raises(SweepFailed, match=r"died \(exit code -9\)"):
            checked()


def test_nobody_waits_for_the_check_where_something_else_is_wrong() -> None:
    with pytest.raises(ZeroDivisionError), networks_checked(space_of("0, 3")):
        raise ZeroDivisionError
    assert not multiprocessing.active_children()
