import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carsray.report.scales import Scale, share_span, span, ticks, time_ticks, whole_ticks

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(NUMBERS, st.floats(1e-3, 1e6))
def test_the_ends_of_a_scale_lie_at_its_ends(low: float, width: float) -> None:
    scale = Scale(low, low + width)
    assert (scale.at(low), scale.at(low + width)) == (0, 100)


def test_on_a_log_scale_the_middle_is_the_geometric_mean() -> None:
    assert Scale(1e-4, 1.0, log=True).at(1e-2) == 50


@pytest.mark.parametrize(("value", "place"), [(-5, 0), (99, 100)])
def test_what_lies_outside_is_put_at_an_end(value: float, place: float) -> None:
    assert Scale(0, 10).at(value) == place


def test_a_scale_of_one_value_has_it_in_the_middle() -> None:
    assert Scale(3, 3).at(3) == 50


@given(st.lists(NUMBERS, min_size=1))
def test_all_values_fit_on_their_span_with_room(values: list[float]) -> None:
    scale = span(values)
    assert scale.low < min(values)
    assert scale.high > max(values)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_a_span_of_shares_stays_among_shares(values: list[float]) -> None:
    scale = share_span(values)
    assert 0 <= scale.low <= min(values) <= max(values) <= scale.high <= 1


@given(NUMBERS, st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_lie_on_the_scale_evenly_and_are_not_too_many(low: float, width: float, most: int) -> None:
    scale = Scale(low, low + width)
    found = ticks(scale, most)
    steps = [second - first for first, second in pairwise(found)]
    assert len(found) <= most + 1
    assert all(scale.low - width * 1e-6 <= tick <= scale.high + width * 1e-6 for tick in found)
    assert all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)


def test_ticks_are_round() -> None:
    assert ticks(Scale(0.13, 0.62)) == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])


def test_ticks_on_a_log_scale_are_powers_of_ten() -> None:
    assert ticks(Scale(3e-5, 0.2, log=True)) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])


def test_a_log_scale_within_one_decade_is_marked_at_its_ends() -> None:
    assert ticks(Scale(2, 7, log=True)) == [2, 7]


def test_epochs_are_marked_at_whole_numbers() -> None:
    assert whole_ticks(Scale(1, 4)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        (50, [0, 10, 20, 30, 40, 50]),
        (413, [0, 120, 240, 360]),
        (7 * 3600, [0, 7200, 14400, 21600]),
        (9 * 86400, [0, 2 * 86400, 4 * 86400, 6 * 86400, 8 * 86400]),
    ],
)
def test_time_is_marked_in_steps_that_people_count_in(seconds: float, found: list[float]) -> None:
    assert time_ticks(Scale(0, seconds)) == found
