"""The first points of a sweep."""

import math
import statistics
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_sweeps import space_of

from carsray.space import Parameter, Space, Value, Values
from carsray.tuning.spread import first_points, spread_points


def space_with(*parameters: Parameter) -> Space:
    """Of these parameters alone."""
    space = space_of()
    return Space(space.name, "", space.objective, {}, {each.name: each for each in parameters}, ())


RANGE = Parameter("share", 0.0, 1.0)
LOG = Parameter("lr", 1e-4, 1e-1, log=True)
WHOLE = Parameter("width", 1, 4, integer=True)
CHOICES = Parameter("depth", choices=(0, 3, 8, "all"))


@given(seed=st.integers(0, 2**32), count=st.integers(1, 50))
def test_every_value_is_one_that_the_space_allows(seed: int, count: int) -> None:
    parameters = (RANGE, LOG, WHOLE, CHOICES, Parameter("blocks", 2, 64, log=True, integer=True))
    points = spread_points(space_with(*parameters), seed, count)
    assert len(points) == count
    assert all(parameter.contains(point[parameter.name]) for point in points for parameter in parameters)


def test_the_same_seed_gives_the_same_points_and_another_one_others() -> None:
    space = space_with(RANGE, LOG)
    assert spread_points(space, 1, 9) == spread_points(space, 1, 9)
    assert spread_points(space, 1, 9) != spread_points(space, 2, 9)


@pytest.mark.parametrize("seed", range(5))
def test_each_piece_of_a_range_has_one_point(seed: int) -> None:
    points = spread_points(space_with(RANGE, LOG), seed, 24)
    assert sorted(int(24 * float(point["share"])) for point in points) == list(range(24))
    assert sorted(int(8 * (math.log10(float(point["lr"])) + 4)) for point in points) == list(range(24))


@pytest.mark.parametrize("seed", range(5))
def test_choices_and_whole_numbers_come_equally_often(seed: int) -> None:
    points = spread_points(space_with(CHOICES, WHOLE), seed, 24)
    assert Counter(point["depth"] for point in points) == {0: 6, 3: 6, 8: 6, "all": 6}
    assert Counter(point["width"] for point in points) == {1: 6, 2: 6, 3: 6, 4: 6}


def test_one_range_says_nothing_of_another() -> None:
    """Over many seeds the ranks of two ranges are uncorrelated: standard error 1/sqrt(200 * 23), 0.015."""
    space = space_with(RANGE, Parameter("other", 0.0, 1.0))
    pairs = [[(float(p["share"]), float(p["other"])) for p in spread_points(space, seed, 24)] for seed in range(200)]
    assert abs(statistics.mean(statistics.correlation(*zip(*each, strict=True)) for each in pairs)) < 0.06


DEPTH = Parameter("unfreeze_depth", choices=("all", 8, 0, 3))


def depths(points: list[Values]) -> list[Value]:
    return [point["unfreeze_depth"] for point in points]


def test_points_that_train_fewer_blocks_come_first_and_keep_their_order_otherwise() -> None:
    space = space_with(DEPTH, RANGE)
    points, ordered = spread_points(space, 0, 24), first_points(space, 0, 24, [24])
    assert depths(ordered) == [0] * 6 + [3] * 6 + [8] * 6 + ["all"] * 6
    assert [p for p in ordered if p["unfreeze_depth"] == 8] == [p for p in points if p["unfreeze_depth"] == 8]


def pieces(points: list[Values]) -> list[int]:
    """The piece of its range that each point's share lies in, of as many pieces as there are points."""
    return sorted(int(len(points) * float(point["share"])) for point in points)


@pytest.mark.parametrize(("ends", "parts"), [([8], [8, 16]), ([8, 12], [8, 4, 12]), ([8, 40], [8, 16]), ([30], [24])])
def test_each_part_of_a_sweep_visits_all_of_the_space_and_tries_few_blocks_first(
    ends: list[int], parts: list[int]
) -> None:
    points, begun = first_points(space_with(DEPTH, RANGE), 0, 24, ends), 0
    assert len(points) == 24
    for size in parts:
        part = points[begun : begun + size]
        begun += size
        assert pieces(part) == list(range(size))
        assert depths(part) == sorted(depths(part), key=lambda depth: math.inf if depth == "all" else float(depth))
        assert set(depths(part)) == {0, 3, 8, "all"}


def test_to_extend_a_sweep_changes_nothing_of_what_it_has_tried() -> None:
    space = space_with(DEPTH, RANGE)
    assert first_points(space, 0, 24, [8, 12])[:8] == first_points(space, 0, 24, [8])[:8]


def test_start_points_come_before_all_others() -> None:
    start: Values = {"unfreeze_depth": "all", "share": 0.5}
    space = replace(space_with(DEPTH, RANGE), start=(start,))
    points = first_points(space, 0, 24, [24])
    assert (points[0], len(points)) == (start, 24)
    assert depths(points)[1] == 0


def test_without_a_depth_to_choose_points_stay_as_they_are() -> None:
    space = space_with(RANGE, CHOICES)
    assert first_points(space, 0, 24, [24]) == spread_points(space, 0, 24)
