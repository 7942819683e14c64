"""The grid of a retrieval sweep, and the file it is read from."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carsray.retrieval.names import DISTANCES, NORMALIZATIONS, TIES, VOTES, Distance, Normalize, Tie, Vote
from carsray.toml_lines import Problems, parse_toml, read_toml_text

LARGEST_K = 100
ALLOWED: dict[str, tuple[str, ...]] = {"distance": DISTANCES, "normalize": NORMALIZATIONS, "vote": VOTES}


@dataclass(frozen=True, slots=True)
class Point:
    """One way to search."""

    normalize: Normalize
    distance: Distance
    vote: Vote
    k: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of these, but for distance-weighted votes of inner products, which have no distance."""

    k: tuple[int, ...] = (1, 3, 5, 7, 10, 13, 20)
    distance: tuple[Distance, ...] = DISTANCES
    normalize: tuple[Normalize, ...] = NORMALIZATIONS
    vote: tuple[Vote, ...] = VOTES
    tie: Tie = "lowest-label"

    def points(self) -> Iterator[Point]:
        """All points, k running fastest."""
        for normalize in self.normalize:
            for distance in self.distance:
                for vote in self.votes(distance):
                    for k in self.k:
                        yield Point(normalize, distance, vote, k)

    def votes(self, distance: Distance) -> list[Vote]:
        """The votes that exist under a distance."""
        return [vote for vote in self.vote if (distance, vote) != ("inner", "distance-weighted")]


def load_grid(path: Path) -> Grid:
    """Read and check a retrieval space. Raises SpaceError with every problem of the file, each with its line."""
    return parse_grid(read_toml_text(path), str(path))


def parse_grid(text: str, place: str) -> Grid:
    """A Grid from TOML text; ``place`` names it in messages."""
    table, problems = parse_toml(text, place), Problems(text, place)
    for name in table.keys() - {"fixed", "search"}:
        problems.say(name, None, f"[{name}] is no section. Sections are [fixed], [search]")
    values: dict[str, Any] = {}
    for key, entry in _section(table, "search", problems).items():
        if problem := _problem(key, entry):
            problems.say("search", key, problem)
        else:
            values[key] = tuple(entry["choices"])
    for key, value in _section(table, "fixed", problems).items():
        if key != "tie" or value not in TIES:
            problems.say("fixed", key, f"{key} = {value!r}: [fixed] may hold tie = {' or '.join(map(repr, TIES))}")
        else:
            values[key] = value
    grid = Grid(**values)
    if not problems and not any(grid.points()):
        problems.say_of_all(
            "the grid is empty: inner products have no distance-weighted vote. Add a distance or a vote"
        )
    problems.check()
    return grid


def _section(table: dict[str, Any], name: str, problems: Problems) -> dict[str, Any]:
    section = table.get(name, {})
    if isinstance(section, dict):
        return section
    problems.say(name, None, f"{name} must be a section, [{name}]")
    return {}


def _problem(key: str, entry: Any) -> str | None:
    names = ("k", *ALLOWED)
    if key not in names:
        near = difflib.get_close_matches(key, names, 1)
        return f"{key!r} is nothing to search. " + (f"Did you mean {near[0]!r}?" if near else f"Use {', '.join(names)}")
    choices = entry.get("choices") if isinstance(entry, dict) and entry.keys() == {"choices"} else None
    if not isinstance(choices, list) or not choices:
        return f"{key} = {entry!r}: write {{ choices = [...] }} with at least one value"
    if len(set(map(repr, choices))) < len(choices):
        return f"{key}: choices {choices!r} repeat a value"
    for value in choices:
        if key == "k" and (type(value) is not int or not 1 <= value <= LARGEST_K):
            return f"k: {value!r} must be a whole number from 1 to {LARGEST_K}"
        if key != "k" and value not in ALLOWED[key]:
            return f"{key}: {value!r} is not known. Use {', '.join(ALLOWED[key])}"
    return None
