"""What a driver and its tracker say to each other over a pipe. All of it is plain data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Way = Literal["online", "offline"]


@dataclass(frozen=True, slots=True)
class Begin:
    """First request: log in, where that is needed. Answered by Ready."""

    way: Way
    project: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Answer: how it goes on, and what a person should know."""

    way: Way
    said: str
    refused: str = ""
    """Why it cannot go on: the key is wrong."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Request: follow the record in this folder."""

    root: Path


@dataclass(frozen=True, slots=True)
class End:
    """Request: come to an end. Answered by Ended."""

    seconds: float
    """For all that is left."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Last answer."""

    left: int
    """Runs that are not up to date; -1 where nobody knows."""
    problem: str = ""
    """What one of them has met."""
