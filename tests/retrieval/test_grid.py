from pathlib import Path

import pytest

from carsray.errors import SpaceError
from carsray.retrieval.grid import Grid, load_grid, parse_grid

SHIPPED = Path(__file__).parents[2] / "search_spaces/retrieval.toml"


def test_the_shipped_space_is_the_whole_grid() -> None:
    assert load_grid(SHIPPED) == Grid()


def test_every_combination_is_a_point_but_weighted_votes_of_inner_products() -> None:
    points = list(Grid().points())
    assert len(points) == len(set(points)) == 3 * (4 * 3 - 1) * 7
    assert not [p for p in points if p.distance == "inner" and p.vote == "distance-weighted"]


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    text = """
[fixed]
tie = "random"
[search]
k = { choices = [1, 101] }
distances = { choices = ["cosine"] }
vote = { choices = ["majority", "loud"] }
normalize = { low = 1, high = 2 }
[start]
"""
    with pytest.raises(SpaceError) as told:
        parse_grid(text, "mine.toml")
    problems = told.value.problems
    assert [p.split(":")[0] for p in problems] == ["line 3", "line 5", "line 6", "line 7", "line 8", "line 9"]
    assert "1 to 100" in problems[1]
    assert "Did you mean 'distance'" in problems[2]


@pytest.mark.parametrize(
    "text",
    [
        "[search]\nk = { choices = [] }",
        "[search]\nk = { choices = [true] }",
        "[search]\nk = { choices = [3, 3] }",
        "search = 3",
        "[search]\nk = 3",
        '[search]\ndistance = { choices = ["inner"] }\nvote = { choices = ["distance-weighted"] }',
        "k = [",
    ],
)
def test_an_empty_or_broken_grid_is_one_line(text: str) -> None:
    with pytest.raises(SpaceError) as told:
        parse_grid(text, "mine.toml")
    assert str(told.value).startswith("mine.toml: ")
    assert "\n" not in str(told.value)
