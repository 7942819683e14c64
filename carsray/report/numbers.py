"""Numbers as the terminal writes them."""

from collections.abc import Sequence


def share(value: float) -> str:
    """A share of pictures."""
    return f"{value:.2%}"


def round_share(value: float) -> str:
    """A share along an axis."""
    return f"{100 * value:.3g}%"


def bounds(interval: Sequence[float]) -> str:
    """A 95 % interval of a share."""
    low, high = interval
    return f"{low:.2%} to {high:.2%}"


def points(difference: float) -> str:
    """A difference of two shares, in points."""
    return f"{100 * difference:+.1f}"


def point_bounds(interval: Sequence[float]) -> str:
    """Its 95 % interval."""
    low, high = interval
    return f"{points(low)} to {points(high)}"


def gpu_hours(hours: float | None) -> str:
    """GPU-hours, as far as the record says."""
    if hours is None:
        return "not recorded"
    return f"{hours:.2f}" if hours else "no GPU"


def counted(number: int, thing: str) -> str:
    """So many of a thing."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
